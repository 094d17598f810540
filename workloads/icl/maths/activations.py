"""Turns activations and their derivatives into sums of ReLUs, which is what heads of ReLU attention can add up.

Source: arXiv:2411.16549 (sums of ReLUs as approximators, after Bai et al. 2023); knots, ramp and their errors are derived.
Symbols: M = pieces · k = slope of the ramp · t = pre-activation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

REACH = 8.0
"""Sums of ReLUs approximate smooth activations on [-REACH, REACH]: constant below it, on the last line above it."""
FEW = 2
"""Terms up to which a sum is taken one by one, without an axis of its own."""
ROOT_2PI = math.sqrt(2.0 * math.pi)


@dataclass(frozen=True)
class Activation:
    """A function of pre-activations and its derivative; that of ReLU is 0 at 0."""

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]


def _gelu_slope(t: Tensor) -> Tensor:
    return torch.special.ndtr(t) + t * torch.exp(-0.5 * t * t) / ROOT_2PI


ACTIVATIONS = {
    "relu": Activation(torch.relu, lambda t: (t > 0).to(t)),
    "sigmoid": Activation(torch.sigmoid, lambda t: torch.sigmoid(t) * torch.sigmoid(-t)),
    "tanh": Activation(torch.tanh, lambda t: 1.0 - torch.tanh(t).square()),
    "softplus": Activation(torch.nn.functional.softplus, torch.sigmoid),
    "linear": Activation(lambda t: t, torch.ones_like),
    "gelu": Activation(lambda t: t * torch.special.ndtr(t), _gelu_slope),
}


@dataclass(frozen=True)
class ReluSum:
    """The function sum over h of weight[h] relu(scale[h] t + bias[h]); tensors (H,)."""

    scale: Tensor
    bias: Tensor
    weight: Tensor
    terms: Sequence[tuple[float, float, float]]  # the same as numbers

    def __call__(self, t: Tensor) -> Tensor:
        """Its values at t, of any shape."""
        # The bias comes last, so that two heads whose scores differ by a whole number differ by just that.
        if len(self.terms) > FEW:
            return torch.relu(t.unsqueeze(-1) * self.scale + self.bias) @ self.weight
        parts = [times(torch.relu(plus(times(t, scale), bias)), weight) for scale, bias, weight in self.terms]
        return parts[0] if len(parts) == 1 else sum(parts[1:], parts[0])


def times(t: Tensor, factor: float) -> Tensor:
    """The product, and t itself where the factor is 1."""
    return t if factor == 1.0 else t * factor


def plus(t: Tensor, bias: float) -> Tensor:
    """The sum, and t itself where the bias is 0."""
    return t if bias == 0.0 else t + bias


def relu_sum(terms: list[tuple[float, float, float]], like: Tensor) -> ReluSum:
    """The sum with terms (scale, bias, weight), of the type and on the device of `like`."""
    scale, bias, weight = torch.tensor(terms, dtype=like.dtype, device=like.device).mT.contiguous().unbind(0)
    return ReluSum(scale, bias, weight, terms)


def ramp(slope: float, form: str, like: Tensor) -> ReluSum:
    """What stands for the derivative of ReLU: shifted, 0 up to 0 and 1 from 1/k on; centred, from -1/2k to 1/2k."""
    low, high = (0.0, -1.0) if form == "shifted" else (0.5, -0.5)
    return relu_sum([(slope, low, 1.0), (slope, high, -1.0)], like)


def interpolant(function: Callable[[Tensor], Tensor], pieces: int, reach: float, like: Tensor) -> ReluSum:
    """The piecewise linear interpolant on M + 1 equidistant knots of [-reach, reach], as one constant and M ReLUs.

    Its error is at most h^2/8 max |g''| with h = 2 reach / M, so for g = t^2 and reach 1 it is 1/M^2.
    """
    knots = torch.linspace(-reach, reach, pieces + 1, dtype=torch.float64)
    values = function(knots)
    slopes = values.diff() / knots.diff()
    bends = torch.cat([slopes[:1], slopes.diff()])
    lines = zip(knots[:-1].tolist(), bends.tolist(), strict=True)
    return relu_sum([(0.0, 1.0, float(values[0])), *((1.0, -knot, bend) for knot, bend in lines)], like)
