"""Turns a network's weights into those after steps of projected gradient descent, by the recursion of its gradient.

Source: arXiv:2411.16549, section 2: p(j) = r(V_j p(j-1)), loss (1/2n) sum |p(N) - y|^2, each step followed by the projection
onto a box. s(N) = u r'(N), s(j) = r'(j) (V_{j+1}' s(j+1)), gradient of V_j the mean of s(j) p(j-1)'.
Shapes: weights V_j (B, units, inputs) of B problems, inputs X (B, n, d), targets Y (B, n, o).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workloads.icl.maths.activations import Activation

Weights = list[Tensor]


def forward(weights: Sequence[Tensor], x: Tensor, activation: Activation) -> tuple[list[Tensor], list[Tensor]]:
    """Pre-activations of all layers, and p(0), …, p(N); (B, n, units) each."""
    before, after = [], [x]
    for weight in weights:
        before.append(after[-1] @ weight.mT)
        after.append(activation.value(before[-1]))
    return before, after


def loss(weights: Sequence[Tensor], x: Tensor, y: Tensor, activation: Activation) -> Tensor:
    """The loss (B,)."""
    return 0.5 * (forward(weights, x, activation)[1][-1] - y).square().sum((1, 2)) / x.shape[1]


def gradient(weights: Sequence[Tensor], x: Tensor, y: Tensor, activation: Activation) -> tuple[Weights, list[Tensor]]:
    """The loss's gradient, shaped as the weights, and the pre-activations on the way."""
    before, after = forward(weights, x, activation)
    signal = (after[-1] - y) * activation.slope(before[-1])
    gradients = []
    for layer in range(len(weights) - 1, -1, -1):
        gradients.append(signal.mT @ after[layer] / x.shape[1])
        if layer:
            signal = (signal @ weights[layer]) * activation.slope(before[layer - 1])
    return gradients[::-1], before


def clipped(weights: Sequence[Tensor], box: float) -> Weights:
    """The nearest weights in the box [-box, box]."""
    return [weight.clamp(-box, box) for weight in weights]


@dataclass(frozen=True)
class Path:
    """Weights after the first and after the last step, and what the pre-activations on the way were."""

    first: Weights
    last: Weights
    reach: Tensor  # (B,) largest size of a pre-activation
    least_active: Tensor  # (B,) least positive pre-activation; infinite where none is positive
    within: Tensor  # (B,) share of the pre-activations that lie above 0 and below a width


def descend(
    weights: Weights, x: Tensor, y: Tensor, activation: Activation, *, rate: float, box: float, steps: int, width: float = 0.0
) -> Path:
    """The weights along projected gradient descent; `width` is that of the share `within`."""
    first, least, inside, count = weights, x.new_full((len(x),), math.inf), x.new_zeros(len(x)), 0
    reach = x.new_zeros(len(x))
    for step in range(steps):
        gradients, before = gradient(weights, x, y, activation)
        weights = clipped([v - rate * g for v, g in zip(weights, gradients, strict=True)], box)
        flat = torch.cat([t.flatten(1) for t in before], 1)
        reach = torch.maximum(reach, flat.abs().amax(1))
        least = torch.minimum(least, torch.where(flat > 0, flat, math.inf).amin(1))
        inside, count = inside + ((flat > 0) & (flat < width)).sum(1), count + flat.shape[1]
        first = weights if step == 0 else first
    return Path(first, weights, reach, least, inside / count)


def largest_difference(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """The largest difference of any weight, (B,)."""
    return torch.stack([(a - b).abs().amax((1, 2)) for a, b in zip(first, second, strict=True)]).amax(0)
