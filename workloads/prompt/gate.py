"""How a soft prompt acts on attention: by a scalar gate towards the prompt's own mean, and by nothing else.

Source: derived from the softmax of [P, X] as in Hu et al. 2025, arXiv:2411.16525, section 2 (prompt tuning of one layer).
Symbols: L = context tokens · p = prompt tokens · S, Z = sums of exp(score) over prompt, context · gate = S/(S + Z).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor

from workloads.prompt.maths import attention
from workloads.shared import packs

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"


@dataclass(frozen=True)
class Params:
    """One random attention layer with a random prompt."""

    prompt_len: Annotated[int, "prompt tokens", {"shape": True}] = 4
    seq_len: Annotated[int, "context tokens", {"shape": True}] = 16
    dim: Annotated[int, "dimension of a token", {"shape": True}] = 8
    prompt_scale: Annotated[float, "standard deviation of a prompt's coordinate; 0 is the zero prompt"] = 1.0
    context_scale: Annotated[float, "standard deviation of a context token's coordinate"] = 1.0
    copies: Annotated[int, "how often every prompt token is repeated to test the rule of copies", {"shape": True}] = 3
    score_scale: Annotated[str, "theory (1/dim) | practice (1/sqrt(dim)) | unit (1)", {"shape": True}] = "practice"


@dataclass(frozen=True)
class Result:
    """The gate, and by how much each identity misses."""

    gate_mean: Annotated[
        float, "share of attention on the prompt, mean over the context's queries", {"finite": True, "range": [0, 1]}
    ]
    gate_max: Annotated[float, "largest such share", {"range": [0, 1]}]
    gate_zero: Annotated[
        float, "p/(p + Z), what the share is for scores of 0 on the prompt, mean over the queries", {"range": [0, 1]}
    ]
    gate_rise: Annotated[float | None, "smallest change of a query's gate as a token is appended; null for one token"]
    identity_error: Annotated[float, "largest entry of O - (gate u + (1 - gate) a)", {"aggregate": "max", "finite": True}]
    relative_error: Annotated[
        float, "largest change, by the prompt, of a context token's share of the attention on the context", {"aggregate": "max"}
    ]
    order_error: Annotated[float, "largest change of the output as the prompt's tokens are reversed", {"aggregate": "max"}]
    copies_error: Annotated[
        float, "largest difference between every token repeated and ln(copies) added to its score", {"aggregate": "max"}
    ]
    sdpa_error: Annotated[float, "largest difference from torch's own attention over [P, X], in float64", {"aggregate": "max"}]


EXAMPLES = (
    Params(),
    Params(prompt_len=1, seq_len=5, dim=3, prompt_scale=4.0),
    Params(prompt_scale=0.0),
    Params(prompt_scale=6.0, context_scale=0.0),
    Params(prompt_len=9, dim=2, copies=5, score_scale="theory"),
)


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, Any]]:
    """Columns for every point; points of one shape go together."""
    for p in params:
        _check(p)
    for _, indices in packs.groups(params, lambda p: dataclasses.replace(p, prompt_scale=1.0, context_scale=1.0)):
        columns = _measure([params[i] for i in indices], [ctxs[i] for i in indices])
        yield {"index": indices, "step": [0] * len(indices), **columns}


def _check(p: Params) -> None:
    if min(p.prompt_len, p.seq_len, p.dim, p.copies) < 1 or min(p.prompt_scale, p.context_scale) < 0:
        raise ValueError(
            f"prompt_len, seq_len, dim and copies must be at least 1 and scales at least 0, but got {p}; mend the one below."
        )


def _measure(params: list[Params], ctxs: list[Context]) -> dict[str, list[Any]]:
    p = params[0]
    drawn = [_draw(q, ctx) for q, ctx in zip(params, ctxs, strict=True)]
    prompt, context, wq, wk, wv = (torch.stack(part).to(ctxs[0].device) for part in zip(*drawn, strict=True))
    queries = context @ wq * attention.factor(p.score_scale, p.dim)
    prompt_keys, prompt_values, keys, values = prompt @ wk, prompt @ wv, context @ wk, context @ wv
    prompt_scores, scores = queries @ prompt_keys.mT, queries @ keys.mT
    parts = attention.split(prompt_scores, prompt_values, scores, values)
    whole = attention.attend(torch.cat([prompt_scores, scores], -1), torch.cat([prompt_values, values], -2))
    rises = attention.gates(prompt_scores, scores).diff(dim=-1)
    tensors = {
        "gate_mean": parts.gate.mean(-1),
        "gate_max": parts.gate.amax(-1),
        "gate_zero": (p.prompt_len / (p.prompt_len + scores.exp().sum(-1))).mean(-1),
        "identity_error": _largest(whole - parts.output),
        "relative_error": _largest(_scaled(prompt_scores, scores) - torch.softmax(scores, -1)),
        "order_error": _largest(
            whole
            - attention.attend(torch.cat([prompt_scores.flip(-1), scores], -1), torch.cat([prompt_values.flip(-2), values], -2))
        ),
        "copies_error": _largest(_copies(p.copies, prompt_scores, prompt_values, scores, values)),
        "sdpa_error": _largest(
            whole
            - torch.nn.functional.scaled_dot_product_attention(
                queries, torch.cat([prompt_keys, keys], -2), torch.cat([prompt_values, values], -2), scale=1.0
            )
        ),
    }
    columns: dict[str, list[Any]] = {name: values.tolist() for name, values in tensors.items()}
    columns["gate_rise"] = [None] * len(params) if p.prompt_len == 1 else rises.amin((-1, -2)).tolist()
    return columns


def _draw(p: Params, ctx: Context) -> tuple[Tensor, ...]:
    """Prompt (p, d), context (L, d) and three weights (d, d) of a seed; scales stretch what all points of it share."""
    weights = torch.randn(3, p.dim, p.dim, dtype=torch.float64, generator=ctx.generator("weights")) / p.dim**0.5
    context = torch.randn(p.seq_len, p.dim, dtype=torch.float64, generator=ctx.generator("context"))
    prompt = torch.randn(p.prompt_len, p.dim, dtype=torch.float64, generator=ctx.generator("prompt"))
    return p.prompt_scale * prompt, p.context_scale * context, *weights


def _scaled(prompt_scores: Tensor, scores: Tensor) -> Tensor:
    """Shares of the context's tokens in what attention leaves to the context (..., q, n)."""
    weights = torch.softmax(torch.cat([prompt_scores, scores], -1), -1)[..., prompt_scores.shape[-1] :]
    return weights / weights.sum(-1, keepdim=True)


def _copies(copies: int, prompt_scores: Tensor, prompt_values: Tensor, scores: Tensor, values: Tensor) -> Tensor:
    """Output with every prompt token repeated, less the output with the logarithm of that number added to its score."""
    repeated = attention.attend(
        torch.cat([prompt_scores.repeat(1, 1, copies), scores], -1), torch.cat([prompt_values.repeat(1, copies, 1), values], -2)
    )
    added = torch.log(torch.tensor(float(copies), dtype=torch.float64))
    shifted = attention.attend(torch.cat([prompt_scores + added, scores], -1), torch.cat([prompt_values, values], -2))
    return repeated - shifted


def _largest(difference: Tensor) -> Tensor:
    """Largest absolute entry of each point."""
    return difference.abs().amax((-1, -2))
