"""Turns queries into what they read of a released structure: which statistics of which nodes, with what weights.

An answer is linear in the released numbers, so weights give its value, its variance and its cost. Positions lie in [0, 1);
weights are per whole unit of a statistic: a count, or a sum in half-leaves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workloads.dp_kde.maths.budget import COUNT, SUM, SUMS


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What queries read of one statistic on one level: nodes (u,), weights (q, u), 0 where a query leaves a node out."""

    level: int
    statistic: int
    nodes: Tensor
    weights: Tensor


def readings(variant: str, levels: int, y: Tensor, alpha: float = 0.5) -> list[Reading]:
    """All that queries y (q,) in [0, 1) read of one coordinate's structure."""
    if variant == "histogram":
        return [every(levels, _distances(levels, y))]
    if variant == "backurs":
        return _backurs(levels, y, alpha)
    if variant == "counts_consistent":
        return consistent(levels, _distances(levels, y))
    if variant in SUMS:
        return [reading for level in range(1, levels + 1) for reading in _siblings(variant, levels, level, y)]
    return [every(level, _halves(levels, level, y)) for level in range(1, levels + 1)]


def touched(parts: list[Reading]) -> Tensor:
    """How many released numbers each query (q,) reads, the counts and the sums."""
    total: Tensor = sum(
        ((r.weights != 0).sum(1).double() for r in parts),
        parts[0].weights.new_zeros(len(parts[0].weights)),
    )
    return total


def every(level: int, weights: Tensor) -> Reading:
    """The counts of all nodes of a level with weights (q, nodes)."""
    nodes = torch.arange(weights.shape[1], device=weights.device)
    return Reading(level=level, statistic=COUNT, nodes=nodes, weights=weights)


def _centres(level: int, y: Tensor) -> Tensor:
    """Centres (2^level,) of the nodes."""
    return (torch.arange(1 << level, dtype=torch.float64, device=y.device) + 0.5) * 2.0**-level


def inside(y: Tensor, level: int) -> Tensor:
    """Mean distance (q,) from y to a point that is uniform in y's own node of that level."""
    width = 2.0**-level
    edge = (y * 2.0**level).floor() * width
    return ((y - edge) ** 2 + (edge + width - y) ** 2) / (2 * width)


def own_node(y: Tensor, level: int) -> Tensor:
    """The node (q,) of that level in which y lies."""
    return (y * 2.0**level).floor().long()


def _distances(levels: int, y: Tensor) -> Tensor:
    """Distances (q, leaves) from the leaves' centres; for the own leaf the mean over it."""
    weights = (y[:, None] - _centres(levels, y)).abs()
    weights[torch.arange(len(y), device=y.device), own_node(y, levels)] = inside(y, levels)
    return weights


def _siblings(variant: str, levels: int, level: int, y: Tensor) -> list[Reading]:
    """Count and sum of the sibling of the node where y is, which lies wholly on one side; at last the own leaf's count."""
    own = own_node(y, level)
    sibling = own ^ 1
    anchor = torch.zeros_like(y) if variant == "absolute" else (sibling + 0.5) * 2.0**-level
    side = torch.where(own > sibling, 1.0, -1.0).double()  # +1: the sibling lies left of y
    parts = [
        sparse(level, COUNT, sibling, side * (y - anchor)),
        sparse(level, SUM, sibling, -side * 2.0 ** -(levels + 1)),
    ]
    return [*parts, sparse(level, COUNT, own, inside(y, levels))] if level == levels else parts


def sparse(level: int, statistic: int, nodes: Tensor, values: Tensor) -> Reading:
    """One node for each query, those of several queries held once."""
    different, position = nodes.unique(return_inverse=True)
    weights = torch.zeros(len(nodes), len(different), dtype=torch.float64, device=nodes.device)
    weights.scatter_(1, position[:, None], values[:, None])
    return Reading(level=level, statistic=statistic, nodes=different, weights=weights)


def _halves(levels: int, level: int, y: Tensor) -> Tensor:
    """Weights (q, nodes) where sums come from counts alone, s = s_left + s_right + (w/4)(c_right - c_left) going up.

    The sibling of y's path weighs its centre's distance; below it a node moves the distance by half its width; y's path, 0.
    """
    width = 2.0**-level
    node = torch.arange(1 << level, device=y.device)
    own = own_node(y, level)[:, None]
    outward = torch.where((node % 2 == 1) == (node > own), 0.5, -0.5).double() * width
    weights = torch.where(node == own ^ 1, (y[:, None] - _centres(level, y)).abs(), outward)
    last = inside(y, level)[:, None] if level == levels else torch.zeros_like(y)[:, None]
    return torch.where(node == own, last, weights)


def consistent(levels: int, leaves: Tensor) -> list[Reading]:
    """What least squares makes of a weighting of the leaves (q, leaves): weights of every measured count.

    The estimate of the leaves is (HᵀH)⁻¹Hᵀc, so counts weigh H(HᵀH)⁻¹q: the consistent tree of one that has q on its leaves
    and 0 above. Both passes are those of Hay et al. 2010; the root is not measured.
    """
    upward = {levels: leaves}
    for level in range(levels - 1, 0, -1):
        height = levels - level + 1
        children = upward[level + 1].unflatten(1, (-1, 2)).sum(-1)
        upward[level] = children * ((2.0 ** (height - 1) - 1) / (2.0**height - 1))
    downward = {1: upward[1]}
    for level in range(2, levels + 1):
        pairs = upward[level].unflatten(1, (-1, 2))
        missing = (downward[level - 1] - pairs.sum(-1)) / 2
        downward[level] = (pairs + missing[..., None]).flatten(1)
    return [every(level, weights) for level, weights in downward.items()]


def _backurs(levels: int, y: Tensor, alpha: float) -> list[Reading]:
    low, high, worth = intervals(levels, y, alpha)
    weights = {level: torch.zeros(len(y), 1 << level, dtype=torch.float64, device=y.device) for level in range(1, levels + 1)}
    for level, nodes, taken in dyadic(levels, low, high):
        weights[level].scatter_add_(1, nodes, worth * taken)
    return [every(level, own) for level, own in weights.items()]


def intervals(levels: int, y: Tensor, alpha: float) -> tuple[Tensor, Tensor, Tensor]:
    """Leaves [low, high) (q, intervals) at distances (R/(1+α)^(j+1), R/(1+α)^j] on both sides, and what each is worth.

    A leaf is where its centre is; intervals end where they are nearer than a leaf is wide.
    """
    steps = math.ceil(levels * math.log(2) / math.log1p(alpha))
    reach = (1 + alpha) ** -torch.arange(steps + 1, dtype=torch.float64, device=y.device)  # (j+1,)
    here, span, size = y[:, None] * 2.0**levels, reach * 2.0**levels, 1 << levels
    # First leaf whose centre is at least y - reach; last whose centre is at most y + reach.
    first = (here - span - 0.5).ceil().clamp(0, size).long()
    last = ((here + span - 0.5).floor() + 1).clamp(0, size).long()
    low, high = torch.cat([first[:, :-1], last[:, 1:]], 1), torch.cat([first[:, 1:], last[:, :-1]], 1)
    return low, high, reach[:-1].repeat(2)


def dyadic(levels: int, low: Tensor, high: Tensor) -> Iterator[tuple[int, Tensor, Tensor]]:
    """The fewest nodes that make up leaves [low, high): level, nodes, and whether one is taken; at most two a level.

    The root is not released: what is left at the first level is taken there.
    """
    for level in range(levels, 0, -1):
        taken = (low < high) & ((low % 2 == 1) | (level == 1))
        yield level, low.clamp(0, (1 << level) - 1), taken
        low = low + taken
        taken = (low < high) & ((high % 2 == 1) | (level == 1))
        yield level, (high - 1).clamp(0, (1 << level) - 1), taken
        high = high - taken.long()
        low, high = low // 2, high // 2
