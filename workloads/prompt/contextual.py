"""Whether one attention layer gives every token in every sequence an id of its own, for weights of any rank.

Source: Hu et al. 2025, arXiv:2411.16525 (any-rank contextual mapping), after Kajitsuka and Sato 2024, arXiv:2307.14023.
Symbols: d = dimension of a token · L = tokens of a sequence · ids = x + V softmax(scores) [P, X] · r = rank of W_K^T W_Q.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch
from torch import Tensor

from workloads.prompt.maths import context_ids

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
CLOSE = 1e-9
"""Ids that are nearer than this count as one."""
LIMIT = 2_000_000
"""Ids that are enumerated at most."""


@dataclass(frozen=True)
class Params:
    """A grid of tokens, a length and random weights."""

    grid: Annotated[int, "values of a token's coordinate: 1/grid, 2/grid, .., 1", {"shape": True}]
    dim: Annotated[int, "dimension d of a token", {"shape": True}] = 1
    seq_len: Annotated[int, "tokens L of a sequence, all different", {"shape": True}] = 2
    rank: Annotated[int, "rank of W_K^T W_Q, from 1 to d", {"shape": True}] = 1
    scale: Annotated[float, "largest absolute score of two tokens; 0 is uniform attention"] = 4.0
    prompt_len: Annotated[int, "random prompt tokens before every sequence", {"shape": True}] = 0


@dataclass(frozen=True)
class Result:
    """How far apart the ids are."""

    sequences: Annotated[int, "sequences, order not counted"]
    ids: Annotated[int, "tokens of all sequences"]
    collisions: Annotated[int, "ids that have another one within 1e-9", {"aggregate": "max"}]
    separation: Annotated[float, "least distance of two ids", {"aggregate": "median"}]
    separation_same: Annotated[float | None, "least distance of two ids of one token in two sequences", {"aggregate": "median"}]
    radius: Annotated[float, "largest length of an id", {"aggregate": "max", "finite": True}]
    boltzmann_margin: Annotated[
        float | None,
        "least gap of the Boltzmann operator over (ln L)^2 exp(-2r), least over the queries where scores are 4 ln L apart; "
        "null where none are, or where double precision cannot tell",
    ]


EXAMPLES = (
    Params(4),
    Params(6, scale=0.0),
    Params(3, 2, 3, 2, prompt_len=2),
    Params(4, 2, 2, 1, scale=16.0),
    Params(3, 1, 2, scale=20.0),
)


def run(params: Params, ctx: Context) -> Iterator[tuple[int, Result]]:
    """The one row of a point."""
    p = params
    _check(p)
    words = context_ids.vocabulary(p.grid, p.dim).to(ctx.device)
    chosen = context_ids.sequences(len(words), p.seq_len).to(ctx.device)
    weight, value, prompt = (part.to(ctx.device) for part in _weights(p, ctx))
    weight = p.scale * weight / (words @ weight @ words.mT).abs().amax()
    ids = context_ids.context_ids(chosen, words, prompt, weight, value)
    nearest = context_ids.separations(ids.flatten(0, 1))
    margins = [context_ids.boltzmann_margin(scores, chosen) for scores in words @ weight @ words.mT]
    yield (
        0,
        Result(
            sequences=len(chosen),
            ids=ids.shape[0] * ids.shape[1],
            collisions=int((nearest <= CLOSE).sum()),
            separation=float(nearest.amin()),
            separation_same=_same(ids, chosen, len(words)),
            radius=float(ids.norm(dim=-1).amax()),
            boltzmann_margin=min((m for m in margins if m is not None), default=None),
        ),
    )


def _check(p: Params) -> None:
    if not 1 <= p.rank <= p.dim:
        raise ValueError(f"rank must lie between 1 and dim, but got rank = {p.rank} at dim = {p.dim}; write rank: {p.dim}.")
    if p.grid < 1 or p.prompt_len < 0 or p.seq_len < 1 or not (p.scale >= 0 and math.isfinite(p.scale)):
        raise ValueError(
            f"grid and seq_len must be at least 1, prompt_len and scale at least 0, but got {p}; mend the one below."
        )
    tokens = p.grid**p.dim
    if tokens < p.seq_len or context_ids.count(tokens, p.seq_len) * p.seq_len > LIMIT:
        raise ValueError(
            f"sequences of {p.seq_len} different tokens of {tokens} must have 1 to {LIMIT:,} ids, but have "
            f"{context_ids.count(tokens, p.seq_len) * p.seq_len:,}; take another grid."
        )


def _weights(p: Params, ctx: Context) -> tuple[Tensor, Tensor, Tensor]:
    """W of the rank (d, d), V of full rank (d, d) and the prompt (p, d), from a seed; a lower rank keeps the first factors."""
    draw = ctx.generator("weights")
    query, key, value = (torch.randn(p.dim, p.dim, dtype=torch.float64, generator=draw) for _ in range(3))
    prompt = torch.rand(p.prompt_len, p.dim, dtype=torch.float64, generator=ctx.generator("prompt"))
    return query[:, : p.rank] @ key[:, : p.rank].mT, value, prompt


def _same(ids: Tensor, chosen: Tensor, words: int) -> float | None:
    """Least distance of two ids of one token; None where no token stands in two sequences."""
    flat, owner = ids.flatten(0, 1), chosen.flatten()
    groups = [flat[owner == word] for word in range(words)]
    gaps = [float(context_ids.separations(group).amin()) for group in groups if len(group) > 1]
    return min(gaps, default=None)
