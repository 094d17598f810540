"""Turns the name of a latent law into its samples, and its law after any time of diffusion into exact scores.

Source: arXiv:2407.01079, A2.1 to A2.3 (what a latent law must have) and Lemma 2.1; the laws and their forms are ours.
Symbols: h = latent point (..., d) · t = time (...) · beta = e^(-t/2) · sigma = 1 - e^(-t), a variance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from workloads.shared.diffusion.process import signal, variance

NAMES = ("gaussian", "mixture", "laplace")
RADIUS, SPREAD = 2.0, 0.25  # of the mixture: length of its four means, variance about them


@dataclass(frozen=True)
class Latent:
    """A law on R^d: "gaussian" with variances from 4 to 1, "mixture" of four, "laplace" with independent coordinates.

    The mixture has equal weights, means of length 2 on the first two axes and covariance I/4 (for d = 1 two means). A
    Laplace coordinate has variance 1; its tail is heavier than A2.2 allows, which makes it the rougher law of the three.
    """

    name: str
    dim: int
    out_of: int = 0  # coordinates of the law whose first ones these are; 0 for all
    jitter: float = 0.0  # standard deviation of normal noise that comes to h, outside of A2.1

    def first(self, dims: int) -> Latent:
        """The law of the first coordinates."""
        return self if dims >= self.dim else Latent(self.name, dims, self.out_of or self.dim, self.jitter)

    @property
    def means(self) -> Tensor:
        """Means (k, d) of the components, float64."""
        means = torch.zeros(1 if self.name == "gaussian" else 2 * min(self.dim, 2), self.dim, dtype=torch.float64)
        if self.name == "mixture":
            for axis in range(min(self.dim, 2)):
                means[2 * axis, axis], means[2 * axis + 1, axis] = RADIUS, -RADIUS
        return means

    @property
    def variances(self) -> Tensor:
        """Variances (d,) of the coordinates about their component's mean, float64."""
        if self.name == "gaussian":
            return torch.logspace(math.log10(4.0), 0.0, self.out_of or self.dim, dtype=torch.float64)[: self.dim]
        return torch.full((self.dim,), SPREAD if self.name == "mixture" else 1.0, dtype=torch.float64)

    @property
    def least_moment(self) -> float:
        """The least eigenvalue of E[h h'], c0 in the paper."""
        moment = self.variances
        if self.name == "mixture":
            moment = moment + self.means.square().mean(0)
        return float(moment.min())

    @property
    def divergence(self) -> float:
        """KL(law | N(0, I))."""
        if self.name == "laplace":  # scale 1/sqrt 2: mean square 1, entropy 1 + ln(2 scale)
            return self.dim * (0.5 * (1.0 + math.log(2.0 * math.pi)) - 1.0 - math.log(math.sqrt(2.0)))
        v = self.variances
        own = float(0.5 * (v - 1.0 - v.log()).sum())
        return own if self.name == "gaussian" else own + 0.5 * RADIUS**2 - self._shared()

    def _shared(self) -> float:
        """What the mixture's entropy has over a component's, by Gauss-Hermite quadrature in the first two axes."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(80)
        means = self.means[:, : min(self.dim, 2)].numpy()
        grid = np.stack(np.meshgrid(*[nodes] * means.shape[1], indexing="ij"), -1).reshape(-1, means.shape[1])
        mass = np.prod(np.stack(np.meshgrid(*[weights] * means.shape[1], indexing="ij"), -1), -1).ravel()
        h = means[0] + math.sqrt(SPREAD) * grid  # all components look alike
        logits = -((h[:, None] - means) ** 2).sum(-1) / (2 * SPREAD)
        share = logits[:, 0] - np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1)) - logits.max(1)
        return float((mass * share).sum() / mass.sum() + math.log(len(means)))


@dataclass(frozen=True)
class Density:
    """The logarithm of a law's density at one time, as a function of points (..., d)."""

    latent: Latent
    time: float

    def __call__(self, h: Tensor) -> Tensor:
        """ln p_t(h), (...)."""
        return log_density(self.latent, h, torch.full(h.shape[:-1], self.time, dtype=h.dtype, device=h.device))


def check(name: str) -> None:
    """Refuse a law that is not there."""
    if name not in NAMES:
        raise ValueError(f"family must be one of {', '.join(NAMES)}, but got '{name}'; write one of them.")


def sample(latent: Latent, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float64) -> Tensor:
    """Independent draws (count, d) without the jitter, on the generator's device."""
    device = generator.device
    if latent.name == "laplace":
        u = torch.rand(count, latent.dim, generator=generator, dtype=dtype, device=device) - 0.5
        tiny = torch.finfo(dtype).tiny
        return -u.sign() * torch.log((1.0 - 2.0 * u.abs()).clamp_min(tiny)) / math.sqrt(2.0)
    spread = latent.variances.sqrt().to(device, dtype)
    around = torch.randn(count, latent.dim, generator=generator, dtype=dtype, device=device) * spread
    means = latent.means.to(device, dtype)
    if len(means) == 1:
        return around
    return means[torch.randint(len(means), (count,), generator=generator, device=device)] + around


def log_density(latent: Latent, h: Tensor, t: Tensor | float) -> Tensor:
    """ln p_t(h) at points (..., d) and a time or times (...)."""
    time = torch.as_tensor(t, dtype=h.dtype, device=h.device)
    if latent.name == "laplace":
        return torch.logsumexp(_laplace_logs(latent, h, time), 0).sum(-1)
    logits, total = _mixture_logits(latent, h, time)
    norm = 0.5 * torch.log(2.0 * math.pi * total).sum(-1)
    return torch.logsumexp(logits, -1) - math.log(logits.shape[-1]) - norm


def score(latent: Latent, h: Tensor, t: Tensor | float) -> Tensor:
    """The gradient of ln p_t at points (..., d) and a time or times (...)."""
    time = torch.as_tensor(t, dtype=h.dtype, device=h.device)
    if latent.name == "laplace":
        share_right, share_left = torch.softmax(_laplace_logs(latent, h, time), 0)
        return (share_left - share_right) * math.sqrt(2.0) / signal(time)[..., None]
    logits, total = _mixture_logits(latent, h, time)
    means = latent.means.to(h)
    centre = torch.softmax(logits, -1) @ means
    return (signal(time)[..., None] * centre - h) / total


def prediction(latent: Latent, h: Tensor, t: Tensor | float) -> Tensor:
    """beta(t) E[h_0 | h_t = h], the network's target: sigma(t) times the score, plus h."""
    time = torch.as_tensor(t, dtype=h.dtype, device=h.device)
    return variance(time)[..., None] * score(latent, h, time) + h


def _mixture_logits(latent: Latent, h: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Exponents of the components (..., k) and the variances of the noisy coordinates (..., d)."""
    means = latent.means.to(h)
    total = signal(t).square()[..., None] * (latent.variances + latent.jitter**2).to(h) + variance(t)[..., None]
    away = h.unsqueeze(-2) - signal(t)[..., None, None] * means  # (..., k, d)
    return -0.5 * (away.square() / total.unsqueeze(-2)).sum(-1), total


def _laplace_logs(latent: Latent, h: Tensor, t: Tensor) -> Tensor:
    """Logarithms of the two halves of each coordinate's density (2, ..., d): clean points right and left of zero.

    A half is exp(sigma/2a^2 -+ h/a) Phi((+-h - sigma/a)/sqrt(sigma)) / 2a with scale a = beta/sqrt 2; the derivatives of the
    two Phi cancel in the score.
    """
    scale = (signal(t) / math.sqrt(2.0))[..., None]
    sigma = (variance(t) + (latent.jitter * signal(t)).square())[..., None]
    common = sigma / (2.0 * scale.square()) - torch.log(2.0 * scale)
    halves = [common - s * h / scale + torch.special.log_ndtr((s * h - sigma / scale) / sigma.sqrt()) for s in (1.0, -1.0)]
    return torch.stack(halves)
