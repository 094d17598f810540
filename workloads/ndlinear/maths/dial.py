"""Turns a share alpha into a function of a matrix between one that units of a layer of two modes are and one that they are not.

The target is (1 - alpha) f + alpha g. f, g are sums of nine ridge functions c (|w . x| - mean), x normal (8, 8), scaled to
variance 1 by the covariance of |u|, |v| of two normal numbers of correlation r, (2/pi) (sqrt(1 - r^2) + r arcsin r - 1). In the
separable f each w is the product of one of three row and one of three column directions, so that a unit of a layer that works
mode by mode can be it; in the entangled g each w is a random direction of all 64 entries.
Source: the dial of arXiv:2503.17353, version 3, whose own two functions are not stated; these are ours.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

SHAPE = (8, 8)
UNITS = 3
TEST = 1000
"""Points on which a network is tested."""


def unit(*shape: int, generator: torch.Generator) -> Tensor:
    """Random directions, of length 1 along the last axis."""
    return torch.nn.functional.normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1)


def covariance(directions: Tensor) -> Tensor:
    """That of |w . x| (k, k) over normal x, for directions w (k, F) of length 1."""
    r = (directions @ directions.mT).clamp(-1, 1)
    return 2 / math.pi * ((1 - r.square()).sqrt() + r * r.arcsin() - 1)


def ridges(directions: Tensor, coefficients: Tensor, x: Tensor) -> Tensor:
    """The sum of ridge functions (points,), of mean 0 and variance 1 over normal x (points, F)."""
    variance = coefficients @ covariance(directions) @ coefficients
    return ((x @ directions.mT).abs() - math.sqrt(2 / math.pi)) @ coefficients / variance.sqrt()


def sample(alpha: float, count: int, functions: torch.Generator, points: torch.Generator) -> tuple[Tensor, Tensor]:
    """Inputs (count, 64) and targets (count, 1), float32."""
    rows, columns = (unit(UNITS, size, generator=functions) for size in SHAPE)
    separable = torch.einsum("ai,bj->abij", rows, columns).reshape(UNITS**2, -1)
    entangled = unit(UNITS**2, math.prod(SHAPE), generator=functions)
    weights = torch.randn(2, UNITS**2, generator=functions, dtype=torch.float64)
    x = torch.randn(count, math.prod(SHAPE), generator=points, dtype=torch.float64)
    target = (1 - alpha) * ridges(separable, weights[0], x) + alpha * ridges(entangled, weights[1], x)
    return x.float(), target[:, None].float()
