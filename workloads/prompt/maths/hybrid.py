"""Turns prompt and context into attention by a polynomial for the keys it is good for, and by the exponential for the others.

O = (U V + E_p V_p) / (U 1 + E_p 1): U is the polynomial of the scores, factored, E_p the exponentials of a few exact columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workloads.shared.attention import operators
from workloads.shared.attention.polynomial import features, rank, weights


@dataclass(frozen=True)
class Columns:
    """Keys (n, d) and their values (n, v)."""

    keys: Tensor
    values: Tensor

    def __add__(self, other: Columns) -> Columns:
        """These columns, then those."""
        return Columns(torch.cat([self.keys, other.keys]), torch.cat([self.values, other.values]))


def mixed(queries: Tensor, smooth: Columns, exact: Columns | None, scale: float, coefficients: Sequence[float]) -> Tensor:
    """Outputs (q, v) with p(scale q.k) on the smooth columns and exp(scale q.k) on the exact ones, if any.

    Walks over rows in blocks: memory grows with keys, queries and features, not with their products.
    """
    degree = len(coefficients) - 1
    count = rank(queries.shape[-1], degree)
    weight = weights(queries.shape[-1], coefficients, scale, queries)
    parts = operators.blocks(smooth.keys.shape[0], count, smooth.keys)
    moments = weight[:, None] * operators.added(features(smooth.keys[b], degree) @ _padded(smooth.values[b]) for b in parts)
    wide = max(count, 0 if exact is None else exact.keys.shape[0])
    sums = torch.cat(
        [
            features(queries[b], degree).mT @ moments + _exact(queries[b], exact, scale)
            for b in operators.blocks(len(queries), wide, queries)
        ]
    )
    return sums[:, :-1] / sums[:, -1:]


def _exact(queries: Tensor, columns: Columns | None, scale: float) -> Tensor | float:
    """Numerators and denominators (q, v+1) of the exact columns."""
    return 0.0 if columns is None else torch.exp(scale * queries @ columns.keys.mT) @ _padded(columns.values)


def _padded(values: Tensor) -> Tensor:
    """Values with a column of ones, which sums weights."""
    return torch.cat([values, torch.ones_like(values[..., :1])], -1)


def whole(queries: Tensor, columns: Columns, scale: float) -> Tensor:
    """Outputs (q, v) of softmax attention, rows in blocks."""
    return operators.exact(queries, columns.keys, scale).apply(columns.values)


def operations(keys: int, rows: int, count: float, dim: int) -> float:
    """Multiplications and additions of the factored part: every key and every query meets every feature, d + 1 values wide."""
    return float((keys + rows) * count * (2 * (dim + 1) + 1))
