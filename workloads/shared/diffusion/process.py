"""Turns clean points into noisy ones and scores into samples: the Ornstein-Uhlenbeck diffusion forwards and backwards.

Source: arXiv:2407.01079, (2.1) and D.2 to D.4; x_t = beta(t) x_0 + sqrt(variance(t)) z with beta = e^(-t/2) and variance
1 - e^(-t), which that paper calls sigma(t) and arXiv:2411.17522 sigma_t^2. Shapes: (models, points, D); times broadcast.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

# (noisy points, times (models, points)) to what is predicted of the same points: a score, or beta(t) E[x_0 | x_t].
Field = Callable[[Tensor, Tensor], Tensor]
# (first step, number of steps) to clean points (models, steps * points, D), two normal noises alike and uniform numbers.
Draws = Callable[[int, int], tuple[Tensor, Tensor, Tensor, Tensor]]
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


def schedule(t0: float, horizon: float, *, step: float = 0.0, steps: int = 0) -> Tensor:
    """Times falling from horizon to t0, float64: in equal steps of at most `step`, or in `steps` of equal ratio."""
    if step > 0:
        count = math.ceil((horizon - t0) / step - 1e-9)
        even = [horizon - k * (horizon - t0) / count for k in range(count)]
        return torch.tensor([*even, t0], dtype=torch.float64)
    ratios = [horizon * (t0 / horizon) ** (k / steps) for k in range(steps)]
    return torch.tensor([*ratios, t0], dtype=torch.float64)


def backward(field: Field, start: Tensor, grid: Tensor, noise: Callable[[int], Tensor], scheme: str = "bridge") -> Tensor:
    """Points at the last time of each model's falling grid (models, steps + 1), from `start` at its first, backwards.

    "euler": the paper's step, drift x/2 + score held still; `field` gives scores. "bridge": `field` gives beta E[x_0 | x_t],
    whose E[x_0 | x_t] is held still while the rest is solved exactly. `noise(k)` is standard normal, shaped as `start`.
    """
    x = start
    for k in range(grid.shape[1] - 1):
        x = (_euler if scheme == "euler" else _bridge)(field, x, grid[:, k], grid[:, k + 1], noise(k))
    return x


def _euler(score: Field, x: Tensor, t: Tensor, to: Tensor, noise: Tensor) -> Tensor:
    mu = (t - to).to(x)[:, None, None]
    return x + mu * (0.5 * x + score(x, t.to(x)[:, None].expand(x.shape[:2]))) + mu.sqrt() * noise


def _bridge(prediction: Field, x: Tensor, t: Tensor, to: Tensor, noise: Tensor) -> Tensor:
    """A draw of x_to given x_t and x_0, the predicted one: the diffusion's own bridge."""
    passed, now, then = variance(t - to), variance(t), variance(to)
    of_x = torch.exp(0.5 * (to - t)) * then / now
    of_clean = torch.exp(0.5 * (t - to)) * passed / now
    spread = (passed * then / now).sqrt()
    factors = [part.to(x)[:, None, None] for part in (of_x, of_clean, spread)]
    return factors[0] * x + factors[1] * prediction(x, t.to(x)[:, None].expand(x.shape[:2])) + factors[2] * noise


def drift_error(predicted: Field, exact: Field, x: Tensor, t: Tensor, x_late: Tensor, late: Tensor, scheme: str) -> Tensor:
    """Squared distance (models, points) of the drift that a backward step uses at time t from the true one.

    The step began at `late` in `x_late`; fields are as in `backward` for the scheme, `exact` the true one of the same kind.
    """
    if scheme == "euler":
        return (0.5 * (x_late - x) + predicted(x_late, late) - exact(x, t)).square().sum(-1)
    still = predicted(x_late, late) * torch.exp(0.5 * (late - t))[..., None]
    return (still - exact(x, t)).square().sum(-1) / variance(t).square()


def girsanov(
    predicted: Field, exact: Field, draw: Draws, grid: Tensor, block: int = 1, scheme: str = "bridge"
) -> tuple[Tensor, Tensor]:
    """Twice the divergence KL(true path | sampled path) of `backward` from the same start, and its standard error; (models,).

    The integral over time of `drift_error` under the true diffusion, discretisation included: one time in every step, at
    random; `block` steps are looked at together.
    """
    means, errors = [], []
    for k in range(0, grid.shape[1] - 1, block):
        edges = grid[:, k : k + block + 1]
        steps = edges.shape[1] - 1
        x0, first, second, uniform = draw(k, steps)
        points = uniform.shape[1] // steps
        late, early = (edge.to(x0).repeat_interleave(points, 1) for edge in (edges[:, :-1], edges[:, 1:]))
        t = early + (late - early) * uniform
        x = noisy(x0, t, first)
        errors_at = (late - early) * drift_error(predicted, exact, x, t, later(x, t, late, second), late, scheme)
        parts = errors_at.double().view(-1, steps, points)
        means.append(parts.mean(2).sum(1))
        errors.append(parts.var(2).sum(1) / points)
    return torch.stack(means).sum(0), torch.stack(errors).sum(0).sqrt()


def orthogonal_variances(t0: float, horizon: float, step: float) -> Iterator[float]:
    """Variance of one coordinate in which all data are zero, start included, along Euler's steps with the exact score."""
    v = 1.0
    yield v
    for t, to in itertools.pairwise(schedule(t0, horizon, step=step).tolist()):
        mu = t - to
        v = (1.0 + mu * (0.5 + 1.0 / math.expm1(-t))) ** 2 * v + mu
        yield v


def start_divergence(kl: float, extra: int, horizon: float) -> float:
    """A bound on KL(P_T | N(0, I)): latent part KL(P_0 | N) that decays like e^(-T), and `extra` coordinates without data."""
    sigma = -math.expm1(-horizon)
    return math.exp(-horizon) * kl + 0.5 * extra * (sigma - 1.0 - math.log(sigma))
