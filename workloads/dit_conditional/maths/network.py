"""Turns noisy points, times and conditions into predictions of beta E[x_0 | x_t, y], by conditions in context.

Source: arXiv:2411.17522, (2.4); tokens for time and condition as in diffusion transformers. Ours: one token a coordinate,
random waves of e^(-t/2) x and of y beside them, a learnt token where y is hidden, a path around the blocks scaled by time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from workloads.dit_conditional.maths import problem
from workloads.dit_conditional.maths.problem import Params
from workloads.shared.diffusion import network, process
from workloads.shared.diffusion.network import linear
from workloads.shared.diffusion.problem import dtype, transformer
from workloads.shared.training.ensemble import Layout, Stack

FEATURES, HIDDEN = 8, 32  # of the time, and of the condition


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
    return Layout(shapes | transformer(p).shapes())


def initial(p: Params, generator: torch.Generator) -> Stack:
    """One model's first parameters."""
    return network.first_parameters(layout(p).shapes, p.width, generator, dtype(p))


def predict(parameters: Stack, fixed: Stack, x: Tensor, t: Tensor, y: Tensor, hidden: Tensor | None, p: Params) -> Tensor:
    """beta E[x_0 | x_t, y] for x (models, points, D), t (models, points), y (models, points, dy); without y where `hidden`.

    `hidden` (models, points) is of truth values; None hides nothing.
    """
    if "subspace" not in parameters:
        return _inner(parameters, fixed, x, t, y, hidden, p)
    down = parameters["subspace"]
    return network.product(_inner(parameters, fixed, linear(x, down), t, y, hidden, p), down.mT)


def _inner(parameters: Stack, fixed: Stack, x: Tensor, t: Tensor, y: Tensor, hidden: Tensor | None, p: Params) -> Tensor:
    """The prediction for points (models, points, dx) of the law's own space."""
    cells = x.unsqueeze(-1)
    phases = _phase(process.signal(t)[..., None] * x, fixed["x"], fixed["x_phase"])
    waved = torch.cos(phases).unflatten(-1, (p.x_dim, p.fourier))
    features = network.time_features(t)
    time = linear(torch.relu(linear(features, parameters["time_up"], parameters["time_up_bias"])), parameters["time_down"])
    token, around = time.split([p.width, 1], dim=-1)
    tokens: Sequence[Tensor] = [linear(torch.cat([cells, waved], -1), parameters["widen"]), token.unsqueeze(2)]
    if p.y_dim:
        tokens = [*tokens, _condition(parameters, fixed, y, hidden).unsqueeze(2)]
    whole = torch.cat(list(tokens), 2)
    whole = whole + parameters["position"].view(len(x), 1, -1, p.width)
    out = network.blocks(parameters, whole.permute(0, 3, 2, 1), transformer(p)).permute(0, 3, 2, 1)
    out = out[:, :, : p.x_dim]
    return x * (1.0 + around) + linear(out, parameters["narrow"]).squeeze(-1)


def _condition(parameters: Stack, fixed: Stack, y: Tensor, hidden: Tensor | None) -> Tensor:
    """The token (models, points, width) of each condition, the learnt one where it is hidden."""
    features = torch.cat([y, torch.cos(_phase(y, fixed["y"], fixed["y_phase"]))], -1)
    token = linear(torch.relu(linear(features, parameters["y_up"], parameters["y_up_bias"])), parameters["y_down"])
    return token if hidden is None else torch.where(hidden[..., None], parameters["hidden"][:, None, :], token)


def _phase(points: Tensor, vectors: Tensor, phases: Tensor) -> Tensor:
    """points times vectors, plus phases (models, points, count); summed coordinate by coordinate, alike in any company."""
    parts = points.unsqueeze(-1) * vectors.unsqueeze(1)
    total = parts[:, :, 0]
    for k in range(1, parts.shape[2]):
        total = total + parts[:, :, k]
    return total + phases.unsqueeze(1)
