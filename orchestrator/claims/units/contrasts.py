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
from orchestrator.fitting.skewness import skew

Ends = tuple[float, float]
APART = "range of the rows, without noise"
"""How an interval without noise came about; what a search did not find is in it already."""


def minus(first: Any, second: Any) -> Any:
    """The first less second."""
    return first - second


def over(first: Any, second: Any) -> Any:
    """The first over second; no number where second is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.equal(second, 0), np.nan, np.divide(first, second))


def contrasted(first: Repeats, second: Repeats, of: Callable[[Any, Any], Any], level: float, between: Reach = OPEN) -> Interval:
    """The first against second by `of`, `minus` or `over`; a lost value lies anywhere `between`."""
    first, second = shared(first, second)
    whole = _contrast(first, second, of, level)
    if not (first.lost.any() or second.lost.any()) or whole.method == APART:
        return whole
    each = [_contrast(first.filled(a), second.filled(b), of, level) for a in between for b in between]
    low, high = min(whole.low, *(i.low for i in each)), max(whole.high, *(i.high for i in each))
    return replace(whole, low=low, high=high, method=f"{whole.method}, and what lost points could be")


def shared(first: Repeats, second: Repeats) -> tuple[Repeats, Repeats]:
    """Both sides at the units and settings that both have, in one order; as they are where they have no two units in common."""
    units = [unit for unit in first.units if unit in set(second.units)]
    settings = [setting for setting in first.settings if setting in set(second.settings)]
    if not settings or (len(units) < 2 and (len(first.units), len(second.units)) != (1, 1)):
        return first, second
    return _at(first, units, settings), _at(second, units, settings)


def _at(side: Repeats, units: list[Any], settings: list[Any]) -> Repeats:
    where = np.ix_([side.settings.index(s) for s in settings], [side.units.index(u) for u in units])
    parts = {name: getattr(side, name)[where] for name in ("values", "lost", "low", "high")}
    return replace(side, units=tuple(units), settings=tuple(settings), **parts)


def _contrast(first: Repeats, second: Repeats, of: Callable[[Any, Any], Any], level: float) -> Interval:
    values = first.values, second.values
    middle = float(of(*(_combined(side) for side in (first, second))))
    units = min(len(first.units), len(second.units))
    exact = not (first.noisy or second.noisy or first.binary or second.binary) or units < 2
    if exact and not named(first.aggregate).extreme:
        return _apart(first, second, of, middle)
    whole = not any(np.isnan(v).any() or np.isinf(v).any() for v in values)
    paired = (
        first.units == second.units and whole and not (first.binary or second.binary) and not named(first.aggregate).extreme
    )
    if paired and (span := _paired(first, second, of, level)) is not None:
        return span
    ends = [plain(side, 1 - (1 - level) / 2) for side in (first, second)]
    low, high = _arithmetic((ends[0].low, ends[0].high), (ends[1].low, ends[1].high), of)
    return Interval(estimate=middle, low=low, high=high, units=units, method="both sides' intervals together")


def _combined(side: Repeats) -> float:
    each = combine(side.values, side.aggregate, axis=0)
    return float(combine(each[None, :], side.aggregate)[0])


def _apart(first: Repeats, second: Repeats, of: Callable[[Any, Any], Any], middle: float) -> Interval:
    """The range over settings, each with the ends of its brackets; what was not found is open."""
    sides = [(np.where(np.isnan(s.low), -np.inf, s.low), np.where(np.isnan(s.high), np.inf, s.high)) for s in (first, second)]
    if first.settings == second.settings:
        pairs = [_arithmetic((a, b), (c, d), of) for a, b, c, d in zip(*(x.ravel() for s in sides for x in s), strict=True)]
    else:
        hulls = [(float(low.min()), float(high.max())) for low, high in sides]
        pairs = [_arithmetic(hulls[0], hulls[1], of)]
    low, high = min(p[0] for p in pairs), max(p[1] for p in pairs)
    middle = middle if np.isfinite(middle) else low if np.isfinite(low) else high
    return Interval(estimate=middle, low=low, high=high, units=min(len(first.units), len(second.units)), method=APART)


def _arithmetic(first: Ends, second: Ends, of: Callable[[Any, Any], Any]) -> Ends:
    """The ends of `of` where each side lies anywhere between its own."""
    if of is over and second[0] <= 0 <= second[1]:
        return OPEN
    with np.errstate(invalid="ignore"):
        corners = [float(of(a, b)) for a in first for b in second]
    return OPEN if any(np.isnan(corners)) else (min(corners), max(corners))


def _paired(first: Repeats, second: Repeats, of: Callable[[Any, Any], Any], level: float) -> Interval | None:
    """Over the units that both sides have: t with units first out, or resampled for a median; None where a side may be zero."""
    how, n = first.aggregate, len(first.units)
    each = [combine(side.values, how, axis=0)[None, :] for side in (first, second)]
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
        doubt = skew(each[0][0] - each[1][0], level) if how == "mean" else None
        return Interval(estimate=estimate, low=estimate - half, high=estimate + half, units=n, method=method, skew=doubt)
    if any(span.low <= 0 <= span.high for span in (plain(side, level) for side in (first, second))):
        return None
    logs = np.log(np.abs(moved[0])) - np.log(np.abs(moved[1]))
    half = student(level, n - 1) * float(factor * np.std(logs, ddof=1))
    low, high = sorted(estimate * float(np.exp(sign * min(half, WIDEST))) for sign in (-1, 1))
    return Interval(estimate=estimate, low=low, high=high, units=n, method=f"{method}, on the logarithm")
