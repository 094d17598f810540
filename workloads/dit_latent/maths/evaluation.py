"""Turns a prediction into its errors: of the score, by time and by direction, of its loss, of the points it samples.

Source: arXiv:2407.01079, Lemma 2.1 (the parts of a score), Thm 3.2 (squared error, averaged over t), Cor. 3.2.1 (i) to (iii);
the total-variation bound is Girsanov's and Pinsker's, with the discretisation inside of it. One value for each model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from workloads.dit_latent.maths import estimators, latents, problem, training
from workloads.dit_latent.maths.problem import Problem
from workloads.shared import packs
from workloads.shared.diffusion import distances, probes, process, times
from workloads.shared.diffusion.process import Field
from workloads.shared.training import ensemble
from workloads.shared.training.ensemble import generator

TIMES = times.COUNT  # of the quadrature over the diffusion time
BINS, REACH = 8, 5.0  # cells an axis of the binned total variation, and how far they reach
DIRECTIONS = 64
ERRORS = 5.0  # standard errors of the path divergence that its bound is given


@dataclass(frozen=True)
class Probe:
    """The noisy points that a problem's predictions are compared on, all (models, times * points, ...)."""

    at: probes.Times
    x: Tensor  # from new data: what the score's error is measured on
    exact: Tensor  # the true prediction there
    x_train: Tensor  # from the training data
    gap: Tensor  # squared distance of the true prediction there from beta x_0, the exact score's loss
    target: Tensor  # beta x_0 there
    learnt: Tensor  # the same for the minimiser of the training loss over all functions; empty unless asked for


def exact(task: Problem) -> Field:
    """The true beta E[x_0 | x_t] in the ambient space."""
    among = {law: torch.tensor(models, device=task.like.device) for law, models in packs.groups(task.laws, lambda law: law)}
    jitter = task.column("ambient_noise")
    noisy = any(p.ambient_noise > 0 for p in task.params)

    def predict(x: Tensor, t: Tensor) -> Tensor:
        """The exact mean of the clean data given x at time t, through the subspace of the data."""
        h = torch.bmm(x, task.basis)
        if len(among) == 1:
            q = latents.prediction(task.laws[0], h, t)
        else:
            q = torch.empty_like(h)
            for law, at in among.items():
                q[at] = latents.prediction(law, h[at], t[at])
        on = torch.bmm(q, task.basis.mT)
        if not noisy:
            return on
        # Ambient noise outside of the subspace is normal too: its prediction shrinks towards zero.
        jitter_then = (process.signal(t) * jitter[:, None]).square()
        share = (jitter_then / (jitter_then + process.variance(t)))[..., None]
        return on + share * (x - torch.bmm(h, task.basis.mT))

    return predict


def probe(task: Problem, memory: bool = False) -> Probe:
    """The points of a problem, the same whenever they are asked for."""
    at = probes.quadrature(task, task.first.points)
    time, count = at.time, at.time.shape[1]
    x = process.noisy(_clean(task, "test", count), time, probes.normal(task, "test noise", count))
    members = [training.drawn(task, i, count, generator(ctx, "seen data")).to(task.like) for i, ctx in enumerate(task.ctxs)]
    start = torch.stack(members)
    x_train = process.noisy(start, time, probes.normal(task, "seen noise", count))
    target = process.signal(time)[..., None] * start
    true = exact(task)
    gap = (true(x_train, time) - target).square().sum(-1)
    learnt = _remembered(task, x_train, time, target) if memory else gap.new_empty(0)
    return Probe(at, x, true(x, time), x_train, gap, target, learnt)


def _remembered(task: Problem, x: Tensor, t: Tensor, target: Tensor) -> Tensor:
    """Squared distance from beta x_0 of the prediction that knows the training data and nothing else; NaN for fresh data."""
    gaps = []
    for i, data in enumerate(task.data):
        prediction = estimators.smoothed(data, clip=False)(x[i], t[i]) if len(data) else torch.full_like(x[i], math.nan)
        gaps.append((prediction - target[i]).square().sum(-1))
    return torch.stack(gaps)


def score_errors(task: Problem, probe: Probe, predict: Field, span: Tensor) -> dict[str, Tensor]:
    """Errors of the score and of the training loss, averaged over uniform time, and how they depend on it."""
    time, precise = probe.at.time, probe.at.weight / process.variance(probe.at.time).square()
    away = probes.Distances.of(task, predict(probe.x, time) - probe.exact)
    losses = (predict(probe.x_train, time) - probe.target).square().sum(-1), probe.gap
    errors = probes.score_errors(task, probe.at, away, probe.exact, losses, span)
    errors |= _by_time(task, time, away.whole / process.variance(time).square())
    if len(probe.learnt):
        errors["memory_loss"] = (precise * probe.learnt).sum(1)
    return errors


def loss_floors(task: Problem) -> Tensor:
    """The least denoising loss that any function has, averaged over uniform time, NaN where the law is no Gaussian; (models,).

    At one time it is the sum over coordinates of beta^2 l/(sigma (beta^2 l + sigma)), l their variances: zero off the subspace.
    """
    floors = []
    for p, law in zip(task.params, task.laws, strict=True):
        t, weight = process.quadrature(p.t0, p.horizon, TIMES)
        spread = torch.cat([law.variances, law.variances.new_zeros(p.ambient_dim - p.latent_dim)]) + law.jitter**2
        signal, sigma = process.signal(t).square()[:, None] * spread, process.variance(t)[:, None]
        floor = float((weight * (signal / (sigma * (signal + sigma))).sum(1)).sum())
        floors.append(floor if law.name == "gaussian" else math.nan)
    return torch.tensor(floors, dtype=torch.float64)


def _by_time(task: Problem, time: Tensor, squares: Tensor) -> dict[str, Tensor]:
    """How the error depends on t: the slope of ln RMSE in ln sigma(t), and the largest sigma(t) RMSE / sqrt(d0)."""
    shape = (len(squares), TIMES, task.first.points)
    rmse = squares.view(shape).mean(2).sqrt().double()
    sigma = process.variance(time.view(shape)[..., 0]).double()
    x, y = sigma.log(), rmse.log()
    x = x - x.mean(1, keepdim=True)
    slope = (x * y).sum(1) / x.square().sum(1)
    scaled = (sigma * rmse).amax(1) / math.sqrt(task.first.latent_dim)
    return {"sigma_slope": slope, "scaled_rmse": scaled, **times.named(rmse.square())}


def sample_errors(task: Problem, predict: Field, span: Tensor, grid: Tensor, scheme: str = "bridge") -> dict[str, Tensor]:
    """Distances of sampled points at T0 from true ones, and what bounds them; in the space of B, but for the bounds.

    The sampler goes backward along each model's falling times `grid` (models, steps + 1), to its t0.
    """
    p, like = task.first, task.like
    drawn = probes.normals(task, "sampler", p.samples)
    mine, theirs = (predict, exact(task)) if scheme == "bridge" else (scored(predict), scored(exact(task)))
    x = process.backward(mine, drawn(grid.shape[1]), grid, drawn, scheme)
    least = torch.tensor([[q.t0] for q in task.params], dtype=like.dtype, device=like.device)
    noise = probes.normal(task, "true noise", p.samples)
    true = process.noisy(_clean(task, "true", p.samples), least.expand(-1, p.samples), noise)
    on, true_on = torch.bmm(x, task.basis), torch.bmm(true, task.basis)
    across = distances.directions(p.latent_dim, DIRECTIONS, torch.Generator().manual_seed(0)).to(like)
    energy, mmd = distances.energy_and_mmd(on, true_on)
    return {
        "energy_distance": energy,
        "mmd": mmd,
        "sliced_wasserstein": distances.sliced_wasserstein(on, true_on, across),
        "orthogonal_variance": _orthogonal(x, span),
        "orthogonal_bound": math.e * (grid[:, -1] + (grid[:, :-1] - grid[:, 1:])[:, -1]),
        **_total_variation(task, on),
        **_bound(task, mine, theirs, grid, scheme),
    }


def scored(predict: Field) -> Field:
    """The score of a prediction."""
    return lambda x, t: (predict(x, t) - x) / process.variance(t)[..., None]


def _orthogonal(x: Tensor, span: Tensor) -> Tensor:
    """Mean square of a coordinate of (I - W W') x; NaN where W spans everything."""
    rest = x.shape[2] - span.shape[2]
    away = x - torch.bmm(torch.bmm(x, span), span.mT)
    return away.square().sum(-1).mean(1) / rest if rest else x.new_full((len(x),), math.nan)


def _total_variation(task: Problem, points: Tensor) -> dict[str, Tensor]:
    """Binned total variation in the first two latent coordinates, a lower bound of the whole, and what chance may add."""
    variations = []
    for i, (p, law) in enumerate(zip(task.params, task.laws, strict=True)):
        plane = law.first(2)
        density = latents.Density(plane, p.t0)
        variations.append(distances.binned_tv(points[i : i + 1, :, : plane.dim].double(), density, REACH, BINS))
    return {name: torch.cat([pair[i] for pair in variations]) for i, name in enumerate(("tv", "tv_noise"))}


def _bound(task: Problem, mine: Field, theirs: Field, grid: Tensor, scheme: str) -> dict[str, Tensor]:
    """What total variation can be at most: half the root of the path integral, and what the start adds (L6 of our notes).

    TV <= 1/2 sqrt(integral of E|drift error|^2) + sqrt(1/2 [e^-T KL(P_h | N) + (D - d0)/2 (sigma(T) - 1 - ln sigma(T))]).
    """
    points = task.first.points
    block = ensemble.ahead(task.like.device.type, points * (3 * task.first.ambient_dim + 1))
    integral, error = process.girsanov(mine, theirs, _draws(task, points), grid, block, scheme)
    start = [
        math.nan
        if q.ambient_noise > 0
        else math.sqrt(0.5 * process.start_divergence(law.divergence, q.ambient_dim - q.latent_dim, q.horizon))
        for q, law in zip(task.params, task.laws, strict=True)
    ]
    begun = torch.tensor(start, dtype=torch.float64, device=integral.device)
    return {"path_integral": integral, "tv_bound": 0.5 * (integral + ERRORS * error).sqrt() + begun}


def _clean(task: Problem, stream: str, count: int) -> Tensor:
    """New clean points (models, count, D)."""
    points = [
        problem.clean(p, task.laws[i], task.basis[i], count, generator(ctx, stream))
        for i, (p, ctx) in enumerate(zip(task.params, task.ctxs, strict=True))
    ]
    return torch.stack(points)


def _draws(task: Problem, points: int) -> process.Draws:
    """What so many paths of steps from k on are made of."""
    like = task.like

    def draw(k: int, steps: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Clean points, two noises and uniform times of the k-th path, all from the points' own streams."""
        count = steps * points
        streams = [generator(ctx, f"path time {k}") for ctx in task.ctxs]
        uniform = torch.stack([torch.rand(count, generator=g, dtype=like.dtype, device=like.device) for g in streams])
        first, second = (probes.normal(task, f"path noise {k} {i}", count) for i in (0, 1))
        return _clean(task, f"path {k}", count), first, second, uniform

    return draw
