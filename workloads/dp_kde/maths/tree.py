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
        nodes = torch.arange(len(values), device=values.device)
        place = errors.place(tree, d, k, statistic, level, nodes, key)
        return values + noise.whole(noise.signed(place), scale).long()

    return add


def secure(k: int, statistic: int, level: int, values: Tensor, scale: float) -> Tensor:
    """The values with noise of the operating system, by OpenDP."""
    return torch.tensor(noise.secure(values.tolist(), scale), dtype=torch.int64)


def release(x: Tensor, scales: Scales, add: Mechanism) -> Released:
    """The structure over points (n, d) of the cube with noise on all that it holds."""
    leaf, d, size = data.leaves(x, scales.levels), x.shape[1], 2 << scales.levels
    held = {statistic: torch.zeros(d, size, dtype=torch.float64) for statistic in (COUNT, SUM)}
    for k in range(d):
        exact = dict(zip((COUNT, SUM), data.statistics(leaf[:, k], scales.levels, scales.variant), strict=True))
        for (statistic, level), scale in scales.noise.items():
            values = add(k, statistic, level, exact[statistic][level], scale)
            held[statistic][k, 1 << level : 2 << level] = values.double()
    found = Released(variant=scales.variant, levels=scales.levels, counts=held[COUNT], sums=held[SUM])
    return found if scales.variant in SUMS else processed(found)


def processed(found: Released) -> Released:
    """Counts made consistent where the variant says so, and the sums that follow from them."""
    if found.variant not in TREES:
        return found
    counts = _consistent(found) if found.variant == "counts_consistent" else found.counts
    sums = torch.zeros_like(found.sums)
    for level in range(found.levels - 1, 0, -1):
        below = slice(2 << level, 4 << level)
        (left, right), (low, high) = (t[:, below].unflatten(1, (-1, 2)).unbind(-1) for t in (counts, sums))
        sums[:, 1 << level : 2 << level] = low + high + (1 << (found.levels - level - 1)) * (right - left)
    return Released(variant=found.variant, levels=found.levels, counts=counts, sums=sums)


def _consistent(found: Released) -> Tensor:
    """Counts by least squares: a weighted mean with the children going up, the difference halved going down."""
    counts = found.counts.clone()
    for level in range(found.levels - 1, 0, -1):
        height = found.levels - level + 1
        children = counts[:, 2 << level : 4 << level].unflatten(1, (-1, 2)).sum(-1)
        own = counts[:, 1 << level : 2 << level]
        own.copy_((own * 2 ** (height - 1) + children * (2 ** (height - 1) - 1)) / (2**height - 1))
    for level in range(1, found.levels):
        pairs = counts[:, 2 << level : 4 << level].unflatten(1, (-1, 2))
        pairs += ((counts[:, 1 << level : 2 << level] - pairs.sum(-1)) / 2)[..., None]
    return counts


def table(found: Released) -> Table:
    """Slopes and offsets of every node: a left child is asked from its right, a right child from its left."""
    lines = torch.zeros(*found.counts.shape, 2, dtype=torch.float64)
    half_leaf = 2.0 ** -(found.levels + 1)
    for level in range(1, found.levels + 1):
        part = slice(1 << level, 2 << level)
        node = torch.arange(1 << level)
        centre = 0.0 * node if found.variant == "absolute" else (node + 0.5) * 2.0**-level
        side = 1.0 - 2.0 * (node % 2)
        count, place = found.counts[:, part], found.sums[:, part] * half_leaf
        lines[:, part, 0] = side * count
        lines[:, part, 1] = -side * (count * centre + place)
    return Table(levels=found.levels, lines=lines.flatten(0, 1), counts=found.counts.flatten())


def answers(found: Table, y: Tensor) -> Tensor:
    """Answers (q,) to queries (q, d): one node a level and coordinate, and the own leaf."""
    total = torch.zeros(len(y), dtype=torch.float64)
    size = 1 << found.levels
    for k in range(y.shape[1]):
        heap = (y[:, k] * size).long() + size
        total += found.counts[heap + k * 2 * size] * reading.inside(y[:, k], found.levels)
        lines = torch.zeros(len(y), 2, dtype=torch.float64)
        for _ in range(found.levels):
            lines += found.lines[(heap ^ 1) + k * 2 * size]
            heap = heap >> 1
        total += lines[:, 0] * y[:, k] + lines[:, 1]
    return total


def tabulated(found: Table) -> Table:
    """The sums of lines along every leaf's path, at the leaf: afterwards an answer reads one line a coordinate."""
    size = 1 << found.levels
    lines = found.lines.unflatten(0, (-1, 2 * size)).clone()  # (d, heap, 2)
    paths = torch.zeros_like(lines)
    for level in range(1, found.levels + 1):
        node = torch.arange(1 << level, 2 << level)
        paths[:, node] = paths[:, node >> 1] + lines[:, node ^ 1]
    return Table(levels=found.levels, lines=paths.flatten(0, 1), counts=found.counts)


def looked_up(found: Table, y: Tensor) -> Tensor:
    """Answers (q,) from a tabulated structure."""
    total = torch.zeros(len(y), dtype=torch.float64)
    size = 1 << found.levels
    for k in range(y.shape[1]):
        heap = (y[:, k] * size).long() + (2 * k + 1) * size
        lines = found.lines[heap]
        total += lines[:, 0] * y[:, k] + lines[:, 1] + found.counts[heap] * reading.inside(y[:, k], found.levels)
    return total


def by_intervals(found: Released, y: Tensor, alpha: float) -> Tensor:
    """Answers (q,) of Backurs' tree: counts of intervals from the fewest nodes, times the distance of their far ends."""
    total = torch.zeros(len(y), dtype=torch.float64)
    for k in range(y.shape[1]):
        low, high, worth = reading.intervals(found.levels, y[:, k], alpha)
        for level, nodes, taken in reading.dyadic(found.levels, low, high):
            total += (found.counts[k][nodes + (1 << level)] * taken) @ worth
    return total


def by_cells(found: Released, y: Tensor) -> Tensor:
    """Answers (q,) of a histogram, from running sums over its cells."""
    total = torch.zeros(len(y), dtype=torch.float64)
    size = 1 << found.levels
    centres = (torch.arange(size) + 0.5) / size
    for k in range(y.shape[1]):
        count = found.counts[k, size:]
        masses, moments = count.cumsum(0), (count * centres).cumsum(0)
        here, cell = y[:, k], (y[:, k] * size).long()
        below, left = masses[cell] - count[cell], moments[cell] - count[cell] * centres[cell]
        total += here * below - left + (moments[-1] - moments[cell]) - here * (masses[-1] - masses[cell])
        total += count[cell] * reading.inside(here, found.levels)
    return total


def asked(found: Released, y: Tensor, alpha: float = 0.5) -> Tensor:
    """Answers (q,) to queries (q, d) by the structure's own rule."""
    if found.variant == "backurs":
        return by_intervals(found, y, alpha)
    return by_cells(found, y) if found.variant == "histogram" else answers(table(found), y)
