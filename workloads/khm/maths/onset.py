"""Turns the distance distribution of a symmetric code into the β from which its memories are fixed points of the update.

Along the ray of a memory the update is one scalar function f, T(aξ) = f(βa)ξ, so fixed points are those of a = f(βa).
"""

from __future__ import annotations

from dataclasses import dataclass

from workloads.shared.hopfield.known_codes import GOLDEN
from workloads.shared.hopfield.symmetric_codes import Distribution, response


@dataclass(frozen=True)
class Onset:
    """Where a fixed point ξ·a first appears: `beta`, its length `norm` there, and whether it grows from 0 (`continuous`)."""

    beta: float
    norm: float
    continuous: bool


def onset(code: Distribution) -> Onset:
    """The smallest β with a non-zero fixed point aξ = T(aξ): β_c = min over u > 0 of u/f(u), a_c = f(u_c).

    Continuous where the minimum is at u → 0, β_c = 1/f'(0) (d for a centred isotropic code); else a saddle-node.
    """
    total = sum(n for _, n in code)
    slope = sum(n * c * c for c, n in code) / total - (sum(n * c for c, n in code) / total) ** 2
    u = _least(lambda v: v / response(v, code), 1e-3, 60.0)
    lowest = u / response(u, code)
    if lowest >= (1 / slope) * (1 - 1e-7):
        return Onset(1 / slope, 0.0, True)
    return Onset(lowest, response(u, code), False)


def _least(f: object, low: float, high: float) -> float:
    """Where f is least: the best of 2,000 points in geometric order, then golden sections around it."""
    assert callable(f)
    grid = [low * (high / low) ** (i / 1999) for i in range(2000)]
    best = min(range(2000), key=lambda i: f(grid[i]))
    a, b = grid[max(best - 1, 0)], grid[min(best + 1, 1999)]
    ratio = 1 / GOLDEN
    for _ in range(80):
        c, e = b - ratio * (b - a), a + ratio * (b - a)
        a, b = (a, e) if f(c) < f(e) else (c, b)
    return (a + b) / 2
