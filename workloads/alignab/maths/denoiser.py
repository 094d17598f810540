"""The network of the diffusion: a perceptron of two hidden layers over all positions at once, for a stack of models."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from workloads.alignab.maths.diffusion import SPREAD, Predict
from workloads.shared.training.ensemble import Layout, Stack

FREQUENCIES = 4
"""Waves that tell the time, each by sine and cosine."""


def layout(positions: int, types: int, width: int) -> Layout:
    """Names and shapes of a model's parameters."""
    inputs, outputs = positions * (types + 3) + 2 * FREQUENCIES, positions * (types + 1)
    return Layout(
        {
            "first": (inputs, width),
            "first_bias": (width,),
            "second": (width, width),
            "second_bias": (width,),
            "last": (width, outputs),
            "last_bias": (outputs,),
        }
    )


def untrained(shapes: Layout, generator: torch.Generator) -> Stack:
    """Parameters of one model: scaled normal weights, nothing in the last layer, so that it begins by knowing nothing."""
    normal = {name: torch.randn(shape, generator=generator) / math.sqrt(shape[0]) for name, shape in shapes.shapes.items()}
    return {name: normal[name] * (name in ("first", "second")) for name in normal}


def predictor(stack: Stack, types: int, times: int) -> Predict:
    """The prediction of a stack of models, for types, scaled angles (models, designs, n) and times (models, designs)."""

    def predict(at_types: Tensor, angles: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        return outputs(stack, inputs(at_types, angles, t / times, types), types)

    return predict


def inputs(at_types: Tensor, angles: Tensor, progress: Tensor, types: int) -> Tensor:
    """What the network sees of types and scaled angles (..., n) at times t/T (...): classes, places, directions, waves."""
    classes = torch.nn.functional.one_hot(at_types, types).to(angles).flatten(-2)
    turned = angles * SPREAD
    return torch.cat([classes, angles, turned.cos(), turned.sin(), _waves(progress)], -1)


def outputs(stack: Stack, features: Tensor, types: int) -> tuple[Tensor, Tensor]:
    """Logits (..., n, K) and noise (..., n) of what the network sees."""
    hidden = torch.nn.functional.silu(_layer(stack, "first", features))
    hidden = torch.nn.functional.silu(_layer(stack, "second", hidden))
    values = _layer(stack, "last", hidden)
    positions = values.shape[-1] // (types + 1)
    return values[..., : positions * types].unflatten(-1, (-1, types)), values[..., positions * types :]


def _layer(stack: Stack, name: str, inputs: Tensor) -> Tensor:
    return torch.baddbmm(stack[f"{name}_bias"][:, None], inputs, stack[name])


def _waves(progress: Tensor) -> Tensor:
    phases = progress[..., None] * (math.pi * 2.0 ** torch.arange(FREQUENCIES, device=progress.device))
    return torch.cat([phases.sin(), phases.cos()], -1)
