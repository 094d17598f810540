"""Turns `search` and `stop` of a sweep file into models: how points are proposed, and when one ends early."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema, model_validator

from orchestrator.errors import nearest
from orchestrator.spec.axes import Cell, Wrong, check_name, read_cell, read_mapping, read_number
from orchestrator.spec.expressions import Expression
from orchestrator.spec.field_types import (
    CELL_SCHEMA,
    NUMBER_SCHEMA,
    Axes,
    Column,
    Columns,
    Count,
    Label,
    Number,
    Real,
    Section,
    Whole,
    told,
    written,
    wrong,
)

SCALES = {"lin": ("lin", False), "geom": ("geom", False), "int": ("lin", True), "geom_int": ("geom", True)}
FORMS = "[a, b], {lin: [a, b]}, {geom: [a, b]}, {int: [a, b]} or {geom_int: [a, b]}"
SPAN_SCHEMA = {"type": "array", "items": NUMBER_SCHEMA, "minItems": 2, "maxItems": 2}


@dataclass(frozen=True)
class Interval:
    """Where a param is searched: from `low` to `high`, evenly (`lin`) or by equal factors (`geom`), perhaps whole numbers."""

    low: float | Expression
    high: float | Expression
    scale: str = "lin"
    integer: bool = False


def read_interval(raw: Any) -> Interval:
    """An interval of `[a, b]`, `{lin: [a, b]}`, `{geom: [a, b]}`; of whole numbers `{int: [a, b]}`, `{geom_int: [a, b]}`."""
    scale, ends = "lin", raw
    if isinstance(raw, dict) and len(raw) == 1:
        ((scale, ends),) = raw.items()
    if scale not in SCALES:
        raise Wrong(f"an interval must be {FORMS}, but got '{scale}'{nearest(scale, SCALES)}")
    if not isinstance(ends, list) or len(ends) != 2:
        raise Wrong(f"an interval must be {FORMS}, but got {raw!r}; write its two ends.")
    interval = Interval(read_number(ends[0]), read_number(ends[1]), *SCALES[scale])
    _check_interval(interval)
    return interval


def _check_interval(interval: Interval) -> None:
    low, high = interval.low, interval.high
    if isinstance(low, Expression):
        return
    if not isinstance(high, Expression) and not low < high:
        raise Wrong(f"an interval must go from the smaller to the larger end, but got {low} to {high}; swap them.")
    if interval.scale == "geom" and low <= 0:
        raise Wrong(f"a geom interval must lie above 0, but begins at {low}; use lin.")


def write_interval(interval: Interval) -> Any:
    """The interval as a file would say it."""
    ends = [written(interval.low), written(interval.high)]
    form = next(name for name, kind in SCALES.items() if kind == (interval.scale, interval.integer))
    return ends if form == "lin" else {form: ends}


def read_region(raw: Any) -> dict[str, Interval]:
    """Intervals by param."""
    found = {}
    for name, ends in read_mapping(raw, "over", "intervals").items():
        check_name(name)
        try:
            found[name] = read_interval(ends)
        except Wrong as fault:
            raise Wrong(fault.text, name, *fault.keys) from fault
    if not found:
        raise Wrong("'over' must name a param, but is empty; write {param: [a, b]}.")
    return found


def write_region(region: dict[str, Interval]) -> dict[str, Any]:
    """The region as a file would say it."""
    return {name: write_interval(interval) for name, interval in region.items()}


def read_conditions(raw: Any) -> dict[str, dict[str, tuple[Cell, ...]]]:
    """For each param, the values of other params for which it is searched; one value stands for a list of itself."""
    found: dict[str, dict[str, tuple[Cell, ...]]] = {}
    for name, needs in read_mapping(raw, "when", "conditions").items():
        found[name] = {}
        for other, values in read_mapping(needs, name, "values of another param").items():
            cells = values if isinstance(values, (list, tuple)) else [values]
            if not cells:
                raise Wrong("a condition must name a value, but got []; write one or remove it.", name, other)
            found[name][other] = tuple(read_cell(cell) for cell in cells)
    return found


INTERVAL_SCHEMA: dict[str, Any] = {
    "anyOf": [
        SPAN_SCHEMA,
        *({"type": "object", "properties": {s: SPAN_SCHEMA}, "required": [s], "additionalProperties": False} for s in SCALES),
    ]
}
Between = Annotated[
    Interval, PlainValidator(told(read_interval)), PlainSerializer(write_interval), WithJsonSchema(INTERVAL_SCHEMA)
]
Region = Annotated[
    dict[str, Interval],
    PlainValidator(told(read_region)),
    PlainSerializer(write_region),
    WithJsonSchema({"type": "object", "additionalProperties": INTERVAL_SCHEMA, "minProperties": 1}),
]
Conditions = Annotated[
    dict[str, dict[str, tuple[Cell, ...]]],
    PlainValidator(told(read_conditions)),
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


class Boundary(Section):
    """Find where `of` crosses `level` along one param, in rounds of `round` points, `points` at most (64, or eight rounds).

    Outside of `between` the search goes as far as `within`. Where there are several crossings, `crossing` says which counts.
    `tolerance` is the width of the last bracket, relative on a geom scale.
    """

    along: Label
    of: Column
    level: Number
    between: Between | None = None
    within: Between | None = None
    tolerance: Annotated[Real, Field(gt=0)] | None = None
    round: Count = 8
    points: Count | None = None
    integer: bool = False
    crossing: Literal["first", "last"] = "last"

    @model_validator(mode="after")
    def _has_an_interval(self) -> Self:
        if self.between is None and not self.integer:
            raise wrong("'boundary' must have 'between', but has none; write its two ends, or 'integer: true' to count up.")
        return self


class LevelSet(Section):
    """Find the curve on which `of` equals `level` in several params, by a Gaussian process, in at most `points` points.

    It ends early where the share of the region whose side is in doubt falls to `tolerance`.
    """

    over: Region
    of: Column
    level: Number
    round: Count = 8
    points: Count = 64
    tolerance: Annotated[Real, Field(gt=0, lt=1)] | None = None


class Optuna(Section):
    """Let Optuna propose `trials` points, `round` at a time, over intervals and choices; without both, the axes are choices.

    `when` says for which values of another param one is searched at all: `{momentum: {method: [sgd, nesterov]}}`.
    """

    sampler: Literal["tpe", "gp", "nsgaii", "qmc", "random"] = "tpe"
    trials: Count
    round: Count = 8
    minimize: Columns = ()
    maximize: Columns = ()
    over: Region | None = None
    choices: Axes = ()
    when: Conditions = Field(default_factory=dict)
    seed: Annotated[Whole, Field(ge=0)] = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Params that it sets, sorted."""
        return tuple(sorted({*(self.over or ()), *(group.names[0] for group in self.choices)}))

    @model_validator(mode="after")
    def _has_a_goal(self) -> Self:
        if not (self.minimize or self.maximize):
            raise wrong("'optuna' must have a goal, but neither minimize nor maximize names a column; write one.")
        return self

    @model_validator(mode="after")
    def _is_one_space(self) -> Self:
        if any(len(group.names) > 1 for group in self.choices):
            raise wrong("choices must be of one param each, but got 'zip'; list the values of each.", "choices", "zip")
        for group in self.choices:
            if group.names[0] in (self.over or ()):
                raise wrong(f"a param must be given once, but '{group.names[0]}' stands in 'over' too; remove one.", "choices")
        return self

    @model_validator(mode="after")
    def _conditions_lead_somewhere(self) -> Self:
        listed = {group.names[0]: [row[0] for row in group.rows] for group in self.choices}
        free = {name: values for name, values in listed.items() if name not in self.when}
        for name, needs in self.when.items():
            if name not in self.names:
                raise wrong(
                    f"a condition must be of a searched param, but got '{name}'{nearest(name, self.names)}", "when", name
                )
            for other, values in needs.items():
                _check_condition(name, other, values, free)
        return self


def _check_condition(name: str, other: str, values: tuple[Cell, ...], free: dict[str, list[Cell]]) -> None:
    """Refuse a condition on what is no choice, or has a condition itself, and values that it never takes."""
    if other not in free:
        text = f"a condition must be on one of 'choices' that has none itself, but got '{other}'{nearest(other, free)}"
        raise wrong(text, "when", name, other)
    for value in values:
        if value not in free[other]:
            text = f"a condition must name values of '{other}', but got {value!r}{nearest(str(value), map(str, free[other]))}"
            raise wrong(text, "when", name, other)


class Search(Section):
    """How points are proposed: one of boundary, level_set and optuna."""

    boundary: Boundary | None = None
    level_set: LevelSet | None = None
    optuna: Optuna | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        _one(self, "search")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Params that the search sets, so that no axis may."""
        if self.boundary is not None:
            return (self.boundary.along,)
        if self.optuna is not None:
            return self.optuna.names
        return tuple(sorted(self.level_set.over)) if self.level_set is not None else ()


class Halving(Section):
    """Keep the best 1/`factor` of the points at step `first`, `first * factor`, …; the rest are stopped."""

    of: Column
    goal: Literal["minimize", "maximize"] = "minimize"
    first: Count = 1
    factor: Annotated[Whole, Field(ge=2)] = 3


class Median(Section):
    """Stop a point whose best value lies behind the median of the others, at step `after` and every `every` steps later."""

    of: Column
    goal: Literal["minimize", "maximize"] = "minimize"
    after: Count = 1
    every: Count | None = None


class Stop(Section):
    """When a point ends early: one of halving and median."""

    halving: Halving | None = None
    median: Median | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        _one(self, "stop")
        return self


def _one(model: Section, what: str) -> None:
    """Refuse none or several of the model's keys."""
    names = list(type(model).model_fields)
    given = [name for name in names if getattr(model, name) is not None]
    if len(given) != 1:
        raise wrong(f"'{what}' must hold one of {', '.join(names)}, but holds {given or 'none'}; keep one.")
