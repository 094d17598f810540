"""Turns the models of a sweep file into a JSON Schema, with which editors complete and check the file."""

from __future__ import annotations

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from orchestrator.spec.axes import FORMS
from orchestrator.spec.field_types import CELL_SCHEMA, FORMULA, LATER, NUMBER_SCHEMA, several
from orchestrator.spec.sizes import KEPT
from orchestrator.spec.sweep_model import Sweep

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TITLE = "A sweep of lawsweep: one question, what is measured, and what theory predicts"
LIMITS = {"ge": "minimum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}  # pydantic's words, the schema's words
SAYS = {
    "Sweep": {
        "question": "the one question that the sweep answers",
        "source": "where the theory stands: paper, theorem, equation",
        "workload": "what is measured: paper.measurement, an importable module or a .py path",
        "fixed": "params with one value; a value may be an =expression over other params",
        "derive": "names computed from params (or from results, for claims and figures alone)",
        "axes": "params whose product is measured; those under zip move together",
        "arms": "labelled sub-grids: each adds its params to the sweep's own",
        "seeds": "how often each assignment is measured, or {min, max, until}",
        "needs": "CPUs and GPUs of one trial",
        "pack": "how long one trial should take",
        "limits": "where a run stops; times as 90s, 5m, 8h, 2d",
        "track": "the x axis of MLflow's curves, or points for a run a point",
        "search": "propose points instead of taking the product of axes",
        "stop": "end points early",
        "claims": "what theory predicts of the rows, and what would refute it",
        "figures": "what the report draws",
        "sizes": "named overlays such as smoke, paper and gpu",
    },
    "Claim": {
        "id": "the name of the claim, of its own in the sweep",
        "says": "the claim as a sentence",
        "basis": "whose claim it is",
        "where": "SQL condition: the rows that are judged",
        "from": "rows, boundary or sweep:NAME",
        "by": "columns whose values are judged apart",
        "fit": "a law fitted to y over x",
        "prefer": "a law against its rivals",
        "compare": "{parameter: a - b} of a fit, or {y: column, arms: a - b}",
        "trend": "a quantity that rises or falls",
        "collapse": "curves that lie on one another",
        "holds": "SQL condition that every row must meet",
        "equals": "a table that the rows must equal",
        "expect": "where the number lies: {at_least, at_most} or {between: [a, b]}, by its name",
        "floor": "the arm that measures what error remains",
        "unmet_if": "SQL condition under which the claim is not judged",
        "unit": "column whose values are the independent repeats that intervals rest on; the seed unless told",
        "require": "what the rows must have before the claim is judged",
        "se": "column with the standard error, for holds",
        "tolerance": "relative tolerance of holds",
        "choose": "picks a tuned setting or the best restart on seeds that are then held out: over, of, goal, seeds",
        "foreseen": "refuted, where the sweep was made to refute the claim: --strict then fails where it is not",
    },
}
Schema = dict[str, Any]


def generate() -> Schema:
    """The schema of a sweep file as plain JSON values, the same for the same models."""
    made = _linked(Sweep.model_json_schema(schema_generator=_Generator))
    made["$defs"] |= {"Axis": _axis(), "Bound": _bound(), "Sizes": _sizes(made["properties"])}
    made["properties"]["seeds"] = {"anyOf": [{"type": "integer", "minimum": 1}, {"$ref": "#/$defs/Seeds"}]}
    made["properties"]["track"] = {"anyOf": [{"const": "points"}, {"$ref": "#/$defs/Track"}]}
    for keys, said in ((made["properties"], SAYS["Sweep"]), (made["$defs"]["Claim"]["properties"], SAYS["Claim"])):
        for key, sentence in said.items():
            keys[key]["description"] = sentence
    described = {"$schema": DIALECT, "title": TITLE, **{key: value for key, value in made.items() if key != "title"}}
    described["$defs"] = dict(sorted(described["$defs"].items()))
    return described


def text() -> str:
    """The committed file: what `lawsweep schema` prints."""
    return json.dumps(generate(), indent=2, ensure_ascii=False) + "\n"


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
        return {"$ref": f"#/$defs/{schema[LATER]}"}
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
