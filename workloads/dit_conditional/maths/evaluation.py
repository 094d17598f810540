"""Turns a prediction into its errors: of the conditional and the unconditional score, of its density, of what it samples.

Source: arXiv:2411.17522, its score risk (squared error averaged over t uniform in [t0, T] and over y) and E_y TV; one value
for each model. E_y of the total variation of x given y is that of (x, y), for y has one law.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from workloads.dit_conditional.maths import problem, training
from workloads.dit_conditional.maths.problem import AnyLaw, Problem
from workloads.dit_conditional.maths.training import Field
from workloads.shared import packs
from workloads.shared.diffusion import distances, probes, process, times
from workloads.shared.training.ensemble import generator

TIMES = times.COUNT  # of the quadrature over the diffusion time
BINS, REACH = 8, 4.0  # cells an axis of the binned total variation, and how far they reach
PARTS, CONDITIONS, FLOW_STEPS = 128, 4, 32  # equal shares of a one-dimensional flow, its conditions and its steps
GRID, FAR = 8193, 7.0  # places of the true distribution function, and how far they reach
PIECE, PIECE_GPU = 4096, 1 << 16  # points at which a marginal score is worked out at once


@dataclass(frozen=True)
class Probe:
    """The noisy points that a problem's predictions are compared on, all (models, times * points, ...)."""

    at: probes.Times
    x: Tensor  # from new data: what the score's error is measured on
    y: Tensor
    exact: Tensor  # the true prediction there, given y
    exact_without: Tensor  # not given y; empty where there is none
    x_train: Tensor  # from the training data
    y_train: Tensor
    gap: Tensor  # squared distance of the true prediction there from beta x_0, the exact score's loss
    target: Tensor  # beta x_0 there


@dataclass(frozen=True)
class Density:
    """The logarithm of a law's density at one time, as a function of (x, y) (..., dx + dy), y stretched to the cells."""

    law: AnyLaw
    time: float

    def __call__(self, z: Tensor) -> Tensor:
        """ln p_t(x|y) p(y), (...)."""
        x, y = z[..., : self.law.x_dim], z[..., self.law.x_dim :] / (2 * REACH) + 0.5
        t = torch.full(z.shape[:-1], self.time, dtype=z.dtype, device=z.device)
        return self.law.diffused(x, y, t)[0].log() - self.law.y_dim * math.log(2 * REACH)


def exact(task: Problem) -> Field:
    """The true beta E[x_0 | x_t, y], or without y, in the data's space: x + sigma times the score."""
    basis = task.basis.double()
    among = {law: torch.tensor(models, device=basis.device) for law, models in packs.groups(task.laws, lambda law: law)}

    def predict(x: Tensor, t: Tensor, y: Tensor, hidden: bool) -> Tensor:
        """The exact mean of the clean data given x at time t, with the label y or, hidden, without it."""
        h, time, condition = torch.bmm(x.double(), basis), t.double(), y.double()
        score = torch.empty_like(h)
        for law, at in among.items():
            score[at] = _without(law, h[at], time[at]) if hidden else law.diffused(h[at], condition[at], time[at])[1]
        return torch.bmm(h + process.variance(time)[..., None] * score, basis.mT).to(x)

    return predict


def _without(law: AnyLaw, h: Tensor, t: Tensor) -> Tensor:
    """The score at points of any shape (..., dx), without a condition; some at a time, for it takes an integral of each."""
    size = PIECE_GPU if h.is_cuda else PIECE
    pieces = zip(h.flatten(0, -2).split(size), t.flatten().split(size), strict=True)
    return torch.cat([law.marginal(part, when)[1] for part, when in pieces]).view_as(h)


def probe(task: Problem) -> Probe:
    """The points of a problem, the same whenever they are asked for."""
    p, at = task.first, probes.quadrature(task, task.first.points)
    time, count = at.time, at.time.shape[1]
    clean, y = _new(task, "test", count)
    x = process.noisy(clean, time, probes.normal(task, "test noise", count))
    pairs = [training.drawn(task, i, count, generator(ctx, "seen data")) for i, ctx in enumerate(task.ctxs)]
    start, y_train = (torch.stack([pair[i] for pair in pairs]) for i in (0, 1))
    x_train = process.noisy(start, time, probes.normal(task, "seen noise", count))
    target = process.signal(time)[..., None] * start
    true = exact(task)
    gap = (true(x_train, time, y_train, False) - target).square().sum(-1)
    without = true(x, time, y, True) if p.y_dim else x.new_empty(0)
    return Probe(at, x, y, true(x, time, y, False), without, x_train, y_train, gap, target)


def score_errors(task: Problem, probe: Probe, predict: Field, span: Tensor) -> dict[str, Tensor]:
    """Errors of the scores and of the training loss, averaged over uniform time."""
    time, sigma = probe.at.time, process.variance(probe.at.time).square()
    away = probes.Distances.of(task, predict(probe.x, time, probe.y, False) - probe.exact)
    losses = (predict(probe.x_train, time, probe.y_train, False) - probe.target).square().sum(-1), probe.gap
    errors = probes.score_errors(task, probe.at, away, probe.exact, losses, span)
    errors |= times.named((away.whole / sigma).unflatten(1, (TIMES, task.first.points)).mean(2))
    if task.first.y_dim:
        apart = predict(probe.x, time, probe.y, True) - probe.exact_without
        errors["score_mse_uncond"] = (probe.at.weight / sigma * apart.square().sum(-1)).sum(1)
    return errors


def density_error(task: Problem, predict: Field) -> Tensor:
    """E_y TV at t0 of the law that the probability flow brings from the true one, for one-dimensional laws; (models,).

    The ends of PARTS equal shares of the normal law are carried along, so no chance is in it; seen through those shares it is
    a lower bound. The flow's own steps give 0.02 even where the prediction is the true one.
    """
    like, dy = task.like, task.first.y_dim
    count = task.first.classes if task.first.family == "classes" else CONDITIONS
    y = (torch.arange(count, dtype=torch.float64, device=like.device) + 0.5) / count
    y = torch.stack([y, y.roll(1)][:dy], 1) if dy else y.new_zeros(1, 0)
    shares = torch.arange(1, PARTS, dtype=torch.float64, device=like.device) / PARTS
    start = torch.special.ndtri(shares).repeat(len(y))[:, None].to(like).expand(len(task.params), -1, 1)
    condition = y.repeat_interleave(len(shares), 0).to(like).expand(len(task.params), -1, dy)
    ends = _flow(lambda x, t: predict(x, t, condition, False), start, probes.sampler_times(task, FLOW_STEPS).to(like))
    ends = ends.double().view(len(task.params), len(y), -1).sort(2).values
    errors = [_share_error(law, p.t0, y, at) for law, p, at in zip(task.laws, task.params, ends, strict=True)]
    return torch.stack(errors)


def _flow(field: process.Field, x: Tensor, grid: Tensor) -> Tensor:
    """Points carried backward by the probability flow, the predicted clean point and noise held still in each step."""
    for k in range(grid.shape[1] - 1):
        now, then = (grid[:, k + i, None, None] for i in (0, 1))
        prediction = field(x, grid[:, k, None].expand(x.shape[:2]))
        ratio = (process.variance(then) / process.variance(now)).sqrt()
        x = torch.exp(0.5 * (now - then)) * prediction + ratio * (x - prediction)
    return x


def _share_error(law: AnyLaw, t0: float, y: Tensor, ends: Tensor) -> Tensor:
    """Mean over conditions (k, dy) of the total variation between equal shares and the law's between the ends (k, parts)."""
    x = torch.linspace(-FAR, FAR, GRID, dtype=torch.float64, device=y.device)
    points = x[:, None].expand(len(y), -1, 1)
    density = law.diffused(points, y[:, None].expand(-1, GRID, -1), torch.full_like(points[..., 0], t0))[0]
    side = 2 * FAR / (GRID - 1)
    below = torch.nn.functional.pad((0.5 * (density[:, 1:] + density[:, :-1])).cumsum(1) * side, (1, 0))
    at = ((ends + FAR) / side).clamp(0, GRID - 1.001)
    cell = at.long()
    value = below.gather(1, cell) + (at - cell) * (below.gather(1, cell + 1) - below.gather(1, cell))
    edges = torch.cat([torch.zeros_like(value[:, :1]), value, torch.ones_like(value[:, :1])], 1)
    return 0.5 * (edges.diff(dim=1) - 1.0 / PARTS).abs().sum(1).mean()


def sample_errors(task: Problem, predict: Field) -> dict[str, Tensor]:
    """Distances of points sampled at t0, each with its own y, from those that the exact scores sample alike.

    Total variation from the true law where there is no guidance and dx + dy <= 2, binned: a lower bound of E_y TV.
    """
    p, gamma = task.first, task.column("gamma")
    grid = probes.sampler_times(task)
    _, y = _new(task, "conditions", p.samples)
    sampled = []
    for name, field in (("sampler", training.guided(predict, gamma)), ("true sampler", training.guided(exact(task), gamma))):
        noise = probes.normals(task, name, p.samples)
        sampled.append(process.backward(_given(field, y), noise(grid.shape[1]), grid, noise))
    x, true = (torch.bmm(points, task.basis.to(points)) for points in sampled)
    energy, mmd = distances.energy_and_mmd(torch.cat([x, y], 2), torch.cat([true, y], 2))
    distances_of = {
        "energy_distance": energy,
        "mmd": mmd,
        "variance_ratio": x.var(1).sum(1) / true.var(1).sum(1),
    }
    if p.x_dim + p.y_dim <= 2 and p.family == "series":  # labels are no density over y
        distances_of |= _total_variation(task, torch.cat([x, 2 * REACH * (y - 0.5)], 2))
    return distances_of


def _given(field: Callable[[Tensor, Tensor, Tensor], Tensor], y: Tensor) -> process.Field:
    return lambda x, t: field(x, t, y)


def _total_variation(task: Problem, points: Tensor) -> dict[str, Tensor]:
    """Binned total variation of (x, y), y stretched to the cells, and what chance may add."""
    variations = []
    for i, (p, law) in enumerate(zip(task.params, task.laws, strict=True)):
        variations.append(distances.binned_tv(points[i : i + 1].double(), Density(law, p.t0), REACH, BINS))
    return {name: torch.cat([pair[i] for pair in variations]) for i, name in enumerate(("tv_sampled", "tv_noise"))}


def _new(task: Problem, stream: str, count: int) -> tuple[Tensor, Tensor]:
    """New clean points (models, count, D) and conditions (models, count, dy)."""
    pairs = [
        problem.drawn(law, basis, count, generator(ctx, stream))
        for law, basis, ctx in zip(task.laws, task.basis, task.ctxs, strict=True)
    ]
    x, y = (torch.stack([pair[i] for pair in pairs]).to(task.like) for i in (0, 1))
    return x, y
