"""Turns the examples of a context into predictions without a transformer: ridge, neighbours, a kernel, the mean, a network.

Source: arXiv:2411.16549 as reported (a network of the targets' depth, trained on the context, best epoch); the stop by held-out
examples and the other rivals are ours. The kernel is that of infinitely wide ReLU networks (Cho and Saul 2009).
Shapes: contexts x (B, n, d), y (B, n), queries (B, q, d); predictions (B, q).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workloads.icl.maths import teachers
from workloads.shared.training import ensemble
from workloads.shared.training.ensemble import Layout, Recipe, Stack

RIDGE, NOISE, NEIGHBOURS = 0.1, 1e-3, 3
"""Penalty of ridge's slopes, variance of the kernel's noise over that of the targets, and neighbours that are averaged."""
RATE = 0.01
"""Adam's rate of direct training."""
HELD_OUT = 4
"""One in so many examples of a context is held out to stop direct training."""


def constant(x: Tensor, y: Tensor, queries: Tensor) -> Tensor:
    """The mean of the context's targets."""
    return y.mean(1, keepdim=True).expand(-1, queries.shape[1])


def ridge(x: Tensor, y: Tensor, queries: Tensor) -> Tensor:
    """Ridge regression with an intercept that is not penalised."""
    centre, level = x.mean(1, keepdim=True), y.mean(1, keepdim=True)
    z = x - centre
    penalty = RIDGE * torch.eye(x.shape[2], dtype=x.dtype, device=x.device)
    slopes = torch.linalg.solve(z.mT @ z + penalty, z.mT @ (y - level).unsqueeze(-1))
    return level + ((queries - centre) @ slopes).squeeze(-1)


def nearest(x: Tensor, y: Tensor, queries: Tensor) -> Tensor:
    """The mean of the nearest examples' targets."""
    places = torch.cdist(queries, x).topk(min(NEIGHBOURS, x.shape[1]), dim=2, largest=False).indices
    return y.unsqueeze(1).expand(-1, queries.shape[1], -1).gather(2, places).mean(2)


def kernel(x: Tensor, y: Tensor, queries: Tensor, depth: int) -> Tensor:
    """The posterior mean of infinitely wide ReLU networks of that depth, scaled to the targets' mean square."""
    among, across = wide_kernel(x, x, depth), wide_kernel(queries, x, depth)
    amplitude = y.square().mean(1) / among.diagonal(dim1=1, dim2=2).mean(1)
    noise = NOISE * y.square().mean(1).clamp_min(torch.finfo(y.dtype).tiny ** 0.5)
    noisy = amplitude[:, None, None] * among + noise[:, None, None] * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    return amplitude[:, None] * (across @ torch.linalg.solve(noisy, y.unsqueeze(-1))).squeeze(-1)


def wide_kernel(rows: Tensor, columns: Tensor, depth: int) -> Tensor:
    """Covariance (B, l, r) of the outputs of such networks at two sets of inputs, weights of variance 2 over inputs."""
    products = rows @ columns.mT / rows.shape[-1]
    sizes = rows.square().mean(-1).sqrt().unsqueeze(-1) * columns.square().mean(-1).sqrt().unsqueeze(-2)
    cosine = products / sizes.clamp_min(torch.finfo(rows.dtype).tiny ** 0.5)
    for _ in range(depth - 1):
        angle = torch.arccos(cosine.clamp(-1.0, 1.0))
        cosine = (torch.sin(angle) + (math.pi - angle) * torch.cos(angle)) / math.pi
    return sizes * cosine


@dataclass(frozen=True)
class Direct:
    """Networks trained on contexts: predictions of the epoch that held-out examples choose, and of each epoch."""

    stopped: Tensor  # (B, q)
    epochs: Tensor  # (epochs + 1, B, q); the first before any step


@dataclass(frozen=True)
class Examples:
    """A stack of contexts, the examples of each that are trained on, and those that are held out, both as 0 or 1 (B, n)."""

    x: Tensor
    y: Tensor
    trained: Tensor
    validation: Tensor


def examples_of(x: Tensor, y: Tensor, size: int, *, hold: bool) -> Examples:
    """The first `size` examples of contexts; with `hold` every fourth of them, or the last, is held out."""
    position = torch.arange(x.shape[1], device=x.device)
    within, apart = position < size, (position % HELD_OUT == HELD_OUT - 1) | (position == size - 1) & (1 < size < HELD_OUT)
    apart_now = within & apart if hold else torch.zeros_like(within)
    trained, held_out = ((mask.to(y)).expand_as(y) for mask in (within & ~apart_now, apart_now))
    return Examples(x, y, trained, held_out)


def joined(stacks: Sequence[Examples]) -> Examples:
    """Stacks one behind the other."""
    parts = [(stack.x, stack.y, stack.trained, stack.validation) for stack in stacks]
    return Examples(*(torch.cat(same) for same in zip(*parts, strict=True)))


def direct(contexts: Examples, queries: Tensor, layer_sizes: Sequence[int], steps: int) -> Direct:
    """Full-batch Adam on each context apart, from the same random weights for all."""
    generator = torch.Generator().manual_seed(0)
    pairs = list(itertools.pairwise(layer_sizes))
    layout = Layout({f"layer{i}": (units, inputs) for i, (inputs, units) in enumerate(pairs)})
    first = {
        f"layer{i}": (torch.randn(units, inputs, generator=generator, dtype=torch.float64) * math.sqrt(2.0 / inputs)).to(
            queries
        )
        for i, (inputs, units) in enumerate(pairs)
    }
    stack = ensemble.begin(layout, [first] * len(queries), str(queries.device))
    recipe = Recipe(rate=queries.new_full((len(queries),), RATE), steps=steps, cosine=False)

    def loss(parameters: Stack, step: int) -> Tensor:
        errors = (_said(parameters, contexts.x) - contexts.y).square() * contexts.trained
        return errors.sum(1) / contexts.trained.sum(1)

    outputs_by_epoch, errors_by_epoch = [], []
    for step in range(steps + 1):
        if step:
            ensemble.advance(stack, loss, recipe, step)
        with torch.no_grad():
            everything = _said(stack.parameters, torch.cat([contexts.x, queries], 1))
        errors_by_epoch.append(((everything[:, : contexts.y.shape[1]] - contexts.y).square() * contexts.validation).sum(1))
        outputs_by_epoch.append(everything[:, contexts.y.shape[1] :])
    epochs, errors = torch.stack(outputs_by_epoch), torch.stack(errors_by_epoch)
    # The last epoch where nothing is held out.
    best = torch.where(contexts.validation.any(1), errors.argmin(0), steps)
    return Direct(epochs[best, torch.arange(len(queries), device=best.device)], epochs)


def _said(parameters: Stack, x: Tensor) -> Tensor:
    return teachers.outputs(list(parameters.values()), x)
