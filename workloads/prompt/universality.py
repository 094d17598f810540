"""How many prompt tokens approximate every Lipschitz function, by attention that runs, and how large its scores must be.

Source: derived, in the frame of Hu et al. 2025, arXiv:2411.16525 (universality and memorisation of prompt tuning).
Symbols: D = d L, dimension of the domain · n = tokens an axis, p = n^D · h = bandwidth · ε = error asked for · B = entry bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor

from workloads.prompt.maths import counting, kernel
from workloads.shared import packs
from workloads.shared.attention import degree

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
SCORES = ("free", "bounded")
VALUES = ("sampled", "fitted")
BITS = 64
"""Of a number in the prompt."""
ACCURACY = 1e-2
"""Relative error that the polynomial may make in exp(score) where scores are bounded."""


@dataclass(frozen=True)
class Params:
    """A class of functions, a grid of tokens, and how sharp attention is."""

    per_axis: Annotated[int, "tokens n on each axis; the prompt has n^D", {"shape": True}]
    domain_dim: Annotated[int, "dimension D of the domain [0,1]^D, at most 3", {"shape": True}] = 1
    eps: Annotated[
        float, "error asked for; the functions have bumps of width 8 eps, so 1/(8 eps) must be whole", {"shape": True}
    ] = 1 / 16
    bandwidth: Annotated[float, "standard deviation of the weights, in distances of neighbouring tokens"] = 0.3
    scores: Annotated[
        str,
        "free (bandwidth as given) | bounded (wide enough for the polynomial that prompt_len features allow)",
        {"shape": True},
    ] = "free"
    values: Annotated[
        str,
        "what tokens carry: sampled (the function there) | fitted (the best values up to b_efficient; domain_dim 1)",
        {"shape": True},
    ] = "sampled"


@dataclass(frozen=True)
class Result:
    """How near attention comes to the functions, and what it takes."""

    sup_error: Annotated[float, "largest error over the domain", {"aggregate": "max", "finite": True}]
    log_error_ratio: Annotated[float, "log10(sup_error / eps), at most 0 where the prompt is good enough", {"aggregate": "max"}]
    amplitude: Annotated[float, "largest value of the function, half of a bump's width"]
    prompt_len: Annotated[int, "tokens of the prompt, n^D"]
    width: Annotated[float, "bandwidth that was used, in distances of neighbouring tokens"]
    score_span: Annotated[float, "largest difference of two tokens' scores at one query"]
    b_needed: Annotated[
        float,
        "bound below which no entries of queries and keys give these scores, at scale 1/dim: sqrt(score_span / 2)",
        {"formula": "kernel.span"},
    ]
    b_efficient: Annotated[
        float,
        "bound up to which a polynomial of at most prompt_len features is good to 1 %, in dimension ceil(log2 prompt_len)",
        {"formula": "degree.reach"},
    ]
    tokens_sufficient: Annotated[
        float,
        "what the paper's theorem asks for, (2 sqrt(D) / eps)^D for one token of dimension D",
        {"formula": "counting.sufficient"},
    ]
    tokens_bumps: Annotated[float, "bumps that a function has room for, (1 / 4 eps)^D", {"formula": "counting.bumps"}]
    tokens_necessary: Annotated[
        float,
        "what every fixed network needs at 64 bits a coordinate, (1 / 4 eps)^D / (64 (D + 1))",
        {"formula": "counting.needed"},
    ]


EXAMPLES = (
    Params(8),
    Params(7, bandwidth=0.8),
    Params(9, 2),
    Params(4, 3),
    Params(32, eps=1 / 8, scores="bounded"),
    Params(16, eps=1 / 8, scores="bounded", values="fitted"),
    Params(16, 2, 1 / 32, scores="bounded"),
)


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, list[Any]]]:
    """Columns for every point; seeds of one point share its weights."""
    for p in params:
        _check(p)
    for p, indices in packs.groups(params, lambda p: p):
        rows = _measure(p, [ctxs[i] for i in indices])
        columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in rows[0]}
        yield {"index": indices, "step": [0] * len(indices), **columns}


def _check(p: Params) -> None:
    if p.scores not in SCORES:
        raise ValueError(f"scores must be one of {', '.join(SCORES)}, but got '{p.scores}'; write one of them.")
    if p.values not in VALUES or (p.values == "fitted" and p.domain_dim > 1):
        raise ValueError(
            f"values must be sampled, or fitted where domain_dim is 1, but got '{p.values}' at domain_dim = {p.domain_dim}; "
            "write values: sampled."
        )
    if p.per_axis < 2 or not 1 <= p.domain_dim <= 3 or not p.bandwidth > 0:
        raise ValueError(
            f"per_axis must be at least 2, domain_dim 1 to 3 and bandwidth above 0, but got per_axis = {p.per_axis}, "
            f"domain_dim = {p.domain_dim}, bandwidth = {p.bandwidth}; mend them."
        )
    if not 0 < p.eps <= 1 / 8 or abs(_cells(p) * 8 * p.eps - 1) > 1e-9:
        raise ValueError(
            f"1/(8 eps) must be a whole number, at least 1, but got eps = {p.eps}; write a power of 1/2 up to 1/8."
        )


def _cells(p: Params) -> int:
    """Bumps on each axis."""
    return round(1 / (8 * p.eps))


def _measure(p: Params, ctxs: Sequence[Context]) -> list[dict[str, Any]]:
    cells, tokens = _cells(p), p.per_axis**p.domain_dim
    device = ctxs[0].device
    c, x = kernel.centres(p.per_axis).to(device), kernel.query_grid(p.per_axis, cells).to(device)
    spread = kernel.span(x, c, p.domain_dim)
    dim = max(1, math.ceil(math.log2(tokens)))
    efficient = math.sqrt(degree.reach(degree.affordable("rank_le_l", tokens, dim), ACCURACY))
    h = p.bandwidth / p.per_axis if p.scores == "free" else math.sqrt(spread / 2) / efficient
    weights = torch.softmax(kernel.scores(x, c, h), -1)
    fixed = {
        "amplitude": 4 * p.eps,
        "prompt_len": tokens,
        "width": h * p.per_axis,
        "score_span": spread / h**2,
        "b_needed": math.sqrt(spread / 2) / h,
        "b_efficient": efficient,
        "tokens_sufficient": counting.sufficient(p.eps, p.domain_dim, 1),
        "tokens_bumps": counting.bumps(p.eps, p.domain_dim),
        "tokens_necessary": counting.needed(p.eps, p.domain_dim, BITS, p.domain_dim + 1),
    }
    bound = efficient if p.values == "fitted" else None
    errors = [_error(p.domain_dim, cells, weights, c, x, bound, ctx) for ctx in ctxs]
    return [{"sup_error": e, "log_error_ratio": math.log10(max(e, 1e-300) / p.eps), **fixed} for e in errors]


def _error(dim: int, cells: int, weights: Tensor, c: Tensor, x: Tensor, bound: float | None, ctx: Context) -> float:
    """Largest error at the queries for one function of the class, its bumps up or down by the seed; fitted up to a bound."""
    draw = torch.randint(2, (cells,) * dim, generator=ctx.generator("signs"))
    signs = (2.0 * draw - 1).double().to(weights.device)
    wanted = kernel.bump([x] * dim, signs)
    values = kernel.bump([c] * dim, signs) if bound is None else kernel.fitted(weights, wanted, bound)
    return float((kernel.smoothed(weights, values) - wanted).abs().amax())
