"""Turns random deep ReLU networks into prompts: inputs, and targets that have a standard deviation of 1.

Source: arXiv:2411.16549, section on experiments as reported (inputs N(-2, I) and mixtures with N(2, I), weights N(0, I) and
N(+-1/2, I)); the division by the standard deviation is ours, for outputs of deep networks differ by orders.
Shapes: inputs (..., points, d), layers of a network (..., units, inputs), targets (..., points).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

PROBES = 128
"""Inputs, the same for all networks, over which a target's standard deviation is taken."""

LEAST_SPREAD = 0.1
"""Standard deviation below which a target is nearly constant, and is divided by this; typical ones are about 1."""


def sizes(dim: int, hidden: int, depth: int) -> list[int]:
    """Units of all layers, inputs first; the last has one and is linear."""
    return [dim, *[hidden] * (depth - 1), 1]


def count(layer_sizes: Sequence[int]) -> int:
    """Weights of a network."""
    return sum(inputs * units for inputs, units in itertools.pairwise(layer_sizes))


def layers(weights: Tensor, layer_sizes: Sequence[int]) -> list[Tensor]:
    """The layers of networks with flat weights (..., P), each times the root of 2 over its inputs."""
    pairs = list(itertools.pairwise(layer_sizes))
    pieces = weights.split([inputs * units for inputs, units in pairs], -1)
    return [
        piece.unflatten(-1, (units, inputs)) * math.sqrt(2.0 / inputs)
        for piece, (inputs, units) in zip(pieces, pairs, strict=True)
    ]


def outputs(network: Sequence[Tensor], x: Tensor) -> Tensor:
    """What networks say of inputs, each of its own: (..., points)."""
    for layer in network[:-1]:
        x = torch.relu(x @ layer.mT)
    return (x @ network[-1].mT).squeeze(-1)


def targets(weights: Tensor, layer_sizes: Sequence[int], x: Tensor, probes: Tensor) -> Tensor:
    """Outputs of networks with flat weights (..., P) at x, over their standard deviation at probes (..., PROBES, d)."""
    network = layers(weights, layer_sizes)
    spread = outputs(network, probes).std(-1, keepdim=True)
    return outputs(network, x) / spread.clamp_min(LEAST_SPREAD)
