"""Turns a budget for each bit into flips: their probability, the loss they leave, and counts of bits after them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Below this probability a uniform double never asks for a flip: a device would then release its bits as they are.
RESOLUTION = 2.0**-53


def probability(eps_each: float) -> float:
    """How often a bit is flipped by randomised response of that budget: 1 / (1 + e^eps), 0 for an endless budget."""
    if eps_each > 0:
        small = math.exp(-eps_each)
        return small / (1.0 + small)
    return 1.0 / (1.0 + math.exp(eps_each))


def loss(q: float) -> float:
    """What one flipped bit gives away, ln((1 - q) / q), in nats; infinite for q = 0."""
    return math.log1p(-q) - math.log(q) if q > 0 else math.inf


def noise(shape: tuple[int, ...], q: float, generator: torch.Generator) -> Tensor:
    """Which bits are flipped: booleans of that shape, each true with probability q."""
    return torch.rand(shape, generator=generator, dtype=torch.float64) < q


def exponentials(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Exponential numbers of mean 1; the difference of two is Laplace's, without the infinity of its textbook formula."""
    return torch.empty(shape, dtype=torch.float64).exponential_(generator=generator)


def counts(odd: Tensor, cells: int, q: float, generator: torch.Generator) -> Tensor:
    """How many of `cells` bits are 1 after flips where `odd` of them were 1; float64 of the same shape.

    Bin(cells - odd, q) + Bin(odd, 1 - q), without making the bits.
    """
    ones = odd.to(torch.float64)
    rate = torch.full_like(ones, q)
    raised = torch.binomial(cells - ones, rate, generator=generator)
    # Bits that fall are drawn rather than bits that stay, which would round 1 - q.
    return raised + ones - torch.binomial(ones, rate, generator=generator)
