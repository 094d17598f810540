"""Turns scalars of a sweep file into typed terms (numbers, names, columns, durations, intervals), each with its complaint."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from orchestrator.errors import SpecError, nearest
from orchestrator.fitting.law_names import LAWS
from orchestrator.spec.axes import (
    AxisGroup,
    Cell,
    Wrong,
    check_name,
    read_axes,
    read_cell,
    read_mapping,
    read_number,
    write_axes,
)
from orchestrator.spec.expressions import Expression

BOUNDS = ("at_least", "at_most", "between")
UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
ENDS = ("lower", "upper")
"""Ends of a bracket, after the name of its param."""
LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
FORMULA = {"type": "string", "pattern": "^\\s*=", "description": "=expression"}
CELL_SCHEMA = {"type": ["number", "boolean", "string", "null"]}
NUMBER_SCHEMA = {"anyOf": [{"type": "number"}, FORMULA]}
SCALES = {"lin": ("lin", False), "geom": ("geom", False), "int": ("lin", True), "geom_int": ("geom", True)}
FORMS = "[a, b], {lin: [a, b]}, {geom: [a, b]}, {int: [a, b]} or {geom_int: [a, b]}"
SPAN_SCHEMA = {"type": "array", "items": NUMBER_SCHEMA, "minItems": 2, "maxItems": 2}
T = TypeVar("T")
LATER = "x-definition"  # names a definition that the schema adds in the end
AXIS_SCHEMA = {LATER: "Axis"}
AXES_SCHEMA = {
    "type": "object",
    "properties": {"zip": {"type": "object", "additionalProperties": AXIS_SCHEMA, "minProperties": 2}},
    "additionalProperties": AXIS_SCHEMA,
}


class Section(BaseModel):
    """A frozen mapping of a sweep file that refuses keys it does not know, naming the nearest."""

    # built at first use: a validator for each section alone is never needed, and costs half of the import
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, raw: Any) -> Any:
        if isinstance(raw, dict):
            keys = [field.alias or name for name, field in cls.model_fields.items()]
            for key in raw:
                if key not in keys:
                    mend = nearest(key, keys)
                    raise wrong(f"a key must be one of {', '.join(keys)}, but got '{key}'{mend}", key)
        return raw


def wrong(text: str, *keys: str | int) -> PydanticCustomError:
    """A fault as pydantic carries it; `keys` are added to where it stands."""
    return PydanticCustomError("wrong", "{text}", {"text": text, "keys": keys})


def explained(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A reader whose faults pydantic carries."""

    def check(raw: Any) -> Any:
        try:
            return read(raw)
        except Wrong as fault:
            raise wrong(fault.text, *fault.keys) from fault

    return check


def plain_number(raw: Any) -> Any:
    """A number that needs no params; `=2**10` is computed."""
    number = read_number(raw)
    if isinstance(number, Expression):
        raise Wrong(f"a number here must not depend on params, but got '{number}'; write a number.")
    return number


def plain_text(raw: Any) -> str:
    """Text that says something."""
    if not isinstance(raw, str) or not raw.strip():
        raise Wrong(f"a value must be text, but got {raw!r}; write it, in quotes where YAML reads something else.")
    return raw


def label(raw: Any) -> str:
    """A name of an arm, claim or size: letters, digits, _ and -."""
    if not isinstance(raw, str) or not LABEL.fullmatch(raw):
        raise Wrong(f"a name must be letters, digits, _ and -, and begin with a letter, but got {raw!r}; rename it.")
    return raw


def column(raw: Any) -> str:
    """A column of the rows, or a formula of columns such as b/u."""
    try:
        if not Expression(plain_text(raw)).names:
            raise Wrong(f"a column must be named, but got {raw!r}; write a param, a result or a formula of them.")
    except SpecError as error:
        raise Wrong(f"a column must be named, or computed from columns, but {error}") from error
    return str(raw)


def several(raw: Any) -> Any:
    """A list; one text stands for a list of itself."""
    return [raw] if isinstance(raw, str) else raw


def duration(raw: Any) -> float:
    """Seconds of a number, or of text such as 90s, 5m, 8h, 2d."""
    if isinstance(raw, str) and not raw.lstrip().startswith("="):
        match = re.fullmatch(r"\s*([0-9]+\.?[0-9]*)\s*(s|m|min|h|d)\s*", raw)
        if match is None:
            raise Wrong(f"a time must be a number of seconds, or text such as 90s, 5m, 8h, 2d, but got {raw!r}; mend its unit.")
        raw = float(match[1]) * UNITS[match[2]]
    seconds = float(plain_number(raw))
    if seconds <= 0:
        raise Wrong(f"a time must be above 0 seconds, but got {raw!r}; write a longer one.")
    return seconds


def params(raw: Any) -> dict[str, Cell]:
    """Values of params by name."""
    return _each(read_mapping(raw, "fixed", "values"), read_cell)


def _each(raw: Mapping[str, Any], read: Callable[[Any], T]) -> dict[str, T]:
    """What is read of each value, by its name, which must be one that a param can have; a fault says under which name it is."""
    values = {}
    for name, value in raw.items():
        check_name(name)
        try:
            values[name] = read(value)
        except Wrong as fault:
            raise Wrong(fault.text, name, *fault.keys) from fault
    return values


def formulas(raw: Any) -> dict[str, Expression]:
    """Formulas by the name of what they define; the `=` may be left out."""
    by_name = {}
    for name, value in read_mapping(raw, "derive", "expressions").items():
        check_name(name)
        if isinstance(value, bool) or not isinstance(value, (int, float, str, Expression)):
            raise Wrong(f"'{name}' must be an expression, but got {value!r}; write one such as sqrt(ln(n)).", name)
        try:
            by_name[name] = value if isinstance(value, Expression) else Expression(str(value))
        except SpecError as error:
            raise Wrong(str(error), name) from error
    return by_name


@dataclass(frozen=True)
class Bound:
    """Where a number is expected: at least `low`, at most `high`; None where that end is open.

    An end may be an expression over the claim's `by` columns and the fixed params.
    """

    low: float | Expression | None = None
    high: float | Expression | None = None

    @property
    def names(self) -> frozenset[str]:
        """Columns that the ends need."""
        return frozenset(name for end in (self.low, self.high) if isinstance(end, Expression) for name in end.names)


def read_bound(raw: Any) -> Bound:
    """A bound of `{at_least: a}`, `{at_most: b}`, both, or `{between: [a, b]}`."""
    if not isinstance(raw, dict) or not raw:
        raise Wrong(
            f"an expectation must be {{at_least: a}}, {{at_most: b}} or {{between: [a, b]}}, but got {raw!r}; write one."
        )
    for key in raw:
        if key not in BOUNDS:
            raise Wrong(f"an expectation must be one of {', '.join(BOUNDS)}, but got '{key}'{nearest(key, BOUNDS)}", key)
    if "between" in raw:
        low, high = _ends(raw)
    else:
        low, high = raw.get("at_least"), raw.get("at_most")
    return _ordered(*(None if end is None else read_number(end) for end in (low, high)))


def _ends(raw: dict[str, Any]) -> list[Any]:
    ends = raw["between"]
    if len(raw) > 1 or not isinstance(ends, list) or len(ends) != 2:
        raise Wrong(f"'between' must stand alone and have two ends [a, b], but got {raw!r}; mend it.", "between")
    return ends


def _ordered(low: float | Expression | None, high: float | Expression | None) -> Bound:
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and low > high:
        raise Wrong(f"an expectation must go from the smaller to the larger end, but got {low} to {high}; swap them.")
    return Bound(low, high)


def read_expect(raw: Any) -> dict[str, Bound]:
    """Bounds by the quantity they hold for; one bound without a name is that of the `difference`."""
    if isinstance(raw, dict) and raw.keys() & set(BOUNDS):
        return {"difference": read_bound(raw)}
    bounds = {}
    for name, bound in read_mapping(raw, "expect", "bounds").items():
        try:
            bounds[name] = read_bound(bound)
        except Wrong as fault:
            raise Wrong(fault.text, name, *fault.keys) from fault
    if not bounds:
        raise Wrong("'expect' must name a quantity, but is empty; write {exponent: {at_least: 1}}.")
    return bounds


def written(value: Any) -> Any:
    """A value as a file would say it: expressions as text."""
    if isinstance(value, Expression):
        return str(value)
    if isinstance(value, dict):
        return {key: written(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [written(inner) for inner in value]
    return value


def write_expect(expect: dict[str, Bound]) -> dict[str, Any]:
    """The bounds as a file would say them."""
    ends = {name: {"at_least": written(bound.low), "at_most": written(bound.high)} for name, bound in expect.items()}
    return {name: {key: end for key, end in bound.items() if end is not None} for name, bound in ends.items()}


Write = PlainSerializer(written)
Text = Annotated[str, BeforeValidator(explained(plain_text))]
Label = Annotated[str, BeforeValidator(explained(label)), WithJsonSchema({"type": "string", "pattern": f"^{LABEL.pattern}$"})]
Column = Annotated[str, BeforeValidator(explained(column))]
Columns = Annotated[tuple[Column, ...], BeforeValidator(several)]
Real = Annotated[float, BeforeValidator(explained(plain_number))]
Whole = Annotated[int, BeforeValidator(explained(plain_number))]
Count = Annotated[Whole, Field(ge=1)]
Seconds = Annotated[float, BeforeValidator(explained(duration)), WithJsonSchema({"type": ["number", "string"]})]
Number = Annotated[float | int | Expression, PlainValidator(explained(read_number)), Write, WithJsonSchema(NUMBER_SCHEMA)]
Params = Annotated[
    dict[str, Cell],
    PlainValidator(explained(params)),
    Write,
    WithJsonSchema({"type": "object", "additionalProperties": CELL_SCHEMA}),
]
Formulas = Annotated[
    dict[str, Expression],
    PlainValidator(explained(formulas)),
    Write,
    WithJsonSchema({"type": "object", "additionalProperties": {"type": ["string", "number"]}}),
]
Axes = Annotated[
    tuple[AxisGroup, ...], PlainValidator(explained(read_axes)), PlainSerializer(write_axes), WithJsonSchema(AXES_SCHEMA)
]
Expect = Annotated[
    dict[str, Bound],
    PlainValidator(explained(read_expect)),
    PlainSerializer(write_expect),
    WithJsonSchema({"anyOf": [{LATER: "Bound"}, {"type": "object", "additionalProperties": {LATER: "Bound"}}]}),
]
if TYPE_CHECKING:
    LawName = str
else:
    LawName = Literal[tuple(LAWS)]  # a type checker reads only a Literal that is written out


@dataclass(frozen=True)
class SearchRange:
    """Where a param is searched: from `low` to `high`, evenly (`lin`) or by equal factors (`geom`), perhaps whole numbers."""

    low: float | Expression
    high: float | Expression
    scale: str = "lin"
    integer: bool = False


def read_interval(raw: Any) -> SearchRange:
    """An interval of `[a, b]`, `{lin: [a, b]}`, `{geom: [a, b]}`; of whole numbers `{int: [a, b]}`, `{geom_int: [a, b]}`."""
    scale, ends = "lin", raw
    if isinstance(raw, dict) and len(raw) == 1:
        ((scale, ends),) = raw.items()
    if scale not in SCALES:
        raise Wrong(f"an interval must be {FORMS}, but got '{scale}'{nearest(scale, SCALES)}")
    if not isinstance(ends, list) or len(ends) != 2:
        raise Wrong(f"an interval must be {FORMS}, but got {raw!r}; write its two ends.")
    interval = SearchRange(read_number(ends[0]), read_number(ends[1]), *SCALES[scale])
    _check_interval(interval)
    return interval


def _check_interval(interval: SearchRange) -> None:
    low, high = interval.low, interval.high
    if isinstance(low, Expression):
        return
    if not isinstance(high, Expression) and not low < high:
        raise Wrong(f"an interval must go from the smaller to the larger end, but got {low} to {high}; swap them.")
    if interval.scale == "geom" and low <= 0:
        raise Wrong(f"a geom interval must lie above 0, but begins at {low}; use lin.")


def write_interval(interval: SearchRange) -> Any:
    """The interval as a file would say it."""
    ends = [written(interval.low), written(interval.high)]
    form = next(name for name, kind in SCALES.items() if kind == (interval.scale, interval.integer))
    return ends if form == "lin" else {form: ends}


def ends_of_brackets(names: Iterable[str]) -> tuple[str, ...]:
    """Columns with the two ends of the bracket of each searched param."""
    return tuple(f"{name}_{end}" for name in names for end in ENDS)


def read_region(raw: Any) -> dict[str, SearchRange]:
    """Intervals by param."""
    region = _each(read_mapping(raw, "over", "intervals"), read_interval)
    if not region:
        raise Wrong("'over' must name a param, but is empty; write {param: [a, b]}.")
    return region


def write_region(region: dict[str, SearchRange]) -> dict[str, Any]:
    """The region as a file would say it."""
    return {name: write_interval(interval) for name, interval in region.items()}


def read_conditions(raw: Any) -> dict[str, dict[str, tuple[Cell, ...]]]:
    """For each param, the values of other params for which it is searched; one value stands for a list of itself."""
    conditions: dict[str, dict[str, tuple[Cell, ...]]] = {}
    for name, needs in read_mapping(raw, "when", "conditions").items():
        conditions[name] = {}
        for other, values in read_mapping(needs, name, "values of another param").items():
            cells = values if isinstance(values, (list, tuple)) else [values]
            if not cells:
                raise Wrong("a condition must name a value, but got []; write one or remove it.", name, other)
            conditions[name][other] = tuple(read_cell(cell) for cell in cells)
    return conditions


def read_reference(raw: Any) -> dict[str, float]:
    """A number by column."""
    return _each(read_mapping(raw, "reference", "numbers"), lambda each: float(plain_number(each)))


INTERVAL_SCHEMA: dict[str, Any] = {
    "anyOf": [
        SPAN_SCHEMA,
        *({"type": "object", "properties": {s: SPAN_SCHEMA}, "required": [s], "additionalProperties": False} for s in SCALES),
    ]
}
Between = Annotated[
    SearchRange, PlainValidator(explained(read_interval)), PlainSerializer(write_interval), WithJsonSchema(INTERVAL_SCHEMA)
]
Region = Annotated[
    dict[str, SearchRange],
    PlainValidator(explained(read_region)),
    PlainSerializer(write_region),
    WithJsonSchema({"type": "object", "additionalProperties": INTERVAL_SCHEMA, "minProperties": 1}),
]
Reference = Annotated[
    dict[str, float],
    PlainValidator(explained(read_reference)),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "number"}, "minProperties": 2, "maxProperties": 3}),
]
Conditions = Annotated[
    dict[str, dict[str, tuple[Cell, ...]]],
    PlainValidator(explained(read_conditions)),
    PlainSerializer(written),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": {"anyOf": [CELL_SCHEMA, {"type": "array", "items": CELL_SCHEMA, "minItems": 1}]},
            },
        }
    ),
]
