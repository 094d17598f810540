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
    drawn = {name: torch.randn(shape, generator=generator) / math.sqrt(shape[0]) for name, shape in shapes.shapes.items()}
    return {name: drawn[name] * (name in ("first", "second")) for name in drawn}


def predictor(stack: Stack, types: int, times: int) -> Predict:
    """The prediction of a stack of models, for types, scaled angles (models, designs, n) and times (models, designs)."""

    def predict(at_types: Tensor, angles: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        classes = torch.nn.functional.one_hot(at_types, types).to(angles).flatten(-2)
        turned = angles * SPREAD
        inputs = torch.cat([classes, angles, turned.cos(), turned.sin(), _waves(t / times)], -1)
        hidden = torch.nn.functional.silu(_layer(stack, "first", inputs))
        hidden = torch.nn.functional.silu(_layer(stack, "second", hidden))
        outputs = _layer(stack, "last", hidden).unflatten(-1, (angles.shape[-1], types + 1))
        return outputs[..., :types], outputs[..., types]

    return predict


def _layer(stack: Stack, name: str, inputs: Tensor) -> Tensor:
    return torch.baddbmm(stack[f"{name}_bias"][:, None], inputs, stack[name])


def _waves(progress: Tensor) -> Tensor:
    phases = progress[..., None] * (math.pi * 2.0 ** torch.arange(FREQUENCIES, device=progress.device))
    return torch.cat([phases.sin(), phases.cos()], -1)
