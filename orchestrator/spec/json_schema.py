"""Turns the models of a sweep file into a JSON Schema, with which editors complete and check the file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema

from orchestrator.spec.axes import FORMS
from orchestrator.spec.claim_model import alone
from orchestrator.spec.field_types import CELL_SCHEMA, FORMULA, LATER, NUMBER_SCHEMA, several
from orchestrator.spec.sizes import KEPT
from orchestrator.spec.sweep_model import Sweep

if TYPE_CHECKING:
    from orchestrator.workload.describe import Field, Workload

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TITLE = "A sweep of lawsweep: one question, what is measured, and what theory predicts"
LIMITS = {"ge": "minimum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}  # pydantic's words, the schema's words
Schema = dict[str, Any]


def generate() -> Schema:
    """The schema of a sweep file as plain JSON values, the same for the same models."""
    schema = _linked(Sweep.model_json_schema(schema_generator=_Generator))
    schema["$defs"] |= {"Axis": _axis(), "Bound": _bound(), "Sizes": _sizes(schema["properties"])}
    for key, short, model in (("seeds", {"type": "integer", "minimum": 1}, "Seeds"), ("track", {"const": "points"}, "Track")):
        about = schema["properties"][key]["description"]
        schema["properties"][key] = {"anyOf": [short, {"$ref": f"#/$defs/{model}"}], "description": about}
    described = {"$schema": DIALECT, "title": TITLE, **{key: value for key, value in schema.items() if key != "title"}}
    described["$defs"] = dict(sorted(described["$defs"].items()))
    return described


def text(workload: Workload | None = None) -> str:
    """What `lawsweep schema` prints, the committed file; for one workload with its params and their allowed values."""
    schema = generate()
    if workload is not None:
        _narrow(schema, workload)
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _narrow(schema: Schema, workload: Workload) -> None:
    """Let `fixed` and `axes`, of the sweep and of its arms, hold the workload's params alone, with their allowed values."""
    values = {field.name: _value(field) for field in workload.params}
    axes: dict[str, Schema] = {
        name: {"anyOf": [{"type": "array", "items": value, "minItems": 1}, AXIS]} for name, value in values.items()
    }
    axes = {field.name: axes[field.name] | {"description": field.says} for field in workload.params}
    for holder in (schema, *schema["$defs"].values()):
        properties = holder.get("properties", {})
        if {"fixed", "axes"} <= properties.keys():
            properties["fixed"] |= {"properties": values, "additionalProperties": False}
            zipped = properties["axes"]["properties"]["zip"] | {"properties": axes, "additionalProperties": False}
            properties["axes"] |= {"properties": axes | {"zip": zipped}, "additionalProperties": False}


AXIS = {"$ref": "#/$defs/Axis", "type": "object"}
WORDS = {"at_least": "minimum", "above": "exclusiveMinimum", "at_most": "maximum", "below": "exclusiveMaximum"}
NAMES = {int: "integer", float: "number", bool: "boolean", str: "string"}


def _value(field: Field) -> Schema:
    """One value of a param, or a formula of it."""
    plain: Schema = {"enum": list(field.choices)} if field.choices else {"type": NAMES[field.kind]}
    plain |= {WORDS[word]: limit for word, limit in field.limits}
    return {"anyOf": [plain, FORMULA], "description": field.says}


class _Generator(GenerateJsonSchema):
    """Lets a formula stand for a number and one value for a list of it; drops titles that only repeat a key."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never: the key is title enough."""
        return False

    def int_schema(self, schema: Any) -> Schema:
        """A whole number, or a formula of one."""
        return {"anyOf": [super().int_schema(schema), FORMULA]}

    def float_schema(self, schema: Any) -> Schema:
        """A number, or a formula of one."""
        return {"anyOf": [super().float_schema(schema), FORMULA]}

    def function_before_schema(self, schema: Any) -> Schema:
        """What stands behind the reader; a list that may be written as its one value."""
        inner = super().function_before_schema(schema)
        if schema["function"]["function"] is alone:
            return {"anyOf": [self.str_schema({"type": "str"}), inner]}
        if schema["function"]["function"] is not several:
            return inner
        return {"anyOf": [inner["items"], inner]}


def _linked(schema: Any) -> Any:
    """The schema with its late definitions referred to, and limits moved to the number beside a formula."""
    if isinstance(schema, list):
        return [_linked(value) for value in schema]
    if not isinstance(schema, dict):
        return schema
    if LATER in schema:
        own_keys = {key: value for key, value in schema.items() if key != LATER}
        return {"$ref": f"#/$defs/{schema[LATER]}", **own_keys}
    limits = {LIMITS[key]: value for key, value in schema.items() if key in LIMITS}
    linked = {key: _linked(value) for key, value in schema.items() if key not in LIMITS}
    if limits:
        linked["anyOf"][0] |= limits
    return linked


def _axis() -> Schema:
    forms = [
        {
            "type": "object",
            "properties": {form: {**_list(NUMBER_SCHEMA, shape.count(",") + 1), "description": shape}},
            "required": [form],
            "additionalProperties": False,
        }
        for form, shape in FORMS.items()
    ]
    values = {"type": "array", "items": CELL_SCHEMA, "minItems": 1, "description": "the values themselves"}
    return {"description": "Values of one param, or of one column of a zip.", "anyOf": [values, *forms]}


def _list(items: Schema, length: int) -> Schema:
    return {"type": "array", "items": items, "minItems": length, "maxItems": length}


def _bound() -> Schema:
    ends = {"at_least": NUMBER_SCHEMA, "at_most": NUMBER_SCHEMA, "between": _list(NUMBER_SCHEMA, 2)}
    return {"type": "object", "properties": ends, "additionalProperties": False, "minProperties": 1}


def _sizes(properties: Schema) -> Schema:
    """Overlays: the keys of a sweep that a size may change, `null` to delete one; what is inside is checked once merged."""
    keys = {name: {"description": f"laid over '{name}'; null deletes it"} for name in properties if name not in KEPT}
    overlay = {"type": "object", "properties": keys, "additionalProperties": False}
    return {"type": "object", "additionalProperties": overlay}
