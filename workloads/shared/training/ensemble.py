"""Turns many models of one shape into one training: flat stacked parameters, a generator, a rate and a clip for each.

A model gets what it would get alone: no operation mixes two of them, and its noise depends on its own seed. On a GPU products
choose their kernel by the number of models, so float32 differs in its last digits there, which steps amplify. Shapes begin with
(models, ...). Adam: Kingma and Ba 2015; decoupled weight decay: Loshchilov and Hutter 2019.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

Stack = dict[str, Tensor]
Draw = Callable[[int, torch.Generator, int], Mapping[str, Tensor]]
# Steps whose batches are drawn at a time: fewer calls of generators, and a batch is found again from its step alone. On a GPU
# a call costs as much as a step of the whole ensemble, so more are drawn, up to so many numbers of a model.
BLOCK, BLOCK_GPU, NUMBERS_GPU = 8, 64, 1 << 20
# Numbers to which a parameter's length is filled up, so that all models of a stack begin at equally aligned addresses.
ALIGNED = 16


@dataclass(frozen=True)
class Layout:
    """Where each named parameter of a model stands in its flat vector."""

    shapes: Mapping[str, tuple[int, ...]]

    @property
    def sizes(self) -> list[int]:
        """Lengths of the pieces, each filled up to whole lines of ALIGNED numbers."""
        return [-(-math.prod(shape) // ALIGNED) * ALIGNED for shape in self.shapes.values()]

    @property
    def count(self) -> int:
        """Numbers that a model learns, fillings not counted."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    def flat(self, model: Mapping[str, Tensor]) -> Tensor:
        """The vector (P,) of one model's parameters."""
        pieces = [
            torch.nn.functional.pad(model[name].reshape(-1), (0, size - math.prod(shape)))
            for (name, shape), size in zip(self.shapes.items(), self.sizes, strict=True)
        ]
        return torch.cat(pieces)

    def views(self, flat: Tensor) -> Stack:
        """The named parameters (models, *shape) of stacked vectors (models, P); views, so writing changes the vectors."""
        pieces = flat.split(self.sizes, dim=1)
        return {
            name: piece[:, : math.prod(shape)].view(len(flat), *shape)
            for (name, shape), piece in zip(self.shapes.items(), pieces, strict=True)
        }


@dataclass
class Ensemble:
    """Models in training: their parameters (models, P), Adam's moments of the gradient, and the steps taken."""

    layout: Layout
    flat: Tensor
    mean: Tensor
    square: Tensor
    step: int = 0

    @property
    def parameters(self) -> Stack:
        """The named parameters (models, *shape)."""
        return self.layout.views(self.flat)

    def part(self, start: int, stop: int) -> Ensemble:
        """Neighbours among the models; views of the same numbers."""
        return replace(self, flat=self.flat[start:stop], mean=self.mean[start:stop], square=self.square[start:stop])

    def at_home(self) -> Ensemble:
        """The same models in the CPU's memory, in one copy of all."""
        return replace(self, flat=self.flat.cpu(), mean=self.mean.cpu(), square=self.square.cpu())

    def saved(self, model: int) -> dict[str, Any]:
        """What one model needs to go on from here, for `ctx.save`: tensors and numbers."""
        return {
            "step": self.step,
            "flat": self.flat[model].cpu().clone(),
            "mean": self.mean[model].cpu().clone(),
            "square": self.square[model].cpu().clone(),
        }


def begin(layout: Layout, models: Sequence[Mapping[str, Tensor]], device: str = "cpu") -> Ensemble:
    """Untrained models out of each one's named parameters."""
    flat = torch.stack([layout.flat(model) for model in models]).to(device)
    return Ensemble(layout, flat, torch.zeros_like(flat), torch.zeros_like(flat))


def resume(layout: Layout, states: Sequence[Mapping[str, Any]], device: str = "cpu") -> Ensemble:
    """Models as `Ensemble.saved` gave them; all states must hold one step."""
    steps = {int(state["step"]) for state in states}
    if len(steps) != 1:
        raise ValueError(f"models trained together must stand at one step, but stand at {sorted(steps)}; part them by step.")
    flat, mean, square = (torch.stack([state[name] for state in states]).to(device) for name in ("flat", "mean", "square"))
    return Ensemble(layout, flat, mean, square, steps.pop())


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How each model is trained; tensors (models,). A cosine takes the rate to zero at `steps`, its last one."""

    rate: Tensor
    steps: int
    clip: Tensor | None = None  # longest gradient, in the Euclidean norm over all of a model's parameters
    decay: Tensor | None = None  # decoupled weight decay
    cosine: bool = True
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8

    def at(self, step: int) -> Tensor:
        """The rates of one step, counted from 0; (models,)."""
        return self.rate * (0.5 * (1.0 + math.cos(math.pi * step / self.steps))) if self.cosine else self.rate


def advance(
    ensemble: Ensemble,
    loss: Callable[[Stack, int], Tensor],
    recipe: Recipe,
    until: int,
    retract: Callable[[Stack, int], None] | None = None,
) -> Tensor:
    """Train up to the step `until`; the losses (models,) of the last step taken.

    `loss(parameters, step)` gives (models,), each of its own model's parameters alone. `retract(parameters, step)`
    changes parameters in place after every step, for example back onto a manifold.
    """
    losses = ensemble.flat.new_full((len(ensemble.flat),), math.nan)
    gradient = torch.zeros_like(ensemble.flat)
    pieces = ensemble.layout.views(gradient)
    while ensemble.step < until:
        parameters = {name: part.requires_grad_() for name, part in ensemble.parameters.items()}
        losses = loss(parameters, ensemble.step)
        # The sum's gradient is each model's own: no parameter is shared.
        gradients = torch.autograd.grad(losses.sum(), list(parameters.values()), materialize_grads=True)
        for name, part in zip(parameters, gradients, strict=True):
            pieces[name].copy_(part)
        update(ensemble, gradient, recipe)
        if retract is not None:
            retract(ensemble.parameters, ensemble.step)
    return losses.detach()


def update(ensemble: Ensemble, gradient: Tensor, recipe: Recipe) -> None:
    """One step of Adam against the gradient (models, P), clipped model by model, which is done in place."""
    if recipe.clip is not None:
        norm = torch.linalg.vector_norm(gradient, dim=1)
        gradient.mul_((recipe.clip / norm.clamp_min(torch.finfo(norm.dtype).tiny)).clamp_max(1.0)[:, None])
    first, second = recipe.betas
    ensemble.mean.lerp_(gradient, 1.0 - first)
    ensemble.square.mul_(second).addcmul_(gradient, gradient, value=1.0 - second)
    rate = recipe.at(ensemble.step)[:, None]
    ensemble.step += 1
    # Adam's corrections for the start of both moments stand in the rate and in epsilon.
    late = math.sqrt(1.0 - second**ensemble.step)
    quotient = ensemble.square.sqrt().add_(recipe.epsilon * late)
    torch.div(ensemble.mean, quotient, out=quotient)
    if recipe.decay is not None:
        ensemble.flat.mul_(1.0 - rate * recipe.decay[:, None])
    ensemble.flat.addcmul_(quotient, rate * (late / (first**ensemble.step - 1.0)))


def generator(ctx: Context, stream: str) -> torch.Generator:
    """A generator on the point's own device that depends on seed and stream; on a CPU it is the context's."""
    own = ctx.generator(stream)
    return own if ctx.device == "cpu" else torch.Generator(ctx.device).manual_seed(own.initial_seed())


@dataclass
class Feed:
    """Batches of an ensemble by step, (models, ...) each; what a step gives depends on seed, stream and step alone.

    `draw(model, generator, steps)` gives the tensors (steps, ...) of one model's next steps. No state has to be kept to go
    on from a step: each block of steps has generators of its own.
    """

    ctxs: Sequence[Context]
    draw: Draw
    stream: str = "noise"
    block: int = BLOCK
    _start: int = field(default=-1, init=False)
    _drawn: Stack = field(default_factory=dict, init=False)

    def __call__(self, step: int) -> Stack:
        """The batch of one step."""
        start = step - step % self.block
        if start != self._start:
            self._drawn, self._start = self._fill(start), start
        return {name: drawn[step - start] for name, drawn in self._drawn.items()}

    def _fill(self, start: int) -> Stack:
        members = [
            self.draw(model, generator(ctx, f"{self.stream}/{start}"), self.block) for model, ctx in enumerate(self.ctxs)
        ]
        return {name: torch.stack([member[name] for member in members], dim=1) for name in members[0]}


def ahead(device: str, numbers: int) -> int:
    """How many steps' batches are drawn at a time, where a step of one model takes so many numbers."""
    return BLOCK if device == "cpu" else max(BLOCK, min(BLOCK_GPU, NUMBERS_GPU // numbers))


def together(states: Sequence[Any]) -> list[list[int]]:
    """Places of models whose saved states hold one step, None among themselves; each list can be trained as one."""
    places: dict[int, list[int]] = {}
    for model, state in enumerate(states):
        places.setdefault(-1 if state is None else int(state["step"]), []).append(model)
    return list(places.values())


def marks(steps: int, every: int = 0, octaves: int = 0) -> list[int]:
    """The steps after which a row is due: each `every`-th (0 for none), `octaves` in every doubling, and always the last."""
    regular = range(every, steps, every) if every else ()
    doubling = (round(2 ** (k / octaves)) for k in range(octaves * steps.bit_length())) if octaves else ()
    return sorted({step for step in (*regular, *doubling) if 0 < step < steps} | {steps})
