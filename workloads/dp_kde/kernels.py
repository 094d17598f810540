"""How far private answers to sums of other kernels are from the truth: powers of distances, Euclidean distance, Gaussian.

Source: arXiv:2409.01688 (l2², lp^p), arXiv:2403.08917 (l2 by projections), Wagner, Naamad, Mishra 2023 (random features).
Symbols: t = projections or features · p = power · L = levels · ε = privacy loss · h = bandwidth · cube of side R = 1.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated

import torch
from torch import Tensor

from workloads.dp_kde import error
from workloads.dp_kde.maths import budget, closed, data, errors, noise, spent, sums

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
DIRECT = ("per_query", "constant")
"""Baselines that hold no structure: noise on each answer, and a noisy n times the mean kernel of even points."""
VARIANTS = (*sums.MOMENTS, *sums.LEAVES, *DIRECT)
# Points of a public, even sample that stands for a data set nobody looked at.
PUBLIC = 4096


@dataclass(frozen=True)
class Params:
    """A kernel, a mechanism, its budget and the data."""

    kernel: Annotated[str, "l2_squared | lp_power | l2 (by projections) | gaussian (random features)", {"shape": True}]
    variant: Annotated[
        str,
        "per_query, constant (knows only n), or what holds the sums: for lp_power anchored, anchored_geometric (moments), "
        "counts_consistent or histogram (leaves), for l2 the structure of each projection; the others have one way",
        {"shape": True},
    ] = "anchored_geometric"
    n: Annotated[int, "number of points", {"shape": True}] = 4096
    d: Annotated[int, "coordinates", {"shape": True}] = 4
    eps: Annotated[float, "privacy loss that is allowed, of all statistics together"] = 1.0
    levels: Annotated[int, "levels of a tree, and of the grid that points are rounded to", {"shape": True}] = 10
    power: Annotated[float, "p of lp_power; whole for moments", {"shape": True}] = 3.0
    features: Annotated[int, "t, projections of l2 or features of gaussian", {"shape": True}] = 64
    bandwidth: Annotated[float, "h of gaussian, exp(-|x-y|²/h²)", {"shape": True}] = 1.0
    data: Annotated[str, "uniform | beta | mixture | cluster | atoms | digits", {"shape": True}] = "uniform"
    adjacency: Annotated[str, "what one person may change: add_remove | replace_one"] = "add_remove"
    trees: Annotated[int, "independent releases", {"shape": True}] = 256
    queries: Annotated[int, "queries put to each; per_query shares its budget among them", {"shape": True}] = 32


@dataclass(frozen=True)
class Result:
    """Errors over releases and queries, with and without noise."""

    bias: Annotated[float, "mean error over releases and queries"]
    rmse: Annotated[float, "root mean square error over releases and queries", {"aggregate": "rms", "finite": True}]
    relative_rmse: Annotated[float, "rmse over the mean true sum", {"aggregate": "rms"}]
    noise_rmse: Annotated[float, "root mean square of the noise alone", {"aggregate": "rms"}]
    approximation: Annotated[
        float, "root mean square error without noise: rounding, projections, features", {"aggregate": "rms"}
    ]
    relative_approximation: Annotated[float, "approximation over the mean true sum", {"aggregate": "rms"}]
    rmse_exact: Annotated[float, "closed form of rmse at these queries and data", {"aggregate": "rms"}]
    rmse_se: Annotated[float, "standard error that so many releases leave in rmse, by closed form"]
    theory: Annotated[float | None, "closed form of noise_rmse at even queries; null where none is known"]
    constant_rmse: Annotated[
        float, "rmse of an answer that knows only n, as if points were spread evenly", {"aggregate": "rms"}
    ]
    beats_constant: Annotated[bool, "whether rmse is below constant_rmse"]
    noisy_numbers: Annotated[float, "noisy numbers that are released"]
    ledger_eps: Annotated[float, "exact privacy loss of the worst change under ideal noise of these scales"]
    ledger_ok: Annotated[bool, "whether the ledger, in rational numbers, stays within eps"]
    private: Annotated[bool, "whether what was released is private: never where noise is simulated from a seed"]


EXAMPLES = (
    Params("l2_squared", n=200, d=3, trees=16, queries=6),
    Params("lp_power", n=200, d=2, levels=5, trees=16, queries=6),
    Params("lp_power", "counts_consistent", n=200, d=2, levels=5, power=0.5, trees=16, queries=6),
    Params("l2", n=200, d=3, levels=6, features=4, trees=8, queries=6),
    Params("gaussian", n=200, d=3, features=8, trees=16, queries=6, adjacency="replace_one"),
    Params("gaussian", "per_query", n=200, trees=16, queries=6),
    Params("l2", "constant", n=200, trees=16, queries=6),
)


def run(params: Params, ctx: Context) -> Iterator[tuple[int, Result]]:
    """The one row of a point."""
    p = params
    _check(p)
    x, y = data.points(p.data, p.n, p.d, ctx), data.queries(p.queries, p.d, ctx)
    value = sums.value(p.kernel, p.power, p.bandwidth)
    truth = sums.totals(value, x, y)
    public = torch.rand(PUBLIC, p.d, dtype=torch.float64, generator=ctx.generator("public"))
    guess = sums.totals(value, public, y) * (p.n / PUBLIC)
    if p.variant == "per_query":
        reach = sums.largest(p.kernel, p.power, p.d)
        what = errors.Questions(readings=(), rounding=truth * 0, truth=truth, uniform=guess)
        largest = math.ceil(2 * data.FINE * reach) * p.queries
        scale = budget.upward(largest / budget.rational(p.eps))
        (measured,) = errors.per_query(what, [scale], p.trees, noise.key(ctx))
        exact = errors.scaled(closed.independent(scale, p.queries, p.trees), 1 / (2 * data.FINE))
        yield 0, _row(p, what, measured, exact, p.queries, closed.spent(largest, scale))
        return
    query = _kernel_sums(p, x, y, truth, guess, ctx)
    (measured,) = errors.simulated(query.what, [query.scales], p.trees, noise.key(ctx))
    ledger = spent.loss(p.kernel, p.variant, query.scales, p.d, p.features, p.adjacency)
    exact = errors.exact(query.what, query.scales, p.trees)
    yield 0, _row(p, query.what, measured, exact, _numbers(p, query), ledger)


def _check(p: Params) -> None:
    if p.kernel not in sums.KERNELS:
        raise ValueError(f"kernel must be one of {', '.join(sums.KERNELS)}, but got '{p.kernel}'; write one of them.")
    allowed = (*budget.ONE_DIMENSIONAL, *DIRECT) if p.kernel == "l2" else VARIANTS
    plain = error.Params(p.variant, p.n, p.levels, p.eps, p.d, 0.5, p.data, p.adjacency, p.trees, p.queries)
    error.check(plain, allowed)
    whole = p.power == int(p.power) and 1 <= p.power <= 7
    if not (p.power > 0 and p.bandwidth > 0 and p.features >= 1):
        raise ValueError(
            f"power and bandwidth must be positive and features at least 1, but got power = {p.power}, "
            f"bandwidth = {p.bandwidth}, features = {p.features}; mend the one that is not."
        )
    if p.kernel == "lp_power" and p.variant in sums.MOMENTS and not whole:
        raise ValueError(
            f"power must be whole, 1 to 7, where a tree holds moments, but got {p.power}; use variant 'counts_consistent'."
        )


def _kernel_sums(p: Params, x: Tensor, y: Tensor, truth: Tensor, guess: Tensor, ctx: Context) -> sums.KernelSums:
    eps = budget.rational(p.eps)
    if p.variant == "constant":
        readings, scales, answers = sums.constant(p.n, guess, eps, p.adjacency)
    elif p.kernel == "l2_squared":
        readings, scales, answers = sums.squared(x, y, p.levels, eps, p.adjacency)
    elif p.kernel == "gaussian":
        draw = ctx.generator("features")
        frequencies = torch.randn(p.d, p.features, dtype=torch.float64, generator=draw)
        phases = 2 * math.pi * torch.rand(p.features, dtype=torch.float64, generator=draw)
        readings, scales, answers = sums.featured(x, y, frequencies, phases, p.bandwidth, eps, p.adjacency)
    elif p.kernel == "l2":
        return _by_projections(p, x, y, truth, guess, ctx)
    elif p.variant in sums.MOMENTS:
        readings, scales, answers = sums.moments(p.variant, int(p.power), p.levels, x, y, eps / p.d, p.adjacency)
    else:
        readings, answers = sums.from_leaves(p.variant, p.power, p.levels, x, y)
        scales = budget.scales(p.variant, p.levels, eps / p.d, p.adjacency)
    what = errors.Questions(
        readings=tuple(tuple(of_one) for of_one in readings), rounding=answers - truth, truth=truth, uniform=guess
    )  # fmt: skip
    return sums.KernelSums(what=what, scales=scales)


def _by_projections(p: Params, x: Tensor, y: Tensor, truth: Tensor, guess: Tensor, ctx: Context) -> sums.KernelSums:
    """√(π/2)/t times the sum of t one-dimensional sums, each with eps/t: normal projections have mean size √(2/π) |v|."""
    directions = torch.randn(p.features, p.d, dtype=torch.float64, generator=ctx.generator("projections"))
    inner_x, inner_y, size = sums.projected(x, y, directions)
    factor = math.sqrt(math.pi / 2) / p.features * size
    projected = errors.questions(p.variant, p.levels, inner_x, inner_y, 0.5)
    answers = (projected.rounding + projected.truth) * factor
    readings = tuple(
        tuple(dataclasses.replace(r, weights=r.weights * factor) for r in of_one) for of_one in projected.readings
    )  # fmt: skip
    what = errors.Questions(readings=readings, rounding=answers - truth, truth=truth, uniform=guess)
    return sums.KernelSums(
        what=what, scales=budget.scales(p.variant, p.levels, budget.rational(p.eps) / p.features, p.adjacency)
    )


def _numbers(p: Params, query: sums.KernelSums) -> float:
    """Noisy numbers that are released, all coordinates or projections together."""
    if p.kernel == "l2_squared" or p.variant == "constant":
        return sum(len(r.nodes) for r in query.what.readings[0])
    if p.kernel == "gaussian":
        return p.features
    return len(query.what.readings) * sum(1 << level for _, level in query.scales.noise)


def _theory(p: Params) -> float | None:
    """Noise of features: 2 √I/eps; of projections: √(π/2) √t times a one-dimensional structure's over their range."""
    touched = 2 if p.adjacency == "replace_one" else 1
    if p.variant == "per_query":
        return math.sqrt(2) * p.queries * sums.largest(p.kernel, p.power, p.d) / p.eps
    if p.variant == "constant":
        return None
    if p.kernel == "gaussian":
        return touched * 2 * math.sqrt(p.features) / p.eps
    if p.kernel == "l2":
        half = math.sqrt(p.d) / 2 * math.sqrt(2 * math.log(20 * p.n * p.features))
        alone = closed.theory(p.variant, p.levels, adjacency=p.adjacency)
        return None if alone is None else math.sqrt(math.pi / 2 * p.features) * 2 * half * alone / p.eps
    return None


def _row(p: Params, what: errors.Questions, error_: Tensor, exact: errors.Exact, numbers: float, ledger: Fraction) -> Result:
    rmse, mean = float((error_**2).mean().sqrt()), float(what.truth.mean())
    constant = float(((what.uniform - what.truth) ** 2).mean().sqrt())
    without = float((what.rounding**2).mean().sqrt())
    return Result(
        bias=float(error_.mean()),
        rmse=rmse,
        relative_rmse=rmse / mean,
        noise_rmse=float(((error_ - what.rounding) ** 2).mean().sqrt()),
        approximation=without,
        relative_approximation=without / mean,
        rmse_exact=exact.rmse,
        rmse_se=exact.rmse_se,
        theory=_theory(p),
        constant_rmse=constant,
        beats_constant=rmse < constant,
        noisy_numbers=float(numbers),
        ledger_eps=float(ledger),
        ledger_ok=ledger <= budget.rational(p.eps),
        private=False,
    )
