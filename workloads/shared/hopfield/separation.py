"""Turns memories into their separation: Gram matrices, delta per memory and least, and the radius of storage.

Source: arXiv:2410.23126, Def. 2.2 and section 3. Every function takes memories of shape (..., m, d), batch axes first.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Elements of one block of a Gram matrix that is too large to hold (128 MiB in float64).
BLOCK = 1 << 24


def normalise(x: Tensor) -> Tensor:
    """The same memories on the unit sphere; (..., m, d). A zero memory stays zero."""
    return x / x.norm(dim=-1, keepdim=True).clamp_min(torch.finfo(x.dtype).tiny)


def random_unit(d: int, m: int, generator: torch.Generator) -> Tensor:
    """m independent memories (m, d), uniform on the unit sphere; the first ones stay the same when m grows.

    Drawn in blocks of 64: one draw of another length would give other numbers.
    """
    blocks = [torch.randn(64, d, dtype=torch.float64, generator=generator) for _ in range(-(-m // 64))]
    x = torch.cat(blocks)[:m]
    return x / x.norm(dim=-1, keepdim=True)


def even(x: Tensor, axis: int = -1) -> Tensor:
    """The tensor with a zero appended where that axis is odd.

    Matrix kernels choose their order of summation by alignment; rows of 16 bytes keep every member of a batch aligned alike.
    """
    if x.shape[axis] % 2 == 0:
        return x
    return torch.cat([x, torch.zeros_like(x.narrow(axis, 0, 1))], dim=axis)


def gram(x: Tensor, y: Tensor | None = None) -> Tensor:
    """Inner products of all pairs (..., m, n), of the memories with themselves unless `y` (..., n, d) is given."""
    x, y = even(x), even(x if y is None else y)
    return x @ y.transpose(-1, -2)


def per_memory(x: Tensor) -> Tensor:
    """Delta of each memory, <x, x> - max over the others of <x, y>; (..., m)."""
    products = gram(x)
    own = products.diagonal(dim1=-2, dim2=-1).clone()
    products.diagonal(dim1=-2, dim2=-1).fill_(-torch.inf)
    return own - products.amax(-1)


def delta(x: Tensor) -> Tensor:
    """The least delta of the memories; (...)."""
    return per_memory(x).amin(-1)


def radius(x: Tensor) -> Tensor:
    """Half the least distance of two memories, R in the paper; (...)."""
    products = gram(x)
    square = products.diagonal(dim1=-2, dim2=-1).clone()
    squared = square.unsqueeze(-1) + square.unsqueeze(-2) - 2.0 * products
    squared.diagonal(dim1=-2, dim2=-1).fill_(torch.inf)
    return 0.5 * squared.amin((-2, -1)).clamp_min(0.0).sqrt()


def delta_blocked(x: Tensor, block: int = BLOCK) -> float:
    """The least delta of one set of memories (m, d), with at most `block` inner products in memory at a time."""
    rows = max(1, block // len(x))
    least = torch.inf
    for start in range(0, len(x), rows):
        part = x[start : start + rows]
        products = part @ x.T  # (rows, m)
        here = torch.arange(len(part), device=x.device)
        own = products[here, here + start]
        products[here, here + start] = -torch.inf
        least = min(least, float((own - products.amax(1)).amin()))
    return least


def distribution(x: Tensor, decimals: int = 9) -> dict[float, int]:
    """How often each inner product with the first memory occurs, largest first; for memories (m, d)."""
    products = (x @ x[0]).mul(10**decimals).round().div(10**decimals)
    values, counts = torch.unique(products, return_counts=True)
    return {float(v) + 0.0: int(n) for v, n in zip(values.flip(0), counts.flip(0), strict=True)}
