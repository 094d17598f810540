"""Turns replicates into one number and an interval that covers at few seeds: t, log-t, exact binomial, order statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestrator.fitting.aggregates import combine, named, units
from orchestrator.fitting.skewness import Skew, skew

Array = np.ndarray[Any, np.dtype[np.float64]]
WIDEST = 200.0  # of half an interval on a logarithm: more is no number any more


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A number with its interval, how many units it rests on and the method; `low = high` where there is no spread to see.

    `skew` says which end of a mean's interval is too short for its level, where one is.
    """

    estimate: float
    low: float
    high: float
    units: int
    method: str
    skew: Skew | None = None


def quantile(level: float, units: int) -> float:
    """The two-sided Student quantile at `level` (0.95 and the like) with `units - 1` degrees of freedom; infinite for one."""
    return student(level, units - 1)


def student(level: float, freedom: float) -> float:
    """The two-sided Student quantile at `level` with that many degrees of freedom; infinite below one."""
    if freedom < 1:
        return float("inf")
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + level / 2))


def without_each(values: Array, aggregate: str) -> Array:
    """Row i of `(n, k)` is the combination of `(k, n)` values without unit i; where i is all there is, it stays."""
    present, power = ~np.isnan(values), named(aggregate).power
    if power is None:
        whole = combine(values, aggregate)
        reduced = [combine(np.delete(values, i, axis=1), aggregate) for i in range(values.shape[1])]
        return np.array([np.where(np.isnan(without), whole, without) for without in reduced])
    filled = np.where(present, values, 0.0)
    unit = units(filled, 1)
    powers = (filled / unit) ** power
    count = present.sum(axis=1, keepdims=True)
    others_present = np.maximum(count - present, 1)
    means = np.where(count - present > 0, (powers.sum(axis=1, keepdims=True) - powers) / others_present, powers)
    return (unit * (means if power == 1 else np.maximum(means, 0.0) ** (1 / power))).T


def deviation(values: Array) -> float:
    """The sample standard deviation of `(n,)` values, the huge and the tiny, whose squares are no numbers, included."""
    unit = float(units(values, 0)[0])
    return unit * float(np.std(values / unit, ddof=1))


def interval(values: Array, aggregate: str = "mean", level: float = 0.95) -> Interval:
    """The interval of `(n,)` independent replicates combined by `aggregate`; NaN are left out.

    mean: Student's t. rms: t on the logarithm of the mean square by the jackknife (t on squares covers 81 % with four seeds,
    this 93 %). proportion: exact binomial for zeros and ones, else t within [0, 1]. median: order statistics, from six on.
    max: none, for the best of n is a bound; so with every extreme.
    """
    y = values[~np.isnan(values)]
    if len(y) == 0:
        return Interval(estimate=np.nan, low=np.nan, high=np.nan, units=0, method="none")
    estimate = float(combine(y, aggregate))
    extreme = named(aggregate).extreme
    if extreme or len(y) == 1:
        method = "best of all" if extreme else "one unit"
        return Interval(estimate=estimate, low=estimate, high=estimate, units=len(y), method=method)
    low, high, method = _ends(y, aggregate, estimate, level)
    doubt = skew(y, level) if method == "t" else None
    return Interval(estimate=estimate, low=low, high=high, units=len(y), method=method, skew=doubt)


def _ends(y: Array, aggregate: str, estimate: float, level: float) -> tuple[float, float, str]:
    if aggregate == "rms":
        return (*_log_t(y, estimate, level), "t on the log mean square")
    if aggregate == "median":
        return (*_order(y, level), "order statistics" if len(y) >= 6 else "t and range")
    if aggregate == "proportion":
        if np.isin(y, (0.0, 1.0)).all():
            return (*_binomial(float(y.sum()), len(y), level), "exact binomial")
        low, high = _t(y, level)
        return max(low, 0.0), min(high, 1.0), "t within [0, 1]"
    return (*_t(y, level), "t")


def _t(y: Array, level: float) -> tuple[float, float]:
    half = quantile(level, len(y)) * deviation(y) / np.sqrt(len(y))
    return float(np.mean(y)) - half, float(np.mean(y)) + half


def _log_t(y: Array, estimate: float, level: float) -> tuple[float, float]:
    """Ends of an rms: exp of the t interval over jackknife pseudo-values of its logarithm."""
    if estimate <= 0:
        return estimate, estimate
    n = len(y)
    reduced = np.maximum(without_each(y[None, :], "rms")[:, 0], 1e-300)
    pseudo = n * np.log(estimate) - (n - 1) * np.log(reduced)
    half = min(quantile(level, n) * float(np.std(pseudo, ddof=1)) / np.sqrt(n), WIDEST)
    return float(estimate * np.exp(-half)), float(estimate * np.exp(half))


def _binomial(successes: float, n: int, level: float) -> tuple[float, float]:
    """Clopper and Pearson (1934): never covers less than `level`."""
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = 0.0 if successes <= 0 else float(betaincinv(successes, n - successes + 1, tail))
    high = 1.0 if successes >= n else float(betaincinv(successes + 1, n - successes, 1 - tail))
    return low, high


def _order(y: Array, level: float) -> tuple[float, float]:
    """Ends of a median: the innermost pair of order statistics that covers `level`.

    Fewer than six values have no such pair at 95 %: then the range, widened to the t interval.
    """
    from scipy.special import bdtr

    ordered, n = np.sort(y), len(y)
    inner = [r for r in range(n // 2) if 2 * bdtr(r, n, 0.5) <= 1 - level]
    if inner:
        return float(ordered[inner[-1]]), float(ordered[n - 1 - inner[-1]])
    low, high = _t(y, level)
    return min(low, float(ordered[0])), max(high, float(ordered[-1]))
