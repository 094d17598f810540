"""Turns a problem into what its networks are trained by: batches of noisy points, their loss, and the prediction that results.

Source: arXiv:2407.01079, (2.1): denoising score matching, here as regression on beta(t) x_0 with weight 1/sigma(t)^k. The
paper's (2.2) regresses on x_0 itself and is no score matching; k = 2 is (2.1). W_B goes back to orthonormal columns by QR.
"""

from __future__ import annotations

import torch
from torch import Tensor

from workloads.dit_latent.maths import network, problem
from workloads.dit_latent.maths.problem import Problem
from workloads.shared.diffusion import network as diffusion_network
from workloads.shared.diffusion import process
from workloads.shared.training.ensemble import Ensemble, Stack


def loss(task: Problem, parameters: Stack, batch: Stack) -> Tensor:
    """Mean over points of |W_B f - beta x_0|^2 / sigma^k, for each latent dimension; (models,), k of each model."""
    p, t, clean = task.first, batch["time"], batch["clean"]
    prediction = network.predict(parameters, process.noisy(clean, t, batch["noise"]), t, p)
    squares = (prediction - process.signal(t)[..., None] * clean).square().sum(-1)
    return (squares * process.variance(t) ** -task.column("weight")[:, None]).mean(1) / p.latent_dim


def predictor(task: Problem, trained: Ensemble) -> tuple[process.Field, Tensor]:
    """The prediction W_B f(W_B' x, t) of the models as they are, and W_B (models, D, d0), with orthonormal columns."""
    p, parameters = task.first, diffusion_network.retracted(trained.parameters)

    def predict(x: Tensor, t: Tensor) -> Tensor:
        """What the network says of x at time t."""
        return diffusion_network.piecewise(
            lambda x, t: network.predict(parameters, x, t, p), problem.reshape(p)[0] * p.ff, x, t
        )

    return predict, parameters["subspace"]


def batches(task: Problem, model: int, generator: torch.Generator, steps: int) -> dict[str, Tensor]:
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
