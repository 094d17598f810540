"""Turns noisy points and times into W_B f(W_B' x, t), the prediction whose score is (prediction - x)/sigma(t).

Source: arXiv:2407.01079, (2.5) and Def. 3.1 to 3.3. Ours: tokens are widened before the blocks and narrowed behind them; the
time enters there by a scale and a shift (the theorem has one network for each time), and scales a path around the blocks.
Symbols: W_B (models, D, d0) · u = W_B' x · tokens (models, points, L, d).
"""

from __future__ import annotations

import torch
from torch import Tensor

from workloads.dit_latent.maths import problem
from workloads.dit_latent.maths.problem import Params
from workloads.shared.diffusion import network as diffusion_network
from workloads.shared.diffusion.network import mapped
from workloads.shared.diffusion.problem import dtype, transformer
from workloads.shared.training.ensemble import Layout, Stack

FEATURES, HIDDEN = 8, 32  # of the time


def layout(p: Params) -> Layout:
    """All parameters of one model."""
    tokens, size = problem.reshape(p)
    shapes: dict[str, tuple[int, ...]] = {
        "subspace": (p.ambient_dim, p.latent_dim),
        "widen": (size, p.width),
        "position": (tokens * p.width,),
        "time_up": (FEATURES, HIDDEN),
        "time_up_bias": (HIDDEN,),
        "time_down": (HIDDEN, 2 * p.width + 1),
        "narrow": (p.width, size),
    }
    return Layout(shapes | transformer(p).shapes())


def initial(p: Params, generator: torch.Generator) -> Stack:
    """One model's first parameters, W_B on its manifold."""
    return diffusion_network.first_parameters(layout(p).shapes, p.width, generator, dtype(p))


def predict(parameters: Stack, x: Tensor, t: Tensor, p: Params) -> Tensor:
    """W_B f(W_B' x, t), estimating beta(t) E[x_0 | x_t = x], of points (models, points, D) at times (models, points)."""
    down = parameters["subspace"]
    return torch.bmm(latent(parameters, torch.bmm(down.mT, x.mT), t, p).mT, down.mT)


def latent(parameters: Stack, u: Tensor, t: Tensor, p: Params) -> Tensor:
    """f(u, t) of latent points (models, d0, points), one a column."""
    models, _, points = u.shape
    tokens, size = problem.reshape(p)
    features = diffusion_network.time_features(t, 1)
    hidden = torch.relu_(mapped(features, parameters["time_up"]).add_(parameters["time_up_bias"].unsqueeze(2)))
    change = mapped(hidden, parameters["time_down"]).unsqueeze(2)  # (models, 2 width + 1, 1, points)
    scale, shift, around = change.split([p.width, p.width, 1], dim=1)
    cells = u.view(models, tokens, size, points).transpose(1, 2)
    wide = mapped(cells.reshape(models, size, -1), parameters["widen"]).view(models, p.width, tokens, points)
    position = parameters["position"].view(models, tokens, p.width, 1).transpose(1, 2)
    moved = torch.addcmul(shift + position, wide, 1.0 + scale)
    narrow = mapped(diffusion_network.blocks(parameters, moved, transformer(p)).flatten(2), parameters["narrow"])
    return torch.addcmul(narrow.view_as(cells), cells, 1.0 + around).transpose(1, 2).reshape(u.shape)
