"""Turns the rows of one group into a series with what is missing of it, and missing points into the extremes they could be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.fits import Series, series
from orchestrator.intervals import Array
from orchestrator.laws import Law

if TYPE_CHECKING:
    import polars as pl

    from orchestrator.spec_claims import Claim

SEEDS = 4
"""Seeds that a noisy series must have where the claim asks for none: two have a t quantile of 12.7."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A group's series; `lost` are the (x, seed) that gave no number, `hollow` counts results that are null and left out."""

    series: Series
    lost: tuple[tuple[float, int], ...]
    hollow: int

    def extremes(self) -> list[Series]:
        """The series as lost points could have made it: all low, all high, tilted both ways along x; none where none is lost.

        A lost point lies within what its x and those beside it show, or, where its x gave nothing, within all measured.
        """
        if not self.lost or not len(self.series.x):
            return []
        xs = np.unique([x for x, _ in self.lost])
        middle = float(np.median(xs))
        tilts = [(0, 0), (1, 1), (0, 1), (1, 0)] if len(xs) > 1 else [(0, 0), (1, 1)]
        return [self._filled(middle, below, above) for below, above in tilts]

    def _filled(self, middle: float, below: int, above: int) -> Series:
        known = self.series
        names = np.unique([*known.units, *(unit for _, unit in self.lost)])
        xs = np.unique([*known.x, *(x for x, _ in self.lost)])
        values = np.full((len(xs), len(names)), np.nan)
        rows, columns = np.searchsorted(xs, known.x), np.searchsorted(names, np.asarray(known.units))
        values[np.ix_(rows, columns)] = known.values
        for x, unit in self.lost:
            ends = self._range(x)
            values[np.searchsorted(xs, x), np.searchsorted(names, unit)] = ends[below if x <= middle else above]
        return Series(x=xs, values=values, units=tuple(names.tolist()), aggregate=known.aggregate)

    def _range(self, x: float) -> tuple[float, float]:
        known = self.series
        at = np.flatnonzero(known.x == x)
        near = known.values[max(0, at[0] - 1) : at[0] + 2] if len(at) else known.values
        return float(np.nanmin(near)), float(np.nanmax(near))


def measured(rows: pl.DataFrame, x: str, y: str, aggregate: str) -> Measured:
    """The series of y over x in these rows; a result that is not finite is lost like a failure, a null one is absent."""
    import polars as pl

    ok = rows["status"] == "ok"
    present = rows.filter(ok & rows[x].is_not_null() & rows[y].is_not_null())
    xs, ys, seeds = _floats(present[x]), _floats(present[y]), present["seed"].to_numpy()
    finite = np.isfinite(ys) & np.isfinite(xs)
    gone = rows.filter(~ok & rows[x].is_not_null()).select(pl.col(x).cast(pl.Float64), "seed")
    broken = zip(xs[~finite].tolist(), seeds[~finite].tolist(), strict=True)
    lost = {*gone.iter_rows(), *broken}
    if lost:
        lost -= set(zip(xs[finite].tolist(), seeds[finite].tolist(), strict=True))
    return Measured(
        series=series(xs[finite], ys[finite], seeds[finite], aggregate),
        lost=tuple(sorted(lost)),
        hollow=int(ok.sum()) - len(present),
    )


def _floats(column: pl.Series) -> Array:
    import polars as pl

    return column.cast(pl.Float64).to_numpy()


def lacking(claim: Claim, found: Series, laws: tuple[Law, ...], least: int) -> tuple[str, ...]:
    """What the series has too little of, as sentences: x, decades, seeds, or values that the laws take.

    `least` x are what the laws and the finite-size rule cannot do without; the claim's `require` may ask for more, and sets
    the seeds, two at least for a noisy series.
    """
    require = claim.require
    points, seeds = max(least, require.x_points or 0), _seeds(require.seeds, found.noisy)
    lowest, decades = max(law.domain for law in laws), require.x_decades or 0.0
    short = {
        f"it has {len(found.x)} x and needs {points}": len(found.x) < points,
        f"its x span {found.decades:.2f} decades and it needs {decades:g}": found.decades < decades * (1 - 1e-9),
        f"it has {len(found.units)} seeds and needs {seeds}": len(found.units) < seeds,
        f"x must lie above {lowest:g} for these laws, and does not": bool((found.x <= lowest).any()),
    }
    return tuple(text for text, lacks in short.items() if lacks)


def _seeds(asked: int | None, noisy: bool) -> int:
    """The fewest seeds: what the claim asks, else SEEDS where they differ; two where they differ in any case."""
    if asked is None:
        return SEEDS if noisy else 1
    return max(2, asked) if noisy else asked
