"""Turns the repeats of two settings into the interval of their difference or ratio, paired over the units that both have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from orchestrator.claims.units.estimate import OPEN, Reach, plain
from orchestrator.claims.units.repeats import Repeats
from orchestrator.fitting.aggregates import combine, named
from orchestrator.fitting.fits import DRAWS
from orchestrator.fitting.intervals import WIDEST, Interval, student, without_each

Ends = tuple[float, float]
APART = "range of the rows, without noise"
"""How an interval without noise came about; what a search did not find is in it already."""


def minus(left: Any, right: Any) -> Any:
    """Left less right."""
    return left - right


def over(left: Any, right: Any) -> Any:
    """Left over right; no number where right is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.equal(right, 0), np.nan, np.divide(left, right))


def contrasted(left: Repeats, right: Repeats, of: Callable[[Any, Any], Any], level: float, between: Reach = OPEN) -> Interval:
    """Left against right by `of`, `minus` or `over`; a lost value lies anywhere `between`."""
    left, right = shared(left, right)
    whole = _contrast(left, right, of, level)
    if not (left.lost.any() or right.lost.any()) or whole.method == APART:
        return whole
    each = [_contrast(left.filled(a), right.filled(b), of, level) for a in between for b in between]
    low, high = min(whole.low, *(i.low for i in each)), max(whole.high, *(i.high for i in each))
    return replace(whole, low=low, high=high, method=f"{whole.method}, and what lost points could be")


def shared(left: Repeats, right: Repeats) -> tuple[Repeats, Repeats]:
    """Both sides at the units and settings that both have, in one order; as they are where they have no two units in common."""
    units = [unit for unit in left.units if unit in set(right.units)]
    settings = [setting for setting in left.settings if setting in set(right.settings)]
    if not settings or (len(units) < 2 and (len(left.units), len(right.units)) != (1, 1)):
        return left, right
    return _at(left, units, settings), _at(right, units, settings)


def _at(side: Repeats, units: list[Any], settings: list[Any]) -> Repeats:
    where = np.ix_([side.settings.index(s) for s in settings], [side.units.index(u) for u in units])
    parts = {name: getattr(side, name)[where] for name in ("values", "lost", "low", "high")}
    return replace(side, units=tuple(units), settings=tuple(settings), **parts)


def _contrast(left: Repeats, right: Repeats, of: Callable[[Any, Any], Any], level: float) -> Interval:
    values = left.values, right.values
    middle = float(of(*(_combined(side) for side in (left, right))))
    units = min(len(left.units), len(right.units))
    exact = not (left.noisy or right.noisy or left.binary or right.binary) or units < 2
    if exact and not named(left.aggregate).extreme:
        return _apart(left, right, of, middle)
    whole = not any(np.isnan(v).any() or np.isinf(v).any() for v in values)
    paired = left.units == right.units and whole and not (left.binary or right.binary) and not named(left.aggregate).extreme
    if paired and (span := _paired(left, right, of, level)) is not None:
        return span
    ends = [plain(side, 1 - (1 - level) / 2) for side in (left, right)]
    low, high = _arithmetic((ends[0].low, ends[0].high), (ends[1].low, ends[1].high), of)
    return Interval(estimate=middle, low=low, high=high, units=units, method="both sides' intervals together")


def _combined(side: Repeats) -> float:
    each = combine(side.values, side.aggregate, axis=0)
    return float(combine(each[None, :], side.aggregate)[0])


def _apart(left: Repeats, right: Repeats, of: Callable[[Any, Any], Any], middle: float) -> Interval:
    """The range over settings, each with the ends of its brackets; what was not found is open."""
    sides = [(np.where(np.isnan(s.low), -np.inf, s.low), np.where(np.isnan(s.high), np.inf, s.high)) for s in (left, right)]
    if left.settings == right.settings:
        pairs = [_arithmetic((a, b), (c, d), of) for a, b, c, d in zip(*(x.ravel() for s in sides for x in s), strict=True)]
    else:
        hulls = [(float(low.min()), float(high.max())) for low, high in sides]
        pairs = [_arithmetic(hulls[0], hulls[1], of)]
    low, high = min(p[0] for p in pairs), max(p[1] for p in pairs)
    middle = middle if np.isfinite(middle) else low if np.isfinite(low) else high
    return Interval(estimate=middle, low=low, high=high, units=min(len(left.units), len(right.units)), method=APART)


def _arithmetic(left: Ends, right: Ends, of: Callable[[Any, Any], Any]) -> Ends:
    """The ends of `of` where each side lies anywhere between its own."""
    if of is over and right[0] <= 0 <= right[1]:
        return OPEN
    with np.errstate(invalid="ignore"):
        corners = [float(of(a, b)) for a in left for b in right]
    return OPEN if any(np.isnan(corners)) else (min(corners), max(corners))


def _paired(left: Repeats, right: Repeats, of: Callable[[Any, Any], Any], level: float) -> Interval | None:
    """Over the units that both sides have: t with units left out, or resampled for a median; None where a side may be zero."""
    how, n = left.aggregate, len(left.units)
    each = [combine(side.values, how, axis=0)[None, :] for side in (left, right)]
    middle = [float(combine(side, how)[0]) for side in each]
    if how == "median":  # leaving one out misjudges a median
        picks = np.random.default_rng(0).integers(0, n, (DRAWS, n))
        moved = [np.median(side[0][picks], axis=1) for side in each]
        factor = np.sqrt(n / (n - 1))
    else:
        moved, factor = [without_each(side, how)[:, 0] for side in each], (n - 1) / np.sqrt(n)
    method = f"paired t over {n} units, {n - 1} df"
    estimate = float(of(*middle))
    if of is minus:
        half = student(level, n - 1) * float(factor * np.std(moved[0] - moved[1], ddof=1))
        return Interval(estimate=estimate, low=estimate - half, high=estimate + half, units=n, method=method)
    if any(span.low <= 0 <= span.high for span in (plain(side, level) for side in (left, right))):
        return None
    logs = np.log(np.abs(moved[0])) - np.log(np.abs(moved[1]))
    half = student(level, n - 1) * float(factor * np.std(logs, ddof=1))
    low, high = sorted(estimate * float(np.exp(sign * min(half, WIDEST))) for sign in (-1, 1))
    return Interval(estimate=estimate, low=low, high=high, units=n, method=f"{method}, on the logarithm")
