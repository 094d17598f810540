"""Turns the rows of one group into a series with what is missing of it, and missing points into the extremes they could be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from orchestrator.claims.evidence import lower, settled, upper
from orchestrator.fitting.aggregates import named
from orchestrator.fitting.intervals import Array
from orchestrator.fitting.laws import Law
from orchestrator.fitting.series import Series, series
from orchestrator.results.described import ANYTHING
from orchestrator.spec.claim_model import Claim
from orchestrator.wording import share, shown

FAR = 1e6
"""How many times the largest number that was measured a value may be of which nobody says what it can be."""
SEEDS = 4
"""Seeds that a noisy series must have where the claim asks for none: two have a t quantile of 12.7."""
Place = tuple[float, Any]
Ends = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A group's series; `lost` are the (x, unit) that gave no number, or not one for each of their rows.

    `hollow` counts results that are null and left out, as no unit of their x has one. `edges` says of a value that a search did
    not find between what it must lie, `possible` of any other, infinite where that side is open. `floor` is the series of one x
    that the curve runs into.
    """

    series: Series
    lost: tuple[Place, ...]
    hollow: int
    edges: Mapping[Place, Ends] = field(default_factory=dict)
    possible: Ends = ANYTHING
    floor: Series | None = None

    @property
    def ended(self) -> str:
        """Which points an interval is of, where some gave no number: ` of the 75 % of points that ended`."""
        if not self.lost:
            return ""
        ended = int(self.series.near.counts.sum()) - len(self.lost) + self.untold
        return f" of the {share(ended, ended + len(self.lost))} of points that ended"

    @cached_property
    def untold(self) -> int:
        """How many of the lost have no number at all, not even of some of their rows."""
        return sum(_untold(self.series.near, self.lost))

    @property
    def open(self) -> bool:
        """Whether lost points leave nothing certain: nobody says how small or large they can be, and the mean follows them."""
        if self.ranked:
            return bool((np.array(_untold(self.series.near, self.lost)[:-1]) >= self.series.near.counts).any())
        free = not any(math.isfinite(end) for end in self.possible)
        return free and any(lost_point not in self.edges for lost_point in self.lost)

    @property
    def ranked(self) -> bool:
        """Whether units combine by their order, so that a lost one cannot carry the rest away: a median."""
        how = named(self.series.aggregate)
        return how.power is None and not how.extreme

    @property
    def bounded(self) -> bool:
        """Whether what lost points could be has two ends, so that all of it was looked at."""
        return all(math.isfinite(end) for end in self.possible) and not self.edges

    def extremes(self) -> list[Series]:
        """The series as lost points could have made it: all low, all high, tilted both ways along x; none where none is lost.

        A lost point lies in what its workload says that such a value can be, and anywhere where it says nothing: a run that
        diverged would have been worse than all that ended. One that a search found beyond its interval lies between that edge
        and some of the largest steps behind it (`beyond`).
        """
        if not self.lost or not len(self.series.near.x):
            return []
        xs = np.unique([x for x, _ in self.lost])
        middle = float(np.median(xs))
        tilts = [(0, 0), (1, 1), (0, 1), (1, 0)] if len(xs) > 1 else [(0, 0), (1, 1)]
        filled = [self._filled(middle, below, above) for below, above in tilts]
        return [extreme.above(self.floor) if self.floor is not None else extreme for extreme in filled]

    def _filled(self, middle: float, below: int, above: int) -> Series:
        near = self.series.near
        names = np.unique([*near.units, *(unit for _, unit in self.lost)])
        xs = np.unique([*near.x, *(x for x, _ in self.lost)])
        values = np.full((len(xs), len(names)), np.nan)
        rows, columns = np.searchsorted(xs, near.x), np.searchsorted(names, np.asarray(near.units))
        values[np.ix_(rows, columns)] = near.values
        halves = None
        if near.halves is not None:
            halves = np.zeros(len(xs))
            halves[rows] = near.halves
        for x, unit in self.lost:
            ends = self._range((x, unit))
            values[np.searchsorted(xs, x), np.searchsorted(names, unit)] = ends[below if x <= middle else above]
        return replace(near, x=xs, values=values, units=tuple(names.tolist()), halves=halves)

    def _range(self, lost_point: Place) -> Ends:
        near = self.series.near
        if lost_point in self.edges:
            xs = np.unique([*near.x, *(x for x, _ in self.lost)])
            at, measured_at = np.searchsorted(xs, lost_point[0]), np.searchsorted(xs, near.x)
            return beyond(near.y, self.edges[lost_point], 1 + int(np.min(np.abs(measured_at - at))))
        return (
            (float(np.nanmin(near.values)), float(np.nanmax(near.values))) if self.ranked else reach(self.possible, near.values)
        )


def _untold(curve: Series, lost: tuple[Place, ...]) -> list[int]:
    """How many lost units have no number, at each x of the curve; the last count is of x where none has one."""
    rows, columns = {x: i for i, x in enumerate(curve.x.tolist())}, {unit: j for j, unit in enumerate(curve.units)}
    counts = [0] * (len(rows) + 1)
    for x, unit in lost:
        i, j = rows.get(x, -1), columns.get(unit)
        counts[i] += i < 0 or j is None or bool(np.isnan(curve.values[i, j]))
    return counts


def reach(possible: Ends, values: Array) -> Ends:
    """Two numbers that stand for what a lost value can be, measured ones within; far away where a side is open."""
    far = FAR * max(float(np.nanmax(np.abs(values), initial=0.0)), 1e-300)
    low, high = (end if math.isfinite(end) else sign * far for end, sign in zip(possible, (-1.0, 1.0), strict=True))
    return min(low, float(np.nanmin(values, initial=low))), max(high, float(np.nanmax(values, initial=high)))


def beyond(y: Array, edges: Ends, steps: int) -> Ends:
    """Two finite ends of a value between edges, one of them open: that side reaches `steps` of the largest step of y `(k,)`.

    Steps are factors where all is positive; that from the nearest value to the edge is one of them.
    """
    low, high = edges
    edge = high if math.isinf(low) else low
    factors = bool((y > 0).all()) and edge > 0
    z, at = (np.log(y), math.log(edge)) if factors else (y, edge)
    reach = steps * max(float(np.max(np.abs(np.diff(z)), initial=0.0)), float(np.min(np.abs(z - at))))
    end = at - reach if math.isinf(low) else at + reach
    far = math.exp(end) if factors else end
    return (far, high) if math.isinf(low) else (low, far)


def measured(
    rows: pl.DataFrame,
    x: str,
    y: str,
    aggregate: str,
    unit: str = "seed",
    floor: Series | None = None,
    possible: Ends = ANYTHING,
    seedless: bool = False,
) -> Measured:
    """The series of y over x in these rows; a result that is not finite is lost like a failure.

    So is a null one where another unit of its x has a number; where none has, there was nothing to measure.
    """  # fmt: skip
    ok = settled(rows)
    present = rows.filter(ok & rows[x].is_not_null() & rows[y].is_not_null())
    xs, ys, units = _floats(present[x]), _floats(present[y]), present[unit].to_numpy()
    finite = np.isfinite(ys) & np.isfinite(xs)
    empty = rows.filter(ok & rows[x].is_not_null() & rows[y].is_null() & rows[unit].is_not_null())
    partly = np.isin(_floats(empty[x]), np.unique(xs[finite])) if len(empty) else np.zeros(0, dtype=bool)
    failures = rows.filter(~ok & rows[x].is_not_null() & rows[unit].is_not_null())
    places = _places(failures, x, unit)
    broken = zip(xs[~finite].tolist(), units[~finite].tolist(), strict=True)
    halves = _halves(present, y, finite)
    curve = replace(series(xs[finite], ys[finite], units[finite], aggregate, halves), seedless=seedless)
    curve = replace(curve, step=_step(curve, ys[finite]))
    anchored = floor is not None and len(floor.x) and len(curve.x)
    return Measured(
        series=curve.above(floor) if floor is not None and anchored else curve,
        lost=tuple(sorted({*places, *broken, *_places(empty.filter(pl.Series(partly, dtype=pl.Boolean)), x, unit)})),
        hollow=int(ok.sum()) - len(present) - int(partly.sum()),
        edges=_edges(failures, places, y),
        possible=possible,
        floor=floor if anchored else None,
    )


def _places(rows: pl.DataFrame, x: str, unit: str) -> list[Place]:
    """The x and the unit of each row; they may be one column."""
    return list(zip(_floats(rows[x]).tolist(), rows[unit].to_list(), strict=True))


def _step(curve: Series, y: Array) -> float:
    """1 where all values are whole numbers, of a column of counts or not: then they may have been rounded; shares are not."""
    if not len(y) or not bool((y == np.round(y)).all()):
        return 0.0
    return 0.0 if curve.trials else 1.0


def _halves(rows: pl.DataFrame, y: str, finite: Any) -> Array | None:
    """Half the bracket of each value: the farther of its ends; None for rows that no search left."""
    if lower(y) not in rows.columns:
        return None
    values, low, high = (_floats(rows[name])[finite] for name in (y, lower(y), upper(y)))
    return np.asarray(np.maximum(np.nan_to_num(values - low), np.nan_to_num(high - values)))


def _edges(rows: pl.DataFrame, places: list[Place], y: str) -> dict[Place, Ends]:
    """Between what a value lies that a search did not find; places where it does not say are left out."""
    if lower(y) not in rows.columns:
        return {}
    ends = zip(places, rows[lower(y)].to_list(), rows[upper(y)].to_list(), strict=True)
    return {
        point: (-math.inf if low is None else float(low), math.inf if high is None else float(high))
        for point, low, high in ends
        if (low is None) != (high is None)
    }


def _floats(column: pl.Series) -> Array:
    return column.cast(pl.Float64).to_numpy()


def lacking(claim: Claim, curve: Series, laws: tuple[Law, ...], least: int, lost: tuple[Place, ...] = ()) -> tuple[str, ...]:
    """What the series has too little of, as sentences: x, decades, seeds at an x, or values that the laws take.

    `least` x are what the laws and the finite-size rule cannot do without, a measured floor counted as one; the claim's
    `require` may ask for more, and sets the seeds, two at least for a noisy series. Those `lost` were tried, and count.
    """
    require, near = claim.require, curve.near
    points, seeds = max(least - curve.floor, require.x_points or 0), _seeds(require.seeds, curve.noisy)
    lowest, decades = max((law.domain for law in laws), default=-math.inf), require.x_decades or 0.0
    attempts = near.counts + np.array(_untold(near, lost)[: len(near.x)], dtype=int)
    few = int(np.argmin(attempts)) if len(attempts) else 0
    least_seeds = int(attempts[few]) if len(attempts) else 0
    at_x = f" at x = {shown(float(near.x[few]))}" if len(attempts) and near.uneven else ""
    short = {
        f"it has {len(near.x)} x and needs {points}": len(near.x) < points,
        f"its x span {curve.decades:.2f} decades and it needs {decades:g}": curve.decades < decades * (1 - 1e-9),
        f"it has {least_seeds} seeds{at_x} and needs {seeds}": least_seeds < seeds,
        f"x must lie above {lowest:g} for these laws, and does not": bool((curve.x <= lowest).any()),
    }
    return tuple(text for text, lacks in short.items() if lacks)


def _seeds(required: int | None, noisy: bool) -> int:
    """The fewest seeds: what the claim asks, else SEEDS where they differ; two where they differ in any case."""
    if required is None:
        return SEEDS if noisy else 1
    return max(2, required) if noisy else required
