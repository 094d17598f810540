"""Turns noisy points, times and conditions into predictions of beta E[x_0 | x_t, y], by conditions in context.

Source: arXiv:2411.17522, (2.4); tokens for time and condition as in diffusion transformers. Ours: one token a coordinate,
random waves of e^(-t/2) x and of y beside them, a learnt token where y is hidden, a path around the blocks scaled by time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workloads.dit_conditional.maths import problem
from workloads.dit_conditional.maths.problem import Params, Problem
from workloads.shared.diffusion import network, process
from workloads.shared.diffusion.network import linear
from workloads.shared.training.ensemble import Layout, Stack

FEATURES, HIDDEN = 8, 32  # of the time, and of the condition


@dataclass(frozen=True)
class Waves:
    """Fixed random waves of points (models, dx, dx F) and of conditions (models, dy, F), with phases; never trained."""

    x: Tensor
    x_phase: Tensor
    y: Tensor
    y_phase: Tensor

    def part(self, start: int, stop: int) -> Waves:
        """Those of neighbours among the models."""
        return Waves(*(part[start:stop] for part in (self.x, self.x_phase, self.y, self.y_phase)))


def waves(task: Problem) -> Waves:
    """Each model's own: lengths even in the logarithm up to the law's highest frequency, directions and phases even."""
    p, found = task.first, []
    for law, ctx in zip(task.laws, task.ctxs, strict=True):
        draws, parts = ctx.generator("waves"), []
        for dim, count in ((p.x_dim, p.x_dim * p.fourier), (p.y_dim, p.fourier)):
            turn = torch.randn(dim, count, generator=draws, dtype=torch.float64)
            uniform = torch.rand(count, generator=draws, dtype=torch.float64)
            length = law.frequencies[0] * (law.frequencies[-1] / law.frequencies[0]) ** uniform
            phase = 2 * math.pi * torch.rand(count, generator=draws, dtype=torch.float64)
            parts += [length * turn / turn.norm(dim=0).clamp_min(1e-300), phase]
        found.append(parts)
    return Waves(*(torch.stack(part).to(task.like) for part in zip(*found, strict=True)))


def layout(p: Params) -> Layout:
    """All parameters of one model."""
    tokens = p.x_dim + 1 + (p.y_dim > 0)
    shapes: dict[str, tuple[int, ...]] = {
        "widen": (1 + p.fourier, p.width),
        "position": (tokens * p.width,),
        "time_up": (FEATURES, HIDDEN),
        "time_up_bias": (HIDDEN,),
        "time_down": (HIDDEN, p.width + 1),
        "narrow": (p.width, 1),
    }
    if p.y_dim:
        shapes |= {"y_up": (p.y_dim + p.fourier, HIDDEN), "y_up_bias": (HIDDEN,), "y_down": (HIDDEN, p.width)}
        shapes |= {"hidden": (p.width,)}
    if problem.latent(p):
        shapes |= {"subspace": (problem.ambient(p), p.x_dim)}
    return Layout(shapes | problem.transformer(p).shapes())


def initial(p: Params, generator: torch.Generator) -> Stack:
    """One model's first parameters."""
    made = network.initial(layout(p).shapes, generator, problem.dtype(p))
    columns = torch.arange(p.width, dtype=torch.float64)
    tokens = torch.arange(len(made["position"]) // p.width, dtype=torch.float64)
    # Positions start as waves over the tokens, so that they differ.
    made["position"] = torch.cos(tokens[:, None] * torch.pi * (columns + 1) / p.width).flatten().to(problem.dtype(p))
    made["narrow"] = 0.1 * made["narrow"]
    return made | {name: network.orthonormal(part) for name, part in made.items() if name == "subspace"}


def predict(parameters: Stack, fixed: Waves, x: Tensor, t: Tensor, y: Tensor, hidden: Tensor | None, p: Params) -> Tensor:
    """beta E[x_0 | x_t, y] for x (models, points, D), t (models, points), y (models, points, dy); without y where `hidden`.

    `hidden` (models, points) is of truth values; None hides nothing.
    """
    if "subspace" not in parameters:
        return _inner(parameters, fixed, x, t, y, hidden, p)
    down = parameters["subspace"]
    return network.product(_inner(parameters, fixed, linear(x, down), t, y, hidden, p), down.mT)


def _inner(parameters: Stack, fixed: Waves, x: Tensor, t: Tensor, y: Tensor, hidden: Tensor | None, p: Params) -> Tensor:
    """The prediction for points (models, points, dx) of the law's own space."""
    cells = x.unsqueeze(-1)
    waved = torch.cos(_phase(process.signal(t)[..., None] * x, fixed.x, fixed.x_phase)).unflatten(-1, (p.x_dim, p.fourier))
    features = network.time_features(t)
    time = linear(torch.relu(linear(features, parameters["time_up"], parameters["time_up_bias"])), parameters["time_down"])
    token, around = time.split([p.width, 1], dim=-1)
    tokens: Sequence[Tensor] = [linear(torch.cat([cells, waved], -1), parameters["widen"]), token.unsqueeze(2)]
    if p.y_dim:
        tokens = [*tokens, _condition(parameters, fixed, y, hidden).unsqueeze(2)]
    whole = torch.cat(list(tokens), 2)
    whole = whole + parameters["position"].view(len(x), 1, -1, p.width)
    out = network.blocks(parameters, whole.permute(0, 3, 2, 1), problem.transformer(p)).permute(0, 3, 2, 1)
    out = out[:, :, : p.x_dim]
    return x * (1.0 + around) + linear(out, parameters["narrow"]).squeeze(-1)


def _condition(parameters: Stack, fixed: Waves, y: Tensor, hidden: Tensor | None) -> Tensor:
    """The token (models, points, width) of each condition, the learnt one where it is hidden."""
    seen = torch.cat([y, torch.cos(_phase(y, fixed.y, fixed.y_phase))], -1)
    token = linear(torch.relu(linear(seen, parameters["y_up"], parameters["y_up_bias"])), parameters["y_down"])
    return token if hidden is None else torch.where(hidden[..., None], parameters["hidden"][:, None, :], token)


def _phase(points: Tensor, vectors: Tensor, phases: Tensor) -> Tensor:
    """points times vectors, plus phases (models, points, count); summed coordinate by coordinate, alike in any company."""
    parts = points.unsqueeze(-1) * vectors.unsqueeze(1)
    total = parts[:, :, 0]
    for k in range(1, parts.shape[2]):
        total = total + parts[:, :, k]
    return total + phases.unsqueeze(1)
