"""The diffusions that alignment begins from: trained once for a seed and a shape, and remembered by the process."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workloads.alignab.maths import denoiser, diffusion
from workloads.shared.training import ensemble

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

RATE, BATCH = 2e-3, 256
MOST = 256
"""References that a process remembers, the latest ones."""


@dataclass(frozen=True)
class Shape:
    """What a reference depends on beside its seed."""

    positions: int
    types: int
    times: int
    width: int
    steps: int
    posterior: str

    def schedule(self, device: str) -> diffusion.Schedule:
        """Its times."""
        return diffusion.cosine(self.times, device, self.posterior)

    @property
    def layout(self) -> ensemble.Layout:
        """Its network's parameters."""
        return denoiser.layout(self.positions, self.types, self.width)


_trained: dict[tuple[Shape, int, str], Tensor] = {}
trainings = 0
"""References that this process has trained."""


def flat(shape: Shape, ctxs: Sequence[Context]) -> Tensor:
    """The parameters (points, P) of each point's reference; those that are not remembered are trained as one stack."""
    global trainings
    device = ctxs[0].device
    missing = {ctx.seed: ctx for ctx in ctxs if (shape, ctx.seed, device) not in _trained}
    if missing:
        trainings += len(missing)
        for seed, model in zip(missing, _train(shape, list(missing.values())), strict=True):
            _trained[shape, seed, device] = model
    vectors = torch.stack([_trained[shape, ctx.seed, device] for ctx in ctxs])
    while len(_trained) > MOST:
        del _trained[next(iter(_trained))]
    return vectors


def _train(shape: Shape, ctxs: Sequence[Context]) -> Tensor:
    """Models that learnt to make uniform types and uniform angles, which is what nature is here."""
    device, schedule = ctxs[0].device, shape.schedule(ctxs[0].device)
    begun = [denoiser.untrained(shape.layout, ctx.generator("reference")) for ctx in ctxs]
    models = ensemble.begin(shape.layout, begun, device)
    feed = ensemble.Feed(ctxs, lambda _, g, steps: _batches(shape, g, steps), "pretraining")

    def loss(stack: ensemble.Stack, step: int) -> Tensor:
        batches = feed(step)
        draws = diffusion.Draws(*(batches[name] for name in ("t", "noise", "keep", "other")))
        noised_designs = diffusion.noised(schedule, batches["types"], batches["angles"], draws)
        predicted = denoiser.predictor(stack, shape.types, shape.times)(
            noised_designs.types, noised_designs.angles, noised_designs.t
        )
        true = diffusion.truth(schedule, batches["types"], shape.types, noised_designs)
        return diffusion.losses(schedule, predicted, true, noised_designs).mean(-1)

    rate = torch.full((len(ctxs),), RATE, device=device)
    ensemble.advance(models, loss, ensemble.Recipe(rate=rate, steps=shape.steps), shape.steps)
    return models.flat.detach()


def _batches(shape: Shape, generator: torch.Generator, steps: int) -> dict[str, Tensor]:
    """Designs of nature and the chance of their noising, for several steps."""
    size = (steps, BATCH, shape.positions)
    uniform = torch.rand(size, generator=generator, device=generator.device)
    types = torch.randint(shape.types, size, generator=generator, device=generator.device)
    return {"types": types, "angles": (2 * uniform - 1) * math.pi} | chance(shape, generator, size)


def chance(shape: Shape, generator: torch.Generator, size: tuple[int, ...]) -> dict[str, Tensor]:
    """Times (size without the positions), noise, keeping numbers and other types of that size."""
    device = generator.device
    return {
        "t": torch.randint(1, shape.times + 1, size[:-1], generator=generator, device=device),
        "noise": torch.randn(size, generator=generator, device=device),
        "keep": torch.rand(size, generator=generator, device=device),
        "other": torch.randint(shape.types, size, generator=generator, device=device),
    }
