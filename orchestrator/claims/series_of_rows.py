"""Turns the rows of one group into a series with what is missing of it, and missing points into the extremes they could be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.claims.evidence import lower, settled, upper
from orchestrator.fitting.intervals import Array
from orchestrator.fitting.laws import Law
from orchestrator.fitting.series import Series, series

if TYPE_CHECKING:
    import polars as pl

    from orchestrator.spec.claim_model import Claim

SEEDS = 4
"""Seeds that a noisy series must have where the claim asks for none: two have a t quantile of 12.7."""
Place = tuple[float, Any]
Ends = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A group's series; `lost` are the (x, unit) that gave no number, `hollow` counts results that are null and left out.

    `edges` says of a lost value between what it must lie, infinite where that side is open. `floor` is the series of one x
    that the curve runs into.
    """

    series: Series
    lost: tuple[Place, ...]
    hollow: int
    edges: Mapping[Place, Ends] = field(default_factory=dict)
    floor: Series | None = None

    def extremes(self) -> list[Series]:
        """The series as lost points could have made it: all low, all high, tilted both ways along x; none where none is lost.

        A lost point lies within what its x and those beside it show, or, where its x gave nothing, within all measured; one
        that a search found beyond its interval lies between that edge and some of the largest steps behind it (`beyond`).
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

    def _range(self, place: Place) -> Ends:
        near_series = self.series.near
        if place in self.edges:
            xs = np.unique([*near_series.x, *(x for x, _ in self.lost)])
            at, measured_at = np.searchsorted(xs, place[0]), np.searchsorted(xs, near_series.x)
            return beyond(near_series.y, self.edges[place], 1 + int(np.min(np.abs(measured_at - at))))
        near = np.flatnonzero(near_series.x == place[0])
        values = near_series.values[max(0, near[0] - 1) : near[0] + 2] if len(near) else near_series.values
        return float(np.nanmin(values)), float(np.nanmax(values))


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


def measured(rows: pl.DataFrame, x: str, y: str, aggregate: str, unit: str = "seed", floor: Series | None = None) -> Measured:
    """The series of y over x in these rows; a result that is not finite is lost like a failure, a null one is absent."""
    import polars as pl

    ok = settled(rows)
    present = rows.filter(ok & rows[x].is_not_null() & rows[y].is_not_null())
    xs, ys, units = _floats(present[x]), _floats(present[y]), present[unit].to_numpy()
    finite = np.isfinite(ys) & np.isfinite(xs)
    failures = rows.filter(~ok & rows[x].is_not_null() & rows[unit].is_not_null())
    places = failures.select(pl.col(x).cast(pl.Float64), unit).rows()
    broken = zip(xs[~finite].tolist(), units[~finite].tolist(), strict=True)
    lost = {*places, *broken}
    if lost:
        lost -= set(zip(xs[finite].tolist(), units[finite].tolist(), strict=True))
    curve = series(xs[finite], ys[finite], units[finite], aggregate, _halves(present, y, finite))
    anchored = floor is not None and len(floor.x) and len(curve.x)
    return Measured(
        series=curve.above(floor) if floor is not None and anchored else curve,
        lost=tuple(sorted(lost)),
        hollow=int(ok.sum()) - len(present),
        edges=_edges(failures, places, y),
        floor=floor if anchored else None,
    )


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
    import polars as pl

    return column.cast(pl.Float64).to_numpy()


def lacking(claim: Claim, curve: Series, laws: tuple[Law, ...], least: int) -> tuple[str, ...]:
    """What the series has too little of, as sentences: x, decades, seeds, or values that the laws take.

    `least` x are what the laws and the finite-size rule cannot do without, a measured floor counted as one; the claim's
    `require` may ask for more, and sets the seeds, two at least for a noisy series.
    """
    require, near = claim.require, curve.near
    points, seeds = max(least - curve.floor, require.x_points or 0), _seeds(require.seeds, curve.noisy)
    lowest, decades = max((law.domain for law in laws), default=-math.inf), require.x_decades or 0.0
    short = {
        f"it has {len(near.x)} x and needs {points}": len(near.x) < points,
        f"its x span {curve.decades:.2f} decades and it needs {decades:g}": curve.decades < decades * (1 - 1e-9),
        f"it has {len(curve.units)} seeds and needs {seeds}": len(curve.units) < seeds,
        f"x must lie above {lowest:g} for these laws, and does not": bool((curve.x <= lowest).any()),
    }
    return tuple(text for text, lacks in short.items() if lacks)


def _seeds(required: int | None, noisy: bool) -> int:
    """The fewest seeds: what the claim asks, else SEEDS where they differ; two where they differ in any case."""
    if required is None:
        return SEEDS if noisy else 1
    return max(2, required) if noisy else required
