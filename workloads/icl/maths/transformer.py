"""Turns prompts into predictions by stacked GPT-2-like transformers, one token for each input and one for each target.

Source: arXiv:2411.16549, section on experiments as reported (GPT-2 backbone, softmax or ReLU attention, MLP as wide as a
token), after Garg et al. 2022. ReLU attention divides by the number of tokens that are seen.
Shapes: (models, prompts, tokens, width w).
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, pad

from workloads.shared.diffusion import network
from workloads.shared.diffusion.network import linear
from workloads.shared.training.ensemble import Layout, Stack


class Shape(Protocol):
    """What the params of a training say of its transformer."""

    @property
    def kind(self) -> str:
        """`softmax` or `relu`."""

    @property
    def dim(self) -> int:
        """Inputs d."""

    @property
    def blocks(self) -> int:
        """Blocks of attention and MLP."""

    @property
    def width(self) -> int:
        """Width of a token."""

    @property
    def heads(self) -> int:
        """Heads of attention."""


def layout(p: Shape, tokens: int) -> Layout:
    """All parameters of one model with positions for so many tokens."""
    w = p.width
    shapes: dict[str, tuple[int, ...]] = {"read": (p.dim + 1, w), "position": (tokens, w), "say": (w, 1)}
    for i in range(p.blocks):
        block = {"attend": (w, 3 * w), "out": (w, w), "up": (w, w), "up_bias": (w,), "down": (w, w), "down_bias": (w,)}
        shapes |= {f"block{i}.{name}": shape for name, shape in block.items()}
    return Layout(shapes)


def initial(p: Shape, tokens: int, generator: torch.Generator, dtype: torch.dtype) -> Stack:
    """One model's first parameters; positions are small, as in GPT-2."""
    parameters = network.initial(layout(p, tokens).shapes, generator, dtype)
    return parameters | {"position": 0.02 * math.sqrt(tokens) * parameters["position"]}


def tokens_of(x: Tensor, y: Tensor) -> Tensor:
    """Tokens (models, prompts, 2 n - 1, d + 1): x_1, y_1, …, x_n of inputs and targets (…, n), the last one left out."""
    inputs, values = pad(x, (0, 1)), pad(y.unsqueeze(-1), (x.shape[-1], 0))
    return torch.stack([inputs, values], -2).flatten(-3, -2)[..., :-1, :]


def predict(parameters: Stack, x: Tensor, y: Tensor, p: Shape) -> Tensor:
    """What is said of each input (models, prompts, n) from the examples before it."""
    h = linear(tokens_of(x, y), parameters["read"])
    h = h + parameters["position"][:, None, : h.shape[2]]
    for i in range(p.blocks):
        own = {name.removeprefix(f"block{i}."): part for name, part in parameters.items() if name.startswith(f"block{i}.")}
        h = h + linear(_attention(linear(_normal(h), own["attend"]), p), own["out"])
        h = h + linear(torch.relu(linear(_normal(h), own["up"], own["up_bias"])), own["down"], own["down_bias"])
    return linear(_normal(h[:, :, ::2]), parameters["say"]).squeeze(-1)


def _normal(h: Tensor) -> Tensor:
    return layer_norm(h, h.shape[-1:])


def _attention(projected: Tensor, p: Shape) -> Tensor:
    """Values (models, prompts, tokens, w) that each token gathers from itself and those before it."""
    models, prompts, length, _ = projected.shape
    parts = projected.view(models, prompts, length, 3, p.heads, -1).permute(3, 0, 1, 4, 2, 5)
    query, key, value = (part.flatten(0, 2) for part in parts)
    hidden = torch.ones(length, length, dtype=torch.bool, device=projected.device).triu(1)
    scores = (query @ key.mT) / math.sqrt(query.shape[-1])
    if p.kind == "softmax":
        weights = torch.softmax(scores.masked_fill(hidden, -math.inf), -1)
    else:
        token_counts = torch.arange(1, length + 1, dtype=scores.dtype, device=scores.device)[:, None]
        weights = torch.relu(scores.masked_fill(hidden, 0.0)) / token_counts
    gathered = (weights @ value).view(models, prompts, p.heads, length, -1)
    return gathered.transpose(2, 3).flatten(3)
