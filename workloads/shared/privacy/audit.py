"""Turns scores of runs on two neighbouring databases into a privacy loss that was surely seen (Clopper-Pearson, held out)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from scipy.special import betaincinv

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
# Thresholds that the first half of the runs may choose from, spread over the quantiles of its scores.
CANDIDATES = 512
# Confidence at which candidates are compared: at the audit's own, the luckiest of many rare events would win.
SELECTION = 0.9999
# Audits that are drawn to know how often one finds more than it should.
DRAWS = 4000


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What an audit saw: with the stated confidence the mechanism loses at least `epsilon` (0 where nothing was seen).

    The event is `score >= threshold`, or `score < threshold` where `below`; `hits` of `runs` met it on the database that it
    speaks for, `false_hits` on the other. Counts are those of the second half, which had no part in choosing the event.
    """

    epsilon: float
    threshold: float
    below: bool
    hits: int
    false_hits: int
    runs: int


def clopper_pearson(hits: Any, runs: Any, confidence: float = 0.975) -> tuple[Array, Array]:
    """One-sided bounds (lower, upper) of a proportion, each of which holds with `confidence`; counts may be fractions."""
    k, n = np.broadcast_arrays(np.asarray(hits, dtype=np.float64), np.asarray(runs, dtype=np.float64))
    miss = 1 - confidence
    lower = np.where(k > 0, betaincinv(np.maximum(k, 1e-9), n - k + 1, miss), 0.0)
    upper = np.where(k < n, betaincinv(k + 1, np.maximum(n - k, 1e-9), 1 - miss), 1.0)
    return lower, upper


def surely(hits: Any, false_hits: Any, runs: Any, confidence: float = 0.95) -> Array:
    """The epsilon that an event with these counts of `runs` on either side proves: ln(least true / largest false rate), >= 0.

    Both rates are bounded at once, each with half of the allowed error. Counts may be expectations: what an audit would find.
    """
    each = 1 - (1 - confidence) / 2
    low, _ = clopper_pearson(hits, runs, each)
    _, high = clopper_pearson(false_hits, runs, each)
    proved: Array = np.log(np.maximum(low / high, 1.0))
    return proved


@dataclass(frozen=True, kw_only=True)
class Reach:
    """What an audit of so many runs can find: at its best event, with the rates of that event on either side."""

    epsilon: float
    hit_rate: float
    false_rate: float


def reach(hit_rate: Array, false_rate: Array, runs: int, confidence: float = 0.95) -> Reach:
    """What `epsilon_lower` finds if its counts are as expected, of events with these chances; half of the runs choose one."""
    counted = runs - runs // 2
    proved = surely(hit_rate * counted, false_rate * counted, counted, confidence)
    best = int(np.argmax(proved))
    return Reach(epsilon=float(proved[best]), hit_rate=float(hit_rate[best]), false_rate=float(false_rate[best]))


def power(event: Reach, runs: int, claimed: float, confidence: float = 0.95) -> float:
    """The probability that an audit with that event proves more than the claimed epsilon, over drawn counts."""
    draw, counted = np.random.default_rng(0), runs - runs // 2
    hits, false_hits = (draw.binomial(counted, min(max(rate, 0.0), 1.0), DRAWS) for rate in (event.hit_rate, event.false_rate))
    return float((surely(hits, false_hits, counted, confidence) > claimed).mean())


def epsilon_lower(null: Array, alternative: Array, confidence: float = 0.95) -> Proof:
    """A lower bound of epsilon from scores (runs,) on a database and on its neighbour, where scores tend to be larger.

    The first half of the runs chooses threshold and direction, the second half is counted once, so the bound holds with
    `confidence` whatever was tried. Any score is valid; the likelihood ratio is the strongest.
    """
    null, alternative = np.asarray(null, dtype=np.float64), np.asarray(alternative, dtype=np.float64)
    if null.shape != alternative.shape or null.ndim != 1 or len(null) < 4:
        raise ValueError(
            f"scores must be two arrays of one length, at least 4, but got {null.shape} and {alternative.shape}; "
            "run both databases equally often."
        )
    half = len(null) // 2
    threshold, below = _chosen(null[:half], alternative[:half], max(confidence, SELECTION))
    hits, false_hits = (int(k[0]) for k in _counts(null[half:], alternative[half:], np.array([threshold]), below))
    runs = len(null) - half
    epsilon = float(surely(hits, false_hits, runs, confidence))
    return Proof(epsilon=epsilon, threshold=threshold, below=below, hits=hits, false_hits=false_hits, runs=runs)


def _chosen(null: Array, alternative: Array, confidence: float) -> tuple[float, bool]:
    """The event that would prove most on these runs."""
    pooled = np.unique(np.concatenate([null, alternative]))
    thresholds = pooled[np.unique(np.linspace(0, len(pooled) - 1, CANDIDATES).astype(np.int64))]
    both = [surely(*_counts(null, alternative, thresholds, below), len(null), confidence) for below in (False, True)]
    best = [int(np.argmax(proved)) for proved in both]
    below = bool(both[1][best[1]] > both[0][best[0]])
    return float(thresholds[best[below]]), below


def _counts(null: Array, alternative: Array, thresholds: Array, below: bool) -> tuple[Array, Array]:
    """Hits and false hits of the event at each threshold: on the alternative above it, on the null below it."""
    under = [np.searchsorted(np.sort(scores), thresholds, side="left") for scores in (null, alternative)]
    if below:
        return under[0], under[1]
    return len(alternative) - under[1], len(null) - under[0]


def laplace_score(statistics: Array, shift: Array, scale: Array) -> Array:
    """The log-likelihood ratio (runs,) of Laplace noise, whole or real: statistics (runs, k) centred at `shift` against 0."""
    # Beyond the shift all runs score the same; rounding keeps sums that differ in their last digits one value.
    return np.round(((np.abs(statistics) - np.abs(statistics - shift)) / scale).sum(-1), 9)


def flips_score(flips: Array, bits: int, rate: float) -> Array:
    """The log-likelihood ratio of randomized response on the `bits` that differ, of which `flips` look like the neighbour's."""
    return (2 * np.asarray(flips, dtype=np.float64) - bits) * (math.log1p(-rate) - math.log(rate))
