"""Turns readings and scales into errors of answers: simulated over many releases at once, and exactly by closed forms."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workloads.dp_kde.maths import data, noise, reading
from workloads.dp_kde.maths.budget import SUM, Scales
from workloads.dp_kde.maths.reading import Reading

# Noise of releases held at once, in numbers: about the second-level cache of a CPU; enough to fill a GPU.
ELEMENTS = {"cpu": 1 << 16}
MANY = 1 << 24
# Statistics that a node may have: places are kept for so many.
STATISTICS = 8


@dataclass(frozen=True, kw_only=True)
class Questions:
    """Queries and what they read: coordinates' readings, what is wrong without noise (q,), and the true sums (q,)."""

    readings: tuple[tuple[Reading, ...], ...]
    rounding: Tensor
    truth: Tensor
    uniform: Tensor


@dataclass(frozen=True, kw_only=True)
class Exact:
    """Closed forms over these queries: error, noise alone, bias, and the standard errors that `trees` releases leave."""

    rmse: float
    noise: float
    bias: float
    rmse_se: float
    noise_se: float
    bias_se: float


def questions(variant: str, levels: int, x: Tensor, y: Tensor, alpha: float) -> Questions:
    """The queries y (q, d) put to a structure over the points x (n, d)."""
    leaf = data.leaves(x, levels)
    readings = []
    answers = torch.zeros(len(y), dtype=torch.float64, device=x.device)
    for k in range(x.shape[1]):
        of_one = tuple(reading.readings(variant, levels, y[:, k], alpha))
        counts, sums = data.statistics(leaf[:, k], levels, variant)
        for r in of_one:
            exact_numbers = sums if r.statistic == SUM else counts
            answers += r.weights @ exact_numbers[r.level][r.nodes].double()
        readings.append(of_one)
    truth = data.distance_sums(x, y)
    return Questions(readings=tuple(readings), rounding=answers - truth, truth=truth, uniform=data.uniform_sums(len(x), y))


def simulated(what: Questions, scales: Sequence[Scales], trees: int, key: int) -> list[Tensor]:
    """Errors (trees, q) of the answers of independent releases, one tensor for each set of scales, which share their noise.

    Only what queries read is drawn. A number's noise depends on its tree, coordinate, statistic and node alone, so it is that
    of a release of the whole structure.
    """
    errors = [what.rounding.repeat(trees, 1) for _ in scales]
    for k, of_one in enumerate(what.readings):
        for r in of_one:
            for first, counters in _counters(r, trees, len(what.readings), k, key):
                drawn = noise.signed(counters)
                for error, own in zip(errors, scales, strict=True):
                    error[first : first + len(drawn)] += noise.whole(drawn, own.noise[r.statistic, r.level]) @ r.weights.T
    return errors


def secured(what: Questions, scales: Scales, trees: int) -> Tensor:
    """Errors (trees, q) of answers of independent releases with the operating system's noise, which cannot be repeated.

    Only what queries read is drawn: noise on the other numbers of a structure changes no answer. Raises ImportError where
    OpenDP is not installed.
    """
    error = what.rounding.repeat(trees, 1)
    for of_one in what.readings:
        drawn: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
        for (statistic, level), scale in scales.noise.items():
            read = [r.nodes for r in of_one if (r.statistic, r.level) == (statistic, level)]
            if read:
                nodes = torch.cat(read).unique()
                drawn[statistic, level] = nodes, noise.secured((trees, len(nodes)), scale).to(error.device)
        for r in of_one:
            nodes, noisy = drawn[r.statistic, r.level]
            error += noisy[:, torch.searchsorted(nodes, r.nodes)] @ r.weights.T
    return error


def _counters(r: Reading, trees: int, d: int, k: int, key: int) -> Iterator[tuple[int, Tensor]]:
    """Places of a reading's noise in the sequence (some trees, nodes), with the first of those trees."""
    step = max(1, ELEMENTS.get(r.nodes.device.type, MANY) // len(r.nodes))
    for first in range(0, trees, step):
        tree = torch.arange(first, min(first + step, trees), device=r.nodes.device)
        yield first, noise_counters(tree[:, None], d, k, r.statistic, r.level, r.nodes, key)


def noise_counters(tree: Tensor | int, d: int, k: int, statistic: int, level: int, nodes: Tensor, key: int) -> Tensor:
    """Where the noise of nodes stands in the sequence: by tree, coordinate k of d, statistic and place in the heap."""
    return ((((tree * d + k) * STATISTICS + statistic) << 32) + (1 << level) + nodes) + key


def exact(what: Questions, scales: Scales, trees: int) -> Exact:
    """The error of the answers and of its estimate from `trees` releases, with no simulation.

    The squared error of a release is a quadratic form of its noise; its variance is 2 |K|² + Σ g² κ4 for the covariance K of
    the answers, the form's diagonal g and the noise's fourth cumulants κ4, and 4 b'Kb for errors b that are there anyway.
    """
    q = len(what.truth)
    covariance = torch.zeros(q, q, dtype=torch.float64, device=what.truth.device)
    tails = 0.0
    for r in (r for of_one in what.readings for r in of_one):
        scale = scales.noise[r.statistic, r.level]
        covariance += noise.variance(scale) * (r.weights @ r.weights.T)
        tails += noise.fourth_cumulant(scale) * float(((r.weights**2).sum(0) ** 2).sum())
    return summary(covariance, tails, what.rounding, trees)


def summary(covariance: Tensor, tails: float, bias: Tensor, trees: int) -> Exact:
    """Closed forms from the answers' covariance (q, q), the summed tails of the noise and the errors without noise (q,)."""
    q = len(bias)
    square = float(covariance.trace()) / q
    total = square + float((bias**2).mean())
    of_noise = 2 * float((covariance**2).sum()) + tails
    of_square = of_noise + 4 * float(bias @ covariance @ bias)

    def root_se(variance: float, mean: float) -> float:
        """Standard error of the root of a mean over trees, by the delta method; 0 where the mean is 0."""
        return math.sqrt(variance / trees) / q / (2 * math.sqrt(mean)) if mean else 0.0

    return Exact(
        rmse=math.sqrt(total),
        noise=math.sqrt(square),
        bias=float(bias.mean()),
        rmse_se=root_se(of_square, total),
        noise_se=root_se(of_noise, square),
        bias_se=math.sqrt(float(covariance.sum()) / trees) / q,
    )


def scaled(whole: Exact, size: float) -> Exact:
    """The same closed forms where lengths are `size` times as long."""
    return Exact(**{field.name: getattr(whole, field.name) * size for field in dataclasses.fields(whole)})


def per_query(what: Questions, scales: Sequence[float], trees: int, key: int | None) -> list[Tensor]:
    """Errors (trees, q) where every answer has its own noise, of these scales in units of the fine grid.

    Simulated from the key; without one it is the operating system's.
    """
    if key is None:
        shape = (trees, len(what.truth))
        return [noise.secured(shape, scale).to(what.truth.device) / (2 * data.FINE) for scale in scales]
    counters = torch.arange(trees * len(what.truth), device=what.truth.device).reshape(trees, -1) + key
    drawn = noise.signed(counters)
    return [noise.whole(drawn, scale) / (2 * data.FINE) for scale in scales]
