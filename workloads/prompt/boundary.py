"""Up to which entries attention over prompt and context can be done by a polynomial of affordable degree.

Source: Hu et al. 2025, arXiv:2411.16525 (efficiency of prompt tuning, reduced to approximate attention); hybrid is derived.
Symbols: L, p = tokens of context, prompt · B_X, B_P = bounds of their entries · g = degree · R = largest score · ε = precision.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch
from torch import Tensor

from workloads.prompt.maths import attention
from workloads.prompt.maths.hybrid import Columns, mixed, operations, whole
from workloads.shared import packs
from workloads.shared.attention import degree, signs
from workloads.shared.attention.operators import blocks
from workloads.shared.attention.polynomial import taylor

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
TOLERANCE = 1e-9  # errors of outputs are small differences of products that are summed in blocks
METHODS = ("pure", "hybrid")
READS = ("all", "context")
DATA = ("opposed", "sign", "uniform")


@dataclass(frozen=True)
class Params:
    """Lengths, bounds, and how attention is approximated."""

    seq_len: Annotated[int, "context tokens L", {"shape": True}]
    prompt_len: Annotated[int, "prompt tokens p", {"shape": True}]
    dim: Annotated[int, "dimension d of queries and keys", {"shape": True}]
    b_context: Annotated[float, "bound of the entries of the context's queries and keys"]
    b_prompt: Annotated[float, "bound of the entries of the prompt's queries and keys"]
    eps: Annotated[float, "relative error allowed in an entry of exp(scores)"] = 1e-2
    method: Annotated[
        str, "pure (the polynomial everywhere) | hybrid (prompt keys and prompt queries exactly)", {"shape": True}
    ] = "pure"
    read: Annotated[
        str, "columns whose output is wanted: all (the paper's B takes all queries) | context (L of them)", {"shape": True}
    ] = "all"
    data: Annotated[
        str, "opposed (signs, each key minus a query: reaches the lowest score) | sign | uniform", {"shape": True}
    ] = "opposed"
    policy: Annotated[
        str,
        "degree: the largest with rank_le_l | rank_le_sqrt_l | flops_le_exact, at length L + p; rank_eq_l takes the real one",
        {"shape": True},
    ] = "rank_le_l"
    score_scale: Annotated[
        str, "what products are multiplied by: theory 1/dim | practice 1/sqrt(dim) | unit 1", {"shape": True}
    ] = "theory"
    rows: Annotated[int, "queries of context and of prompt each on which outputs are compared; 0 for none", {"shape": True}] = (
        128
    )


@dataclass(frozen=True)
class Result:
    """How good the approximation is, what the theory says of it, and what it costs."""

    degree: Annotated[float, "degree g of the polynomial; real under rank_eq_l"]
    rank: Annotated[float, "features C(d + g, g)", {"formula": "features"}]
    rel_error: Annotated[
        float, "largest relative error of an approximated entry of exp(scores), over all pairs", {"finite": True}
    ]
    log_error_ratio: Annotated[float, "log10(rel_error / eps), below 0 where the approximation is good enough"]
    rel_error_output: Annotated[
        float | None, "Frobenius norm of the error of the outputs over that of the outputs; null where rows is 0"
    ]
    score_max: Annotated[float, "largest absolute score among approximated pairs"]
    score_bound: Annotated[
        float, "largest absolute score that the bounds allow among approximated pairs", {"formula": "attention.reach"}
    ]
    score_reach: Annotated[float, "R*: largest score at which the polynomial meets eps", {"formula": "degree.reach"}]
    b_reach: Annotated[
        float,
        "bound at which opposed data of one bound meet eps: sqrt(R* / (scale d)), the staircase at L + p",
        {"formula": "degree.reach"},
    ]
    flops: Annotated[float, "multiplications and additions of the approximation"]
    flops_exact: Annotated[float, "multiplications and additions of exact attention, 4 d for each pair"]


EXAMPLES = (
    Params(64, 8, 7, 0.6, 0.6),
    Params(64, 8, 7, 0.6, 2.0, method="hybrid"),
    Params(64, 8, 7, 0.3, 1.1, read="context"),
    Params(50, 60, 7, 0.5, 0.4, data="uniform", rows=20),
    Params(128, 11, 8, 0.7, 3.0, 1e-3, "hybrid", "context", "sign", score_scale="practice"),
)


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, list[Any]]]:
    """Columns for every point; points of one seed that differ in bounds and eps alone share their data."""
    for p in params:
        _check(p)
    places = list(zip(params, ctxs, strict=True))
    for (p, ctx), indices in packs.groups(
        places, lambda s: (dataclasses.replace(s[0], b_context=1.0, b_prompt=1.0, eps=0.1), s[1])
    ):
        rows = [_row(params[i], ctx, degree.affordable(p.policy, p.seq_len + p.prompt_len, p.dim)) for i in indices]
        columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in rows[0]}
        yield {"index": indices, "step": [0] * len(indices), **columns}


def _check(p: Params) -> None:
    for name, value, allowed in (("method", p.method, METHODS), ("read", p.read, READS), ("data", p.data, DATA)):
        if value not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}, but got '{value}'; write one of them.")
    if min(p.seq_len, p.prompt_len, p.dim) < 1 or p.rows < 0 or not min(p.b_context, p.b_prompt, p.eps) > 0 or p.eps >= 1:
        raise ValueError(
            "lengths and dim must be at least 1, rows at least 0, bounds above 0 and eps in (0, 1), "
            f"but got {p}; mend the one outside."
        )
    if p.policy == "rank_eq_l" and p.rows:
        raise ValueError("outputs must have a whole degree, but policy is 'rank_eq_l'; write rows: 0.")


@dataclass(frozen=True)
class Tokens:
    """Queries, keys (n, d) and values (n, d) of context or prompt; entries of queries and keys are at most 1."""

    queries: Tensor
    keys: Tensor
    values: Tensor


@functools.lru_cache(maxsize=4)
def _tokens(ctx: Context, data: str, seq_len: int, prompt_len: int, dim: int) -> tuple[Tokens, Tokens]:
    """Context and prompt of a seed; values have a mean, so that outputs do not vanish as sequences grow."""

    def drawn(part: str, n: int) -> Tensor:
        """Queries or keys, of shape (n, dim), in the cube or at its corners."""
        draw = ctx.generator(f"{part} {data} {dim}")
        if data == "uniform":
            return 2 * torch.rand(n, dim, dtype=torch.float64, generator=draw) - 1
        return 2 * torch.randint(2, (n, dim), generator=draw).double() - 1

    def values(part: str, n: int) -> Tensor:
        """Values of n tokens, of shape (n, dim), around 1."""
        return 1 + torch.randn(n, dim, dtype=torch.float64, generator=ctx.generator(f"{part} values"))

    own = drawn("context queries", seq_len)
    if data == "opposed":
        copied = own[torch.arange(prompt_len) % seq_len]
        parts = own, -own, copied, -copied
    else:
        parts = own, drawn("context keys", seq_len), drawn("prompt queries", prompt_len), drawn("prompt keys", prompt_len)
    qx, kx, qp, kp = (part.to(ctx.device) for part in parts)
    vx, vp = values("context", seq_len).to(ctx.device), values("prompt", prompt_len).to(ctx.device)
    return Tokens(qx, kx, vx), Tokens(qp, kp, vp)


def _pairs(p: Params) -> tuple[tuple[bool, bool], ...]:
    """Which pairs (prompt query?, prompt key?) the polynomial stands for."""
    if p.method == "hybrid":
        return ((False, False),)
    context = ((False, False), (False, True))
    return context if p.read == "context" else (*context, (True, False), (True, True))


@functools.lru_cache(maxsize=1 << 12)
def _extremes(ctx: Context, data: str, shape: tuple[int, int, int], pair: tuple[bool, bool]) -> tuple[float, float]:
    """The smallest and the largest product q.k / d of one kind of pairs, entries at most 1."""
    seq_len, prompt_len, dim = shape
    for most in (signs.PROBED, max(seq_len, prompt_len)) if data != "uniform" else ():  # begun alike at every length
        parts = _tokens(ctx, data, min(seq_len, most), min(prompt_len, most), dim)
        if signs.reach(parts[pair[0]].queries, parts[pair[1]].keys):
            return -1.0, 1.0
    parts = _tokens(ctx, data, *shape)
    queries, keys = parts[pair[0]].queries, parts[pair[1]].keys
    if data != "uniform":  # whole numbers: single precision holds them exactly
        queries, keys = queries.float(), keys.float()
    ends = [torch.aminmax(queries[block] @ keys.mT) for block in blocks(len(queries), len(keys), keys)]
    return min(float(e.min) for e in ends) / dim, max(float(e.max) for e in ends) / dim


def _row(p: Params, ctx: Context, g: float) -> dict[str, Any]:
    scale = attention.factor(p.score_scale, p.dim)
    shape, bound = (p.seq_len, p.prompt_len, p.dim), (p.b_context, p.b_prompt)
    sizes = {pair: scale * p.dim * bound[pair[0]] * bound[pair[1]] for pair in _pairs(p)}
    ends = [size * end for pair, size in sizes.items() for end in _extremes(ctx, p.data, shape, pair)]
    # The relative error of a Taylor polynomial grows with the size of a score on each side of 0, so the ends have the largest.
    error = float(degree.taylor_error(np.array(ends), g).max())
    reach = degree.reach(g, p.eps)
    features = degree.features(p.dim, g)
    return {
        "degree": float(g),
        "rank": features,
        "rel_error": error,
        "log_error_ratio": math.log10(max(error, 1e-300) / p.eps),
        "rel_error_output": _output_error(p, ctx, int(g), scale) if p.rows else None,
        "score_max": max(map(abs, ends)),
        "score_bound": max(sizes.values()),
        "score_reach": reach,
        "b_reach": math.sqrt(reach / (scale * p.dim)),
        "flops": _flops(p, features),
        "flops_exact": 4.0 * p.dim * _read(p) * (p.seq_len + p.prompt_len),
    }


def _read(p: Params) -> int:
    """Queries whose output is wanted."""
    return p.seq_len + (p.prompt_len if p.read == "all" else 0)


def _flops(p: Params, features: float) -> float:
    whole_length = p.seq_len + p.prompt_len
    if p.method == "pure":
        return operations(whole_length, _read(p), features, p.dim)
    exact = p.prompt_len * p.seq_len + (p.prompt_len * whole_length if p.read == "all" else 0)
    return operations(p.seq_len, p.seq_len, features, p.dim) + 4.0 * p.dim * exact


def _output_error(p: Params, ctx: Context, g: int, scale: float) -> float:
    """Relative error of the outputs at the first `rows` queries of the context, and of the prompt where it is read."""
    context, prompt = _tokens(ctx, p.data, p.seq_len, p.prompt_len, p.dim)
    keys = Columns(p.b_context * context.keys, context.values)
    prompt_keys = Columns(p.b_prompt * prompt.keys, prompt.values)
    queries = p.b_context * context.queries[: p.rows]
    queries_of = [queries] if p.read == "context" else [queries, p.b_prompt * prompt.queries[: p.rows]]
    exact = [whole(q, prompt_keys + keys, scale) for q in queries_of]
    if p.method == "pure":
        outputs = [mixed(q, prompt_keys + keys, None, scale, taylor(g)) for q in queries_of]
    else:  # the prompt's own queries are answered exactly
        outputs = [mixed(queries, keys, prompt_keys, scale, taylor(g)), *exact[1:]]
    wrong = sum(float((a - b).square().sum()) for a, b in zip(outputs, exact, strict=True))
    return math.sqrt(wrong / sum(float(b.square().sum()) for b in exact))
