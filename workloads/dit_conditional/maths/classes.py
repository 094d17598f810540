"""Turns a number of classes into normal laws, one for each, whose diffused mixture has closed forms: labels as conditions.

Source: arXiv:2411.17522, (2.4) to (2.6), guidance with labels; the law is ours. The score without a label is that of the
classes weighed by their posterior, sum_k p_t(k|x) s_k(x). A label k of K is the condition y = (k + 1/2)/K.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

RADIUS, SPREAD = 2.0, 0.25  # length of the classes' means, variance about them


@dataclass(frozen=True)
class Classes:
    """p(x|k) = N(mean_k, I/4) on R^dx, k even on K labels; means on a circle of the first two axes, on a line where dx = 1."""

    x_dim: int
    count: int
    y_dim: int = 1

    @cached_property
    def means(self) -> Tensor:
        """Means (K, dx), float64."""
        means = torch.zeros(self.count, self.x_dim, dtype=torch.float64)
        if self.x_dim == 1:
            means[:, 0] = torch.linspace(-RADIUS, RADIUS, self.count, dtype=torch.float64)
            return means
        turn = 2 * math.pi * torch.arange(self.count, dtype=torch.float64) / self.count
        means[:, 0], means[:, 1] = RADIUS * torch.cos(turn), RADIUS * torch.sin(turn)
        return means

    @cached_property
    def frequencies(self) -> Tensor:
        """The least and the highest frequency that a network's waves are given; enough to tell the labels apart."""
        return torch.tensor([1.0, 2.0 * self.count], dtype=torch.float64)

    def labels(self, y: Tensor) -> Tensor:
        """Labels (...) of conditions (..., 1)."""
        return (y[..., 0] * self.count).long().clamp(0, self.count - 1)

    def diffused(self, x: Tensor, y: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """p_t(x|y) (...) and its score (..., dx) at points (..., dx), conditions (..., 1) and times (...)."""
        logs, away, total = self._parts(x, t)
        label = self.labels(y).expand(logs.shape[:-1])[..., None]
        score = -away.take_along_dim(label[..., None], -2).squeeze(-2) / total[..., None]
        return logs.take_along_dim(label, -1).squeeze(-1).exp(), score

    def marginal(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """p_t(x) (...) and its score (..., dx), labels weighed by their posterior."""
        logs, away, total = self._parts(x, t)
        centre = (torch.softmax(logs, -1)[..., None] * away).sum(-2)
        return logs.exp().mean(-1), -centre / total[..., None]

    def _parts(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logarithms of the classes' densities (..., K), differences from their means (..., K, dx), and the variance (...)."""
        total = SPREAD * torch.exp(-t) - torch.expm1(-t)
        away = x.unsqueeze(-2) - torch.exp(-0.5 * t)[..., None, None] * self.means.to(x)
        logs = -0.5 * away.square().sum(-1) / total[..., None] - 0.5 * self.x_dim * torch.log(2 * math.pi * total)[..., None]
        return logs, away, total

    def sample(self, y: Tensor, draws: torch.Generator) -> Tensor:
        """Clean points (n, dx), one for each condition (n, 1)."""
        noise = torch.randn(len(y), self.x_dim, generator=draws, dtype=torch.float64, device=y.device)
        return self.means.to(y)[self.labels(y)] + math.sqrt(SPREAD) * noise

    def conditions(self, n: int, draws: torch.Generator) -> Tensor:
        """Conditions (n, 1) of labels drawn evenly."""
        label = torch.randint(self.count, (n, 1), generator=draws, device=draws.device)
        return (label.double() + 0.5) / self.count
