"""Turns noisy points and times into predictions, by transformers of one shape with stacked parameters.

Source: arXiv:2407.01079, Def. 3.1 to 3.3 (residual attention by column softmax, residual ReLU layer, no normalisation).
Shapes: (models, points, tokens L, width w). Tokens may be data, time or condition: whoever calls embeds them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from workloads.maths.ensemble import Stack

# Tokens up to which products of single numbers beat products of tiny matrices.
FEW = 8


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A transformer: blocks, heads r of size m, width of the ReLU layer, and width of a token."""

    depth: int = 2
    heads: int = 2
    head_dim: int = 8
    ff: int = 64
    width: int = 32

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Parameters by name; weights are (in, out)."""
        w, a = self.width, self.heads * self.head_dim
        block: dict[str, tuple[int, ...]] = {"query": (w, a), "key": (w, a), "value": (w, a), "out": (a, w)}
        block |= {"up": (w, self.ff), "up_bias": (self.ff,), "down": (self.ff, w), "down_bias": (w,)}
        return {f"block{i}.{name}": shape for i in range(self.depth) for name, shape in block.items()}


def initial(shapes: Mapping[str, tuple[int, ...]], generator: torch.Generator, dtype: torch.dtype) -> Stack:
    """Parameters to start from: vectors zero, matrices normal with variance 1/in, those that end a residual branch smaller."""
    depth = sum(name.endswith(".out") for name in shapes)
    made = {}
    for name, shape in shapes.items():
        scale = 0.0 if len(shape) == 1 else shape[0] ** -0.5
        if name.endswith((".out", ".down")):
            scale /= math.sqrt(2 * depth)
        # Drawn in float64 and rounded, so that both precisions start at one point.
        made[name] = (torch.randn(shape, generator=generator, dtype=torch.float64) * scale).to(dtype)
    return made


def orthonormal(weight: Tensor) -> Tensor:
    """The orthonormal columns that QR makes of those of (..., D, d0); unique, for diag R is made positive."""
    if weight.is_cuda:
        # Householder's QR goes through a batch one by one there. By Cholesky, twice, it is as precise for columns near the
        # manifold, which is where a few steps of training leave them.
        for _ in range(2):
            root = torch.linalg.cholesky(weight.mT @ weight, upper=True)
            weight = torch.linalg.solve_triangular(root, weight, upper=True, left=False)
        return weight
    q, r = torch.linalg.qr(weight)
    sign = torch.where(r.diagonal(dim1=-2, dim2=-1) < 0, -1.0, 1.0).to(q.dtype)
    return q * sign.unsqueeze(-2)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Each model's own map on the last axis: (models, ..., in) by (models, in, out), and a bias (models, out)."""
    made = product(x.reshape(len(x), -1, x.shape[-1]), weight).view(*x.shape[:-1], weight.shape[-1])
    return made if bias is None else made + bias.view(len(x), *[1] * (x.dim() - 2), -1)


def product(left: Tensor, right: Tensor) -> Tensor:
    """Matrix products (models, n, k) by (models, k, m), each with the same last digits in any company.

    A lone product with a side of 1 is one of a vector, which sums in another order; no gradient of these is such a one.
    """
    inner, outer = right.shape[1], right.shape[2]
    if inner == 1:
        left, right = pad(left, (0, 1)), pad(right, (0, 0, 0, 1))
    if outer == 1:
        return torch.bmm(left, pad(right, (0, 1)))[..., :1]
    return torch.bmm(left, right)


def blocks(parameters: Stack, x: Tensor, shape: Shape) -> Tensor:
    """The tokens (models, points, L, w) after all blocks of attention and ReLU layer."""
    for i in range(shape.depth):
        own = {name.removeprefix(f"block{i}."): p for name, p in parameters.items() if name.startswith(f"block{i}.")}
        x = x + attention(own, x, shape)
        x = x + linear(torch.relu(linear(x, own["up"], own["up_bias"])), own["down"], own["down_bias"])
    return x


def attention(own: Stack, x: Tensor, shape: Shape) -> Tensor:
    """Sum over heads of W_O W_V X softmax(X' W_K' W_Q X), over keys; no division by the root of the head size."""
    split = (*x.shape[:3], shape.heads, shape.head_dim)
    value = linear(x, own["value"])
    if x.shape[2] > 1:  # one token attends to itself alone
        query, key = linear(x, own["query"]).view(split), linear(x, own["key"]).view(split)
        value = (_few if x.shape[2] <= FEW else _many)(query, key, value.view(split)).reshape(value.shape)
    return linear(value, own["out"])


def _few(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    weights = torch.softmax((query.unsqueeze(3) * key.unsqueeze(2)).sum(-1), 3)  # (models, points, L, L, heads)
    return (weights.unsqueeze(-1) * value.unsqueeze(2)).sum(3)


def _many(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    q, k, v = (part.transpose(2, 3) for part in (query, key, value))
    return (torch.softmax(q @ k.mT, -1) @ v).transpose(2, 3)


def time_features(t: Tensor) -> Tensor:
    """Eight smooth features (..., 8) of a diffusion time, by the logarithm of its noise over its signal."""
    level = 0.5 * torch.log(torch.expm1(t))  # ln(sigma/beta) with variance 1 - e^-t and beta e^(-t/2)
    waves = [f(level * k) for k in (0.5, 1.0, 2.0) for f in (torch.sin, torch.cos)]
    return torch.stack([level / 3.0, torch.exp(-0.5 * t), *waves], dim=-1)
