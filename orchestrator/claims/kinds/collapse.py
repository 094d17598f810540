"""Turns the rows of a `collapse` claim into findings: how far curves lie from one another once x is rescaled.

At each x of a curve the others that reach there are interpolated; the spread is the root mean square of what the curve is off
from their mean, as a share of how far y ranges there. Zero is a perfect collapse (after Bhattacharjee and Seno 2001). Noise
alone makes squares that are never negative: what it adds is estimated by leaving units out, and taken off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from orchestrator.claims.case import FINITE, Case, Region, said
from orchestrator.claims.placing import WINDOWS, Placed, reported, settle
from orchestrator.claims.series_of_rows import SEEDS, Measured
from orchestrator.claims.verdict import Finding
from orchestrator.fitting.fits import DRAWS, project, replicas
from orchestrator.fitting.intervals import Array, Interval, student
from orchestrator.fitting.laws import TINY, Space
from orchestrator.fitting.series import Series
from orchestrator.spec.claim_kinds.collapse import KIND, SPREAD, Collapse
from orchestrator.wording import level_text, setting, shown, span

FEWEST = 3
"""Curves that a collapse must have."""
PLACES = 4
"""Places where curves must overlap."""
DECADES = 1.5
"""Powers of ten that y may span before its smallest values count for nothing in a spread on a linear scale."""
LARGE = 1e3
"""Times the noise from which on a squared spread is so sure that its distribution does not matter."""
COARSER = 2.0
"""How much straight lines over every second place are off than over all, at least: four times where curves are smooth there."""
Curve = tuple[Array, Array]


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Curves seen at each other's places: `y` `(N,)` are all their values, `owner` `(N,)` says whose each is.

    `others` `(m, N)` is every curve at every place by straight lines, NaN beyond its ends and at its own places.
    """

    y: Array
    owner: Any
    others: Array

    @cached_property
    def _readings(self) -> tuple[Array, Array]:
        """Where each curve has a value, `(m, N)`, and the values, 0 where there is none."""
        return ~np.isnan(self.others), np.nan_to_num(self.others)

    def spread(self, left_out: Sequence[int] = (), pooled: bool = False) -> tuple[float, int]:
        """How far the curves but those left out lie apart, as a share of y's range, and at how many places that is seen.

        Infinite where they never overlap. `pooled` takes the range of the curves' mean, which noise widens less than that of y.
        """
        used = np.ones(len(self.others), dtype=bool)
        used[list(left_out)] = False
        numbers, readings = self._readings
        counts = numbers[used].sum(axis=0)
        counted = (counts > 0) & used[self.owner]
        if not counted.any():
            return float("inf"), 0
        y, sums, counts = self.y[counted], readings[used].sum(axis=0)[counted], counts[counted]
        root = float(np.sqrt(np.mean((y - sums / counts) ** 2)))
        ranging = (y + sums) / (1 + counts) if pooled else y
        room = float(ranging.max() - ranging.min())
        return (root / room if room > 0 else 0.0 if root == 0 else float("inf")), int(counted.sum())


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """The curves of a claim, with what they are when a unit is left out.

    `moved` holds all curves once for each replica, none without noise; `gain` times what a statistic moves by in the mean is
    its bias, `factor` times the standard deviation its standard error. `freedom` are those of the noise that is seen at the
    places, `units` the repeats.
    """

    curves: tuple[Curve, ...]
    moved: tuple[tuple[Curve, ...], ...] = ()
    gain: float = 0.0
    factor: float = 0.0
    freedom: float = 0.0
    units: int = 1

    @cached_property
    def overlaps(self) -> tuple[Overlap, ...]:
        """The curves at each other's places, as measured and then for each replica."""
        return tuple(overlap(curves) for curves in (self.curves, *self.moved))

    def squared(self, left_out: Sequence[int] = ()) -> tuple[float, float, float]:
        """The squared spread less what noise adds, what that is, and the standard error."""
        whole, *each = (part.spread(left_out, bool(self.moved))[0] ** 2 for part in self.overlaps)
        added = self._bias(whole, each)
        return whole - added, added, self.factor * float(np.std(each, ddof=1)) if each else 0.0

    def spread(self, left_out: Sequence[int] = ()) -> float:
        """The spread less what noise adds."""
        return float(np.sqrt(max(self.squared(left_out)[0], 0.0)))

    @cached_property
    def off(self) -> float:
        """How far straight lines between places are off, as a share of y's range: from lines over every second place."""
        mean, *each = (_coarse(curves) for curves in (self.curves, *self.moved))
        y = np.concatenate([y for _, y in self.curves])
        room = float(y.max() - y.min())
        return float(np.sqrt(max(mean - self._bias(mean, each), 0.0))) / room / COARSER if room > 0 else 0.0

    def _bias(self, whole: float, each: Sequence[float]) -> float:
        """What noise adds to a mean of squares."""
        return max(self.gain * (float(np.mean(each)) - whole), 0.0) if each and np.isfinite(whole) else 0.0


def bundle(curves: Sequence[Series], space: Space = "linear") -> Bundle:
    """The curves with their replicas: each unit left out of all curves that have it; of medians, units are drawn again."""
    plain = tuple((c.x, project(c.y, space)) for c in curves)
    names = list(dict.fromkeys(name for c in curves for name in c.units))
    n = min(len(c.units) for c in curves)
    if not any(c.noisy for c in curves) or n < 2:
        return Bundle(curves=plain, units=n)
    replicas_of_curves = [replicas(c, space)[0] for c in curves]
    if any(c.aggregate == "median" for c in curves):
        rounds, gain, factor = DRAWS, n / (n - 1), float(np.sqrt(n / (n - 1)))
        rows: list[list[int]] = [list(range(DRAWS)) for _ in curves]
    else:
        rounds, gain, factor = len(names), n - 1.0, (n - 1) / float(np.sqrt(n))
        rows = [[c.units.index(name) if name in c.units else -1 for name in names] for c in curves]
    moved = tuple(
        tuple(
            (x, y) if part is None or at[i] < 0 else (x, part[at[i]])
            for (x, y), part, at in zip(plain, replicas_of_curves, rows, strict=True)
        )
        for i in range(rounds)
    )
    variances = np.concatenate([np.var([curves[i][1] for curves in moved], axis=0) for i in range(len(curves))])
    places = (len(curves) - 1) / len(curves) * len(variances)
    uneven = float(np.mean(variances**2)) / (1 + 2 / (n - 1)) / max(float(np.mean(variances)) ** 2, TINY)
    return Bundle(curves=plain, moved=moved, gain=gain, factor=factor, freedom=max(places / max(uneven, 1.0), 1.0), units=n)


def _coarse(curves: Sequence[Curve]) -> float:
    """The mean square of what inner places are off from the straight lines between their neighbours; 0 where there are none."""
    errors = [np.zeros(0)]
    for x, y in curves:
        share = (x[1:-1] - x[:-2]) / (x[2:] - x[:-2])
        errors.append(y[1:-1] - y[:-2] - share * (y[2:] - y[:-2]))
    squares = np.concatenate(errors) ** 2
    return float(np.mean(squares)) if len(squares) else 0.0


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
    space: Space = "log" if model.scale == "log" else "linear"
    short = [*case.unrepeated(rows, model.y), *_few(case, measured, model)]
    reasons = [f"at {model.curves} = {setting(key)}: {curve_data}" for key, curve in curves for curve_data in said(curve)]
    if short:
        sentence = f"too little data: {'; '.join(short)}"
        return Finding(verdict="unmet", sentence=sentence, group=group, reasons=(*short, *reasons))
    expected = (case.claim.expect or {}).get("spread")
    region = Region(high=SPREAD) if expected is None else case.region(expected, rows)
    placed = place([curve_data.series for curve_data in measured], region, case.level, space)
    words = [place(reading, region, case.level, space).word for reading in _extremes(measured)]
    bounded = case.bound(model.y)
    guard = f"the values are {bounded} bounds found by search, which cannot support a collapse" if bounded != "exact" else ""
    wide = _spans(measured) if model.scale != "log" else ""
    word, reason = settle(placed.word, placed.reason, words, guard or (wide if model.scale is None else ""))
    reasons += [text for text in (reason, wide if wide != reason else "") if text]
    series = [curve_data.series for curve_data in measured]
    places, off = _overlap(series).spread()[1], bundle(series, space).off
    numbers = {"spread": reported(placed, region), "curves": len(measured), "places": places, "interpolation": off}
    ends = span(placed.interval.low, placed.interval.high)
    logarithm = "ln of " if model.scale == "log" else ""
    sentence = (
        f"{logarithm}{model.y} over {model.x}, {len(measured)} curves of {model.curves} at {places} places: spread "
        f"{shown(placed.interval.estimate)} of its range {ends} at {level_text(case.level)} ({placed.interval.method}), "
        f"expected {region}; straight lines between places are off by about {shown(off)} of it; "
        f"without the smallest {model.curves}: {' and '.join(map(shown, placed.windows))}"
    )
    return Finding(verdict=word, sentence=sentence, group=group, numbers=numbers, reasons=tuple(reasons))


def _spans(measured: Sequence[Measured]) -> str:
    """A sentence where y spans so many powers of ten that a linear scale does not see its smallest values."""
    y = np.concatenate([curve.series.y for curve in measured])
    if not (y > 0).all() or (decades := float(np.log10(y.max() / y.min()))) <= DECADES:
        return ""
    return f"y spans {decades:.1f} decades, on a linear scale of which small values count for nothing; write 'scale: log'"


def _few(case: Case, measured: Sequence[Measured], model: Collapse) -> list[str]:
    places = _overlap([curve.series for curve in measured]).spread()[1] if measured else 0
    noisy = any(curve.series.noisy for curve in measured)
    units = min((len(curve.series.units) for curve in measured), default=0)
    positive = all((curve.series.y > 0).all() for curve in measured)
    needs = max(2, case.claim.require.seeds or SEEDS) if noisy else case.claim.require.seeds or 1
    points = case.claim.require.x_points or PLACES
    short = {
        f"it has {len(measured)} curves and needs {FEWEST}": len(measured) < FEWEST,
        f"its curves overlap at {places} places and it needs {points}": places < points,
        f"it has {units} seeds and needs {needs}": units < needs,
        f"{model.y} must be above 0 for a scale of logarithms, and is not": model.scale == "log" and not positive,
    }
    return [sentence for sentence, lacks in short.items() if lacks]


def place(curves: Sequence[Series], region: Region, level: float, space: Space = "linear") -> Placed:
    """The spread against its region, without the smallest one and two curves too."""
    whole = bundle(curves, space)
    interval = _interval(whole, level)
    windows = tuple(whole.spread(range(drop)) for drop in WINDOWS if len(curves) - drop >= 2)
    word = region.place(interval.low, interval.high)
    moved = any(region.holds(value) != (word == "supported") for value in windows)
    if word != "undecided" and moved:
        reason = f"{FINITE}: without the smallest one and two curves the spread is {' and '.join(map(shown, windows))}"
        return Placed(word="undecided", interval=interval, windows=windows, reason=reason)
    return Placed(word=word, interval=interval, windows=windows)


def _interval(whole: Bundle, level: float) -> Interval:
    """The spread with what noise and straight lines leave open, stretched to what it is without each curve.

    One curve must not make or break it. Straight lines part curves that are one, so what they are off counts below alone.
    """
    squared, added, error = whole.squared()
    value, m = float(np.sqrt(max(squared, 0.0))), len(whole.curves)
    without = [whole.spread([i]) for i in range(m)] if m > FEWEST else []
    ends = [value, *(c for c in without if np.isfinite(c))]
    method = "range without each curve"
    if whole.moved and np.isfinite(squared):
        half = student(level, whole.units - 1) * error
        squares = [squared - half, squared + half, *_chance(whole, squared, added, level)]
        ends += [float(np.sqrt(max(square, 0.0))) for square in squares]
        method = f"t over {whole.units} units and F, less what noise adds, and the {method}"
    return Interval(estimate=value, low=max(0.0, min(ends) - whole.off), high=max(ends), units=whole.units, method=method)


def _chance(whole: Bundle, squared: float, added: float, level: float) -> list[float]:
    """The squared spreads under which a spread like this one is just not too rare: ends of a noncentral F."""
    ratio = (squared + added) / added if added > 0 else float("inf")
    if not ratio < LARGE:
        return []  # the noise is nothing beside the spread: t says it
    from scipy.special import fdtr, ncfdtrinc

    few, many, tail = whole.freedom, whole.freedom * (whole.units - 1), (1 - level) / 2
    least = float(fdtr(few, many, ratio))
    noncentralities = [float(ncfdtrinc(few, many, share, ratio)) if least > share else 0.0 for share in (tail, 1 - tail)]
    return [size * added / few for size in noncentralities if np.isfinite(size)]


def _overlap(curves: Sequence[Series]) -> Overlap:
    return overlap([(curve.x, curve.y) for curve in curves])


def _extremes(measured: Sequence[Measured]) -> list[list[Series]]:
    """All curves as lost points could have made them: every curve's ends of one kind together."""
    if not any(curve.lost for curve in measured):
        return []
    ends = [curve.extremes() or [curve.series] for curve in measured]
    return [[curve[min(i, len(curve) - 1)] for curve in ends] for i in range(4)]
