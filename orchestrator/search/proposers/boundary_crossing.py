"""Turns noisy replicates around a boundary into where they cross the level, with an interval whose unit is the seed.

Each seed has its own straight line through the places near the boundary. Seeds may share their noise along the line (the
same data at every place) or not; their lines tell the one from the other, and say when another place teaches nothing.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.search.proposers.boundary_sides import Samples

NEAR = 6  # places of a line, at least
DOUBT = 0.05  # and all between those whose side is doubted as much
Full = Sequence[tuple[float, tuple[float, ...]]]  # places whose seeds all gave a value


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """Where the mean line meets the level, half its 95 % interval, and whether more places would still narrow that."""

    place: float
    half: float
    worth: bool


def cross(places: Sequence[float], samples: Samples, sides: Sequence[float], level: float, middle: float) -> Crossing | None:
    """The crossing near the believed `middle`; None where seeds or places are too few, or the line is flat."""
    count = max(map(len, samples))
    near, inside = _near(_full(places, samples, count), _doubted(places, sides) or [middle])
    if count < 2 or len(near) < NEAR:
        return None
    xs = [x for x, _ in near]
    lines = _lines(xs, near, count)
    slope, intercept = (statistics.fmean(parts) for parts in zip(*lines, strict=True))
    if slope == 0:
        return None
    position = min(max((level - intercept) / slope, min(xs)), max(xs))
    # The spread of lines is what seeds share, which more places leave as it is, and what each place adds of its own. A line
    # over few doubted places may be no line.
    spread = statistics.variance([line.intercept + line.slope * position for line in lines])
    own = statistics.fmean(_scatter(near, seed, line) for seed, line in enumerate(lines)) * _leverage(xs, position)
    half = _student(count) * math.sqrt(max(spread, own) / count) / abs(slope)
    return Crossing(place=position, half=half, worth=inside < NEAR or own > spread / 2)


def _full(places: Sequence[float], samples: Samples, count: int) -> Full:
    return [(x, ys) for x, ys in zip(places, samples, strict=True) if len(ys) == count and all(map(math.isfinite, ys))]


def _doubted(places: Sequence[float], sides: Sequence[float]) -> list[float]:
    return [x for x, side in zip(places, sides, strict=True) if DOUBT < side < 1 - DOUBT]


def _near(full: Full, doubted: Sequence[float]) -> tuple[Full, int]:
    """Places between the outermost doubted ones, more of the nearest where those are few, and how many lie between."""
    inside = sum(doubted[0] <= x <= doubted[-1] for x, _ in full)
    centre = (doubted[0] + doubted[-1]) / 2
    return sorted(full, key=lambda pair: (abs(pair[0] - centre), pair[0]))[: max(NEAR, inside)], inside


def _lines(xs: list[float], near: Full, count: int) -> list[statistics.LinearRegression]:
    return [statistics.linear_regression(xs, [ys[seed] for _, ys in near]) for seed in range(count)]


def _student(count: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(count - 1, 0.975))


def _scatter(near: Full, seed: int, line: tuple[float, float]) -> float:
    """The variance of one seed's values about its own line."""
    slope, intercept = line
    return math.fsum((ys[seed] - intercept - slope * x) ** 2 for x, ys in near) / (len(near) - 2)


def _leverage(xs: Sequence[float], position: float) -> float:
    """Leverage: the factor from the variance of one value to the variance of the fitted line at `position`."""
    mean = statistics.fmean(xs)
    return 1 / len(xs) + (position - mean) ** 2 / math.fsum((x - mean) ** 2 for x in xs)
