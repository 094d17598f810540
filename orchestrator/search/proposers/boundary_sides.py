"""Turns replicates of a measure into how sure it is that it lies at or above a level, one probability an assignment."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np

from orchestrator.fitting.aggregates import combine, named

BORROWED = 4  # degrees of freedom that an assignment borrows from the typical spread of all: few seeds misjudge their own
SURE = 0.999
Samples = Sequence[tuple[float, ...]]


def sides(samples: Samples, level: float, aggregate: str = "mean") -> list[float]:
    """The probability, for each assignment, that the measure is at least `level`: 0 or 1 where nothing disagrees.

    mean: Student's t with the spread drawn towards the typical one; rms: the same on squares; a proportion of zeros and
    ones: its posterior under Jeffreys' prior; median: the same for the share above the level; max: no doubt.
    """
    samples, level = averaged(samples, level, aggregate)
    if named(aggregate).extreme:
        return [float(combine(np.array(ys), aggregate) >= level) for ys in samples]
    typical = _typical(samples)
    if typical == 0:
        return [float(math.fsum(ys) / len(ys) >= level) for ys in samples]
    binary = all(y in (0.0, 1.0) for ys in samples for y in ys)
    return [_share(ys, level) if binary else _student(ys, level, typical) for ys in samples]


def _typical(samples: Samples) -> float:
    """The median spread of those assignments whose seeds differ."""
    spreads = [statistics.variance(ys) for ys in samples if len(ys) > 1 and all(map(math.isfinite, ys))]
    return statistics.median([v for v in spreads if v > 0] or [0.0])


def averaged(samples: Samples, level: float, aggregate: str) -> tuple[Samples, float]:
    """Samples and a level such that the mean of the one against the other is the aggregate against its level."""
    if aggregate == "rms":
        return [tuple(y * y for y in ys) for ys in samples], max(level, 0.0) ** 2
    if aggregate == "median":
        return [tuple(float(y >= level) for y in ys) for ys in samples], 0.5
    return samples, level


def unsure(side: float) -> bool:
    """Whether a side may be the other one."""
    return 1 - SURE < side < SURE


def _share(ys: tuple[float, ...], level: float) -> float:
    from scipy.special import betaincc

    ones = sum(ys)
    return float(betaincc(ones + 0.5, len(ys) - ones + 0.5, min(max(level, 0.0), 1.0)))


def _student(ys: tuple[float, ...], level: float, typical: float) -> float:
    from scipy.special import stdtr

    mean = sum(ys) / len(ys)
    if not math.isfinite(mean):
        return float(mean >= level)
    own = len(ys) - 1
    spread = (own * statistics.variance(ys) if own else 0.0) + BORROWED * typical
    error = math.sqrt(spread / (own + BORROWED) / len(ys))
    return float(stdtr(own + BORROWED, (mean - level) / error))
