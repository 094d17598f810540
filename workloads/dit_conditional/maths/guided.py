"""Turns guidance strengths into what classifier-free guidance samples, for Gaussian laws, where all is known.

Source: arXiv:2411.17522, (2.6); A. Bradley and P. Nakkiran, arXiv:2408.09000. The conditional law is N(0, 1), the marginal
one N(0, u); the guided score is gamma times the conditional one less (gamma - 1) times the marginal one. Float64 throughout.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor

SAMPLERS = ("ode", "sde")


def slope(t: Tensor, gamma: Tensor, marginal: Tensor) -> Tensor:
    """g(t) of the guided score -g x: conditional variance 1 at all times, marginal one 1 + (u - 1) e^-t."""
    return gamma - (gamma - 1.0) / (1.0 + (marginal - 1.0) * torch.exp(-t))


def limit(gamma: Tensor, marginal: Tensor, sampler: str) -> Tensor:
    """The variance at t = 0 of a sampler without discretisation, begun at infinity."""
    if sampler == "ode":
        return marginal ** (1.0 - gamma)
    power = 2.0 * gamma - 1.0
    return (marginal**power - 1.0) / (power * (marginal - 1.0) * marginal ** (power - 1.0))


def tilted(gamma: Tensor, marginal: Tensor) -> Tensor:
    """The variance of the density p(x|y)^gamma / p(x)^(gamma - 1), which guidance is often taken to sample."""
    return 1.0 / (gamma - (gamma - 1.0) / marginal)


def recursion(gamma: Tensor, marginal: Tensor, sampler: str, grid: Tensor) -> Tensor:
    """The variance after Euler steps along the falling times `grid` (steps + 1,), from the standard normal law; (models,)."""
    mu = grid[:-1] - grid[1:]
    g = slope(grid[:-1], gamma[:, None], marginal[:, None])  # (models, steps)
    if sampler == "ode":
        return (1.0 + 0.5 * mu * (1.0 - g)).square().cumprod(1)[:, -1]
    # What a step adds is multiplied by the factors of all later steps, what was there at the start by all.
    factors = torch.nn.functional.pad((1.0 + mu * (0.5 - g)).square(), (0, 1), value=1.0)
    later = factors.flip(1).cumprod(1).flip(1)
    return later[:, 0] + (mu * later[:, 1:]).cumsum(1)[:, -1]


def paths(gamma: Tensor, marginal: Tensor, sampler: str, grid: Tensor, start: Tensor, noise: Callable[[], Tensor]) -> Tensor:
    """Guided points (models, points) at the last time, from `start`; the SDE takes noise of that shape for each step."""
    x = start
    for t, to in itertools.pairwise(grid):
        mu, g = t - to, slope(t, gamma, marginal)[:, None]
        x = x * (1.0 + 0.5 * mu * (1.0 - g)) if sampler == "ode" else x * (1.0 + mu * (0.5 - g)) + mu.sqrt() * noise()
    return x


def posterior_gap(means: Tensor, deviations: Tensor, t: Tensor, x: Tensor) -> Tensor:
    """The largest |sum_k p_t(k|x) s_k(x) - s(x)| over x (points,) of a K-class mixture of N(mean_k, deviation_k^2) (K,)."""
    centre = torch.exp(-0.5 * t) * means
    spread = torch.exp(-t) * deviations.square() - torch.expm1(-t)
    x = x.detach().requires_grad_()
    logs = -0.5 * (x[:, None] - centre).square() / spread - 0.5 * spread.log()
    (whole,) = torch.autograd.grad(torch.logsumexp(logs, 1).sum(), x)
    parts = (torch.softmax(logs, 1) * (centre - x[:, None]) / spread).sum(1)
    return (parts - whole).abs().max().detach()
