"""Turns products of queries and keys into the error that a Taylor polynomial of them makes in entries and in outputs."""

from __future__ import annotations

import torch
from torch import Tensor

from workloads.shared.attention import operators, polynomial


def compared(products: Tensor, values: Tensor, bound: float, degree: int) -> tuple[float, float]:
    """Relative error of the outputs (Frobenius norms), and the smallest row sum of the approximation over the exact one.

    Products (n, L) lie in [-1, 1] and scores are `bound` times them; values are (L, w).
    """
    wrong = total = 0.0
    least = float("inf")
    for part in operators.blocks(len(products), products.shape[1], products):
        scores = bound * products[part]
        near = polynomial.evaluate(scores, polynomial.taylor(degree))
        weights = scores.exp_()
        sums, near_sums = weights.sum(1, keepdim=True), near.sum(1, keepdim=True)
        output = weights @ values / sums
        wrong += float((near @ values / near_sums - output).square().sum())
        total += float(output.square().sum())
        least = min(least, float((near_sums / sums).min()))
    return (wrong / total) ** 0.5, least


def entry_error(queries: Tensor, keys: Tensor, scale: float, degree: int, dtype: torch.dtype) -> float:
    """Largest relative error of the Taylor features of that type, queries (n, d) and keys (L, d), against exp in theirs."""
    coefficients = polynomial.taylor(degree)
    rank = polynomial.rank(queries.shape[1], degree)
    weights = polynomial.weights(queries.shape[1], coefficients, scale, queries.to(dtype))
    weighted = (polynomial.features(queries.to(dtype), degree) * weights[:, None]).mT
    worst = 0.0
    for part in operators.blocks(len(keys), max(rank, len(queries)), keys):
        near = (weighted @ polynomial.features(keys[part].to(dtype), degree)).double()
        exact = torch.exp(scale * queries @ keys[part].mT)
        worst = max(worst, float((near / exact - 1).abs().max()))
    return worst
