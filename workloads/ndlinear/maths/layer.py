"""Turns shapes into a layer that works mode by mode: its numbers, its products in any order of modes, weights and outputs.

Source: arXiv:2503.17353, section 3 and the released code; the best order is derived, by exchange of two neighbours.
Symbols: n = modes · D_k, H_k = size of mode k in and out · W_k (H_k, D_k) and b_k (H_k) = weights and bias of mode k. Each mode
in turn does X <- X x_k W_k + b_k, the bias alike along all other axes. Tensors begin with (models, ...), inputs with (models,
batch).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

Sizes = tuple[int, ...]
ModeOrder = Literal["given", "reversed", "best", "worst"]


def sizes(text: str, name: str) -> Sizes:
    """The sizes that a text as `28x28x3` writes; ValueError, with the param's name, where it writes none."""
    parts = text.split("x")
    if not all(part.isdecimal() and int(part) >= 1 for part in parts):
        raise ValueError(
            f"{name} must be sizes of at least 1 with x between them, but got '{text}'; write for example 28x28x3."
        )
    return tuple(int(part) for part in parts)


def pair(shape_in: str, shape_out: str) -> tuple[Sizes, Sizes]:
    """Both shapes of a layer; ValueError where one does not parse or where they differ in the number of modes."""
    inner, outer = sizes(shape_in, "shape_in"), sizes(shape_out, "shape_out")
    if len(inner) != len(outer):
        raise ValueError(
            f"shape_in and shape_out must have as many modes, but got '{shape_in}' with {len(inner)} and '{shape_out}' with "
            f"{len(outer)}; write a size of 1 for a mode that vanishes."
        )
    return inner, outer


def n_params(inner: Sizes, outer: Sizes, bias: bool = True) -> int:
    """Numbers of the layer, sum of D_k H_k, and H_k more with a bias."""
    return sum(h * (d + bias) for d, h in zip(inner, outer, strict=True))


def n_params_dense(inner: Sizes, outer: Sizes, bias: bool = True) -> int:
    """Numbers of a dense layer between the flattened shapes."""
    return math.prod(outer) * (math.prod(inner) + bias)


def macs(inner: Sizes, outer: Sizes, order: Sequence[int]) -> int:
    """Multiplications with an addition that an input takes, in that order of modes."""
    shape, total = list(inner), 0
    for mode in order:
        total += math.prod(shape) * outer[mode]
        shape[mode] = outer[mode]
    return total


def macs_dense(inner: Sizes, outer: Sizes) -> int:
    """Those of a dense layer between the flattened shapes."""
    return math.prod(inner) * math.prod(outer)


def modes(order: ModeOrder, inner: Sizes, outer: Sizes) -> tuple[int, ...]:
    """The modes in the order in which they are worked on.

    Of two neighbours i, j the first is better first where D_i H_i D_j + H_i D_j H_j < D_j H_j D_i + H_j D_i H_i, that is where
    1/D_i - 1/H_i < 1/D_j - 1/H_j: the best order ascends by that number, and the worst descends.
    """
    ascending = tuple(sorted(range(len(inner)), key=lambda k: 1 / inner[k] - 1 / outer[k]))
    plain = tuple(range(len(inner)))  # as the shapes are written
    return {"given": plain, "reversed": plain[::-1], "best": ascending, "worst": ascending[::-1]}[order]


def uniform(shape: Sequence[int], fan_in: int, generator: torch.Generator, dtype: torch.dtype = torch.float32) -> Tensor:
    """Weights as `torch.nn.Linear` begins with: even between -1/sqrt(fan_in) and 1/sqrt(fan_in), of variance 1/(3 fan_in)."""
    draws = torch.rand(*shape, generator=generator, dtype=dtype, device=generator.device)
    return (2 * draws - 1) / math.sqrt(fan_in)


def output_variance(inner: Sizes, order: Sequence[int], bias: bool = False) -> float:
    """Second moment of an output of first weights for inputs of second moment 1: 3^-n without a bias, whatever the order."""
    moment = 1.0
    for mode in order:
        moment = moment / 3 + (1 / (3 * inner[mode]) if bias else 0.0)
    return moment


def apply(x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor] | None, order: Sequence[int]) -> Tensor:
    """Outputs (models, batch, H_1, ..., H_n) of inputs (models, batch, D_1, ..., D_n), by one product of matrices a mode.

    The mode that is worked on moves to the last axis and stays there, so that in the order of the axes each mode is copied
    once at most and all stand where they stood in the end.
    """
    axes = list(range(len(weights)))  # the mode at each axis
    for mode in order:
        axis = axes.index(mode)
        axes.append(axes.pop(axis))
        x = x.movedim(axis + 2, -1)
        x = linear(x, weights[mode], None if biases is None else biases[mode])
    return x.permute(0, 1, *(2 + axes.index(mode) for mode in range(len(weights))))


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The last axis D of (models, ..., D) mapped to H by each model's weight (H, D) and bias (H), as `torch.nn.Linear` does."""
    flat = x.reshape(len(x), -1, x.shape[-1])
    if len(x) == 1:  # a batch of one product costs more than the product, and one of several axes adds its bias apart
        product = torch.nn.functional.linear(flat[0], weight[0], None if bias is None else bias[0])
    else:
        product = flat @ weight.mT if bias is None else torch.baddbmm(bias[:, None], flat, weight.mT)
    return product.view(*x.shape[:-1], weight.shape[1])


def effective_bias(weights: Sequence[Tensor], biases: Sequence[Tensor], order: Sequence[int]) -> Tensor:
    """What the biases add to every output, (models, H_1, ..., H_n): sum over k of b_k times the row sums of all later W_j."""
    total: Tensor | float = 0.0
    for step, mode in enumerate(order):
        later = order[step + 1 :]
        factors = [biases[k] if k == mode else weights[k].sum(-1) if k in later else None for k in range(len(weights))]
        total = total + _outer([torch.ones_like(b) if f is None else f for f, b in zip(factors, biases, strict=True)])
    assert isinstance(total, Tensor)
    return total


def _outer(factors: Sequence[Tensor]) -> Tensor:
    """The outer product (models, H_1, ..., H_n) of vectors (models, H_k)."""
    product = factors[0]
    for factor in factors[1:]:
        product = product[..., None] * factor.view(len(factor), *([1] * (product.dim() - 1)), -1)
    return product


def contracted(x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor] | None, order: Sequence[int]) -> Tensor:
    """The same outputs by one contraction with the Kronecker product of all weights, and the effective bias."""
    letters = [(chr(97 + k), chr(65 + k)) for k in range(len(weights))]
    inner, outer = ("".join(letter) for letter in zip(*letters, strict=True))
    product = torch.einsum(f"yz{inner},{','.join(f'y{b}{a}' for a, b in letters)}->yz{outer}", x, *weights)
    return product if biases is None else product + effective_bias(weights, biases, order)[:, None]
