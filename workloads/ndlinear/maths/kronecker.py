"""Turns a linear map of matrices into the least error of sums of Kronecker products, and makes maps whose least error is known.

Source: Van Loan and Pitsianis 1993 (rearrangement), Eckart and Young 1936; floors of the named maps are derived.
Symbols: a map takes X (d, d) to Y (d, d) as Y[h, g] = sum A[h, g, i, j] X[i, j], so A is (..., d, d, d, d) · W (x) V has the
entries W[h, i] V[g, j] · s = singular values of the rearranged map, those of the products · q = products · alpha = share of the
small ones.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Teacher = Literal["dial", "laplacian", "swap", "lowrank", "random"]
# Relative squared errors below this are what float64 leaves of a zero.
ROUNDING = 1e-13


def products(first: Tensor, second: Tensor) -> Tensor:
    """The sum (..., d, d, d, d) over r of Kronecker products of (..., r, d, d) with (..., r, d, d)."""
    return torch.einsum("...rhi,...rgj->...hgij", first, second)


def rearranged(maps: Tensor) -> Tensor:
    """The matrix (..., d^2, d^2) with rows (h, i) and columns (g, j), in which one Kronecker product has rank one."""
    d = maps.shape[-1]
    return maps.transpose(-3, -2).reshape(*maps.shape[:-4], d * d, d * d)


def flattened(maps: Tensor) -> Tensor:
    """The ordinary matrix (..., d^2, d^2), with rows (h, g) and columns (i, j)."""
    d = maps.shape[-1]
    return maps.reshape(*maps.shape[:-4], d * d, d * d)


def tail(matrices: Tensor, rank: int) -> Tensor:
    """Squares of all singular values but the `rank` largest, over those of all; (...) of matrices (..., m, m)."""
    squares = torch.linalg.svdvals(matrices).square()
    return settled(squares[..., rank:].sum(-1) / squares.sum(-1))


def settled(errors: Tensor) -> Tensor:
    """Relative squared errors, those that rounding alone makes as 0."""
    return torch.where(errors < ROUNDING, torch.zeros_like(errors), errors)


def dial(d: int, alpha: float, count: int, generator: torch.Generator) -> Tensor:
    """A map (d, d, d, d) of norm 1 of `count` orthonormal products, s = (sqrt(1 - alpha + alpha/q), sqrt(alpha/q), ...)."""
    first, second = (_orthonormal(d, count, generator) for _ in range(2))
    squares = torch.full((count,), alpha / count, dtype=torch.float64)
    squares[0] += 1 - alpha
    return products(squares.sqrt()[:, None, None] * first, second)


def _orthonormal(d: int, count: int, generator: torch.Generator) -> Tensor:
    """Random matrices (count, d, d) that are orthonormal as vectors."""
    normal = torch.randn(d * d, count, dtype=torch.float64, generator=generator)
    return torch.linalg.qr(normal).Q.mT.reshape(count, d, d)


def teacher(kind: Teacher, d: int, alpha: float, count: int, rank: int, generator: torch.Generator) -> Tensor:
    """The map (d, d, d, d), float64, of one kind.

    dial: see there. laplacian: L (x) I + I (x) L, L the second difference on a path with free ends. swap: Y is X transposed.
    lowrank: U V' with normal U, V (d^2, rank). random: normal entries.
    """
    identity = torch.eye(d, dtype=torch.float64)
    if kind == "dial":
        return dial(d, alpha, count, generator)
    if kind == "laplacian":
        path = _second_difference(d)
        return products(torch.stack([path, identity]), torch.stack([identity, path]))
    if kind == "swap":
        return torch.einsum("hj,gi->hgij", identity, identity)
    if kind == "lowrank":
        first, second = (torch.randn(d * d, rank, dtype=torch.float64, generator=generator) for _ in range(2))
        return (first @ second.mT).view(d, d, d, d)
    return torch.randn(d, d, d, d, dtype=torch.float64, generator=generator)


def _second_difference(d: int) -> Tensor:
    """The second difference (d, d) on a path, rows summing to zero."""
    steps = torch.diff(torch.eye(d, dtype=torch.float64), dim=0)
    return steps.mT @ steps
