"""Turns the rows of a `collapse` claim into findings: how far curves lie from one another once x is rescaled.

At each x of a curve the others that reach there are interpolated; the spread is the root mean square of what the curve is off
from their mean, as a share of how far y ranges there. Zero is a perfect collapse (after Bhattacharjee and Seno 2001).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.claims.case import FINITE, Case, Region, said
from orchestrator.claims.placing import WINDOWS, Placed, reported, settle
from orchestrator.claims.series_of_rows import SEEDS, Measured
from orchestrator.claims.verdict import Finding
from orchestrator.fitting.fits import replicas
from orchestrator.fitting.intervals import Array, Interval, student
from orchestrator.fitting.series import Series
from orchestrator.spec.claim_kinds.collapse import KIND, SPREAD
from orchestrator.wording import level_text, shown, span, text

if TYPE_CHECKING:
    import polars as pl

FEWEST = 3
"""Curves that a collapse must have."""
PLACES = 4
"""Places where curves must overlap."""
Curve = tuple[Array, Array]


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Curves seen at each other's places: `y` `(N,)` are all their values, `owner` `(N,)` says whose each is.

    `others` `(m, N)` is every curve at every place by straight lines, NaN beyond its ends and at its own places.
    """

    y: Array
    owner: Any
    others: Array

    def spread(self, left_out: Sequence[int] = ()) -> tuple[float, int]:
        """How far the curves but those left out lie apart, as a share of y's range, and at how many places that is seen.

        Infinite where they never overlap.
        """
        used = np.setdiff1d(np.arange(len(self.others)), left_out)
        readings = self.others[used]
        counts = (~np.isnan(readings)).sum(axis=0)
        counted = (counts > 0) & np.isin(self.owner, used)
        if not counted.any():
            return float("inf"), 0
        y = self.y[counted]
        root = float(np.sqrt(np.mean((y - np.nansum(readings[:, counted], axis=0) / counts[counted]) ** 2)))
        room = float(y.max() - y.min())
        return (root / room if room > 0 else 0.0 if root == 0 else float("inf")), int(counted.sum())


def overlap(curves: Sequence[Curve]) -> Overlap:
    """The curves `(x, y)`, each with rising x, seen at each other's places."""
    places = np.concatenate([x for x, _ in curves])
    owner = np.repeat(np.arange(len(curves)), [len(x) for x, _ in curves])
    interpolated = np.array([np.interp(places, x, y, left=np.nan, right=np.nan) for x, y in curves])
    interpolated[owner, np.arange(len(places))] = np.nan
    return Overlap(y=np.concatenate([y for _, y in curves]), owner=owner, others=interpolated)


def judge(case: Case) -> list[Finding]:
    """A finding for each group of the claim."""
    return [_group(case, group, rows) for group, rows in case.evidence.groups(case.claim.by)]


def intervals(case: Case) -> int:
    """The spread of each group."""
    return case.evidence.count(case.claim.by)


def _group(case: Case, group: dict[str, Any], rows: pl.DataFrame) -> Finding:
    model = KIND.of(case.claim)
    parts = rows.drop_nulls([model.curves]).sort(model.curves).group_by([model.curves], maintain_order=True)
    curves = [(key[0], case.series(part, model.x, model.y)) for key, part in parts]
    filled = [(key, curve_data) for key, curve_data in curves if len(curve_data.series.x)]
    measured = [curve_data for _, curve_data in filled]
    short = _few(case, measured)
    reasons = [f"at {model.curves} = {text(key)}: {curve_data}" for key, curve in curves for curve_data in said(curve)]
    if short:
        sentence = f"too little data: {'; '.join(short)}"
        return Finding(verdict="unmet", sentence=sentence, group=group, reasons=(*short, *reasons))
    expected = (case.claim.expect or {}).get("spread")
    region = Region(high=SPREAD) if expected is None else case.region(expected, rows)
    placed = place([curve_data.series for curve_data in measured], region, case.level)
    words = [place(reading, region, case.level).word for reading in _extremes(measured)]
    bounded = case.bound(model.y)
    guard = f"the values are {bounded} bounds found by search, which cannot support a collapse" if bounded != "exact" else ""
    word, reason = settle(placed.word, placed.reason, words, guard)
    reasons += [reason] if reason else []
    _, places = _overlap([curve_data.series for curve_data in measured]).spread()
    numbers = {"spread": reported(placed, region), "curves": len(measured), "places": places}
    ends = span(placed.interval.low, placed.interval.high)
    sentence = (
        f"{model.y} over {model.x}, {len(measured)} curves of {model.curves} at {places} places: spread "
        f"{shown(placed.interval.estimate)} of y's range {ends} at {level_text(case.level)} ({placed.interval.method}), "
        f"expected {region}; without the smallest {model.curves}: {' and '.join(map(shown, placed.windows))}"
    )
    return Finding(verdict=word, sentence=sentence, group=group, numbers=numbers, reasons=tuple(reasons))


def _few(case: Case, measured: Sequence[Measured]) -> list[str]:
    places = _overlap([curve.series for curve in measured]).spread()[1] if measured else 0
    noisy = any(curve.series.noisy for curve in measured)
    units = min((len(curve.series.units) for curve in measured), default=0)
    needs = max(2, case.claim.require.seeds or SEEDS) if noisy else case.claim.require.seeds or 1
    points = case.claim.require.x_points or PLACES
    short = {
        f"it has {len(measured)} curves and needs {FEWEST}": len(measured) < FEWEST,
        f"its curves overlap at {places} places and it needs {points}": places < points,
        f"it has {units} seeds and needs {needs}": units < needs,
    }
    return [sentence for sentence, lacks in short.items() if lacks]


def place(curves: Sequence[Series], region: Region, level: float) -> Placed:
    """The spread against its region, without the smallest one and two curves too."""
    overlapping = _overlap(curves)
    interval = _interval(curves, overlapping, level)
    windows = tuple(overlapping.spread(range(drop))[0] for drop in WINDOWS if len(curves) - drop >= 2)
    word = region.place(interval.low, interval.high)
    moved = any(region.holds(value) != (word == "supported") for value in windows)
    if word != "undecided" and moved:
        reason = f"{FINITE}: without the smallest one and two curves the spread is {' and '.join(map(shown, windows))}"
        return Placed(word="undecided", interval=interval, windows=windows, reason=reason)
    return Placed(word=word, interval=interval, windows=windows)


def _interval(curves: Sequence[Series], overlapping: Overlap, level: float) -> Interval:
    """The spread with t over shared units, stretched to what it is without each curve: one curve must not make or break it."""
    value, _ = overlapping.spread()
    without = [overlapping.spread([i])[0] for i in range(len(curves))] if len(curves) > FEWEST else []
    ends = [value, *(c for c in without if np.isfinite(c))]
    units = curves[0].units
    n = len(units)
    if not any(c.noisy for c in curves) or not all(c.units == units for c in curves):
        return Interval(estimate=value, low=min(ends), high=max(ends), units=n, method="range without each curve")
    resampled = [replicas(c, "linear") for c in curves]  # each (B, k), and what makes a standard error of it
    rounds, factor = next((len(part), factor) for part, factor in resampled if part is not None)
    curve_rounds = [np.tile(c.y, (rounds, 1)) if part is None else part for c, (part, _) in zip(curves, resampled, strict=True)]
    moved = [overlap([(c.x, part[i]) for c, part in zip(curves, curve_rounds, strict=True)]).spread()[0] for i in range(rounds)]
    half = student(level, n - 1) * factor * float(np.std(moved, ddof=1))
    method = f"t over {n} units, {n - 1} df, and the range without each curve"
    return Interval(
        estimate=value, low=max(0.0, min(value - half, *ends)), high=max(value + half, *ends), units=n, method=method
    )


def _overlap(curves: Sequence[Series]) -> Overlap:
    return overlap([(curve.x, curve.y) for curve in curves])


def _extremes(measured: Sequence[Measured]) -> list[list[Series]]:
    """All curves as lost points could have made them: every curve's ends of one kind together."""
    if not any(curve.lost for curve in measured):
        return []
    ends = [curve.extremes() or [curve.series] for curve in measured]
    return [[curve[min(i, len(curve) - 1)] for curve in ends] for i in range(4)]
