"""Turns a mechanism's shape into what theory says of its error and its cost, with queries spread evenly and no rounding."""

from __future__ import annotations

import math
from fractions import Fraction

import torch

from workloads.dp_kde.maths import budget, errors, noise

# Mean squares over y in a node of width w, in units of w²: distance to the sibling's centre, and mean distance inside.
SIBLING, INSIDE = 13 / 12, 7 / 60


def theory(
    variant: str, levels: int, d: int = 1, queries: int = 1, adjacency: str = "add_remove", count_share: float = 0.5
) -> float | None:
    """Root mean square of the noise, times eps over R, where noise is continuous; None where no closed form is known.

    Laplace noise of scale b has variance 2b². `anchored`: sqrt(32/9) L; `absolute`: sqrt(32/3) L^1.5; `counts`: sqrt(8/9) L;
    a histogram of m cells: sqrt(m/3); per query: sqrt(2) Q. In d coordinates with eps/d each: d^1.5 times that.
    """
    if variant == "per_query":
        return math.sqrt(2) * queries * d
    if variant in ("backurs", "counts_consistent"):
        return None
    touched = 2 if adjacency == "replace_one" else 1
    if variant == "histogram":
        m = 2.0**levels
        return touched * d**1.5 * math.sqrt(m / 3 - 1 / (6 * m) + 1 / (15 * m * m))
    parts = [
        _level(variant, levels, level, float(share), count_share) for level, share in budget.shares(variant, levels).items()
    ]
    return touched * d**1.5 * math.sqrt(sum(parts))


def _level(variant: str, levels: int, level: int, share: float, count_share: float) -> float:
    """Variance that a level adds at eps = 1."""
    width = 2.0**-level
    count = 2 / (share * (count_share if variant in budget.SUMS else 1)) ** 2
    own = INSIDE * width**2 * count if level == levels else 0.0
    if variant not in budget.SUMS:
        # Every node off the path weighs half its width, but the sibling of the path, which weighs its distance.
        return own + count * width**2 * (SIBLING + (2.0**level - 2) / 4)
    reach = 1.0 if variant in ("absolute", "wide") else width / 2
    distance = 1 / 3 if variant == "absolute" else SIBLING * width**2
    return own + count * distance + 2 * (reach / (share * (1 - count_share))) ** 2


def nodes(variant: str, levels: int, d: int, noisy: float) -> float:
    """Nodes of the stored structure that a query reads: a sibling a level and the own leaf, or what carries its answer."""
    return float(d * (levels + 1)) if variant in budget.TREES else noisy


def independent(scale: float, queries: int, trees: int) -> errors.Exact:
    """Closed forms where every answer has discrete Laplace noise of its own, of that scale on the fine grid's unit 1."""
    unit = torch.eye(queries, dtype=torch.float64)
    return errors.summary(
        unit * noise.variance(scale),
        queries * noise.fourth_cumulant(scale),
        torch.zeros(queries, dtype=torch.float64),
        trees,
    )


def spent(reach: int, scale: float) -> Fraction:
    """Exact privacy loss of whole answers that move by at most `reach`, under noise of that scale."""
    return reach / Fraction(scale)
