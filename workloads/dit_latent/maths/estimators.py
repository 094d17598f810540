"""Turns data into scores without training: a Gaussian fitted to them, and the score of the smoothed sample.

Source: arXiv:2407.01079 for the class; the Gaussian's rate is that of its maximum-likelihood covariance; the smoothed
sample's with its density kept from zero is Zhang, Yin, Liang and Liu 2024. The subspace is that of the data's largest
singular vectors, exact from d0 points on where there is no ambient noise.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from workloads.dit_latent.maths.problem import Problem
from workloads.shared.diffusion.process import Field, signal, variance

# Numbers of a block of weights (points, data) of one model.
ELEMENTS = 1 << 22


def fitted(task: Problem) -> tuple[Field, Tensor]:
    """The prediction beta E[x_0 | x_t] of each model's estimator, and its subspace (models, D, d0)."""
    spans = torch.stack([_span(task, model) for model in range(len(task.params))])
    make = gaussian if task.first.estimator == "plugin" else smoothed
    fields = [make(data @ span) for data, span in zip(task.data, spans, strict=True)]

    def predict(x: Tensor, t: Tensor) -> Tensor:
        predictions = [field(x[i] @ spans[i], t[i]) @ spans[i].mT for i, field in enumerate(fields)]
        return torch.stack(predictions)

    return predict, spans


def _span(task: Problem, model: int) -> Tensor:
    p = task.params[model]
    data = task.data[model].double()
    _, _, right = torch.linalg.svd(data, full_matrices=len(data) < p.latent_dim)
    return right[: p.latent_dim].mT.to(task.like)


def moments(data: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (d,) and maximum-likelihood covariance (d, d) of points (n, d), float64."""
    mean = data.double().mean(0)
    away = data.double() - mean
    return mean, away.mT @ away / len(data)


def gaussian(data: Tensor) -> Field:
    """The prediction for latent points (points, d), had the data (n, d) been normal with their own mean and covariance."""
    mean, covariance = moments(data)
    values, vectors = torch.linalg.eigh(covariance)

    def predict(u: Tensor, t: Tensor) -> Tensor:
        beta, sigma = signal(t).double()[:, None], variance(t).double()[:, None]
        away = (u.double() - beta * mean) @ vectors
        scaled = (beta.square() * values / (beta.square() * values + sigma)) * away
        return (scaled @ vectors.mT + beta * mean).to(u.dtype)

    return predict


def divergence(data: Tensor, covariance: Tensor) -> float:
    """KL(N(0, covariance) | the fitted normal law) of points (n, d)."""
    mean, fit = moments(data)
    ratio = torch.linalg.solve(fit, covariance.double())
    shift = mean @ torch.linalg.solve(fit, mean)
    return float(0.5 * (ratio.trace() - len(mean) + shift - torch.linalg.slogdet(ratio)[1]))


def divergences(task: Problem, spans: Tensor) -> Tensor:
    """`divergence` of each model whose latent law is Gaussian, NaN of the others; (models,) float64."""
    values = []
    for i, law in enumerate(task.laws):
        turn = (spans[i].mT @ task.basis[i]).double()
        covariance = turn @ torch.diag(law.variances + law.jitter**2).to(turn) @ turn.mT
        values.append(divergence(task.data[i] @ spans[i], covariance) if law.name == "gaussian" else math.nan)
    return torch.tensor(values, dtype=torch.float64)


def smoothed(data: Tensor, clip: bool = True) -> Field:
    """The prediction under the data (n, d) themselves as law: density kept above 1/(n (2 pi sigma)^(d/2)) where `clip`.

    Without the clip it is the minimiser of the training loss over all functions.
    """
    count = len(data)

    def predict(u: Tensor, t: Tensor) -> Tensor:
        rows = max(1, ELEMENTS // count)
        return torch.cat([_part(u[i : i + rows], t[i : i + rows]) for i in range(0, len(u), rows)])

    def _part(u: Tensor, t: Tensor) -> Tensor:
        beta, sigma = signal(t)[:, None], variance(t)[:, None]
        logs = -torch.cdist(u / beta, data, compute_mode="donot_use_mm_for_euclid_dist").square() * beta.square() / (2 * sigma)
        centre = beta * (torch.softmax(logs, 1) @ data)
        if not clip:
            return centre
        # Relative to (2 pi sigma)^(-d/2)/n the density is the sum of the exponentials: at least 1, or the score shrinks.
        shrink = torch.logsumexp(logs, 1).clamp_max(0.0).exp()[:, None]
        return u + shrink * (centre - u)

    return predict
