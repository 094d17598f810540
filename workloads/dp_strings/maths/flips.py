"""Turns a budget for each bit into flips: their probability, the loss they leave, and counts of bits after them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Below this probability a uniform double never asks for a flip: a device would then release its bits as they are.
RESOLUTION = 2.0**-53
# Flips of a bucket up to which their places are drawn, not a number for every bucket.
RARE = 0.1


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

    Bin(cells - odd, q) + Bin(odd, 1 - q), without making the bits; where flips are rare, at a cost of the flips alone.
    """
    ones = odd.to(torch.float64)
    if q * cells < RARE:
        return ones + _rare(ones, cells, q, generator)
    rate = torch.full_like(ones, q)
    raised = torch.binomial(cells - ones, rate, generator=generator)
    # Bits that fall are drawn rather than bits that stay, which would round 1 - q.
    return raised + ones - torch.binomial(ones, rate, generator=generator)


def _rare(ones: Tensor, cells: int, q: float, generator: torch.Generator) -> Tensor:
    """What flips change in each count: their places among all bits, of which each count's ones come first."""
    positions = skips(ones.numel() * cells, q, generator)
    bucket = positions // cells
    change = torch.where(positions % cells < ones.flatten()[bucket], -1.0, 1.0).to(torch.float64)
    return torch.zeros(ones.numel(), dtype=torch.float64).scatter_add(0, bucket, change).view_as(ones)


def skips(bits: int, q: float, generator: torch.Generator) -> Tensor:
    """Places, in order, of the flipped ones among that many bits, by geometric gaps; int64."""
    jumps, start = [], -1.0
    draws = int(bits * q + 6 * math.sqrt(bits * q)) + 16
    while q > 0 and start < bits:
        uniform = 1.0 - torch.rand(draws, generator=generator, dtype=torch.float64)  # in (0, 1]
        gaps = (uniform.log() / math.log1p(-q)).floor() + 1.0
        places = start + gaps.cumsum(0)
        start = places[-1].item()
        jumps.append(places[places < bits].to(torch.int64))
    return torch.cat(jumps) if jumps else torch.zeros(0, dtype=torch.int64)
