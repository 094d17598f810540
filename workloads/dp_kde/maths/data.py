"""Turns the name of a data shape into points of the unit cube, and points and queries into exact sums of distances."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

SHAPES = ("uniform", "beta", "mixture", "cluster", "atoms", "digits")
DIGITS = (1797, 64)
# Queries lie on a public grid so fine that whole numbers can stand for their distances.
FINE = 1 << 30


def points(shape: str, n: int, d: int, ctx: Context) -> Tensor:
    """Points (n, d) in [0, 1)^d, float64, of that shape; all but the digits are drawn with the seed."""
    if shape == "digits":
        return _digits(n, d)
    draw = ctx.generator("data")
    uniform = torch.rand(n, d, dtype=torch.float64, generator=draw)
    if shape == "beta":  # Beta(2, 5): the second smallest of six uniform variables
        uniform = torch.rand(n, d, 6, dtype=torch.float64, generator=draw).kthvalue(2).values
    elif shape == "mixture":  # three normal clumps in the cube
        centres = 0.2 + 0.6 * torch.rand(3, d, dtype=torch.float64, generator=draw)
        which = torch.randint(3, (n,), generator=draw)
        uniform = centres[which] + 0.05 * torch.randn(n, d, dtype=torch.float64, generator=draw)
    elif shape == "cluster":  # one clump that is narrower than most cells
        uniform = 0.37 + 0.001 * torch.randn(n, d, dtype=torch.float64, generator=draw)
    elif shape == "atoms":  # all points at two places, the worst for what assumes smoothness
        uniform = torch.where(uniform < 0.5, 1 / 3, 0.9)
    return uniform.clamp(0, 1 - 2.0**-40)


def _digits(n: int, d: int) -> Tensor:
    """The first n of scikit-learn's handwritten digits, their first d pixels, scaled to [0, 1)."""
    if n > DIGITS[0] or d > DIGITS[1]:
        raise ValueError(f"digits must have n <= {DIGITS[0]} and d <= {DIGITS[1]}, but got n = {n}, d = {d}; take fewer.")
    loaded: Any = importlib.import_module("sklearn.datasets").load_digits()
    # Pixels of the middle come first: those of the border are 0 in every digit.
    order = sorted(range(64), key=lambda i: (abs(i // 8 - 3.5) + abs(i % 8 - 3.5), i))
    return torch.tensor(loaded.data, dtype=torch.float64)[:n, order[:d]] / 16 * (1 - 2.0**-40)


def queries(q: int, d: int, ctx: Context) -> Tensor:
    """Queries (q, d) in [0, 1)^d on the fine grid, evenly spread along every coordinate (one in each q-th, in random order)."""
    draw = ctx.generator("queries")
    order = torch.stack([torch.randperm(q, generator=draw) for _ in range(d)], 1).double()
    jitter = torch.rand(q, d, dtype=torch.float64, generator=draw)
    return ((order + jitter) / q * FINE).floor() / FINE


def distance_sums(x: Tensor, y: Tensor) -> Tensor:
    """Exact sums (q,) of l1 distances from the points (n, d) to queries (q, d), by sorting: n log n for each coordinate."""
    total = torch.zeros(len(y), dtype=torch.float64, device=x.device)
    for k in range(x.shape[1]):
        values = x[:, k].sort().values
        sums = torch.cat([values.new_zeros(1), values.cumsum(0)])
        here = y[:, k].contiguous()
        below = torch.searchsorted(values, here)
        total += here * (2 * below - len(x)) - 2 * sums[below] + sums[-1]
    return total


def uniform_sums(n: int, y: Tensor) -> Tensor:
    """What the sums (q,) would be of n points spread evenly over the cube: an answer that has not seen the data."""
    return n * ((y**2 + (1 - y) ** 2) / 2).sum(1)


def leaves(x: Tensor, levels: int) -> Tensor:
    """The leaf of every coordinate (n, d), whole numbers below 2^levels."""
    return (x * 2.0**levels).floor().long().clamp(0, (1 << levels) - 1)


def statistics(leaf: Tensor, levels: int, variant: str) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
    """Exact counts and sums (in half-leaves) of the nodes by level, from one coordinate's leaves (n,): whole numbers."""
    counts = {levels: torch.bincount(leaf, minlength=1 << levels)}
    centres = 2 * torch.arange(1 << levels, device=leaf.device) + 1
    places = {levels: counts[levels] * centres}  # sums of positions
    for level in range(levels - 1, 0, -1):
        counts[level] = counts[level + 1].unflatten(0, (-1, 2)).sum(-1)
        places[level] = places[level + 1].unflatten(0, (-1, 2)).sum(-1)
    if variant == "absolute":
        return counts, places
    sums = {}
    for level, nodes in places.items():
        width = 1 << (levels - level)
        sums[level] = nodes - counts[level] * (2 * torch.arange(1 << level, device=leaf.device) + 1) * width
    return counts, sums
