"""How much attention one key of the largest score gets against a background of L - 1, exactly and by a polynomial of rank L.

Source: arXiv:2406.03136, theorem 4.1 (above the threshold attention is a search for a nearest neighbour); closed form derived.
Symbols: L = sequence length · B = bound of entries · a = s B² · m = (sinh a / a)^d, the mean of exp(score) of a background key.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor

from workloads.lora.degree import check
from workloads.lora.maths import data
from workloads.shared import packs
from workloads.shared.attention import degree, polynomial

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"


@dataclass(frozen=True)
class Params:
    """A length, a bound, and how many needles are looked for."""

    seq_len: Annotated[int, "sequence length L, the needle included", {"shape": True}]
    dim: Annotated[int, "dimension d of queries and keys", {"shape": True}]
    b: Annotated[float, "bound B of the entries: the query and its needle have entries -b or b, the background lies between"]
    queries: Annotated[int, "queries, each with a needle of its own against the same background", {"shape": True}] = 64
    policy: Annotated[str, "degree: the largest with rank_le_l | rank_le_sqrt_l | flops_le_exact", {"shape": True}] = (
        "rank_le_l"
    )
    score_scale: Annotated[str, "what q.k is multiplied by: theory 1/dim, practice 1/sqrt(dim), unit 1", {"shape": True}] = (
        "theory"
    )


@dataclass(frozen=True)
class Result:
    """Attention on the needle."""

    mass: Annotated[float, "attention on the needle, mean over queries"]
    mass_expected: Annotated[float, "closed form with the mean background, 1 / (1 + (L - 1) m exp(-score))"]
    log_odds: Annotated[float, "mean over queries of ln(attention on the needle / attention on all else)"]
    mass_polynomial: Annotated[float, "attention on the needle by the polynomial, mean over queries"]
    rel_error: Annotated[float, "mean over queries of |mass_polynomial - mass| / mass"]
    score: Annotated[float, "score of the needle"]
    degree: Annotated[int, "degree of the polynomial"]


EXAMPLES = (Params(64, 6, 1.0), Params(100, 5, 2.0, queries=7), Params(100, 5, 0.4, queries=7, score_scale="practice"))


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, list[Any]]]:
    """Columns for every point; points that differ in b alone share their data."""
    for p in params:
        _check(p)
    every = list(zip(params, ctxs, strict=True))
    for (shape, ctx), indices in packs.groups(every, lambda x: (dataclasses.replace(x[0], b=1.0), x[1])):
        products = _background(shape, ctx)
        rows = [_row(params[i], products) for i in indices]
        yield {"index": indices, "step": [0] * len(indices)} | {name: [row[name] for row in rows] for name in rows[0]}


def _check(p: Params) -> None:
    check(p.b, 0.5, p.dim)
    if p.seq_len < 2 or p.queries < 1 or p.policy == "rank_eq_l":
        raise ValueError(
            f"seq_len must be at least 2, queries at least 1 and the degree whole, but got seq_len = {p.seq_len}, "
            f"queries = {p.queries}, policy = '{p.policy}'; write rank_le_l for a whole degree."
        )


def _background(p: Params, ctx: Context) -> Tensor:
    """Products of the queries with the background, over d, at b = 1: (queries, L - 1)."""
    queries = data.pair(ctx, "sign", p.queries, p.dim)[0]
    return queries @ data.pair(ctx, "uniform", p.seq_len - 1, p.dim)[1].mT / p.dim


def _row(p: Params, products: Tensor) -> dict[str, Any]:
    scale = data.score_scale(p.score_scale, p.dim)
    score = scale * p.dim * p.b**2
    g = int(degree.affordable(p.policy, p.seq_len, p.dim))
    rest = torch.logsumexp(score * products, dim=1)  # (queries,)
    coefficients = polynomial.taylor(g)
    needle = sum(c * score**m for m, c in enumerate(coefficients))
    near = needle / (needle + polynomial.evaluate(score * products, coefficients).sum(1))
    mass, each = torch.sigmoid(score - rest), scale * p.b**2
    background = p.dim * (math.log(math.sinh(each) / each) if each > 1e-6 else 0.0)
    return {
        "mass": float(mass.mean()),
        "mass_expected": 1 / (1 + (p.seq_len - 1) * math.exp(background - score)),
        "log_odds": float((score - rest).mean()),
        "mass_polynomial": float(near.mean()),
        "rel_error": float(((near - mass).abs() / mass).mean()),
        "score": score,
        "degree": g,
    }
