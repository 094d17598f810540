"""Turns a problem into what its networks are trained by: batches, their loss, and the prediction that results, guided or not.

Source: arXiv:2411.17522, (2.4) to (2.6): denoising score matching with the condition hidden at random, here as regression on
beta(t) x_0 with weight 1/sigma(t)^k, sigma the variance; k = 2 is the paper's loss. U goes back to orthonormal columns by QR.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from workloads.dit_conditional.maths import network, problem
from workloads.dit_conditional.maths.problem import Problem
from workloads.shared.diffusion import network as diffusion_network
from workloads.shared.diffusion import process
from workloads.shared.training.ensemble import Ensemble, Stack

# (points, times, conditions, whether conditions are hidden) to the prediction of beta E[x_0].
Field = Callable[[Tensor, Tensor, Tensor, bool], Tensor]


def loss(task: Problem, parameters: Stack, batch: Stack) -> Tensor:
    """Mean over points of |q - beta x_0|^2 / sigma^k for each dimension of the law; (models,)."""
    p, t, clean = task.first, batch["time"], batch["clean"]
    hidden, noisy = batch["uniform"] < task.column("mask")[:, None], process.noisy(clean, t, batch["noise"])
    prediction = network.predict(parameters, task.fixed, noisy, t, batch["condition"], hidden, p)
    squares = (prediction - process.signal(t)[..., None] * clean).square().sum(-1)
    return (squares * process.variance(t) ** -task.column("weight")[:, None]).mean(1) / p.x_dim


def predictor(task: Problem, trained: Ensemble) -> tuple[Field, Tensor]:
    """The prediction of the models as they are, and their subspaces (models, D, dx), the identity where none is learnt."""
    p, parameters = task.first, diffusion_network.retracted(trained.parameters)

    def predict(x: Tensor, t: Tensor, y: Tensor, hidden: bool) -> Tensor:
        """What the network says of x at time t, with the label y or, hidden, without it."""

        def field(x: Tensor, t: Tensor, y: Tensor) -> Tensor:
            masked = torch.full_like(t, hidden, dtype=torch.bool) if hidden else None
            return network.predict(parameters, task.fixed, x, t, y, masked, p)

        return diffusion_network.piecewise(field, (p.x_dim + 2) * p.ff, x, t, y)

    return predict, parameters.get("subspace", task.basis.to(task.like))


def guided(predict: Field, gamma: Tensor) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The prediction whose score is gamma times that with y less gamma - 1 times that without; gamma of each model."""
    strength, plain = gamma[:, None, None], bool((gamma == 1).all())

    def field(x: Tensor, t: Tensor, y: Tensor) -> Tensor:
        with_y = predict(x, t, y, False)
        if not y.shape[-1] or plain:
            return with_y
        return torch.where(strength == 1, with_y, strength * with_y - (strength - 1.0) * predict(x, t, y, True))

    return field


def batches(task: Problem, model: int, generator: torch.Generator, steps: int) -> dict[str, Tensor]:
    """Clean points, conditions, times, noise and what hides conditions, of one model's next steps, (steps, batch, ...)."""
    p, like = task.params[model], task.like
    kind = {"generator": generator, "dtype": like.dtype, "device": like.device}
    uniform = torch.rand(steps, p.batch, **kind)  # type: ignore[call-overload]
    noise = torch.randn(steps, p.batch, problem.ambient(p), **kind)  # type: ignore[call-overload]
    x, y = drawn(task, model, steps * p.batch, generator)
    return {
        "clean": x.view_as(noise),
        "condition": y.view(steps, p.batch, p.y_dim),
        "time": process.times(uniform, p.t0, p.horizon, p.spread),
        "noise": noise,
        "uniform": torch.rand(steps, p.batch, **kind),  # type: ignore[call-overload]
    }


def drawn(task: Problem, model: int, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Clean points (count, D) and conditions (count, dy) as one model is trained on: any of its data, or new ones."""
    p = task.params[model]
    if p.fresh:
        x, y = problem.drawn(task.laws[model], task.basis[model], count, generator)
        return x.to(task.like), y.to(task.like)
    chosen = torch.randint(p.n, (count,), generator=generator, device=task.like.device)
    return task.data[model][chosen], task.conditions[model][chosen]
