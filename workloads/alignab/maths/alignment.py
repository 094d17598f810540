"""Rounds of preference training of a stack of diffusions: a pool is sampled and scored, pairs of it are learnt from, and again.

Each energy is normalised by its pool's standard deviation, so that z is of order one. A pair's label says which design is
better by the labelled energy, its margin what the other reward says (`preference.margin`). Surgery keeps a loss for each energy
and takes off each gradient what conflicts with the other (Yu et al. 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workloads.alignab.maths import denoiser, diffusion, preference, references, world
from workloads.alignab.maths.references import Shape
from workloads.shared.training import ensemble
from workloads.shared.training.ensemble import Ensemble, Stack

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

CLIP = 10.0
SATURATED = 10.0
HOT, COLD = 2.0, 0.5
LABELLED = {"poea": (1.0, 0.0), "weighted_sum": (0.0, 1.0), "attraction": (1.0, 0.0), "repulsion": (0.0, 0.0)}
"""Of each method the weight on attraction in what makes the labels: a constant, and what is multiplied by w."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """How a stack of models is aligned; what differs among its models is a tensor (models,)."""

    shape: Shape
    world: world.World
    rounds: int
    steps: int  # in all rounds together
    pool: int
    batch: int
    rate: float
    beta: float  # times the number of diffusion times
    role: str = "none"
    schedule: str = "constant"
    policy: str = "previous"
    surgery: bool = False
    label_weight: Tensor  # on attraction in what makes the labels
    margin_weight: Tensor  # of the margin form; 1 for no margin

    def temperature(self, progress: float, role: str) -> float:
        """The temperature at that part of the course, for what it has its role in; 1 elsewhere."""
        if role != self.role or self.schedule == "constant":
            return 1.0
        begin, end = (HOT, COLD) if self.schedule == "falling" else (COLD, HOT)
        return begin + (end - begin) * progress


@dataclass(frozen=True)
class Pool:
    """Designs that were sampled, (models, pool, n), and their normalised energies, (models, pool)."""

    types: Tensor
    angles: Tensor
    att: Tensor
    rep: Tensor


@dataclass(frozen=True)
class Aligned:
    """Parameters (models, P) after the last round, and the share (models,) of pairs that were sure beyond all gradient."""

    flat: Tensor
    saturated: Tensor


def align(course: Course, start: Tensor, ctxs: Sequence[Context]) -> Aligned:
    """Models (models, P) aligned from `start`; each draws from its own context's generators."""
    zeros = torch.zeros_like(start)
    models, anchor = Ensemble(course.shape.layout, start.clone(), zeros, zeros.clone()), start.clone()
    recipe = ensemble.Recipe(
        rate=start.new_full((len(start),), course.rate),
        steps=course.steps,
        clip=start.new_full((len(start),), CLIP),
        cosine=False,
    )
    sure = start.new_zeros(len(start))
    for number in range(course.rounds):
        heat = course.temperature(number / max(course.rounds - 1, 1), "sampling")
        pool = _pool(course, models.flat, ctxs, number, heat)
        if course.policy == "previous":
            anchor = models.flat.clone()
        feed = ensemble.Feed(ctxs, lambda _, g, steps: _batches(course, g, steps), f"pairs/{number}")
        while models.step < course.steps * (number + 1) // course.rounds:
            gradients, z = _gradients(course, models, anchor, pool, feed(models.step), models.step / course.steps)
            ensemble.update(models, operated(*gradients) if course.surgery else gradients[0], recipe)
            sure += (z.abs() > SATURATED).float().mean(-1) / course.steps
    return Aligned(models.flat, sure)


def designs(
    shape: Shape, flat: Tensor, count: int, ctxs: Sequence[Context], stream: str, heat: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Types and angles (models, count, n) that models make."""
    generators = [ensemble.generator(ctx, stream) for ctx in ctxs]
    predict = denoiser.predictor(shape.layout.views(flat), shape.types, shape.times)
    schedule = shape.schedule(str(flat.device))
    with torch.no_grad():
        return diffusion.sample(schedule, predict, (len(flat), count, shape.positions), shape.types, generators, heat)


def normalised(att: Tensor, rep: Tensor) -> tuple[Tensor, Tensor]:
    """Both energies (models, pool) in units of their pool's standard deviation.

    Raises ValueError where the designs of a pool do not differ in an energy: nothing can be learnt from pairs that are tied.
    """
    spread = torch.stack([att.std(-1), rep.std(-1)])
    if not bool((spread > 0).all()):
        raise ValueError("designs of a pool must differ in their energies, but all pairs are tied; take a larger pool.")
    return att / spread[0, :, None], rep / spread[1, :, None]


def labels(better: Tensor, temperature: float | None) -> Tensor:
    """How probably the first of a pair is preferred, lower in energy by `better`; sure without a temperature, 1/2 if tied."""
    if temperature is not None:
        return preference.soft_label(-better, temperature)
    return torch.where(better == 0, 0.5, (better > 0).to(better))


def operated(first: Tensor, second: Tensor) -> Tensor:
    """The mean of two gradients (models, P), each without what conflicts with the other."""
    product = (first * second).sum(-1, keepdim=True).clamp_max(0)
    tiny = torch.finfo(first.dtype).tiny
    parts = [
        gradient - product / other.square().sum(-1, keepdim=True).clamp_min(tiny) * other
        for gradient, other in ((first, second), (second, first))
    ]
    return (parts[0] + parts[1]) / 2


def _pool(course: Course, flat: Tensor, ctxs: Sequence[Context], number: int, heat: float) -> Pool:
    types, angles = designs(course.shape, flat, course.pool, ctxs, f"pool/{number}", heat)
    return Pool(types, angles, *normalised(*world.energies(course.world, types, angles)))


def _batches(course: Course, generator: torch.Generator, steps: int) -> dict[str, Tensor]:
    """Pairs of a pool by their places, and the chance of their noising, which both designs of a pair share: it cancels."""
    places = torch.randint(course.pool, (steps, 2 * course.batch), generator=generator, device=generator.device)
    shared = references.chance(course.shape, generator, (steps, course.batch, course.shape.positions))
    return {"places": places} | {name: torch.cat([batches, batches], 1) for name, batches in shared.items()}


def _gradients(
    course: Course, models: Ensemble, anchor: Tensor, pool: Pool, batches: Stack, progress: float
) -> tuple[list[Tensor], Tensor]:
    """A gradient (models, P) of each loss, and z of the first one's pairs (models, batch)."""
    parameters = {name: part.requires_grad_() for name, part in models.parameters.items()}
    noised_designs = _Pairs.of(course, pool, batches)
    scaled = course.beta * course.temperature(progress, "beta") * noised_designs.log_ratios(course, parameters, anchor)
    soft = course.temperature(progress, "label") if course.role == "label" else None
    goals: list[tuple[Tensor | float, Tensor | float]] = [(course.label_weight[:, None], course.margin_weight[:, None])]
    if course.surgery:
        goals = [(1.0, 1.0), (0.0, 1.0)]
    gradients, certainty = [], scaled
    for at, (label_weight, margin_weight) in enumerate(goals):
        z = preference.margin(scaled, noised_designs.other, margin_weight)
        certainty = z.detach() if at == 0 else certainty
        loss = preference.loss(z, labels(noised_designs.better(label_weight), soft)).mean(-1).sum()
        parts = torch.autograd.grad(loss, list(parameters.values()), retain_graph=at + 1 < len(goals))
        gradient = torch.zeros_like(models.flat)
        for name, part in zip(parameters, parts, strict=True):
            models.layout.views(gradient)[name].copy_(part)
        gradients.append(gradient)
    return gradients, certainty


@dataclass(frozen=True)
class _Pairs:
    """Designs (models, 2 batch, n), the first of all pairs before the second of all, and both energies' differences."""

    noised_designs: diffusion.Noised
    inputs: Tensor  # what the network sees of them
    truth: Tensor  # the posterior of their types
    att: Tensor  # of the first less that of the second, (models, batch)
    rep: Tensor

    @classmethod
    def of(cls, course: Course, pool: Pool, batches: Stack) -> _Pairs:
        places = batches["places"]
        models = torch.arange(len(places), device=places.device)[:, None]
        types, angles = pool.types[models, places], pool.angles[models, places]
        schedule = course.shape.schedule(str(places.device))
        noised_designs = diffusion.noised(
            schedule, types, angles, diffusion.Draws(*(batches[n] for n in ("t", "noise", "keep", "other")))
        )
        differences = (_first(energy[models, places]) - _second(energy[models, places]) for energy in (pool.att, pool.rep))
        inputs = denoiser.inputs(
            noised_designs.types, noised_designs.angles, noised_designs.t / course.shape.times, course.shape.types
        )
        return cls(noised_designs, inputs, diffusion.truth(schedule, types, course.shape.types, noised_designs), *differences)

    def log_ratios(self, course: Course, parameters: Stack, anchor: Tensor) -> Tensor:
        """By how much more the policy's log ratio rises at the first design than at the second, (models, batch)."""
        policy = self._losses(course, parameters)
        with torch.no_grad():
            before = self._losses(course, course.shape.layout.views(anchor))
        return preference.denoising((_first(policy), _second(policy)), (_first(before), _second(before)))

    @property
    def other(self) -> Tensor:
        """The difference of the rewards for little repulsion."""
        return -self.rep

    def better(self, label_weight: Tensor | float) -> Tensor:
        """By how much the labelled energy of the first is lower."""
        return -(label_weight * self.att + (1 - label_weight) * self.rep)

    def _losses(self, course: Course, stack: Stack) -> Tensor:
        predicted = denoiser.outputs(stack, self.inputs, course.shape.types)
        return diffusion.losses(course.shape.schedule(str(self.inputs.device)), predicted, self.truth, self.noised_designs)


def _first(values: Tensor) -> Tensor:
    return values[:, : values.shape[1] // 2]


def _second(values: Tensor) -> Tensor:
    return values[:, values.shape[1] // 2 :]
