"""Turns points into the whole released structure (whole numbers with noise), and the structure into answers by its own rules.

The simulation reads the same numbers by weights; this is what a user would build, time and ask.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from workloads.dp_kde.maths import data, errors, noise, reading
from workloads.dp_kde.maths.budget import COUNT, SUM, SUMS, TREES, Scales

# Noise for the values (nodes,) of a coordinate's statistic on a level: (k, statistic, level, values, scale) to values.
Mechanism = Callable[[int, int, int, Tensor, float], Tensor]


@dataclass(frozen=True, kw_only=True)
class Released:
    """Noisy statistics as arrays (d, 2^(levels+1)) in heap order: node i of level l stands at 2^l + i."""

    variant: str
    levels: int
    counts: Tensor
    sums: Tensor


@dataclass(frozen=True, kw_only=True)
class Table:
    """What a node adds to the answer where it is the sibling of y's path: slope · y + offset; and the own leaf's count."""

    levels: int
    lines: Tensor  # (d · 2^(levels+1), 2): slope and offset
    counts: Tensor


def simulate(tree: int, d: int, key: int) -> Mechanism:
    """The noise that the simulation gives to a release of that number: reproducible, so not private."""

    def add(k: int, statistic: int, level: int, values: Tensor, scale: float) -> Tensor:
        """The values of a level with their noise added."""
        nodes = torch.arange(len(values), device=values.device)
        counters = errors.noise_counters(tree, d, k, statistic, level, nodes, key)
        return values + noise.whole(noise.signed(counters), scale).long()

    return add


def secure(k: int, statistic: int, level: int, values: Tensor, scale: float) -> Tensor:
    """The values with noise of the operating system, by OpenDP."""
    return torch.tensor(noise.secure(values.tolist(), scale), dtype=torch.int64)


def release(x: Tensor, scales: Scales, add: Mechanism) -> Released:
    """The structure over points (n, d) of the cube with noise on all that it holds."""
    leaf, d, size = data.leaves(x, scales.levels), x.shape[1], 2 << scales.levels
    arrays = {statistic: torch.zeros(d, size, dtype=torch.float64) for statistic in (COUNT, SUM)}
    for k in range(d):
        exact = dict(zip((COUNT, SUM), data.statistics(leaf[:, k], scales.levels, scales.variant), strict=True))
        for (statistic, level), scale in scales.noise.items():
            values = add(k, statistic, level, exact[statistic][level], scale)
            arrays[statistic][k, 1 << level : 2 << level] = values.double()
    released = Released(variant=scales.variant, levels=scales.levels, counts=arrays[COUNT], sums=arrays[SUM])
    return released if scales.variant in SUMS else processed(released)


def processed(released: Released) -> Released:
    """Counts made consistent where the variant says so, and the sums that follow from them."""
    if released.variant not in TREES:
        return released
    counts = _consistent(released) if released.variant == "counts_consistent" else released.counts
    sums = torch.zeros_like(released.sums)
    for level in range(released.levels - 1, 0, -1):
        below = slice(2 << level, 4 << level)
        (first, second), (low, high) = (t[:, below].unflatten(1, (-1, 2)).unbind(-1) for t in (counts, sums))
        sums[:, 1 << level : 2 << level] = low + high + (1 << (released.levels - level - 1)) * (second - first)
    return Released(variant=released.variant, levels=released.levels, counts=counts, sums=sums)


def _consistent(released: Released) -> Tensor:
    """Counts by least squares: a weighted mean with the children going up, the difference halved going down."""
    counts = released.counts.clone()
    for level in range(released.levels - 1, 0, -1):
        height = released.levels - level + 1
        children = counts[:, 2 << level : 4 << level].unflatten(1, (-1, 2)).sum(-1)
        own = counts[:, 1 << level : 2 << level]
        own.copy_((own * 2 ** (height - 1) + children * (2 ** (height - 1) - 1)) / (2**height - 1))
    for level in range(1, released.levels):
        pairs = counts[:, 2 << level : 4 << level].unflatten(1, (-1, 2))
        pairs += ((counts[:, 1 << level : 2 << level] - pairs.sum(-1)) / 2)[..., None]
    return counts


def table(released: Released) -> Table:
    """Slopes and offsets of every node: a left child is asked from its right, a right child from its left."""
    lines = torch.zeros(*released.counts.shape, 2, dtype=torch.float64)
    half_leaf = 2.0 ** -(released.levels + 1)
    for level in range(1, released.levels + 1):
        part = slice(1 << level, 2 << level)
        node = torch.arange(1 << level)
        centre = 0.0 * node if released.variant == "absolute" else (node + 0.5) * 2.0**-level
        side = 1.0 - 2.0 * (node % 2)
        count, sums_of_part = released.counts[:, part], released.sums[:, part] * half_leaf
        lines[:, part, 0] = side * count
        lines[:, part, 1] = -side * (count * centre + sums_of_part)
    return Table(levels=released.levels, lines=lines.flatten(0, 1), counts=released.counts.flatten())


def answers(lines_of: Table, y: Tensor) -> Tensor:
    """Answers (q,) to queries (q, d): one node a level and coordinate, and the own leaf."""
    total = torch.zeros(len(y), dtype=torch.float64)
    size = 1 << lines_of.levels
    for k in range(y.shape[1]):
        heap = (y[:, k] * size).long() + size
        total += lines_of.counts[heap + k * 2 * size] * reading.inside(y[:, k], lines_of.levels)
        lines = torch.zeros(len(y), 2, dtype=torch.float64)
        for _ in range(lines_of.levels):
            lines += lines_of.lines[(heap ^ 1) + k * 2 * size]
            heap = heap >> 1
        total += lines[:, 0] * y[:, k] + lines[:, 1]
    return total


def tabulated(plain: Table) -> Table:
    """The sums of lines along every leaf's path, at the leaf: afterwards an answer reads one line a coordinate."""
    size = 1 << plain.levels
    lines = plain.lines.unflatten(0, (-1, 2 * size)).clone()  # (d, heap, 2)
    paths = torch.zeros_like(lines)
    for level in range(1, plain.levels + 1):
        node = torch.arange(1 << level, 2 << level)
        paths[:, node] = paths[:, node >> 1] + lines[:, node ^ 1]
    return Table(levels=plain.levels, lines=paths.flatten(0, 1), counts=plain.counts)


def looked_up(paths: Table, y: Tensor) -> Tensor:
    """Answers (q,) from a tabulated structure."""
    total = torch.zeros(len(y), dtype=torch.float64)
    size = 1 << paths.levels
    for k in range(y.shape[1]):
        heap = (y[:, k] * size).long() + (2 * k + 1) * size
        lines = paths.lines[heap]
        total += lines[:, 0] * y[:, k] + lines[:, 1] + paths.counts[heap] * reading.inside(y[:, k], paths.levels)
    return total


def by_intervals(released: Released, y: Tensor, alpha: float) -> Tensor:
    """Answers (q,) of Backurs' tree: counts of intervals from the fewest nodes, times the distance of their far ends."""
    total = torch.zeros(len(y), dtype=torch.float64)
    for k in range(y.shape[1]):
        low, high, worth = reading.intervals(released.levels, y[:, k], alpha)
        for level, nodes, taken in reading.dyadic(released.levels, low, high):
            total += (released.counts[k][nodes + (1 << level)] * taken) @ worth
    return total


def by_cells(released: Released, y: Tensor) -> Tensor:
    """Answers (q,) of a histogram, from running sums over its cells."""
    total = torch.zeros(len(y), dtype=torch.float64)
    size = 1 << released.levels
    centres = (torch.arange(size) + 0.5) / size
    for k in range(y.shape[1]):
        count = released.counts[k, size:]
        masses, moments = count.cumsum(0), (count * centres).cumsum(0)
        here, cell = y[:, k], (y[:, k] * size).long()
        below, moments_below = masses[cell] - count[cell], moments[cell] - count[cell] * centres[cell]
        total += here * below - moments_below + (moments[-1] - moments[cell]) - here * (masses[-1] - masses[cell])
        total += count[cell] * reading.inside(here, released.levels)
    return total


def own_answers(released: Released, y: Tensor, alpha: float = 0.5) -> Tensor:
    """Answers (q,) to queries (q, d) by the structure's own rule."""
    if released.variant == "backurs":
        return by_intervals(released, y, alpha)
    return by_cells(released, y) if released.variant == "histogram" else answers(table(released), y)
