"""Turns a smoothness into a conditional density of just that, whose diffused density and score have closed forms.

Source: a lacunary (Weierstrass) series under assumption A2 of arXiv:2411.17522 (strong Hoelder, Def. 2.1), the weights falling
like b^(-j beta): p(x|y) ~ exp(-|x|^2/2) f(x, y), f = 1 + sum_j a_j cos(w_j (u_j x + v_j y) + phase_j), in H^beta as the number
of waves grows. With amplitude 1 and phases that meet, f comes down to 0: A1 without A2. Arrays are float64, points (..., dx).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

BASE, LOWEST = 2.0, 2.0  # ratio of neighbouring frequencies, and the least of them
AMPLITUDES = {"strong": 0.6, "generic": 1.0}
NODES = 64  # of the quadrature over conditions


@dataclass(frozen=True)
class Law:
    """p(x|y) of smoothness `beta` on R^dx, y uniform on [0, 1]^dy; `assumption` is strong (A2) or generic (A1)."""

    beta: float
    x_dim: int = 1
    y_dim: int = 0
    waves: int = 8
    assumption: str = "strong"

    @cached_property
    def weights(self) -> Tensor:
        """a_j (J,), falling like 2^(-j beta), their sum the amplitude."""
        raw = BASE ** (-self.beta * torch.arange(self.waves, dtype=torch.float64))
        return AMPLITUDES[self.assumption] * raw / raw.sum()

    @cached_property
    def frequencies(self) -> Tensor:
        """w_j (J,), each twice the one before."""
        return LOWEST * BASE ** torch.arange(self.waves, dtype=torch.float64)

    @cached_property
    def directions(self) -> tuple[Tensor, Tensor, Tensor]:
        """Unit vectors u (J, dx), vectors v (J, dy) of length 1, and phases (J,): of the law, not of the seed."""
        draws = torch.Generator().manual_seed(20241117)
        u = torch.randn(self.waves, self.x_dim, generator=draws, dtype=torch.float64)
        v = torch.randn(self.waves, max(self.y_dim, 1), generator=draws, dtype=torch.float64)
        phases = 2 * math.pi * torch.rand(self.waves, generator=draws, dtype=torch.float64)
        if self.assumption == "generic":
            phases = torch.full_like(phases, math.pi)  # all waves meet at x = 0, y = 0, where f is 0
        return u / u.norm(dim=1, keepdim=True), (v / v.norm(dim=1, keepdim=True))[:, : self.y_dim], phases

    def series(self, like: Tensor) -> tuple[Tensor, ...]:
        """a_j, w_j, u_j, v_j and phase_j on the device of a tensor."""
        return tuple(part.to(like.device) for part in (self.weights, self.frequencies, *self.directions))

    def phase(self, y: Tensor) -> Tensor:
        """w_j v_j y + phase_j (..., J) of conditions (..., dy)."""
        _, frequencies, _, v, phases = self.series(y)
        return frequencies * (y @ v.mT) + phases

    def factor(self, x: Tensor, y: Tensor) -> Tensor:
        """f(x, y), between 1 - amplitude and 1 + amplitude."""
        weights, frequencies, u, *_ = self.series(x)
        return 1.0 + (weights * torch.cos(frequencies * (x @ u.mT) + self.phase(y))).sum(-1)

    def normaliser(self, y: Tensor) -> Tensor:
        """Z(y), the integral of exp(-|x|^2/2) f(x, y) over x; (...)."""
        weights, frequencies, *_ = self.series(y)
        damped = weights * torch.exp(-0.5 * frequencies.square())
        return (2 * math.pi) ** (self.x_dim / 2) * (1.0 + (damped * torch.cos(self.phase(y))).sum(-1))

    def diffused(self, x: Tensor, y: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """p_t(x|y) (...) and its score (..., dx) at times t (...); by (3.2) of arXiv:2411.17522 with C2 = 1.

        x_t = e^(-t/2) x_0 + sqrt(1 - e^-t) noise. With C2 = 1 the Gaussian factor does not change: it is the law at infinity.
        """
        mean, spread = torch.exp(-0.5 * t), -torch.expm1(-t)
        weights, frequencies, u, *_ = self.series(x)
        damped = weights * torch.exp(-0.5 * frequencies.square() * spread[..., None])
        angle = frequencies * (mean[..., None] * (x @ u.mT)) + self.phase(y)
        h = 1.0 + (damped * torch.cos(angle)).sum(-1)
        slope = -((damped * frequencies * torch.sin(angle)) @ u) * mean[..., None]
        density = torch.exp(-0.5 * x.square().sum(-1)) * h / self.normaliser(y)
        return density, -x + slope / h[..., None]

    def marginal(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """p_t(x) (...) and its score (..., dx), the condition averaged over [0, 1]^dy by Gauss-Legendre."""
        if self.y_dim == 0:
            return self.diffused(x, x.new_zeros(*x.shape[:-1], 0), t)
        nodes, weights = np.polynomial.legendre.leggauss(NODES if self.y_dim == 1 else 24)
        axes = [torch.from_numpy(0.5 * (nodes + 1))] * self.y_dim
        y = torch.cartesian_prod(*axes).view(-1, self.y_dim).to(x.device)
        share = torch.from_numpy(0.5 * weights)
        joint = torch.cartesian_prod(*[share] * self.y_dim).view(-1, self.y_dim).prod(-1).to(x.device)
        density, score = self.diffused(x.unsqueeze(-2), y, t.unsqueeze(-1))
        whole = (joint * density).sum(-1)
        return whole, ((joint * density)[..., None] * score).sum(-2) / whole[..., None]

    def sample(self, y: Tensor, draws: torch.Generator) -> Tensor:
        """Clean points (n, dx), one for each condition (n, dy), by rejection from the standard normal law."""
        accepted = torch.empty(len(y), self.x_dim, dtype=torch.float64, device=y.device)
        open_ = torch.arange(len(y), device=y.device)
        most = 1.0 + AMPLITUDES[self.assumption]
        while len(open_):
            x = torch.randn(len(open_), self.x_dim, generator=draws, dtype=torch.float64, device=y.device)
            taken = torch.rand(len(open_), generator=draws, dtype=torch.float64, device=y.device) * most < self.factor(
                x, y[open_]
            )
            accepted[open_[taken]] = x[taken]
            open_ = open_[~taken]
        return accepted

    def conditions(self, n: int, draws: torch.Generator) -> Tensor:
        """Conditions (n, dy), uniform on [0, 1]^dy."""
        return torch.rand(n, self.y_dim, generator=draws, dtype=torch.float64, device=draws.device)


def exponents(law: Law) -> tuple[float, float, float, float]:
    """The rates' exponents in 1/n: squared score error under A2, TV under A2, squared score error under A1, TV under A1."""
    d = law.x_dim + law.y_dim
    strong, generic = 2 * law.beta / (d + 2 * law.beta), law.beta / (d + law.beta)
    return strong, strong / 2, generic, generic / 4
