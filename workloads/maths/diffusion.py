"""Turns clean points into noisy ones and scores into samples: the Ornstein-Uhlenbeck diffusion forwards and backwards.

Source: arXiv:2407.01079, (2.1) and D.2 to D.4; x_t = beta(t) x_0 + sqrt(variance(t)) z with beta = e^(-t/2) and variance
1 - e^(-t), which that paper calls sigma(t) and arXiv:2411.17522 sigma_t^2. Shapes: (models, points, D); times broadcast.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

# (noisy points, times (models, points)) to what is predicted of the same points: a score, or beta(t) E[x_0 | x_t].
Field = Callable[[Tensor, Tensor], Tensor]
Draws = Callable[[int, int], Tensor]
SCHEMES = ("euler", "bridge")


def signal(t: Tensor) -> Tensor:
    """What is left of the clean point at time t, beta = e^(-t/2)."""
    return torch.exp(-0.5 * t)


def variance(t: Tensor) -> Tensor:
    """The noise that has come by time t, 1 - e^(-t)."""
    return -torch.expm1(-t)


def noisy(clean: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    """x_t of clean points (..., D) at times (...), with standard normal noise (..., D)."""
    return signal(t)[..., None] * clean + variance(t).sqrt()[..., None] * noise


def later(x: Tensor, t: Tensor, to: Tensor, noise: Tensor) -> Tensor:
    """x_to given x_t, for to >= t."""
    return noisy(x, to - t, noise)


def times(uniform: Tensor, t0: float, horizon: float, spread: str = "log") -> Tensor:
    """Training times in [t0, horizon] of uniform numbers: spread evenly in t ("uniform") or in ln t ("log")."""
    if spread == "uniform":
        return t0 + (horizon - t0) * uniform
    return t0 * torch.exp(uniform * math.log(horizon / t0))


def quadrature(t0: float, horizon: float, points: int) -> tuple[Tensor, Tensor]:
    """Times and weights (points,) in float64 of averages over t uniform in [t0, horizon], by Gauss-Legendre in ln t.

    The integrand is largest near t0, where evenly spaced times would miss it.
    """
    nodes, weights = np.polynomial.legendre.leggauss(points)
    half = 0.5 * math.log(horizon / t0)
    t = t0 * np.exp(half * (nodes + 1.0))
    return torch.from_numpy(t), torch.from_numpy(weights * half * t / (horizon - t0))


def schedule(t0: float, horizon: float, *, step: float = 0.0, steps: int = 0) -> list[float]:
    """Times falling from horizon to t0: steps of equal length `step` (the last may be shorter), or `steps` of equal ratio."""
    if step > 0:
        whole = math.ceil((horizon - t0) / step - 1e-9)
        return [horizon - k * step for k in range(whole)] + [t0]
    return [horizon * (t0 / horizon) ** (k / steps) for k in range(steps)] + [t0]


def backward(
    field: Field, start: Tensor, grid: Sequence[float], noise: Callable[[int], Tensor], scheme: str = "bridge"
) -> Tensor:
    """Points at the last time of a decreasing grid, from `start` (models, points, D) at its first, by the reversed diffusion.

    "euler": the paper's step, drift x/2 + score held still; `field` gives scores. "bridge": `field` gives beta E[x_0 | x_t],
    whose E[x_0 | x_t] is held still while the rest is solved exactly. `noise(k)` is standard normal of the shape of `start`.
    """
    x = start
    for k, (t, to) in enumerate(itertools.pairwise(grid)):
        x = (_euler if scheme == "euler" else _bridge)(field, x, t, to, noise(k))
    return x


def _at(x: Tensor, t: float) -> Tensor:
    return x.new_full(x.shape[:-1], t)


def _euler(score: Field, x: Tensor, t: float, to: float, noise: Tensor) -> Tensor:
    return x + (t - to) * (0.5 * x + score(x, _at(x, t))) + math.sqrt(t - to) * noise


def _bridge(prediction: Field, x: Tensor, t: float, to: float, noise: Tensor) -> Tensor:
    """A draw of x_to given x_t and x_0, the predicted one: the diffusion's own bridge."""
    clean = prediction(x, _at(x, t)) * math.exp(0.5 * t)
    passed, now, then = -math.expm1(to - t), -math.expm1(-t), -math.expm1(-to)
    mean = math.exp(0.5 * (to - t)) * then / now * x + math.exp(-0.5 * to) * passed / now * clean
    return mean + math.sqrt(passed * then / now) * noise


def drift_error(predicted: Field, exact: Field, x: Tensor, t: Tensor, x_late: Tensor, late: Tensor, scheme: str) -> Tensor:
    """Squared distance (models, points) of the drift that a backward step uses at time t from the true one.

    The step began at `late` in `x_late`; fields are as in `backward` for the scheme, `exact` the true one of the same kind.
    """
    if scheme == "euler":
        return (0.5 * (x_late - x) + predicted(x_late, late) - exact(x, t)).square().sum(-1)
    held = predicted(x_late, late) * torch.exp(0.5 * (late - t))[..., None]
    return (held - exact(x, t)).square().sum(-1) / variance(t).square()


def girsanov(
    predicted: Field, exact: Field, clean: Callable[[int], Tensor], grid: Sequence[float], draw: Draws, scheme: str
) -> tuple[Tensor, Tensor]:
    """Twice the divergence KL(true path | sampled path) of `backward` from the same start, and its standard error; (models,).

    The integral over time of `drift_error` under the true diffusion, discretisation included: one time in every step, at
    random. `clean(k)` gives points (models, points, D) of step k, `draw(k, i)` standard normal noise for i = 0, 1 and uniform
    numbers (models, points) for i = 2.
    """
    total: Tensor | float = 0.0
    spread: Tensor | float = 0.0
    for k, (late, early) in enumerate(itertools.pairwise(grid)):
        x0 = clean(k)
        t = early + (late - early) * draw(k, 2)
        x = noisy(x0, t, draw(k, 0))
        to = torch.full_like(t, late)
        found = (late - early) * drift_error(predicted, exact, x, t, later(x, t, to, draw(k, 1)), to, scheme).double()
        total = total + found.mean(1)
        spread = spread + found.var(1) / found.shape[1]
    assert isinstance(total, Tensor) and isinstance(spread, Tensor)
    return total, spread.sqrt()


def orthogonal_variances(t0: float, horizon: float, step: float) -> Iterator[float]:
    """Variance of one coordinate in which all data are zero, start included, along Euler's steps with the exact score."""
    grid = schedule(t0, horizon, step=step)
    v = 1.0
    yield v
    for t, to in itertools.pairwise(grid):
        mu = t - to
        v = (1.0 + mu * (0.5 + 1.0 / math.expm1(-t))) ** 2 * v + mu
        yield v


def start_divergence(kl: float, extra: int, horizon: float) -> float:
    """A bound on KL(P_T | N(0, I)): latent part KL(P_0 | N) that decays like e^(-T), and `extra` coordinates without data."""
    sigma = -math.expm1(-horizon)
    return math.exp(-horizon) * kl + 0.5 * extra * (sigma - 1.0 - math.log(sigma))
