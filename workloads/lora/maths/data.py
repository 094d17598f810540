"""Turns a seed and a kind into queries, keys and values; entries of queries and keys are at most 1, and b scales them.

Draws are made once for a seed and a shape, so all b, degrees and precisions are compared on the same data.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workloads.shared.attention import signs
from workloads.shared.attention.operators import blocks

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

KINDS = ("sign", "uniform", "planted", "gauss_clip")
VALUES = ("normal", "linear", "needle")
SCALES = ("theory", "practice", "unit")
SPREAD = 0.5
"""Standard deviation of `gauss_clip` before entries are cut at 1."""


def score_scale(kind: str, dim: int) -> float:
    """What products q.k are multiplied by: 1/d (theory), 1/√d (practice) or 1 (unit)."""
    if kind not in SCALES:
        raise ValueError(f"score_scale must be one of {', '.join(SCALES)}, but got '{kind}'; theory is 1/dim.")
    return {"theory": 1 / dim, "practice": 1 / math.sqrt(dim), "unit": 1.0}[kind]


def pair(ctx: Context, kind: str, seq_len: int, dim: int) -> tuple[Tensor, Tensor]:
    """Queries and keys (L, d) of entries at most 1; `planted` has every key equal to the query of its row."""
    if kind not in KINDS:
        raise ValueError(f"data must be one of {', '.join(KINDS)}, but got '{kind}'; sign reaches the largest score.")
    queries = _drawn(ctx, "queries", kind, seq_len, dim)
    return queries, queries if kind == "planted" else _drawn(ctx, "keys", kind, seq_len, dim)


def _drawn(ctx: Context, stream: str, kind: str, seq_len: int, dim: int) -> Tensor:
    draw = ctx.generator(f"{stream} {kind} {dim}")
    if kind == "gauss_clip":
        entries = (SPREAD * torch.randn(seq_len, dim, dtype=torch.float64, generator=draw)).clamp_(-1, 1)
    elif kind == "uniform":
        entries = 2 * torch.rand(seq_len, dim, dtype=torch.float64, generator=draw) - 1
    else:
        entries = 2 * torch.randint(2, (seq_len, dim), generator=draw).double() - 1
    return entries.to(ctx.device)


def values(ctx: Context, kind: str, keys: Tensor) -> Tensor:
    """Values (L, d): standard normal, the keys themselves (linear), or one row of ones among zeros (needle)."""
    if kind not in VALUES:
        raise ValueError(f"values must be one of {', '.join(VALUES)}, but got '{kind}'; normal has mean 0.")
    if kind == "linear":
        return keys
    if kind == "needle":
        rows = torch.zeros_like(keys)
        rows[0] = 1
        return rows
    return torch.randn(keys.shape, dtype=torch.float64, generator=ctx.generator("values")).to(ctx.device)


@functools.lru_cache(maxsize=1 << 14)
def extremes(ctx: Context, kind: str, seq_len: int, dim: int) -> tuple[float, float]:
    """The smallest and the largest of all L² products q.k / d of entries at most 1."""
    if kind in ("sign", "planted") and any(signs.reach(*pair(ctx, kind, n, dim)) for n in _begun(seq_len)):
        return -1.0, 1.0
    queries, keys = pair(ctx, kind, seq_len, dim)
    if kind in ("sign", "planted"):
        queries, keys = queries.float(), keys.float()  # whole numbers: single precision holds them exactly
    ends = [torch.aminmax(queries[part] @ keys.mT) for part in blocks(seq_len, 2 * seq_len, keys)]
    return min(float(e.min) for e in ends) / dim, max(float(e.max) for e in ends) / dim


def _begun(seq_len: int) -> list[int]:
    """Lengths at which a sequence of signs is looked at: a longer one begins with the rows of a shorter one."""
    return sorted({min(seq_len, signs.PROBED), seq_len})
