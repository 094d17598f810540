"""Turns a claim and its evidence into a case: what every judge of claims is given."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from orchestrator.claims import floors
from orchestrator.claims.evidence import Evidence, settled
from orchestrator.claims.series_of_rows import Measured, measured
from orchestrator.errors import SpecError
from orchestrator.fitting.aggregates import named
from orchestrator.fitting.laws import Law
from orchestrator.fitting.series import Series
from orchestrator.results import conditions
from orchestrator.results.described import Columns, aggregate, bound, possible, seedless
from orchestrator.spec.claim_model import Claim
from orchestrator.spec.expressions import Expression
from orchestrator.spec.field_types import Bound
from orchestrator.wording import count, shown

FINITE = "finite size"
TOLERANCE = 1e-8
"""Relative distance below which a number counts as lying on a region's edge, and so inside; an edge at 0 has no width."""


@dataclass(frozen=True, kw_only=True)
class Region:
    """The numbers from `low` to `high`, both inside; infinite where that side is free."""

    low: float = -math.inf
    high: float = math.inf

    def holds(self, number: float) -> bool:
        """Whether a number lies inside."""
        return self._above(number) and self._below(number)

    def place(self, low: float, high: float) -> str:
        """The verdict of an equivalence test: supported for an interval inside, refuted outside, undecided between.

        An interval that is no number is undecided, and one that lies at infinity supports nothing.
        """
        if math.isnan(low) or math.isnan(high):
            return "undecided"
        if not self._above(high) or not self._below(low):
            return "refuted"
        numbers = low < math.inf and high > -math.inf
        return "supported" if numbers and self.holds(low) and self.holds(high) else "undecided"

    def _above(self, number: float) -> bool:
        return number >= self.low - TOLERANCE * abs(self.low)

    def _below(self, number: float) -> bool:
        return number <= self.high + TOLERANCE * abs(self.high)

    def __str__(self) -> str:
        if math.isfinite(self.low) and math.isfinite(self.high):
            return f"in [{shown(self.low)}, {shown(self.high)}]"
        return f"at least {shown(self.low)}" if math.isfinite(self.low) else f"at most {shown(self.high)}"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One claim to be judged: its rows, what the workload says of its columns, and the level of each interval.

    `together` asks that all intervals of one finding hold together at that level: one of them refutes, only all support.
    `model` is the claim whose fit a trend's parameter comes from; its evidence is that claim's.
    """

    claim: Claim
    evidence: Evidence
    fields: Columns
    level: float
    together: bool = False
    model: Claim | None = None

    def each(self, intervals: int) -> float:
        """The level of each of so many intervals of one finding."""
        return 1 - (1 - self.level) / max(intervals, 1) if self.together else self.level

    def series(self, rows: pl.DataFrame, x: str, y: str, law: Law | None = None) -> Measured:
        """The series of y over x in a group's rows, seeds combined as the workload says.

        Where the law has a floor and the claim an arm that measures it, the series runs into that.
        """
        floor = self.floor(rows, x, y) if law is not None and law.floored else None
        unit, anything = self.claim.unit or "seed", possible(self.fields, y)
        return measured(
            rows, x, y, aggregate(self.fields, y), unit, floor, anything, self.steady(rows.filter(settled(rows)), y)
        )

    def floor(self, rows: pl.DataFrame, x: str, y: str) -> Series | None:
        """What remains in the arm that measures the floor of a group, a series of one x; None without such an arm."""
        floor_rows = floors.beside(self.model or self.claim, self.evidence, rows)
        if floor_rows is None:
            return None
        at_zero = floor_rows.with_columns(pl.lit(0.0).alias(x))
        return measured(at_zero, x, y, aggregate(self.fields, y), self.claim.unit or "seed").series

    def without_floor(self, curve: Measured, rows: pl.DataFrame, x: str, y: str) -> list[Series]:
        """The series less its floor, for a law that has none of its own: what the floor adds must not turn a verdict.

        A floor that goes along x is taken off at each x.
        """
        if curve.series.floor:
            return []
        beside = floors.beside(self.model or self.claim, self.evidence, rows, x)
        if beside is not None and x in beside.columns and beside[x].n_unique() > 1:
            floor: Series | None = measured(beside, x, y, aggregate(self.fields, y), self.claim.unit or "seed").series
        else:
            floor = self.floor(rows, x, y)
        if floor is None or not len(floor.x) or (len(floor.x) > 1 and not np.isin(curve.series.x, floor.x).all()):
            return []
        level = np.interp(curve.series.x, floor.x, floor.y)  # one floor for all, or one at each x
        return [replace(curve.series, values=curve.series.values - level[:, None])]

    def bound(self, column: str) -> str:
        """Whether the column is exact, a lower or an upper bound."""
        return bound(self.fields, column)

    def unrepeated(self, rows: pl.DataFrame, *columns: str, unit: str | None = None) -> tuple[str, ...]:
        """A sentence where the rows are of one unit and a column is not known to be the same in others; nothing where it is.

        One unit has no spread, and that is no sign of no noise.
        """
        unit = unit or self.claim.unit or "seed"
        ok = rows.filter(settled(rows))
        if unit not in ok.columns or ok[unit].n_unique() != 1:
            return ()
        random = [column for column in columns if not self.steady(ok, column)]
        if not random:
            return ()
        return (f"one {unit} shows no noise of {' and '.join(random)}; give it more, or let the workload say what is seedless",)

    def best_of(self, rows: pl.DataFrame, column: str, *keys: str) -> str:
        """A sentence where the column is the best of several units that differ: random, without an interval."""
        how, unit = aggregate(self.fields, column), self.claim.unit or "seed"
        ok = rows.filter(settled(rows))
        units = ok[unit].n_unique()
        if not named(how).extreme or units < 2 or self.steady(ok, column):
            return ""
        values = pl.col(column).cast(pl.Float64)
        apart = ok.select((values.max() - values.min()).over(keys) if keys else values.max() - values.min()).to_series()
        return f"{column} is the {how} of {units} {unit}s, which is random and has no interval" if (apart > 0).any() else ""

    def steady(self, rows: pl.DataFrame, column: str) -> bool:
        """Whether the seed changes nothing of a column in those rows, as its workload says."""
        condition = seedless(self.fields, column)
        if "(false)" in condition:
            return False
        return condition == "(true)" or conditions.truths(rows, condition, f"claims.{self.claim.id}").fill_null(False).all()

    def region(self, expected: Bound, rows: pl.DataFrame) -> Region:
        """The region that a claim expects in a group, formulas worked out with what is constant there."""
        low, high = (None if end is None else self._end(end, rows) for end in (expected.low, expected.high))
        return Region(low=-float("inf") if low is None else low, high=float("inf") if high is None else high)

    def _end(self, end: float | Expression, rows: pl.DataFrame) -> float:
        if not isinstance(end, Expression):
            return float(end)
        constant: dict[str, Any] = {}
        for name in end.names & set(rows.columns):
            values = rows[name].unique()
            if len(values) != 1:
                raise SpecError(
                    f"claims.{self.claim.id}.expect: '{name}' must have one value in each group, but has {len(values)}; "
                    f"add it to 'by'."
                )
            constant[name] = values[0]
        return float(end.evaluate(constant))


def mixed(rows: pl.DataFrame, x: str, y: str, params: frozenset[str], by: tuple[str, ...]) -> tuple[str, ...]:
    """A sentence where params besides x and the groups vary among the rows of one x: their seeds' values are then combined."""
    free = sorted((params & set(rows.columns)) - {*by, *_names(x), *_names(y)})
    counts = (
        rows.group_by(list(dict.fromkeys((x, *by)))).agg(pl.col(name).n_unique() for name in free).select(pl.col(free).max())
    )
    varied = [name for name in free if len(rows) and counts[name][0] > 1]
    if not varied:
        return ()
    return (f"rows of one {x} differ in {', '.join(varied)} and are combined; add them to 'by' to tell them apart",)


def _names(text: str) -> set[str]:
    return set(Expression(text).names)


def guarded(law: Law, name: str, region: Region, kind: str) -> str:
    """Why a column that is only a bound cannot support that region of a parameter; empty where it can.

    Values found by search from below say nothing of how fast the truth grows at most; from above, at least.
    """
    if law.parameter(name).place and kind != "exact":
        return f"the values are {kind} bounds found by search, which cannot support where along x a law turns"
    turned = law.parameter(name).scale == "negative"
    open_ends = {"lower": region.high if not turned else -region.low, "upper": -region.low if not turned else region.high}
    if kind not in open_ends or open_ends[kind] == float("inf"):
        return ""
    side = "above" if kind == "lower" else "below"
    return f"the values are {kind} bounds found by search, which cannot support a law from {side}"


def said(curve: Measured) -> tuple[str, ...]:
    """What is missing of a series, as sentences."""
    lost = f"{count(len(curve.lost), 'point')} no result" if curve.lost else ""
    hollow = f"{count(curve.hollow, 'row')} a null result and no part in it" if curve.hollow else ""
    return tuple(text for text in (lost, hollow) if text)
