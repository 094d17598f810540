"""Turns noisy points and times into predictions, by transformers of one shape with stacked parameters.

Source: arXiv:2407.01079, Def. 3.1 to 3.3 (residual attention by column softmax, residual ReLU layer, no normalisation).
Shapes: (models, width w, tokens L, points). Tokens may be data, time or condition: whoever calls embeds them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from workloads.shared.training.ensemble import Stack

# Tokens up to which products of single numbers beat products of tiny matrices.
FEW = 8
# Numbers of a layer that stay in a CPU's cache until the next layer needs them: of all models together, but of each at least
# so many that products are worth their call.
CACHED, LEAST = 1 << 18, 1 << 15


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
    parameters = {}
    for name, shape in shapes.items():
        scale = 0.0 if len(shape) == 1 else shape[0] ** -0.5
        if name.endswith((".out", ".down")):
            scale /= math.sqrt(2 * depth)
        # Drawn in float64 and rounded, so that both precisions start at one point.
        parameters[name] = (torch.randn(shape, generator=generator, dtype=torch.float64) * scale).to(dtype)
    return parameters


def first_parameters(
    shapes: Mapping[str, tuple[int, ...]], width: int, generator: torch.Generator, dtype: torch.dtype
) -> Stack:
    """One model's parameters to start from, by `initial`; its `narrow` is small, its `subspace` orthonormal if it has one."""
    parameters = initial(shapes, generator, dtype)
    columns = torch.arange(width, dtype=torch.float64)
    tokens = torch.arange(len(parameters["position"]) // width, dtype=torch.float64)
    # Positions start as waves over the tokens, so that they differ.
    parameters["position"] = torch.cos(tokens[:, None] * torch.pi * (columns + 1) / width).flatten().to(dtype)
    return retracted({**parameters, "narrow": 0.1 * parameters["narrow"]})


def retracted(parameters: Stack) -> Stack:
    """The same parameters, with orthonormal columns of `subspace` where there is one."""
    if "subspace" not in parameters:
        return parameters
    return {**parameters, "subspace": orthonormal(parameters["subspace"])}


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
    mapped_rows = product(x.reshape(len(x), -1, x.shape[-1]), weight).view(*x.shape[:-1], weight.shape[-1])
    return mapped_rows if bias is None else mapped_rows + bias.view(len(x), *[1] * (x.dim() - 2), -1)


def product(rows: Tensor, columns: Tensor) -> Tensor:
    """Matrix products (models, n, k) by (models, k, m), each with the same last digits in any company.

    A lone product with a side of 1 is one of a vector, which sums in another order; no gradient of these is such a one.
    """
    inner, outer = columns.shape[1], columns.shape[2]
    if inner == 1:
        rows, columns = pad(rows, (0, 1)), pad(columns, (0, 0, 0, 1))
    if outer == 1:
        return torch.bmm(rows, pad(columns, (0, 1)))[..., :1]
    return torch.bmm(rows, columns)


def blocks(parameters: Stack, x: Tensor, shape: Shape) -> Tensor:
    """The tokens (models, w, L, points) after all blocks of attention and ReLU layer.

    Points come last, so that sums over heads and features run along them, many numbers at a time.
    """
    size, x = x.shape, x.flatten(2)
    for i in range(shape.depth):
        own = {name.removeprefix(f"block{i}."): p for name, p in parameters.items() if name.startswith(f"block{i}.")}
        x = attention(own, x, size[2], shape)
        hidden = torch.relu_(mapped(x, own["up"]).add_(own["up_bias"].unsqueeze(2)))
        x = mapped(hidden, own["down"], x + own["down_bias"].unsqueeze(2))
    return x.reshape(size)


def mapped(x: Tensor, weight: Tensor, start: Tensor | None = None) -> Tensor:
    """Each model's own map (models, in, out) of columns (models, in, n), added to `start` in place; (models, out, n)."""
    if 1 in weight.shape[1:]:
        image = product(x.mT, weight).mT
        return image if start is None else start.add_(image)
    return torch.bmm(weight.mT, x) if start is None else start.baddbmm_(weight.mT, x)


def attention(own: Stack, x: Tensor, length: int, shape: Shape) -> Tensor:
    """x and the sum over heads of W_O W_V X softmax(X' W_K' W_Q X), over keys; no division by the root of the head size.

    Columns of x (models, w, L points) are tokens.
    """
    if length == 1:  # one token attends to itself alone
        return mapped(mapped(x, own["value"]), own["out"], x.clone())
    weight = torch.cat([own["query"], own["key"], own["value"]], 2)
    projections = mapped(x, weight).view(len(x), 3, shape.heads, shape.head_dim, length, -1)
    mixed = (_few if length <= FEW else _many)(*projections.unbind(1))
    return mapped(mixed.reshape(len(x), -1, x.shape[2]), own["out"], x.clone())


def _few(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Weighted values (models, heads, m, L, points) of queries, keys and values of that shape."""
    weights = torch.softmax((query.unsqueeze(4) * key.unsqueeze(3)).sum(2), 3)  # (models, heads, L, L, points)
    return (weights.unsqueeze(2) * value.unsqueeze(3)).sum(4)


def _many(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    q, k, v = (part.permute(0, 1, 4, 3, 2) for part in (query, key, value))
    return (torch.softmax(q @ k.mT, -1) @ v).permute(0, 1, 4, 3, 2)


def piecewise(field: Callable[..., Tensor], numbers: int, *points: Tensor) -> Tensor:
    """What `field` gives for points (models, points, ...), on a CPU some at a time; each takes so many numbers of a layer."""
    size = max(1, CACHED // (numbers * len(points[0])), LEAST // numbers)
    if points[0].is_cuda or size >= points[0].shape[1]:
        return field(*points)
    return torch.cat([field(*part) for part in zip(*(whole.split(size, 1) for whole in points), strict=True)], 1)


def time_features(t: Tensor, dim: int = -1) -> Tensor:
    """Eight smooth features of diffusion times (...) in a new dimension, by the logarithm of its noise over its signal."""
    level = 0.5 * torch.log(torch.expm1(t))  # ln(sigma/beta) with variance 1 - e^-t and beta e^(-t/2)
    waves = [f(level * k) for k in (0.5, 1.0, 2.0) for f in (torch.sin, torch.cos)]
    return torch.stack([level / 3.0, torch.exp(-0.5 * t), *waves], dim)
