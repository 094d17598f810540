"""How far softmax attention at a small temperature delta is from the linear attention that it stands for.

Source: derived, for arXiv:2411.16549: its softmax transformer of 4L layers exists by universal approximation, has no explicit
weights and is not built. What can be built is (softmax(delta z) - 1/n) / delta = (z - mean z) / n + O(delta).
Symbols: z = scores · n = examples · delta = factor of the scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from torch import Tensor

from workloads.shared import packs

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
PRECISIONS = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True)
class Params:
    """Queries, keys and values, and the factor of their scores."""

    dim: Annotated[int, "dimension of queries, keys and values", {"shape": True, "at_least": 1}] = 4
    examples: Annotated[int, "keys n, and queries", {"shape": True, "at_least": 2}] = 16
    delta: Annotated[float, "factor of the scores", {"above": 0}] = 0.01
    precision: Annotated[Literal["float64", "float32"], "floating type of softmax attention", {"shape": True}] = "float64"


@dataclass(frozen=True)
class Result:
    """The error."""

    deviation: Annotated[
        float,
        "largest difference of an output of (softmax attention - mean of the values) / delta from linear attention, over the "
        "largest output of that",
        {"finite": True},
    ]


EXAMPLES = (Params(), Params(dim=2, examples=5, delta=0.5), Params(precision="float32"))


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, list[Any]]]:
    """Columns for every point."""
    for p, indices in packs.groups(params, lambda p: p):
        deviations = [deviation(p, *normal_inputs(p, ctxs[i])) for i in indices]
        yield {"index": indices, "step": [0] * len(indices), "deviation": deviations}


def normal_inputs(p: Params, ctx: Context) -> tuple[Tensor, Tensor]:
    """Scores (n, n) over the root of the dimension, and values (n, d), of standard normal queries, keys and values; float64."""
    names = ("queries", "keys", "values")
    queries, keys, values = (
        torch.randn(p.examples, p.dim, generator=ctx.generator(name), dtype=torch.float64).to(ctx.device) for name in names
    )
    return queries @ keys.mT / p.dim**0.5, values


def deviation(p: Params, scores: Tensor, values: Tensor) -> float:
    """The error, relative to the largest output of linear attention."""
    linear = (scores - scores.mean(1, keepdim=True)) @ values / scores.shape[1]
    low = scores.to(PRECISIONS[p.precision]), values.to(PRECISIONS[p.precision])
    near = (torch.softmax(p.delta * low[0], 1) @ low[1] - low[1].mean(0)) / p.delta
    return float((near.double() - linear).abs().max() / linear.abs().max())
