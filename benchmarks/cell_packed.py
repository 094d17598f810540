"""Error of one dense Hopfield retrieval, many points of equal shape at once: the twin of `cell`, for `run_pack`.

Source: Wu, Hu, Hsiao and Liu, 2024, arXiv:2410.23126, Equation 2.1 (the softmax retrieval map, one update).
Symbols: d = feature dimension, m = number of memories, beta = inverse temperature (n,), X = unit memories (n, m, d).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 2
MEASURES = "value"
# Batched products of another batch size may add up in another order; the errors lie well above the rounding of doubles.
TOLERANCE = 1e-11
# Doubles that a chunk of memories may hold: 1 MiB, about one core's second-level cache.
CHUNK = 131_072


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


def recall_errors(raw: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
    """Distances (n,) between each first memory and what it retrieves, from raw memories (n, m, d) and beta (n,)."""
    scale = torch.linalg.vector_norm(raw, dim=2).reciprocal()  # (n, m); scaling the weights spares a pass over the memories
    query = raw[:, 0] * scale[:, :1]
    scores = scale * torch.bmm(raw, query[:, :, None])[:, :, 0]
    weights = torch.softmax(beta[:, None] * scores, 1) * scale
    return torch.linalg.vector_norm(torch.bmm(weights[:, None], raw)[:, 0] - query, dim=1)


def chunk_size(d: int, m: int) -> int:
    """How many points of a shape to measure at once."""
    return max(1, CHUNK // (d * m))


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, Any]]:
    """Columns of rows, a chunk of points of one shape after another."""
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for i, p in enumerate(params):
        groups[p.d, p.m].append(i)
    for (d, m), members in groups.items():
        size = chunk_size(d, m)
        for start in range(0, len(members), size):
            index = members[start : start + size]
            drawn = torch.empty(len(index), m, d, dtype=torch.float64)
            for row, i in zip(drawn, index, strict=True):
                torch.randn(m, d, generator=ctxs[i].generator(f"memories at beta {params[i].beta:g}"), out=row)
            beta = torch.tensor([params[i].beta for i in index], dtype=torch.float64)
            yield {"index": index, "step": [0] * len(index), "distance": recall_errors(drawn, beta).tolist()}
