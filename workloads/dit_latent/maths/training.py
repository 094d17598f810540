"""Turns a problem into trained score networks, step by step, with what each needs to go on later.

Source: arXiv:2407.01079, (2.1): denoising score matching, here as regression on beta(t) x_0 with weight 1/sigma(t)^k. The
paper's (2.2) regresses on x_0 itself and is no score matching; k = 2 is (2.1). W_B goes back to orthonormal columns by QR.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from workloads.dit_latent.maths import network, problem
from workloads.dit_latent.maths.problem import Problem
from workloads.shared.diffusion import network as diffusion_network
from workloads.shared.diffusion import process
from workloads.shared.diffusion.network import orthonormal
from workloads.shared.training import ensemble
from workloads.shared.training.ensemble import Ensemble, Feed, Recipe, Stack

# Steps between two retractions of W_B; whatever is measured is measured on a retracted copy.
RETRACT = 10


def train(task: Problem, states: Sequence[Mapping[str, Any]] | None, marks: Sequence[int]) -> Iterator[Ensemble]:
    """The models after each of the marked steps that lies behind the one at which their states were saved."""
    p = task.first
    layout, device = network.layout(p), str(task.like.device)
    if states is None:
        models = [network.initial(q, ctx.generator("network")) for q, ctx in zip(task.params, task.ctxs, strict=True)]
        trained = ensemble.begin(layout, models, device)
    else:
        trained = ensemble.resume(layout, states, device)
    block = ensemble.ahead(task.like.device.type, p.batch * (2 * p.ambient_dim + 1))
    feed = Feed(task.ctxs, lambda model, generator, steps: _batches(task, model, generator, steps), block=block)
    power = column(task, "weight")
    cosine = p.schedule == "cosine"
    recipe = Recipe(rate=column(task, "learning_rate"), steps=p.steps, clip=column(task, "clip"), cosine=cosine)

    def losses(parameters: Stack, step: int) -> Tensor:
        batch = feed(step)
        return loss(parameters, batch["clean"], batch["time"], batch["noise"], power, p)

    for mark in [m for m in marks if m > trained.step]:
        ensemble.advance(trained, losses, recipe, mark, _retract)
        yield trained


def loss(parameters: Stack, clean: Tensor, t: Tensor, noise: Tensor, power: Tensor, p: problem.Params) -> Tensor:
    """Mean over points of |W_B f - beta x_0|^2 / sigma^k, for each latent dimension; (models,), k of each model (models,)."""
    found = network.predict(parameters, process.noisy(clean, t, noise), t, p)
    away = (found - process.signal(t)[..., None] * clean).square().sum(-1)
    return (away * process.variance(t) ** -power[:, None]).mean(1) / p.latent_dim


def predictor(trained: Ensemble, p: problem.Params) -> tuple[process.Field, Tensor]:
    """The prediction W_B f(W_B' x, t) of the models as they are, and W_B (models, D, d0), with orthonormal columns."""
    parameters = trained.parameters
    parameters = {**parameters, "subspace": orthonormal(parameters["subspace"])}
    numbers = problem.reshape(p)[0] * p.ff

    def predict(x: Tensor, t: Tensor) -> Tensor:
        return diffusion_network.piecewise(lambda x, t: network.predict(parameters, x, t, p), numbers, x, t)

    return predict, parameters["subspace"]


def _retract(parameters: Stack, step: int) -> None:
    if step % RETRACT == 0:
        parameters["subspace"].copy_(orthonormal(parameters["subspace"]))


def column(task: Problem, name: str) -> Tensor:
    """A param of each model as a tensor (models,)."""
    return torch.tensor([getattr(p, name) for p in task.params], dtype=task.like.dtype, device=task.like.device)


def _batches(task: Problem, model: int, generator: torch.Generator, steps: int) -> dict[str, Tensor]:
    """Clean points, times and noise of one model's next steps, (steps, batch, ...)."""
    p, like = task.params[model], task.like
    uniform = torch.rand(steps, p.batch, generator=generator, dtype=like.dtype, device=like.device)
    noise = torch.randn(steps, p.batch, p.ambient_dim, generator=generator, dtype=like.dtype, device=like.device)
    time = process.times(uniform, p.t0, p.horizon, p.spread)
    return {"clean": drawn(task, model, steps * p.batch, generator).view_as(noise), "time": time, "noise": noise}


def drawn(task: Problem, model: int, count: int, generator: torch.Generator) -> Tensor:
    """Clean points (count, D) as one model is trained on: any of its data, or new ones."""
    p = task.params[model]
    if p.fresh:
        return problem.clean(p, task.laws[model], task.basis[model], count, generator)
    return task.data[model][torch.randint(p.n, (count,), generator=generator, device=task.like.device)]
