"""Turns the distance distribution of a symmetric code into closed forms of what one update or several do to a memory.

For a code whose stabiliser of a point acts irreducibly, T(aξ) = f(βa)ξ with f(u) = Σ n c e^{uc} / Σ n e^{uc} over the inner
products c, each met n times; so errors along the ray of a memory are those of one scalar function.
"""

from __future__ import annotations

import math

from workloads.shared.hopfield.known_codes import GOLDEN

Distribution = tuple[tuple[float, int], ...]

_HALF = {GOLDEN / 2: 12, 0.5: 20, (GOLDEN - 1) / 2: 12}
FIXED: dict[str, tuple[int, int, Distribution]] = {
    "icosahedron": (3, 12, ((1.0, 1), (1 / math.sqrt(5), 5), (-1 / math.sqrt(5), 5), (-1.0, 1))),
    "cell24": (4, 24, ((1.0, 1), (0.5, 8), (0.0, 6), (-0.5, 8), (-1.0, 1))),
    "cell600": (4, 120, ((1.0, 1), *_HALF.items(), (0.0, 30), *((-c, n) for c, n in _HALF.items()), (-1.0, 1))),
    "e8": (8, 240, ((1.0, 1), (0.5, 56), (0.0, 126), (-0.5, 56), (-1.0, 1))),
    "leech": (24, 196560, ((1.0, 1), (0.5, 4600), (0.25, 47104), (0.0, 93150), (-0.25, 47104), (-0.5, 4600), (-1.0, 1))),
}


def distribution(code: str, d: int) -> Distribution | None:
    """Inner products of one memory with all, each with its number; None for a code without a closed form here."""
    if code == "simplex":
        return ((1.0, 1), (-1.0 / d, d))
    if code == "orthoplex":
        return ((1.0, 1), (0.0, 2 * d - 2), (-1.0, 1))
    return FIXED[code][2] if code in FIXED else None


def response(u: float, code: Distribution) -> float:
    """f(u): how far along its own memory a query at distance u/β along it is sent."""
    weights = [(c, n * math.exp(u * (c - 1))) for c, n in code]
    return sum(c * w for c, w in weights) / sum(w for _, w in weights)


def shortfall(u: float, code: Distribution) -> float:
    """1 - f(u), without the cancellation: Σ n (1-c) e^{u(c-1)} / Σ n e^{u(c-1)}."""
    weights = [(c, n * math.exp(u * (c - 1))) for c, n in code]
    return sum((1 - c) * w for c, w in weights) / sum(w for _, w in weights)


def closed_error(beta: float, code: Distribution, updates: int = 1) -> float:
    """‖Tᵏ(ξ) - ξ‖ after k softmax updates that start at the memory itself."""
    along, short = 1.0, 0.0
    for _ in range(updates):
        short = shortfall(beta * along, code)
        before, along = along, 1 - short
        if along == before:
            break
    return short
