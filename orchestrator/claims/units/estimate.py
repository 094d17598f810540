"""Turns repeats into the interval of their mean, or of what their aggregate is, with what lost values leave open."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from orchestrator.claims.units.repeats import Repeats, spread
from orchestrator.fitting import ties
from orchestrator.fitting.aggregates import combine, named
from orchestrator.fitting.intervals import Array, Interval, interval

OPEN = (-np.inf, np.inf)
SHARE = (0.0, 1.0)
Reach = tuple[float, float]


def estimated(repeats: Repeats, level: float, between: Reach = OPEN, steady: bool = True) -> Interval:
    """The interval of what the repeats come to; a lost value lies anywhere `between`, so that end of the interval moves.

    Whole numbers that agree are known exactly only where they are `steady`, the same for every seed.
    """
    whole = plain(repeats, level) if steady or repeats.noisy or len(repeats.values) != 1 else _tied(repeats, level)
    if not repeats.lost.any():
        return whole
    if len(repeats.units) == 1 or not (repeats.noisy or repeats.binary):
        low = np.where(repeats.lost & np.isnan(repeats.low), between[0], repeats.low)
        high = np.where(repeats.lost & np.isnan(repeats.high), between[1], repeats.high)
        return _replaced(whole, float(np.nanmin(low)), float(np.nanmax(high)), "and what lost points could be")
    ends = []
    for end, side in zip(between, ("low", "high"), strict=True):
        moved = plain(repeats.filled(end), level)
        ends.append(getattr(moved, side))
    return _replaced(whole, min(ends[0], whole.low), max(ends[1], whole.high), "and what lost points could be")


def plain(repeats: Repeats, level: float) -> Interval:
    """The interval of repeats of which none is lost: over units, or, without noise, the range of the rows."""
    values, how = repeats.values, repeats.aggregate
    if np.isinf(values).any():
        return _endless(repeats, level)
    if repeats.binary:
        return _share(values, level)
    if named(how).extreme:
        best = float(combine(combine(values, how)[None, :], how)[0])
        return Interval(estimate=best, low=best, high=np.inf, units=len(repeats.units), method="the best of all, a lower bound")
    if values.shape[1] < 2 or not spread(values):
        return _range(repeats)
    if not np.isnan(values).any():
        return interval(combine(values, how, axis=0), how, level)
    return _unbalanced(values, how, level)


def _tied(repeats: Repeats, level: float) -> Interval:
    """The interval of units that agree: whole numbers may do so by chance."""
    tied = ties.interval(repeats.values[0], repeats.aggregate, level)
    return tied if tied.low < tied.high else plain(repeats, level)


def _endless(repeats: Repeats, level: float) -> Interval:
    """The interval where some values could be anything: a median may still have ends."""
    values, how = repeats.values, repeats.aggregate
    if how == "median" and len(values) == 1 and values.shape[1] > 5:
        return interval(values[0], how, level)
    low = -np.inf if (values == -np.inf).any() else np.inf
    high = np.inf if (values == np.inf).any() else -np.inf
    return Interval(estimate=np.nan, low=min(low, high), high=max(low, high), units=len(repeats.units), method="no end")


def _share(values: Array, level: float) -> Interval:
    """The mean of two values by the share of each: exactly over all rows, and over units too where a unit has several."""
    rows = values[~np.isnan(values)]
    first, last = (0.0, 1.0) if np.isin(rows, SHARE).all() else (float(rows.min()), float(rows.max()))
    share = _share_of_ones((values - first) / (last - first), level)
    estimate, low, high = (first + (last - first) * end for end in (share.estimate, share.low, share.high))
    return replace(share, estimate=estimate, low=low, high=high)


def _share_of_ones(values: Array, level: float) -> Interval:
    rows = values[~np.isnan(values)]
    pooled = interval(rows, "proportion", level)
    units = combine(values, "mean", axis=0)
    units = units[~np.isnan(units)]
    if len(values) == 1 or len(units) < 2:
        return pooled
    over_units = interval(units, "proportion", level)
    return _replaced(pooled, min(pooled.low, over_units.low), max(pooled.high, over_units.high), "the wider of rows and units")


def _range(repeats: Repeats) -> Interval:
    """From the smallest to the largest value, brackets included: rows without noise say what they say."""
    each = combine(repeats.values, repeats.aggregate)
    if not len(each) or np.isnan(each).all():
        return Interval(estimate=np.nan, low=-np.inf, high=np.inf, units=0, method="no value")
    middle = float(combine(each[None, :], repeats.aggregate)[0])
    low, high = float(np.nanmin(repeats.low)), float(np.nanmax(repeats.high))
    return Interval(estimate=middle, low=low, high=high, units=len(repeats.units), method="range of the rows, without noise")


def _unbalanced(values: Array, how: str, level: float) -> Interval:
    """The mean of the ends of each setting's interval, all of which hold together: units differ from setting to setting."""
    each = [row[~np.isnan(row)] for row in values]
    filled = [row for row in each if len(row)]
    shared = 1 - (1 - level) / len(filled)
    spans = [interval(row, how, shared) for row in filled]
    low, high = float(np.mean([s.low for s in spans])), float(np.mean([s.high for s in spans]))
    if any(len(row) < 2 for row in filled):  # one value does not tell its noise
        low, high = OPEN
    middle = float(np.mean([s.estimate for s in spans]))
    units = min(len(row) for row in filled)
    return Interval(estimate=middle, low=low, high=high, units=units, method="each setting's own, together")


def _replaced(whole: Interval, low: float, high: float, how: str) -> Interval:
    return replace(whole, low=low, high=high, method=f"{whole.method}, {how}")
