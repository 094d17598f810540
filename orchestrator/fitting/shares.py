"""Pools shares of successes over all their trials: one exact interval, where a spread of zeros and ones tells too little.

Ones alone have no spread, and yet leave room for failure: eight of eight may be a share of 0.63. What is exact for independent
trials is widened to what the units show, whose trials may agree, and to what the x show, whose shares may differ.
"""

from __future__ import annotations

import numpy as np

from orchestrator.fitting.intervals import Array, Interval, binary, binomial, student

MOST = 1000
"""Trials of one value that are looked for."""


def trials(values: Array, aggregate: str, seedless: bool = False) -> int:
    """How many trials each value is the share of successes of; 0 where they are no shares.

    A mean of zeros and ones is a share of one trial, and so is one of ones alone, or of zeros: few trials show no failure.
    Where the seed changes nothing (`seedless`) these are numbers without noise. What is declared a proportion may be of more:
    the fewest of which every value is a whole number, so that what is guessed too low only widens the interval.
    """
    present = values[~np.isnan(values)]
    if not len(present) or aggregate not in ("mean", "proportion"):
        return 0
    alike = aggregate == "mean" and not seedless and bool(np.isin(present, (0.0, 1.0)).all())
    if alike or binary(present, aggregate):
        return 1
    if aggregate == "mean" or present.min() < 0 or present.max() > 1:
        return 0
    each = np.unique(present)
    if len(each) > MOST + 1:
        return 0
    whole = (k for k in range(2, MOST + 1) if np.abs(k * each - np.round(k * each)).max() <= 1e-9 * k)
    return next(whole, 0)


def pooled(values: Array, of: int, level: float) -> Interval:
    """The share of all values `(k, n)` of `of` trials each, with the exact interval and what units and x add to it."""
    present = ~np.isnan(values)
    filled, n = np.where(present, values, 0.0), int(present.sum()) * of
    share = float(filled.sum()) * of / n
    low, high = binomial(float(np.round(filled.sum() * of)), n, level)
    method = f"exact binomial, {n} trials"
    for half, why in ((_units(filled, present, level), "units"), (_scatter(filled, present, level), "scatter about the law")):
        if share - half < low or share + half > high:
            low, high, method = min(low, share - half), max(high, share + half), f"{method}, and {why}"
    units = int(present.any(axis=0).sum())
    return Interval(estimate=share, low=max(low, 0.0), high=min(high, 1.0), units=units, method=method)


def _units(filled: Array, present: Array, level: float) -> float:
    """Half the t interval over units, whose values may depend on one another."""
    counts = present.sum(axis=0)
    sums, counts = filled.sum(axis=0)[counts > 0], counts[counts > 0]
    if len(counts) < 2 or counts.max() < 2:
        return 0.0
    off = sums - filled.sum() / present.sum() * counts
    return student(level, len(counts) - 1) * float(np.sqrt(len(counts) / (len(counts) - 1) * (off**2).sum()) / counts.sum())


def _scatter(filled: Array, present: Array, level: float) -> float:
    """Half the interval that the scatter of the x about one share leaves."""
    counts = present.sum(axis=1)
    if len(counts) < 2:
        return 0.0
    off = filled.sum(axis=1) / np.maximum(counts, 1) - filled.sum() / counts.sum()
    return student(level, len(counts) - 1) * float(np.sqrt((counts * off**2).sum() / (len(counts) - 1) / counts.sum()))
