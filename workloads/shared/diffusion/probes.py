"""Turns a problem into the times and the noise that its predictions are compared on, and a prediction's distances into errors.

A squared error is averaged over points and over t uniform in [t0, T], by a quadrature; one value for each model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from workloads.shared.diffusion import process, times
from workloads.shared.diffusion.problem import AnyProblem
from workloads.shared.training.ensemble import generator


@dataclass(frozen=True)
class Times:
    """Diffusion times (models, times * points) of test points, and weights that make sums averages over uniform time."""

    time: Tensor
    weight: Tensor


def quadrature(task: AnyProblem, points: int) -> Times:
    """Each model's own times, so many points at each."""
    grids = [process.quadrature(p.t0, p.horizon, times.COUNT) for p in task.params]
    time, weight = (torch.stack([grid[i] for grid in grids]).to(task.like).repeat_interleave(points, 1) for i in (0, 1))
    return Times(time, weight / points)


def sampler_times(task: AnyProblem, steps: int | None = None) -> Tensor:
    """The sampler's falling times of each training, each a fixed share of the one before; (models, steps + 1)."""
    grids = [process.schedule(p.t0, p.horizon, steps=p.sampler_steps if steps is None else steps) for p in task.params]
    return torch.stack(grids).to(task.like.device)


def normal(task: AnyProblem, stream: str, count: int) -> Tensor:
    """Standard normal noise (models, count, D)."""
    like, size = task.like, (count, task.like.shape[1])
    noise = [torch.randn(size, generator=generator(ctx, stream), dtype=like.dtype, device=like.device) for ctx in task.ctxs]
    return torch.stack(noise)


def normals(task: AnyProblem, stream: str, count: int) -> Callable[[int], Tensor]:
    """Such noise for each step of a sampler."""
    return lambda step: normal(task, f"{stream} {step}", count)


@dataclass(frozen=True)
class Distances:
    """Squared distances (models, times * points) of a prediction from the true one: whole, and in the data's subspace."""

    whole: Tensor
    on_support: Tensor

    @classmethod
    def of(cls, task: AnyProblem, away: Tensor) -> Distances:
        """Those of differences (models, times * points, D)."""
        return cls(away.square().sum(-1), torch.bmm(away, task.basis.to(away)).square().sum(-1))


def score_errors(
    task: AnyProblem, at: Times, away: Distances, exact: Tensor, losses: tuple[Tensor, Tensor], span: Tensor
) -> dict[str, Tensor]:
    """Errors of the score, of the subspace `span` and of the loss; `losses` are the prediction's and the truth's, squared.

    A score is the prediction less x, over sigma: a network that predicts nothing errs by the `exact` prediction.
    """
    precise = at.weight / process.variance(at.time).square()
    total = (precise * away.whole).sum(1)
    loss, true_loss = ((precise * squares).sum(1) for squares in losses)
    basis = task.basis
    return {
        "score_mse": total,
        "score_mse_on_support": (precise * away.on_support).sum(1),
        "score_mse_orthogonal": (precise * (away.whole - away.on_support).clamp_min(0.0)).sum(1),
        "relative_mse": total / (precise * exact.square().sum(-1)).sum(1),
        "subspace_error": (span @ span.mT - (basis @ basis.mT).to(span)).square().sum((1, 2)),
        "train_loss": loss,
        "true_loss": true_loss,
        "optimisation_gap": loss - true_loss,
    }
