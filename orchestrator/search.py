"""Turns `search` and `stop` of a sweep file into models: how points are proposed, and when one ends early."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema, model_validator

from orchestrator.axes import Wrong, check_name, read_mapping, read_number
from orchestrator.errors import nearest
from orchestrator.expressions import Expression
from orchestrator.terms import NUMBER_SCHEMA, Column, Columns, Count, Label, Number, Real, Section, Whole, told, written, wrong

SCALES = ("lin", "geom")
SPAN_SCHEMA = {"type": "array", "items": NUMBER_SCHEMA, "minItems": 2, "maxItems": 2}


@dataclass(frozen=True)
class Interval:
    """Where a param is searched: from `low` to `high`, evenly (`lin`) or by equal factors (`geom`)."""

    low: float | Expression
    high: float | Expression
    scale: str = "lin"


def read_interval(raw: Any) -> Interval:
    """An interval of `[a, b]`, `{lin: [a, b]}` or `{geom: [a, b]}`."""
    scale, ends = "lin", raw
    if isinstance(raw, dict) and len(raw) == 1:
        ((scale, ends),) = raw.items()
    if scale not in SCALES:
        raise Wrong(
            f"an interval must be [a, b], {{lin: [a, b]}} or {{geom: [a, b]}}, but got '{scale}'{nearest(scale, SCALES)}"
        )
    if not isinstance(ends, list) or len(ends) != 2:
        raise Wrong(f"an interval must be [a, b], {{lin: [a, b]}} or {{geom: [a, b]}}, but got {raw!r}; write its two ends.")
    interval = Interval(read_number(ends[0]), read_number(ends[1]), scale)
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
    return ends if interval.scale == "lin" else {interval.scale: ends}


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


class Boundary(Section):
    """Find where `of` crosses `level` along one param, in rounds of `round` points."""

    along: Label
    of: Column
    level: Number
    between: Between | None = None
    tolerance: Annotated[Real, Field(gt=0)] | None = None
    round: Count = 8
    integer: bool = False


class LevelSet(Section):
    """Find the curve on which `of` equals `level` in several params, by a Gaussian process."""

    over: Region
    of: Column
    level: Number
    round: Count = 8
    points: Count = 64
    tolerance: Annotated[Real, Field(gt=0)] | None = None


class Optuna(Section):
    """Let Optuna propose `trials` points, `round` at a time; without `over`, the axes are its search space."""

    sampler: Literal["tpe", "gp", "nsgaii", "qmc", "random"] = "tpe"
    trials: Count
    round: Count = 8
    minimize: Columns = ()
    maximize: Columns = ()
    over: Region | None = None

    @model_validator(mode="after")
    def _has_a_goal(self) -> Self:
        if not (self.minimize or self.maximize):
            raise wrong("'optuna' must have a goal, but neither minimize nor maximize names a column; write one.")
        return self


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
        region = self.level_set.over if self.level_set is not None else (self.optuna.over if self.optuna is not None else None)
        return tuple(sorted(region or ()))


class Halving(Section):
    """Keep the best 1/`factor` of the points at step `first`, `first * factor`, …; the rest are stopped."""

    of: Column
    goal: Literal["minimize", "maximize"] = "minimize"
    first: Count = 1
    factor: Annotated[Whole, Field(ge=2)] = 3


class Median(Section):
    """Stop a point whose best value lies behind the median of the others at the same step, from step `after` on."""

    of: Column
    goal: Literal["minimize", "maximize"] = "minimize"
    after: Count = 1


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
