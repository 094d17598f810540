"""Turns the scales of a kernel's private statistics into the exact privacy loss of the worst change of one point."""

from __future__ import annotations

from fractions import Fraction

from workloads.dp_kde.maths import budget, sums
from workloads.dp_kde.maths.budget import Scales


def loss(kernel: str, variant: str, scales: Scales, d: int, features: int, adjacency: str) -> Fraction:
    """What the worst change costs, all statistics together; features are taken at the largest value that a cosine has.

    The outermost leaves move every sum, square and moment by most; a replaced point leaves one and enters the other.
    """
    if kernel == "gaussian" or variant == "constant":
        reach = features * sums.feature_reach(adjacency) if kernel == "gaussian" and variant != "constant" else 1
        return sum((reach / Fraction(scale) for scale in scales.noise.values()), Fraction(0))
    if kernel == "l2":
        return features * budget.worst(scales, adjacency)[0]
    if kernel == "l2_squared":
        return _squared(scales, d, adjacency)
    return d * (_moments(scales, adjacency) if variant in sums.MOMENTS else budget.worst(scales, adjacency)[0])


def _squared(scales: Scales, d: int, adjacency: str) -> Fraction:
    """The number of points, the sum of their half-leaves and the sum of the squares of these."""
    most, least = 2 * ((1 << scales.levels) - 1) + 1, 1
    moved = [1, d * most, d * most**2] if adjacency != "replace_one" else [0, d * (most - least), d * (most**2 - least**2)]
    return sum((moved[j] / Fraction(scale) for (j, _), scale in scales.noise.items()), Fraction(0))


def _moments(scales: Scales, adjacency: str) -> Fraction:
    """Moments of the nodes above the outermost leaf; a replaced point moves those of two paths, which part at the root."""
    paths = 2 if adjacency == "replace_one" else 1
    edge = {level: (1 << (scales.levels - level)) - 1 for _, level in scales.noise}
    return paths * sum((edge[level] ** j / Fraction(scale) for (j, level), scale in scales.noise.items()), Fraction(0))
