"""Turns a dimension with an angle, or with a temperature, into how many memories an optimal spherical code can store.

At a fixed angle θ the number is the size of a code. At a fixed β a code of M memories and separation Δ meets the condition
while M ≤ 1 + ½√(Δ/2)e^{βΔ}, which rises in Δ, as the size of codes falls: the capacity is where the two meet. Numbers are
real, not rounded, where a bound gives them (arXiv:2410.23126, Lemma 2.2; the brackets are derived).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workloads.khm.maths import best, storage
from workloads.shared.hopfield import bounds

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """How many memories: `constructed` in a code of separation `delta`, `lower` by proof of existence, `upper` by proof."""

    constructed: float
    lower: float
    upper: float
    delta: float


@functools.cache
def _turn(d: int) -> tuple[float, float]:
    """Where Rankin's count of R^d is least, as (angle, count): beyond that angle the bound must not rise again."""
    grid = np.linspace(0.0, bounds.HALF_PI, 2049)[1:-1]
    counts = bounds.rankin_count(d, grid)
    k = int(np.argmin(counts))
    return float(grid[k]), float(counts[k])


def most(d: int, delta: Array) -> Array:
    """No code in R^d of separation `delta` in (0, 1) has more memories: Hamming, and Rankin kept from rising."""
    angle = 2 * np.arcsin(np.sqrt(delta / 2))
    turn, least = _turn(d)
    rankin = np.where(angle < turn, bounds.rankin_count(d, np.minimum(angle, turn)), least)
    # The least count stands on a grid; 2d memories at 90 degrees exist, so no bound below that can be right.
    return np.minimum(bounds.hamming_count(d, angle), np.maximum(rankin, 2.0 * d))


def at_angle(d: int, angle: float) -> Capacity:
    """The capacity at a least angle in (0, π], whatever the temperature."""
    delta = bounds.delta_of(angle)
    if delta >= 1 - 1e-12:
        exact = float(_obtuse(d, delta))
        return Capacity(constructed=exact, lower=exact, upper=exact, delta=delta)
    upper = _snap(float(most(d, np.array(delta))))
    lower = max(float(bounds.greedy_count(d, angle)), 2.0 * d)
    if d == 2:
        lower = upper = float(math.floor(upper))
    inside = [float(m) for m, own in best.sizes(d) if own >= delta * (1 - 1e-9)]
    best_code = max([lower, *inside])
    return Capacity(constructed=best_code, lower=lower, upper=upper, delta=delta)


def _obtuse(d: int, delta: float) -> int:
    """The exact size at 90 degrees or more (Rankin): M ≤ Δ/(Δ-1), at most d + 1; 2d at 90 degrees itself."""
    if delta <= 1 + 1e-12:
        return 2 * d
    return min(d + 1, math.floor(delta / (delta - 1) * (1 + 1e-12)))


def _snap(count: float) -> float:
    """A count within rounding of a whole number as that number."""
    return float(round(count)) if abs(count - round(count)) < 1e-9 * count else count


def at_beta(d: int, beta: Array, criterion: str, rho: float) -> list[Capacity]:
    """The capacity at each inverse temperature (p,) under the printed or the rigorous condition."""
    greedy = _meet(d, beta, criterion, rho, lambda delta: bounds.greedy_count(d, 2 * np.arcsin(np.sqrt(delta / 2))))
    upper = _meet(d, beta, criterion, rho, lambda delta: most(d, delta))
    return [_bracket(d, float(b), criterion, rho, float(g), float(u)) for b, g, u in zip(beta, greedy, upper, strict=True)]


def _allowed(delta: Array, beta: Array, criterion: str, rho: float) -> Array:
    share, slack = (rho, 1 - rho) if criterion == "rigorous" else (1.0, 1.0)
    return 1 + 0.5 * share * np.sqrt(delta / 2) * np.exp(np.minimum(beta * delta * slack, 700.0))


def _meet(d: int, beta: Array, criterion: str, rho: float, size: Callable[[Array], Array]) -> Array:
    """max over Δ in (0, 1] of min(size(Δ), allowed(Δ)) for each β: size falls and allowed rises, so bisect where they cross."""
    low, high = np.full_like(beta, -40.0), np.zeros_like(beta)  # ln Δ
    for _ in range(70):
        middle = 0.5 * (low + high)
        delta = np.exp(middle)
        above = size(delta) >= _allowed(delta, beta, criterion, rho)
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return _allowed(np.exp(low), beta, criterion, rho)


def _bracket(d: int, beta: float, criterion: str, rho: float, greedy: float, upper: float) -> Capacity:
    square = min(2.0 * d, storage.memories_allowed(1.0, beta, criterion, rho))
    few = simplex_size(d, beta, criterion, rho)
    lower = max(greedy, square, few)
    best_code, delta = largest(d, beta, criterion, rho)
    if lower > best_code:
        best_code, delta = lower, storage.separation_needed(lower, beta, criterion, rho)
    return Capacity(constructed=best_code, lower=lower, upper=max(upper, square, few), delta=delta)


def simplex_size(d: int, beta: float, criterion: str, rho: float) -> float:
    """The most memories, up to d + 1, whose regular simplex meets the condition; at least 1."""
    return float(_last(lambda m: m <= storage.memories_allowed(m / (m - 1), beta, criterion, rho), 2, d + 1))


def largest(d: int, beta: float, criterion: str, rho: float) -> tuple[float, float]:
    """(memories, separation) of the largest code known here that meets the condition, parts of codes included."""
    tries = [*best.members("simplex", d, 0), *best.members("orthoplex", d, 0), *best.sizes(d)]
    if d == 2:
        tries += best.members("polygon", 2, 4096)
    return part(tries, beta, criterion, rho)


def part(codes: list[tuple[int, float]], beta: float, criterion: str, rho: float) -> tuple[float, float]:
    """(memories, separation) of the largest part of any of these codes that meets the condition; (1, NaN) where none does.

    A part of a code has at least its separation, so as many memories as that allows are always stored.
    """
    allowed = [(math.floor(min(m, storage.memories_allowed(delta, beta, criterion, rho))), delta) for m, delta in codes]
    m, delta = max(allowed)
    return (float(m), delta) if m >= 2 else (1.0, math.nan)


def _last(holds: Callable[[int], bool], first: int, last: int) -> int:
    """The last number in [first, last] for which a property that ends once holds; `first - 1` where it never does."""
    low, high = first - 1, last + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
