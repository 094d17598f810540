"""Error of one dense Hopfield retrieval, cheap enough that whatever runs it shows in the clock.

Source: Wu, Hu, Hsiao and Liu, 2024, arXiv:2410.23126, Equation 2.1 (the softmax retrieval map, one update).
Symbols: d = feature dimension, m = number of memories, beta = inverse temperature, X = unit memories (m, d), q = X[0] (d,).

Each point draws its own memories, so a vectorised twin saves calls but no draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 2
MEASURES = "value"


@dataclass(frozen=True)
class Params:
    """One cell of the grid."""

    d: Annotated[int, "feature dimension of the memories", {"shape": True}] = 40
    m: Annotated[int, "number of memories", {"shape": True}] = 128
    beta: Annotated[float, "inverse temperature of the softmax"] = 4.0


@dataclass(frozen=True)
class Result:
    """What one retrieval gives."""

    distance: Annotated[float, "distance between the first memory and what it retrieves", {"finite": True}]


def run(params: Params, ctx: Context) -> Iterator[tuple[int, Result]]:
    """One row: the error of retrieving the first memory by itself."""
    draws = ctx.generator(f"memories at beta {params.beta:g}")
    memories = torch.nn.functional.normalize(torch.randn(params.m, params.d, generator=draws, dtype=torch.float64), dim=1)
    query = memories[0]
    recalled = torch.softmax(params.beta * (memories @ query), 0) @ memories
    yield 0, Result(distance=float(torch.linalg.vector_norm(recalled - query)))
