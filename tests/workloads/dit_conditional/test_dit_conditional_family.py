"""The law of known smoothness: closed forms against quadrature and differences, its samples, and kernel estimates of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from orchestrator.workload.context import Context
from workloads.dit_conditional.maths import family, kernels, problem
from workloads.dit_conditional.maths.family import Law

LAWS = [Law(1.0, 1, 1, 6), Law(0.5, 1, 0, 6), Law(2.0, 1, 2, 6), Law(1.0, 1, 1, 6, "generic")]


def at(value: float, dim: int = 1) -> torch.Tensor:
    return torch.full((1, dim), value, dtype=torch.float64)


def density(law: Law, x: float, y: float, t: float) -> float:
    return float(law.diffused(at(x), at(y, law.y_dim), at(t)[:, 0])[0])


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("x", [0.3, -1.2])
def test_the_diffused_density_is_the_integral_of_the_clean_one(law: Law, x: float) -> None:
    t, y = 0.2, 0.37
    beta, sigma = np.exp(-t / 2), 1 - np.exp(-t)
    z, weights = np.polynomial.legendre.leggauss(2000)
    places = torch.from_numpy(10 * z)[:, None]
    clean = law.diffused(places, at(y, law.y_dim).expand(2000, -1), torch.zeros(2000, dtype=torch.float64))[0].numpy()
    kernel = np.exp(-((x - beta * 10 * z) ** 2) / (2 * sigma)) / np.sqrt(2 * np.pi * sigma)
    assert density(law, x, y, t) == pytest.approx(float((10 * weights * clean * kernel).sum()), abs=1e-9)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("t", [0.0, 0.05, 1.0])
def test_a_density_has_mass_one_at_every_time(law: Law, t: float) -> None:
    mass, _ = quad(lambda x: density(law, x, 0.6, t), -9, 9, limit=400, epsabs=1e-8)
    assert mass == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("law", [*LAWS, Law(1.5, 2, 1, 5)])
def test_the_score_is_the_gradient_of_the_logarithm(law: Law) -> None:
    x = torch.randn(20, law.x_dim, dtype=torch.float64, requires_grad=True)
    y, t = torch.rand(20, law.y_dim, dtype=torch.float64), torch.linspace(0.05, 2, 20, dtype=torch.float64)
    found, score = law.diffused(x, y, t)
    (gradient,) = torch.autograd.grad(found.log().sum(), x)
    assert torch.allclose(score, gradient, atol=1e-10)
    with torch.no_grad():  # differences do not know the logarithm's rule
        step = 1e-5 * torch.eye(law.x_dim, dtype=torch.float64)[0]
        ahead, behind = (law.diffused(x + side * step, y, t)[0].log() for side in (1, -1))
    assert torch.allclose(score[:, 0], (ahead - behind) / 2e-5, atol=1e-6)


def test_without_the_condition_the_score_is_that_of_the_mixture() -> None:
    law, t = LAWS[0], torch.full((9,), 0.1, dtype=torch.float64)
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None].requires_grad_()
    mixed, score = law.marginal(x, t)
    even = torch.linspace(0.0005, 0.9995, 1000, dtype=torch.float64)[:, None]
    whole = torch.stack([law.diffused(x, y.expand(9, 1), t)[0] for y in even]).mean(0)
    assert torch.allclose(mixed, whole, rtol=1e-5)
    (gradient,) = torch.autograd.grad(whole.log().sum(), x)
    assert torch.allclose(score, gradient, atol=1e-4)


@pytest.mark.parametrize(("assumption", "low", "high"), [("strong", 0.4, 1.6), ("generic", 0.0, 2.0)])
def test_the_factor_keeps_to_its_bounds(assumption: str, low: float, high: float) -> None:
    law = Law(1.0, 1, 1, 8, assumption)
    found = law.factor(torch.randn(5000, 1, dtype=torch.float64), torch.rand(5000, 1, dtype=torch.float64))
    assert low <= float(found.min()) and float(found.max()) <= high
    assert assumption == "strong" or float(law.factor(at(0), at(0))) == pytest.approx(0.0, abs=1e-12)


def test_samples_have_the_law_s_moments() -> None:
    law = LAWS[0]
    x = law.sample(at(0.25).expand(40_000, 1), Context(3).generator())[:, 0]
    for power in (1, 2):
        exact, _ = quad(lambda z, k=power: z**k * density(law, z, 0.25, 0.0), -9, 9, limit=400)
        assert float((x**power).mean()) == pytest.approx(exact, abs=5 * float((x**power).std()) / 200)


def test_exponents_are_the_tabled_ones() -> None:
    table = {
        (0.5, 1, 0): (0.5, 0.25, 0.333, 0.083),
        (1, 1, 1): (0.5, 0.25, 0.333, 0.083),
        (1, 2, 1): (0.4, 0.2, 0.25, 0.0625),
        (2, 2, 1): (0.571, 0.286, 0.4, 0.1),
        (2, 4, 1): (0.444, 0.222, 0.286, 0.071),
    }
    for key, values in table.items():
        assert family.exponents(Law(*key)) == pytest.approx(values, abs=6e-4)


@pytest.mark.parametrize(("beta", "slope"), [(0.5, -0.233), (1.0, -0.31), (2.0, -0.371)])
def test_kernel_estimates_improve_at_about_the_measured_rates(beta: float, slope: float) -> None:
    sizes, law = [250, 1000, 4000, 16000, 64000], Law(beta)
    found = []
    for seed in range(3):
        x, y = problem.drawn(law, torch.eye(1, dtype=torch.float64), sizes[-1], Context(seed).generator())
        found.append([kernels.oracle(law, x[:n], y[:n])[0] for n in sizes])
    assert np.polyfit(np.log(sizes), np.log(np.mean(found, axis=0)), 1)[0] == pytest.approx(slope, abs=0.06)


def test_a_kernel_estimate_is_the_plain_sum_of_kernels() -> None:
    law = Law(1.0)
    x, y = problem.drawn(law, torch.eye(1, dtype=torch.float64), 200, Context(1).generator())
    tv, h = kernels.oracle(law, x, y)
    grid = torch.linspace(-6, 6, 4001, dtype=torch.float64)
    found = torch.exp(-(((grid[:, None] - x[:, 0]) / h) ** 2) / 2).mean(1) / (h * np.sqrt(2 * np.pi))
    true = law.diffused(grid[:, None], grid.new_zeros(4001, 0), torch.zeros_like(grid))[0]
    assert tv == pytest.approx(float(0.5 * (found - true).abs().sum() * 12 / 4000), rel=2e-3)
