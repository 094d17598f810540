"""A diffusion over types and angles: its schedule, noise, posteriors, denoising loss and sampler; many models at once.

Types are replaced by uniform ones (Hoogeboom et al. 2021), angles get Gaussian noise (Ho et al. 2020); the network predicts the
types at time 0 and the noise of the angles, as DiffAb does (Luo et al. 2022), without its rotations. DiffAb's released
posterior of types has the product of all keep probabilities in both factors, where one step's belongs into the first.
Shapes begin with (models, designs).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

OFFSET, MOST = 0.01, 0.999
REACH = math.pi
SPREAD = math.pi / math.sqrt(3)
"""Angles are diffused on a line, up to REACH on either side, in units of the standard deviation of a uniform one."""
Predict = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""Of types (..., n), scaled angles (..., n) and times (...): logits (..., n, K) of the types at time 0, and noise (..., n)."""


@dataclass(frozen=True)
class Schedule:
    """For times 0 … T: what is kept of time 0 (`survival`), and of the time before (`step`); both (T + 1,)."""

    survival: Tensor
    step: Tensor
    posterior: str = "exact"

    @property
    def times(self) -> int:
        """T."""
        return len(self.survival) - 1

    def of(self, name: str, t: Tensor, like: Tensor) -> Tensor:
        """`survival` or `step` at times t, with as many further dimensions as `like` has."""
        values: Tensor = getattr(self, name)[t]
        return values.reshape(values.shape + (1,) * (like.dim() - t.dim()))


@dataclass(frozen=True)
class Noised:
    """Designs at times t (models, designs): types and scaled angles (..., n), with the noise that the angles got."""

    types: Tensor
    angles: Tensor
    noise: Tensor
    t: Tensor


def cosine(times: int, device: str = "cpu", posterior: str = "exact") -> Schedule:
    """The cosine schedule (Nichol and Dhariwal 2021) with an offset of 0.01; no step loses more than 99.9 %."""
    progress = torch.arange(times + 1, dtype=torch.float64) / times
    survival = torch.cos(math.pi / 2 * (progress + OFFSET) / (1 + OFFSET)).square()
    survival = survival / survival[0]
    step = torch.cat([survival.new_ones(1), (survival[1:] / survival[:-1]).clamp_min(1 - MOST)])
    return Schedule(survival.float().to(device), step.float().to(device), posterior)


def posterior(schedule: Schedule, types: Tensor, start: Tensor, t: Tensor) -> Tensor:
    """Probabilities (..., n, K) of the types one time earlier, given those at t and a law (..., n, K) of those at time 0."""
    k = start.shape[-1]
    before = (t - 1).clamp_min(0)
    near = schedule.of("step" if schedule.posterior == "exact" else "survival", t, start)
    far = schedule.of("survival", before if schedule.posterior == "exact" else t, start)
    here = torch.nn.functional.one_hot(types, k).to(start)
    product = (near * here + (1 - near) / k) * (far * start + (1 - far) / k)
    return product / product.sum(-1, keepdim=True)


def noised(schedule: Schedule, types: Tensor, angles: Tensor, draws: Draws) -> Noised:
    """Designs of types and angles (..., n) at the times of these draws."""
    survival = schedule.of("survival", draws.t, angles)
    k_types = torch.where(draws.keep < survival, types, draws.types)
    scaled = survival.sqrt() * angles / SPREAD + (1 - survival).sqrt() * draws.noise
    return Noised(k_types, scaled, draws.noise, draws.t)


@dataclass(frozen=True)
class Draws:
    """The chance of a noising: a time, noise of angles, types to be taken, and numbers that decide whether they are."""

    t: Tensor
    noise: Tensor
    keep: Tensor
    types: Tensor


def truth(schedule: Schedule, types: Tensor, count: int, noised_designs: Noised) -> Tensor:
    """The posterior (..., n, K) of noised designs that began as these types (..., n) of so many."""
    return posterior(
        schedule, noised_designs.types, torch.nn.functional.one_hot(types, count).to(noised_designs.angles), noised_designs.t
    )


def losses(schedule: Schedule, predicted: tuple[Tensor, Tensor], truth: Tensor, noised_designs: Noised) -> Tensor:
    """The denoising loss of each design, (models, designs): divergence of the posteriors of types, squared error of noise."""
    logits, noise = predicted
    guess = posterior(schedule, noised_designs.types, law_of(logits), noised_designs.t)
    divergence = (torch.special.xlogy(truth, truth) - torch.special.xlogy(truth, guess.clamp_min(1e-30))).sum((-2, -1))
    return divergence + (noise - noised_designs.noise).square().sum(-1)


def sample(
    schedule: Schedule,
    predict: Predict,
    shape: tuple[int, int, int],
    types: int,
    generators: Sequence[torch.Generator],
    heat: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Types and angles of designs, `shape` (models, designs, n) each, from the end of time to its begin.

    Each model draws from its own generator. `heat` divides logits and multiplies the variance of the noise.
    """
    device = schedule.survival.device
    at_types = each(generators, lambda g: torch.randint(types, shape[1:], generator=g, device=g.device)).to(device)
    at_angles = each(generators, lambda g: torch.randn(shape[1:], generator=g, device=g.device)).to(device)
    for time in range(schedule.times, 0, -1):
        t = torch.full(shape[:2], time, device=device)
        chance = each(generators, lambda g: torch.rand(2, *shape[1:], generator=g, device=g.device)).to(device)
        logits, noise = predict(at_types, at_angles, t)
        law = posterior(schedule, at_types, law_of(logits / heat), t)
        at_angles = _earlier(schedule, at_angles, noise, time)
        if time > 1:
            at_angles = at_angles + math.sqrt(heat) * _spread(schedule, time) * _normal(chance[:, 0])
        at_types = (law.cumsum(-1) < chance[:, 1, ..., None]).sum(-1).clamp_max(types - 1)
    return at_types, at_angles * SPREAD


def law_of(logits: Tensor) -> Tensor:
    """Probabilities of the last dimension; torch's own softmax takes three times as long where that is short."""
    weights = torch.exp(logits - logits.detach().amax(-1, keepdim=True))
    return weights / weights.sum(-1, keepdim=True)


def each(generators: Sequence[torch.Generator], draw: Callable[[torch.Generator], Tensor]) -> Tensor:
    """What every generator draws, stacked."""
    return torch.stack([draw(generator) for generator in generators])


def _normal(uniform: Tensor) -> Tensor:
    """Standard normal numbers of uniform ones."""
    return torch.special.ndtri(uniform.clamp(1e-7, 1 - 1e-7))


def _earlier(schedule: Schedule, angles: Tensor, noise: Tensor, time: int) -> Tensor:
    """The mean of the angles one time earlier; what they are thought to come from stays within reach."""
    survival, before, step = schedule.survival[time], schedule.survival[time - 1], schedule.step[time]
    start = ((angles - (1 - survival).sqrt() * noise) / survival.sqrt().clamp_min(1e-4)).clamp(-REACH / SPREAD, REACH / SPREAD)
    return (before.sqrt() * (1 - step) * start + step.sqrt() * (1 - before) * angles) / (1 - survival)


def _spread(schedule: Schedule, time: int) -> float:
    """The standard deviation of that step."""
    survival, before, step = (float(x) for x in (schedule.survival[time], schedule.survival[time - 1], schedule.step[time]))
    return math.sqrt((1 - step) * (1 - before) / (1 - survival))
