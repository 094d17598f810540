"""Turns queries and keys into attention operators: weights that are applied to values and never held whole.

An operator stands for row-stochastic weights f (..., n, m) of n queries and m keys. `apply` gives f V, `transpose` gives f^T U;
both walk over rows in blocks, so memory grows with n and m and not with their product. Leading dimensions are batches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

ELEMENTS = 1 << 18
"""Numbers of a block of weights or features, for each member of a batch: 2 MB in double precision."""
WIDE = 1 << 6
"""By how much a block is larger on a GPU, where small ones are all waiting: 128 MB in double precision."""

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Attention:
    """Weights f (..., n, m) as two maps, and the rank of what stands for exp(scores): m where it is exact."""

    apply: Map  # (..., m, w) to (..., n, w)
    transpose: Map  # (..., n, w) to (..., m, w)
    rank: int


def blocks(n: int, width: int, like: Tensor | None = None, multiple: int = 1) -> Iterator[slice]:
    """Slices of n rows, so many that a row of `width` numbers each fills at most ELEMENTS; WIDE times that where `like` is
    on a GPU. A block has a multiple of `multiple` rows, and at least so many."""
    most = ELEMENTS * (WIDE if like is not None and like.is_cuda else 1) // max(width, 1)
    rows = max(most // multiple, 1) * multiple
    for start in range(0, n, rows):
        yield slice(start, min(start + rows, n))


def exact(queries: Tensor, keys: Tensor, scale: float) -> Attention:
    """Softmax attention of scores `scale * q.k`, queries (..., n, d), keys (..., m, d)."""
    n, m = queries.shape[-2], keys.shape[-2]

    def weights(part: slice) -> Tensor:
        """Softmax weights of one block of queries."""
        return torch.softmax(scale * queries[..., part, :] @ keys.mT, dim=-1)

    def apply(values: Tensor) -> Tensor:
        """Attention's output for values, of shape (..., m, w)."""
        return torch.cat([weights(part) @ values for part in blocks(n, m, queries)], dim=-2)

    def transpose(rows: Tensor) -> Tensor:
        """The transposed attention matrix times rows, of shape (..., n, w)."""
        return added(weights(part).mT @ rows[..., part, :] for part in blocks(n, m, queries))

    return Attention(apply, transpose, m)


@dataclass(frozen=True)
class Kernel:
    """Features φ (k,) of rows (..., n, d), as two maps that never hold all of them.

    `gather` turns rows and columns (..., w, n) into sum_i columns_i φ(row_i), (..., w, k); `spread` turns rows and (..., w, k)
    into its products with φ(row_i), (..., w, n). Few columns stand first: so products are twice as fast on a CPU.
    """

    gather: Callable[[Tensor, Tensor], Tensor]
    spread: Callable[[Tensor, Tensor], Tensor]


def blockwise(features: Map, width: int) -> Kernel:
    """The kernel of features that are made for a block of rows (..., n, d) at a time, (..., width, n)."""

    def gather(rows: Tensor, columns: Tensor) -> Tensor:
        """Sum of columns weighted by the rows' features."""
        return added(columns[..., part] @ features(rows[..., part, :]).mT for part in blocks(rows.shape[-2], width, rows))

    def spread(rows: Tensor, moments: Tensor) -> Tensor:
        """Moments weighted by each row's features."""
        return torch.cat([moments @ features(rows[..., part, :]) for part in blocks(rows.shape[-2], width, rows)], dim=-1)

    return Kernel(gather, spread)


def factored(queries: Tensor, keys: Tensor, kernel: Kernel, weights: Tensor) -> Attention:
    """Normalised attention of sum_a weights_a φ_a(q) φ_a(k), whose row sums must not vanish; weights (k,) of any sign."""

    def apply(values: Tensor) -> Tensor:
        """Attention's output for values, of shape (..., m, w)."""
        columns = torch.cat([values, torch.ones_like(values[..., :1])], dim=-1).mT
        sums = kernel.spread(queries, weights * kernel.gather(keys, columns.contiguous()))  # (..., w + 1, n)
        return (sums[..., :-1, :] / sums[..., -1:, :]).mT

    def transpose(rows: Tensor) -> Tensor:
        """The transposed attention matrix times rows, of shape (..., n, w)."""
        sums = kernel.spread(queries, weights * kernel.gather(keys, torch.ones_like(keys[..., :1]).mT))  # (..., 1, n)
        return kernel.spread(keys, weights * kernel.gather(queries, rows.mT / sums)).mT

    return Attention(apply, transpose, weights.shape[-1])


def positive(rows: Tensor, scale: float, directions: Tensor) -> Tensor:
    """Positive random features exp(ω.x - |x|²/2) (..., features, n) of x = √scale rows, for directions ω (features, d)."""
    x = math.sqrt(scale) * rows
    return torch.exp(directions @ x.mT - x.square().sum(-1)[..., None, :] / 2)


def performer(queries: Tensor, keys: Tensor, scale: float, directions: Tensor) -> Attention:
    """Attention by positive random features of queries and keys, for standard normal directions ω (features, d).

    Choromanski et al. 2021, arXiv:2009.14794, lemma 1: the mean of their products over ω is exp(scale q.k).
    """
    count = directions.shape[0]
    kernel = blockwise(lambda rows: positive(rows, scale, directions), count)
    return factored(queries, keys, kernel, directions.new_full((count,), 1 / count))


def nystroem(queries: Tensor, keys: Tensor, scale: float, landmarks: int) -> Attention:
    """Weights through the means of `landmarks` runs of queries and of keys (Xiong et al. 2021, arXiv:2102.03902).

    Their rows need not sum to one. The number of landmarks must divide n and m.
    """
    of_queries, of_keys = _means(queries, landmarks), _means(keys, landmarks)
    to_landmarks = torch.softmax(scale * queries @ of_keys.mT, dim=-1)  # (..., n, landmarks)
    from_landmarks = torch.softmax(scale * of_queries @ keys.mT, dim=-1)  # (..., landmarks, m)
    middle = torch.linalg.pinv(torch.softmax(scale * of_queries @ of_keys.mT, dim=-1))
    return Attention(
        apply=lambda values: to_landmarks @ (middle @ (from_landmarks @ values)),
        transpose=lambda rows: from_landmarks.mT @ (middle.mT @ (to_landmarks.mT @ rows)),
        rank=landmarks,
    )


def _means(rows: Tensor, parts: int) -> Tensor:
    """Means of `parts` runs of neighbouring rows (..., parts, d)."""
    n = rows.shape[-2]
    if parts < 1 or n % parts:
        raise ValueError(f"landmarks must divide the number of rows, but got {parts} of {n}; choose a divisor of {n}.")
    return rows.unflatten(-2, (parts, n // parts)).mean(-2)


def added(parts: Iterator[Tensor]) -> Tensor:
    """The sum of tensors, each dropped once it is added."""
    total = next(parts)
    for part in parts:
        total += part
    return total
