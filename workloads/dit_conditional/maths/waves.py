"""Turns frequencies into fixed random waves of points and of conditions, which a network is given and never trains."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from workloads.shared.training.ensemble import Stack

NAMES = ("x", "x_phase", "y", "y_phase")


def drawn(frequencies: Sequence[Tensor], dims: tuple[int, int], count: int, draws: Sequence[torch.Generator]) -> Stack:
    """Each model's own waves of points (models, dx, dx count) and of conditions (models, dy, count), with phases; float64.

    Their lengths are even in the logarithm from the least to the highest of its law's frequencies; directions and phases even.
    """
    models = [_model(own, dims, count, generator) for own, generator in zip(frequencies, draws, strict=True)]
    return {name: torch.stack([model[i] for model in models]) for i, name in enumerate(NAMES)}


def _model(frequencies: Tensor, dims: tuple[int, int], count: int, draws: torch.Generator) -> list[Tensor]:
    parts = []
    for dim, waves in ((dims[0], dims[0] * count), (dims[1], count)):
        turn = torch.randn(dim, waves, generator=draws, dtype=torch.float64)
        uniform = torch.rand(waves, generator=draws, dtype=torch.float64)
        length = frequencies[0] * (frequencies[-1] / frequencies[0]) ** uniform
        phase = 2 * math.pi * torch.rand(waves, generator=draws, dtype=torch.float64)
        parts += [length * turn / turn.norm(dim=0).clamp_min(1e-300), phase]
    return parts
