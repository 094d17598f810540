"""Turns a kernel, points and queries into exact sums, and into readings of the private statistics that answer them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from workloads.dp_kde.maths import budget, data, errors, reading
from workloads.dp_kde.maths.budget import COUNT, Scales, upward
from workloads.dp_kde.maths.reading import Reading

KERNELS = ("l2_squared", "lp_power", "l2", "gaussian")
MOMENTS = ("anchored", "anchored_geometric")
LEAVES = ("counts_consistent", "histogram")
# Features are summed as whole numbers of this many parts of one.
PARTS = 1 << 20
# Points whose kernels with all queries are held at once.
ROWS = 1 << 12
Values = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class KernelSums:
    """A kernel's sums: what reads them (with rounding, projection and features as errors without noise), and noise scales."""

    what: errors.Questions
    scales: Scales


def value(kernel: str, power: float, bandwidth: float) -> Values:
    """The kernel of points (n, d) and queries (q, d), as (q, n)."""
    if kernel == "lp_power":
        return lambda x, y: ((y[:, None] - x[None]).abs() ** power).sum(-1)
    if kernel == "l2_squared":
        return lambda x, y: ((y[:, None] - x[None]) ** 2).sum(-1)
    if kernel == "l2":
        return lambda x, y: (y[:, None] - x[None]).norm(dim=-1)
    return lambda x, y: torch.exp(-((y[:, None] - x[None]) ** 2).sum(-1) / bandwidth**2)


def largest(kernel: str, power: float, d: int) -> float:
    """The largest value between two points of the unit cube; its least is 0 but for the Gaussian, where both lie in [0, 1]."""
    return {"l2_squared": d, "lp_power": d, "l2": math.sqrt(d), "gaussian": 1.0}[kernel]


def totals(value_of: Values, x: Tensor, y: Tensor) -> Tensor:
    """Exact sums (q,) of the kernel over the points."""
    return torch.stack([value_of(part, y).sum(1) for part in x.split(ROWS)]).sum(0)


def squared(x: Tensor, y: Tensor, levels: int, eps: Fraction, adjacency: str) -> tuple[list[list[Reading]], Scales, Tensor]:
    """The squared distance from d + 2 numbers: n, sum of points, sum of their squared lengths; readings, scales, answers.

    They move by 1, d R and d R² where a point comes or goes; where one is replaced n is public, and the others move as far.
    """
    d, unit = x.shape[1], 2.0 ** -(levels + 1)
    positions = 2 * data.leaves(x, levels) + 1  # (n, d), half-leaves
    parts = 2 if adjacency == "replace_one" else 3
    numbers = [torch.tensor([len(x)]), positions.sum(0), (positions**2).sum().reshape(1)]
    reaches = [1, d << (levels + 1), d << (2 * levels + 2)]
    weights = [(y**2).sum(1, keepdim=True), -2 * y * unit, torch.full((len(y), 1), unit**2, dtype=torch.float64)]
    answers = sum((w @ number.double() for w, number in zip(weights, numbers, strict=True)), torch.zeros(len(y)).double())
    public = parts == 2
    noise = {(j, 0): upward(parts * reach / eps) for j, reach in enumerate(reaches) if not (public and j == 0)}
    readings = [
        Reading(level=0, statistic=j, nodes=torch.arange(w.shape[1]), weights=w)
        for j, w in enumerate(weights)
        if (j, 0) in noise
    ]
    return [readings], Scales(variant="l2_squared", levels=levels, noise=noise), answers


def constant(n: int, guess: Tensor, eps: Fraction, adjacency: str) -> tuple[list[list[Reading]], Scales, Tensor]:
    """An answer that knows only n: what even points would give (q,), noisy where n is private; readings, scales, answers."""
    average = Reading(level=0, statistic=COUNT, nodes=torch.arange(1), weights=(guess / n)[:, None])
    private = adjacency != "replace_one"
    scales = Scales(variant="constant", levels=0, noise={(COUNT, 0): upward(1 / eps)} if private else {})
    return [[average] if private else []], scales, guess


def moments(
    variant: str, power: int, levels: int, x: Tensor, y: Tensor, eps: Fraction, adjacency: str
) -> tuple[list[list[Reading]], Scales, Tensor]:
    """Whole powers of distances from the nodes' moments about their centres, j = 0 … p; readings, scales, answers.

    A sibling left of y gives Σ_j C(p, j) (y - m)^(p-j) (-1)^j Σ (x - m)^j, one right of it the mirror image. Moment j of a
    node of width w moves by at most (w/2)^j; a level shares its budget evenly among its p + 1 moments.
    """
    touched = 2 if adjacency == "replace_one" else 1
    noise = {
        (j, level): upward(touched * (1 << (levels - level)) ** j * (power + 1) / (eps * share))
        for level, share in budget.shares(variant, levels).items()
        for j in range(power + 1)
    }
    leaf, all_readings = data.leaves(x, levels), []
    answers = torch.zeros(len(y), dtype=torch.float64)
    for k in range(x.shape[1]):
        readings = [r for level in range(1, levels + 1) for r in _moment_readings(levels, level, y[:, k], power)]
        for r in readings:
            answers += r.weights @ _moment(leaf[:, k], levels, r)
        all_readings.append(readings)
    return all_readings, Scales(variant=variant, levels=levels, noise=noise), answers


def _moment_readings(levels: int, level: int, y: Tensor, power: int) -> list[Reading]:
    own = reading.own_node(y, level)
    sibling = own ^ 1
    gap = (y - (sibling + 0.5) * 2.0**-level).abs()
    side = torch.where(own > sibling, -1.0, 1.0).double()
    unit = 2.0 ** -(levels + 1)
    siblings = [
        reading.sparse(level, j, sibling, math.comb(power, j) * gap ** (power - j) * (side * unit) ** j)
        for j in range(power + 1)
    ]
    return [*siblings, reading.sparse(level, COUNT, own, inside(y, level, power))] if level == levels else siblings


def _moment(leaf: Tensor, levels: int, r: Reading) -> Tensor:
    """The exact moments (nodes,) that a reading reads, of leaves (n,)."""
    shift = levels - r.level
    centred = 2 * (leaf % (1 << shift)) + 1 - (1 << shift)
    total = torch.zeros(1 << r.level, dtype=torch.int64).scatter_add_(0, leaf >> shift, centred**r.statistic)
    return total[r.nodes].double()


def inside(y: Tensor, level: int, power: float) -> Tensor:
    """Mean of |x - y|^p (q,) over x uniform in y's own node of that level."""
    width = 2.0**-level
    edge = (y * 2.0**level).floor() * width
    return ((y - edge) ** (power + 1) + (edge + width - y) ** (power + 1)) / ((power + 1) * width)


def from_leaves(variant: str, power: float, levels: int, x: Tensor, y: Tensor) -> tuple[list[list[Reading]], Tensor]:
    """Any power of distances from counts alone, each leaf weighing its centre's; readings and answers."""
    leaf, all_readings = data.leaves(x, levels), []
    answers = torch.zeros(len(y), dtype=torch.float64)
    centres = (torch.arange(1 << levels, dtype=torch.float64) + 0.5) * 2.0**-levels
    for k in range(x.shape[1]):
        weights = (y[:, k, None] - centres).abs() ** power
        weights[torch.arange(len(y)), reading.own_node(y[:, k], levels)] = inside(y[:, k], levels, power)
        counts = data.statistics(leaf[:, k], levels, variant)[0]
        answers += weights @ counts[levels].double()
        all_readings.append([reading.every(levels, weights)] if variant == "histogram" else reading.consistent(levels, weights))
    return all_readings, answers


def projected(x: Tensor, y: Tensor, directions: Tensor) -> tuple[Tensor, Tensor, float]:
    """Projections (n, t), (q, t) of points about the cube's centre on normal directions (t, d), moved into [0, 1); the range.

    The range is public: it holds a projection of any one point but with probability 1/(10 n t), outliers are clipped.
    """
    half = math.sqrt(x.shape[1]) / 2 * math.sqrt(2 * math.log(20 * len(x) * len(directions)))
    inner = [((z - 0.5) @ directions.T / (2 * half) + 0.5).clamp(0, 1 - 2.0**-40) for z in (x, y)]
    return inner[0], inner[1], 2 * half


def features(x: Tensor, frequencies: Tensor, phases: Tensor, bandwidth: float) -> Tensor:
    """Random features √2 cos(ωᵀx + β) (n, I) of the Gaussian kernel exp(-|x-y|²/h²), ω ~ N(0, 2/h²)."""
    return math.sqrt(2) * torch.cos(x @ (frequencies * (math.sqrt(2) / bandwidth)) + phases)


def feature_reach(adjacency: str) -> int:
    """How far one point moves a feature's sum, in its parts: by √2, or 2√2 where a point is replaced."""
    return math.ceil(math.sqrt(2) * PARTS) * (2 if adjacency == "replace_one" else 1)


def featured(
    x: Tensor, y: Tensor, frequencies: Tensor, phases: Tensor, bandwidth: float, eps: Fraction, adjacency: str
) -> tuple[list[list[Reading]], Scales, Tensor]:
    """The Gaussian kernel's sum from noisy sums of I features; readings, scales, answers.

    A feature's sum moves by at most √2, or 2√2 where a point is replaced: the scale √2 I/eps of Wagner et al. 2023 is that of
    points that come and go.
    """
    count = frequencies.shape[1]
    reach = feature_reach(adjacency)
    sums = (features(x, frequencies, phases, bandwidth) * PARTS).round().sum(0)
    weights = features(y, frequencies, phases, bandwidth) / (count * PARTS)
    noise = {(COUNT, 0): upward(reach * count / eps)}
    readings = [Reading(level=0, statistic=COUNT, nodes=torch.arange(count), weights=weights)]
    return [readings], Scales(variant="gaussian", levels=0, noise=noise), weights @ sums
