"""Turns the name of a method into one forward attention, ready to be called, and the operations that it costs.

Operations count a multiplication and an addition as two, exponentials not at all. L = length · d = dimension · k = features.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from workloads.shared.attention import operators, polynomial

NAMES = ("exact", "sdpa", "softmax_1", "polynomial", "performer", "nystroem")


@dataclass(frozen=True)
class MethodSize:
    """A method and how large it is: the degree of a polynomial, features of Performer, landmarks of Nyström."""

    name: str
    degree: int = 0
    features: int = 0


def forward(choice: MethodSize, rows: tuple[Tensor, Tensor, Tensor], scale: float, directions: Tensor) -> Callable[[], Tensor]:
    """The call that gives outputs (L, d) of queries, keys and values (L, d); Performer takes the first of `directions`."""
    queries, keys, values = rows
    calls: dict[str, Callable[[], Tensor]] = {
        "exact": lambda: softmax(queries, keys, values, scale),
        "sdpa": lambda: fused(queries, keys, values, scale),
        "softmax_1": lambda: outlier_free(queries, keys, values, scale),
        "polynomial": lambda: polynomial.polynomial(queries, keys, scale, polynomial.taylor(choice.degree)).apply(values),
        "performer": lambda: operators.performer(queries, keys, scale, directions[: choice.features]).apply(values),
        "nystroem": lambda: operators.nystroem(queries, keys, scale, choice.features).apply(values),
    }
    if choice.name not in calls:
        raise ValueError(f"method must be one of {', '.join(NAMES)}, but got '{choice.name}'; write one of them.")
    return calls[choice.name]


def softmax(queries: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
    """Exact attention in row blocks. The few columns of the values stand first: so products take a third of the time on a CPU,
    and with rows in sixteens about as long an operation at every length and dimension."""
    columns = values.mT.contiguous()
    parts = operators.blocks(len(queries), len(keys), keys, multiple=16)
    return torch.cat([columns @ torch.softmax(scale * queries[part] @ keys.mT, dim=-1).mT for part in parts], dim=1).mT


def fused(queries: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
    """Torch's own attention, with the back end that it chooses."""
    heads = queries[None, None], keys[None, None], values[None, None]
    return torch.nn.functional.scaled_dot_product_attention(heads[0], heads[1], heads[2], scale=scale)[0, 0]


def outlier_free(queries: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
    """Attention by exp(x_i) / (1 + sum exp(x_j)), as in outlier-free Hopfield layers (Hu et al. 2024, arXiv:2404.03828)."""
    columns, outputs = values.mT.contiguous(), []
    for part in operators.blocks(len(queries), len(keys), keys):
        scores = scale * queries[part] @ keys.mT
        top = scores.amax(1, keepdim=True).clamp_min(0)
        weights = torch.exp(scores - top)
        outputs.append(columns @ weights.mT / (weights.sum(1) + torch.exp(-top[:, 0])))
    return torch.cat(outputs, dim=1).mT


def flops(choice: MethodSize, seq_len: int, dim: int) -> float:
    """Operations of one forward attention: 4 L² d, 4 L k (d+1) + 2 L k, 4 L k (2d+1), or 8 L k d + 20 k³ by landmarks."""
    n, k = float(seq_len), float(choice.features)
    if choice.name == "polynomial":
        k = math.comb(dim + choice.degree, choice.degree)
        return 4 * n * k * (dim + 1) + 2 * n * k
    if choice.name == "performer":
        return 4 * n * k * (2 * dim + 1)
    return 8 * n * k * dim + 20 * k**3 if choice.name == "nystroem" else 4 * n * n * dim


def crossover(degree: int, dim: int) -> float:
    """The length from which the polynomial costs fewer operations than exact attention at that dimension."""
    return math.comb(dim + degree, degree) * (4 * (dim + 1) + 2) / (4 * dim)
