"""The law of labels: its scores against autograd, the posterior's identity, and trained guidance beside the exact one."""

from __future__ import annotations

import math

import pytest
import torch

from orchestrator.workload.context import Context
from orchestrator.workload.describe import load
from workloads.dit_conditional import rate
from workloads.dit_conditional.maths import evaluation, problem, training
from workloads.dit_conditional.maths.classes import Classes
from workloads.dit_conditional.maths.problem import Params


def places(dim: int, n: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    draws = torch.Generator().manual_seed(0)
    x = 2 * torch.randn(n, dim, generator=draws, dtype=torch.float64)
    return x.requires_grad_(), 0.02 + 3 * torch.rand(n, generator=draws, dtype=torch.float64)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_scores_are_gradients_of_the_logarithms(dim: int) -> None:
    law, (x, t) = Classes(dim, 4), places(dim)
    y = law.conditions(len(x), Context(0).generator())
    for density, score in (law.diffused(x, y, t), law.marginal(x, t)):
        (gradient,) = torch.autograd.grad(density.log().sum(), x)
        assert torch.allclose(score, gradient, atol=1e-10)


@pytest.mark.parametrize("count", [2, 4, 7])
def test_class_scores_weighed_by_the_posterior_are_the_mixture_s(count: int) -> None:
    law, (x, t) = Classes(2, count), places(2)
    each = [law.diffused(x, torch.full((len(x), 1), (k + 0.5) / count).double(), t) for k in range(count)]
    density = torch.stack([pair[0] for pair in each])
    weighed = ((density / density.sum(0))[..., None] * torch.stack([pair[1] for pair in each])).sum(0)
    assert float((weighed - law.marginal(x, t)[1]).detach().abs().max()) < 1e-12


def test_a_class_diffuses_to_the_mean_of_kernels() -> None:
    law, t = Classes(1, 4), torch.tensor([0.4], dtype=torch.float64)
    z = torch.linspace(-8, 8, 40_001, dtype=torch.float64)[:, None]
    y = torch.tensor([[0.375]], dtype=torch.float64)
    clean = law.diffused(z, y.expand(len(z), 1), torch.zeros(len(z)).double())[0]
    sigma = -math.expm1(-0.4)
    kernel = torch.exp(-((0.3 - math.exp(-0.2) * z[:, 0]) ** 2) / (2 * sigma)) / math.sqrt(2 * math.pi * sigma)
    found = law.diffused(torch.tensor([[0.3]], dtype=torch.float64), y, t)[0]
    assert float(found) == pytest.approx(float(torch.trapezoid(clean * kernel, z[:, 0])), rel=1e-9)


def test_guided_samples_are_near_those_of_the_exact_scores_only_where_the_scores_are() -> None:
    task = problem.build([Params(family="classes", x_dim=2, samples=2048, gamma=3.0)], [Context(0)])
    exact = evaluation.exact(task)
    right = evaluation.sample_errors(task, exact)
    wrong = evaluation.sample_errors(task, lambda x, t, y, hidden: exact(x, t, y, True))
    assert abs(float(right["energy_distance"])) < 0.005 < 0.02 < float(wrong["energy_distance"])
    assert float(right["variance_ratio"]) == pytest.approx(1.0, abs=0.05)
    assert abs(float(right["mmd"])) < 0.0005 < 0.002 < float(wrong["mmd"])


def test_a_training_by_labels_learns_both_scores() -> None:
    p = Params(family="classes", x_dim=1, fresh=True, n=1, steps=300, points=64, samples=256)
    ((_, row),) = load(rate).run(p, Context(0))
    assert row.relative_mse is not None and row.relative_mse < 0.02
    assert row.score_mse_uncond is not None and row.score_mse_uncond < 1.0
    assert row.tv is not None and row.tv < 0.5 and row.tv_sampled is None


def test_guidance_acts_on_every_coordinate() -> None:
    p = Params(family="classes", x_dim=3, precision="float64")
    task = problem.build([p], [Context(0)])
    exact, draws = evaluation.exact(task), torch.Generator().manual_seed(0)
    x, t = torch.randn(1, 9, 3, generator=draws, dtype=torch.float64), torch.full((1, 9), 0.3, dtype=torch.float64)
    y = torch.full((1, 9, 1), 0.125, dtype=torch.float64)
    found = training.guided(exact, torch.tensor([2.0], dtype=torch.float64))(x, t, y)
    assert torch.allclose(found, 2 * exact(x, t, y, False) - exact(x, t, y, True), atol=1e-12)


def test_labels_need_one_condition() -> None:
    with pytest.raises(ValueError, match="family 'classes' has one condition, its label, but got y_dim = 0; write 1"):
        problem.check(Params(family="classes", y_dim=0))
