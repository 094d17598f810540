"""Turns replicates that agree into honest intervals: values with few steps between them, and values that are all alike."""

from __future__ import annotations

import numpy as np

from orchestrator.fitting import intervals
from orchestrator.fitting.aggregates import named
from orchestrator.fitting.intervals import Array, Interval

SAME = 1e-9
"""Relative distance below which a value counts as one of two, and a number as whole."""


def whole(values: Array) -> bool:
    """Whether all values are whole numbers: then the smallest step between two of them is known to be 1."""
    return bool((np.abs(values - np.round(values)) <= SAME * np.abs(values)).all())


def alike(values: Array) -> bool:
    """Whether all values are one, up to rounding."""
    return bool(len(values)) and float(values.max() - values.min()) <= 1e-12 * float(np.abs(values).max())


def interval(values: Array, aggregate: str = "mean", level: float = 0.95) -> Interval:
    """The interval of `(n,)` independent replicates; that of values which agree holds what the next one may still be.

    Samples of two values have an exact binomial one, declared a proportion or not; whole numbers that are all alike may have
    neighbours one step away which none of them showed. Other values are as `intervals.interval` says; NaN are left out.
    """
    plain = intervals.interval(values, aggregate, level)
    y, power = values[~np.isnan(values)], named(aggregate).power
    if len(y) < 2 or power is None:
        return plain
    if alike(y):
        return _unseen(plain, float(y[0]), power, aggregate, level) if whole(y) else plain
    low, high = float(y.min()), float(y.max())
    upper, lower = np.abs(y - high) <= SAME * (high - low), np.abs(y - low) <= SAME * (high - low)
    if len(y) < 3 or not (upper | lower).all():
        return plain
    squares = sorted((abs(low) ** power, abs(high) ** power)) if power > 1 else [low, high]
    many = int((upper if power == 1 or abs(high) >= abs(low) else lower).sum())
    ends = [_between(squares[0], squares[1], share) ** (1 / power) for share in intervals.binomial(many, len(y), level)]
    if whole(y) and high - low < 1.5:
        return _with(plain, min(ends), max(ends), "exact binomial of two values")
    # Two values that are no neighbours may have others between and beyond them, which t reckons with.
    return _with(plain, min(*ends, plain.low), max(*ends, plain.high), "exact binomial of two values, and t")


def _unseen(plain: Interval, value: float, power: int, aggregate: str, level: float) -> Interval:
    """Whole numbers that are all alike: a share of others that none of them showed may lie one step away."""
    share = float(1 - ((1 - level) / 2) ** (1 / plain.units))
    if power == 1:
        low, high = value - share, value + share
    else:
        size = abs(value)
        low, high = (_between(size**power, max(size + step, 0.0) ** power, share) ** (1 / power) for step in (-1, 1))
    if aggregate == "proportion":
        low, high = max(low, 0.0), min(high, 1.0)
    return _with(plain, low, high, "exact binomial of a step that none showed")


def _with(plain: Interval, low: float, high: float, method: str) -> Interval:
    return Interval(estimate=plain.estimate, low=float(low), high=float(high), units=plain.units, method=method)


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share
