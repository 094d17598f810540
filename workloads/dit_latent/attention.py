"""What attention with bounded queries and keys costs exactly, and by a polynomial precise enough for its length.

Source: arXiv:2407.01079, section 4 (L^(1+o(1)) at d = O(log L), B = o(sqrt(log L)), for inference and for gradients).
Symbols: L = sequence length · d = dimension · B = bound of entries · g = degree · rank = C(d + g, g) features.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch
from torch import Tensor

from workloads.dit_latent.maths import criterion
from workloads.shared import timing
from workloads.shared.attention import operators, polynomial
from workloads.shared.attention.operators import Attention

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "cost"
SCALES = ("theory", "unit")
# Features above which nothing is computed: the answer is that the polynomial costs too much.
MOST = 20_000


@dataclass(frozen=True)
class Params:
    """A length, a dimension and a bound."""

    seq_len: Annotated[int, "sequence length L", {"shape": True}]
    dim: Annotated[int, "dimension d of queries, keys and values", {"shape": True}] = 4
    b: Annotated[float, "bound B of the entries of queries and keys"] = 0.5
    scale: Annotated[
        str, "scores: theory, products over d, up to B^2 | unit, as the paper writes them, up to d B^2", {"shape": True}
    ] = "theory"
    cross: Annotated[bool, "keys of other data than the queries, as conditional models have", {"shape": True}] = False
    gradient: Annotated[bool, "measure the backward pass with respect to the queries' weights too", {"shape": True}] = False
    power: Annotated[float, "the error allowed is L to minus this"] = 1.0
    repeats: Annotated[int, "times that each is run; the least time counts", {"shape": True}] = 3


@dataclass(frozen=True)
class Result:
    """Degree, features, error and time."""

    degree: Annotated[int, "least degree g of a Chebyshev interpolant of exp with relative error at most L^-power"]
    rank: Annotated[float, "features C(d + g, g)"]
    rank_exponent: Annotated[float, "log of rank to the base L: below 1 features are fewer than keys"]
    operations_exact: Annotated[float, "multiplications and additions of exact attention"]
    operations_low_rank: Annotated[float, "those of the polynomial's"]
    max_error: Annotated[
        float | None, "largest error of an output of the polynomial's, values being in [-1, 1]; null above 20000 features"
    ]
    error_bound: Annotated[
        float, "what it can be at most: 2 e / (1 - e) with e the polynomial's relative error", {"bound": "upper"}
    ]
    gradient_error: Annotated[
        float | None,
        "largest error of an entry of the gradient over its largest entry; null if not asked for or above 20000 features",
    ]
    seconds_exact: Annotated[float, "time of exact attention", {"unit": "seconds", "aggregate": "median"}]
    seconds_low_rank: Annotated[
        float | None, "time of the polynomial's; null above 20000 features", {"unit": "seconds", "aggregate": "median"}
    ]


EXAMPLES = (Params(128), Params(64, dim=3, b=0.8, scale="unit", cross=True), Params(64, dim=2, gradient=True))


def run(params: Params, ctx: Context) -> Iterator[tuple[int, Result]]:
    """The one row of a point."""
    p = params
    _check(p)
    queries, keys, values = data(p, ctx)
    factor = 1.0 if p.scale == "unit" else 1.0 / p.dim
    radius = p.b**2 * (p.dim if p.scale == "unit" else 1.0)
    degree = criterion.least_degree(radius, p.seq_len**-p.power)
    rank = polynomial.rank(p.dim, degree)
    relative = criterion.error(radius, degree)
    exact_operations, low_operations = criterion.operations(p.seq_len, p.dim, rank)
    whole, seconds = timed(lambda: operators.exact(queries, keys, factor).apply(values), p.repeats, ctx.device)
    error, low_seconds, gradient = None, None, None
    if rank <= MOST:
        near = polynomial.polynomial(queries, keys, factor, criterion.coefficients(radius, degree))
        low, low_seconds = timed(lambda: near.apply(values), p.repeats, ctx.device)
        error = float((low - whole).abs().max())
        gradient = gradient_error(queries, keys, values, factor, near) if p.gradient else None
    yield (
        0,
        Result(
            degree=degree,
            rank=float(rank),
            rank_exponent=criterion.exponent(rank, p.seq_len),
            operations_exact=exact_operations,
            operations_low_rank=low_operations,
            max_error=error,
            error_bound=2.0 * relative / (1.0 - relative) if relative < 1 else math.inf,
            gradient_error=gradient,
            seconds_exact=seconds,
            seconds_low_rank=low_seconds,
        ),
    )


def data(p: Params, ctx: Context) -> tuple[Tensor, Tensor, Tensor]:
    """Queries and keys with entries uniform in [-B, B], values in [-1, 1], (L, d) in double precision.

    Without `cross` both come from one input and a map each, so that entries keep to the bound.
    """
    shape = (p.seq_len, p.dim)
    first = 2.0 * torch.rand(shape, generator=ctx.generator("queries"), dtype=torch.float64) - 1.0
    values = 2.0 * torch.rand(shape, generator=ctx.generator("values"), dtype=torch.float64) - 1.0
    if p.cross:
        second = 2.0 * torch.rand(shape, generator=ctx.generator("keys"), dtype=torch.float64) - 1.0
    else:
        turn = torch.randn(p.dim, p.dim, generator=ctx.generator("keys"), dtype=torch.float64)
        second = first @ turn
        second = second / second.abs().max()
    arrays = (p.b * first, p.b * second, values)
    queries, keys, values = (part.to(ctx.device) for part in arrays)
    return queries, keys, values


def timed(compute: Callable[[], Tensor], repeats: int, device: str) -> tuple[Tensor, float]:
    """What is computed, and the least of its times in seconds."""
    (seconds,) = timing.quickest([compute], repeats, timing.clock(device), least=0.0)
    return compute(), seconds


def gradient_error(queries: Tensor, keys: Tensor, values: Tensor, factor: float, near: Attention) -> float:
    """Error of the gradient of |f V - V|^2 / 2 with respect to a map W of the queries, over its largest entry.

    With R = f V - V and p the derivative of softmax it is factor Q' (f * (R V' - diag(f V R'))) K, and every product with f is
    one with low-rank factors where f is: the paper's chain of approximations.
    """
    parts = [_gradient(queries, keys, values, factor, way) for way in (operators.exact(queries, keys, factor), near)]
    return float((parts[1] - parts[0]).abs().max() / parts[0].abs().max())


def _gradient(queries: Tensor, keys: Tensor, values: Tensor, factor: float, way: Attention) -> Tensor:
    """The gradient (d, d), by applications of f alone: f * (R V') K is the sum over columns c of diag(R_c) f diag(V_c) K."""
    mean = way.apply(values)
    away = mean - values
    pairs = way.apply((values.unsqueeze(2) * keys.unsqueeze(1)).flatten(1)).view(len(values), values.shape[1], -1)
    first = (away.unsqueeze(2) * pairs).sum(1)
    second = (away * mean).sum(1, keepdim=True) * way.apply(keys)
    return factor * queries.mT @ (first - second)


def _check(p: Params) -> None:
    if p.seq_len < 2 or p.dim < 1 or p.repeats < 1 or not p.b > 0 or not p.power > 0:
        raise ValueError(
            f"seq_len must be at least 2, dim and repeats at least 1, b and power above 0, but got {p.seq_len}, {p.dim}, "
            f"{p.repeats}, {p.b} and {p.power}; raise them."
        )
    if p.scale not in SCALES:
        raise ValueError(
            f"scale must be theory (scores up to B^2) or unit (up to d B^2), but got '{p.scale}'; write one of them."
        )
