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
        kept = np.setdiff1d(np.arange(len(self.others)), left_out)
        others = self.others[kept]
        counts = (~np.isnan(others)).sum(axis=0)
        seen = (counts > 0) & np.isin(self.owner, kept)
        if not seen.any():
            return float("inf"), 0
        y = self.y[seen]
        root = float(np.sqrt(np.mean((y - np.nansum(others[:, seen], axis=0) / counts[seen]) ** 2)))
        room = float(y.max() - y.min())
        return (root / room if room > 0 else 0.0 if root == 0 else float("inf")), int(seen.sum())


def overlap(curves: Sequence[Curve]) -> Overlap:
    """The curves `(x, y)`, each with rising x, seen at each other's places."""
    places = np.concatenate([x for x, _ in curves])
    owner = np.repeat(np.arange(len(curves)), [len(x) for x, _ in curves])
    others = np.array([np.interp(places, x, y, left=np.nan, right=np.nan) for x, y in curves])
    others[owner, np.arange(len(places))] = np.nan
    return Overlap(y=np.concatenate([y for _, y in curves]), owner=owner, others=others)


def judge(case: Case) -> list[Finding]:
    """A finding for each group of the claim."""
    return [_group(case, group, rows) for group, rows in case.evidence.groups(case.claim.by)]


def intervals(case: Case) -> int:
    """The spread of each group."""
    return case.evidence.count(case.claim.by)


def _group(case: Case, group: dict[str, Any], rows: pl.DataFrame) -> Finding:
    asked = KIND.of(case.claim)
    parts = rows.drop_nulls([asked.curves]).sort(asked.curves).group_by([asked.curves], maintain_order=True)
    found = [(key[0], case.series(part, asked.x, asked.y)) for key, part in parts]
    kept = [(key, one) for key, one in found if len(one.series.x)]
    measured = [one for _, one in kept]
    short = _few(case, measured)
    reasons = [f"at {asked.curves} = {text(key)}: {one}" for key, curve in found for one in said(curve)]
    if short:
        told = f"too little data: {'; '.join(short)}"
        return Finding(verdict="unmet", sentence=told, group=group, reasons=(*short, *reasons))
    expected = (case.claim.expect or {}).get("spread")
    region = Region(high=SPREAD) if expected is None else case.region(expected, rows)
    placed = place([one.series for one in measured], region, case.level)
    others = [place(reading, region, case.level).word for reading in _extremes(measured)]
    bounded = case.bound(asked.y)
    guard = f"the values are {bounded} bounds found by search, which cannot support a collapse" if bounded != "exact" else ""
    word, reason = settle(placed.word, placed.reason, others, guard)
    reasons += [reason] if reason else []
    _, places = _overlap([one.series for one in measured]).spread()
    numbers = {"spread": reported(placed, region), "curves": len(measured), "places": places}
    ends = span(placed.interval.low, placed.interval.high)
    told = (
        f"{asked.y} over {asked.x}, {len(measured)} curves of {asked.curves} at {places} places: spread "
        f"{shown(placed.interval.estimate)} of y's range {ends} at {level_text(case.level)} ({placed.interval.method}), "
        f"expected {region}; without the smallest {asked.curves}: {' and '.join(map(shown, placed.windows))}"
    )
    return Finding(verdict=word, sentence=told, group=group, numbers=numbers, reasons=tuple(reasons))


def _few(case: Case, measured: Sequence[Measured]) -> list[str]:
    places = _overlap([one.series for one in measured]).spread()[1] if measured else 0
    noisy = any(one.series.noisy for one in measured)
    units = min((len(one.series.units) for one in measured), default=0)
    needs = max(2, case.claim.require.seeds or SEEDS) if noisy else case.claim.require.seeds or 1
    points = case.claim.require.x_points or PLACES
    short = {
        f"it has {len(measured)} curves and needs {FEWEST}": len(measured) < FEWEST,
        f"its curves overlap at {places} places and it needs {points}": places < points,
        f"it has {units} seeds and needs {needs}": units < needs,
    }
    return [sentence for sentence, lacks in short.items() if lacks]


def place(found: Sequence[Series], region: Region, level: float) -> Placed:
    """The spread against its region, without the smallest one and two curves too."""
    seen = _overlap(found)
    interval = _interval(found, seen, level)
    windows = tuple(seen.spread(range(drop))[0] for drop in WINDOWS if len(found) - drop >= 2)
    word = region.place(interval.low, interval.high)
    moved = any(region.holds(value) != (word == "supported") for value in windows)
    if word != "undecided" and moved:
        reason = f"{FINITE}: without the smallest one and two curves the spread is {' and '.join(map(shown, windows))}"
        return Placed(word="undecided", interval=interval, windows=windows, reason=reason)
    return Placed(word=word, interval=interval, windows=windows)


def _interval(found: Sequence[Series], seen: Overlap, level: float) -> Interval:
    """The spread with t over shared units, stretched to what it is without each curve: one curve must not make or break it."""
    value, _ = seen.spread()
    without = [seen.spread([i])[0] for i in range(len(found))] if len(found) > FEWEST else []
    ends = [value, *(one for one in without if np.isfinite(one))]
    units = found[0].units
    n = len(units)
    if not any(one.noisy for one in found) or not all(one.units == units for one in found):
        return Interval(estimate=value, low=min(ends), high=max(ends), units=n, method="range without each curve")
    left = [replicas(one, "linear") for one in found]  # each (B, k), and what makes a standard error of it
    rounds, factor = next((len(part), factor) for part, factor in left if part is not None)
    drawn = [np.tile(one.y, (rounds, 1)) if part is None else part for one, (part, _) in zip(found, left, strict=True)]
    moved = [overlap([(one.x, part[i]) for one, part in zip(found, drawn, strict=True)]).spread()[0] for i in range(rounds)]
    half = student(level, n - 1) * factor * float(np.std(moved, ddof=1))
    method = f"t over {n} units, {n - 1} df, and the range without each curve"
    return Interval(
        estimate=value, low=max(0.0, min(value - half, *ends)), high=max(value + half, *ends), units=n, method=method
    )


def _overlap(found: Sequence[Series]) -> Overlap:
    return overlap([(one.x, one.y) for one in found])


def _extremes(measured: Sequence[Measured]) -> list[list[Series]]:
    """All curves as lost points could have made them: every curve's ends of one kind together."""
    if not any(one.lost for one in measured):
        return []
    ends = [one.extremes() or [one.series] for one in measured]
    return [[one[min(i, len(one) - 1)] for one in ends] for i in range(4)]
