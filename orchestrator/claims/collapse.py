"""Turns the rows of a `collapse` claim into findings: how far curves lie from one another once x is rescaled.

At each x of a curve the others that reach there are interpolated; the spread is the root mean square of what the curve is off
from their mean, as a share of how far y ranges there. Zero is a perfect collapse (after Bhattacharjee and Seno 2001).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.claims.case import FINITE, Case, said
from orchestrator.claims.fit import WINDOWS, Placed, reported, settle
from orchestrator.claims.measured import SEEDS, Measured
from orchestrator.claims.region import Region
from orchestrator.claims.verdict import Finding, level_text, shown, span, text
from orchestrator.fits import Series
from orchestrator.intervals import Array, Interval, student, without_each

if TYPE_CHECKING:
    import polars as pl

FEWEST = 3
"""Curves that a collapse must have."""
PLACES = 4
"""Places where curves must overlap."""
SPREAD = 0.1
"""The spread that counts as a collapse where the claim gives none."""
Curve = tuple[Array, Array]


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How far curves lie apart, as a share of y's range where they overlap, and at how many places that was seen."""

    value: float
    places: int


def spread(curves: Sequence[Curve]) -> Spread:
    """The spread of curves `(x, y)`, each with rising x; without overlap it is infinite."""
    off, seen = [], []
    for i, (x, y) in enumerate(curves):
        others = np.array([_at(x, *other) for j, other in enumerate(curves) if j != i])  # (m, k)
        held = ~np.isnan(others).all(axis=0)
        if held.any():
            off.append(y[held] - np.nanmean(others[:, held], axis=0))
            seen.append(y[held])
    if not off:
        return Spread(value=float("inf"), places=0)
    rest, values = np.concatenate(off), np.concatenate(seen)
    room = float(values.max() - values.min())
    root = float(np.sqrt(np.mean(rest**2)))
    return Spread(value=root / room if room > 0 else 0.0 if root == 0 else float("inf"), places=len(values))


def _at(x: Array, xs: Array, ys: Array) -> Array:
    """A curve at other x by straight lines; NaN beyond its ends."""
    return np.asarray(np.interp(x, xs, ys, left=np.nan, right=np.nan))


def judge(case: Case) -> list[Finding]:
    """A finding for each group of the claim."""
    return [_group(case, group, rows) for group, rows in case.evidence.groups(case.claim.by)]


def _group(case: Case, group: dict[str, Any], rows: pl.DataFrame) -> Finding:
    asked = case.claim.collapse
    assert asked is not None
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
    seen = spread([_curve(one.series) for one in measured])
    numbers = {"spread": reported(placed, region), "curves": len(measured), "places": seen.places}
    ends = span(placed.interval.low, placed.interval.high)
    told = (
        f"{asked.y} over {asked.x}, {len(measured)} curves of {asked.curves} at {seen.places} places: spread "
        f"{shown(placed.interval.estimate)} of y's range {ends} at {level_text(case.level)} ({placed.interval.method}), "
        f"expected {region}; without the smallest {asked.curves} {' and '.join(map(shown, placed.windows))}"
    )
    return Finding(verdict=word, sentence=told, group=group, numbers=numbers, reasons=tuple(reasons))


def _few(case: Case, measured: Sequence[Measured]) -> list[str]:
    curves = [_curve(one.series) for one in measured]
    places = spread(curves).places
    noisy = any(one.series.noisy for one in measured)
    units = min((len(one.series.units) for one in measured), default=0)
    needs = max(2, case.claim.require.seeds or SEEDS) if noisy else case.claim.require.seeds or 1
    points = case.claim.require.x_points or PLACES
    short = {
        f"it has {len(curves)} curves and needs {FEWEST}": len(curves) < FEWEST,
        f"its curves overlap at {places} places and it needs {points}": places < points,
        f"it has {units} seeds and needs {needs}": units < needs,
    }
    return [sentence for sentence, lacks in short.items() if lacks]


def place(found: Sequence[Series], region: Region, level: float) -> Placed:
    """The spread against its region, without the smallest one and two curves too."""
    interval = _interval(found, level)
    windows = tuple(spread([_curve(one) for one in found[drop:]]).value for drop in WINDOWS if len(found) - drop >= 2)
    word = region.place(interval.low, interval.high)
    moved = any(region.holds(value) != (word == "supported") for value in windows)
    if word != "undecided" and moved:
        reason = f"{FINITE}: without the smallest one and two curves the spread is {' and '.join(map(shown, windows))}"
        return Placed(word="undecided", interval=interval, windows=windows, reason=reason)
    return Placed(word=word, interval=interval, windows=windows)


def _interval(found: Sequence[Series], level: float) -> Interval:
    """The spread with t over shared units, stretched to what it is without each curve: one curve must not make or break it."""
    curves = [_curve(one) for one in found]
    value = spread(curves).value
    without = [spread([*curves[:i], *curves[i + 1 :]]).value for i in range(len(curves))] if len(curves) > FEWEST else []
    ends = [value, *(one for one in without if np.isfinite(one))]
    units = found[0].units
    if not any(one.noisy for one in found) or not all(one.units == units for one in found):
        low, high, method = min(ends), max(ends), "range without each curve"
        return Interval(estimate=value, low=low, high=high, units=len(units), method=method)
    n = len(units)
    left = [without_each(one.values, one.aggregate) for one in found]  # each (n, k)
    moved = [spread([(one.x, part[i]) for one, part in zip(found, left, strict=True)]).value for i in range(n)]
    half = student(level, n - 1) * (n - 1) / np.sqrt(n) * float(np.std(moved, ddof=1))
    method = f"t over {n} units, {n - 1} df, and the range without each curve"
    return Interval(
        estimate=value, low=max(0.0, min(value - half, *ends)), high=max(value + half, *ends), units=n, method=method
    )


def _curve(found: Series) -> Curve:
    return found.x, found.y


def _extremes(measured: Sequence[Measured]) -> list[list[Series]]:
    """All curves as lost points could have made them: every curve's ends of one kind together."""
    if not any(one.lost for one in measured):
        return []
    ends = [one.extremes() or [one.series] for one in measured]
    return [[one[min(i, len(one) - 1)] for one in ends] for i in range(4)]
