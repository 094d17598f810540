"""Latent laws, the diffusion and its sampler against closed forms, autograd, quadrature and the paper's own numbers."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from torch import Tensor

from orchestrator.workload.context import Context
from orchestrator.workload.describe import load
from workloads.dit_latent import sampling
from workloads.dit_latent.maths import latents, problem
from workloads.dit_latent.maths.latents import NAMES, Latent
from workloads.dit_latent.sampling import Params, Result
from workloads.shared.diffusion import distances, network, process
from workloads.shared.diffusion.problem import SPREADS

# Variance of a coordinate without data after Euler's steps from variance 1 at T = 5, and sigma(T0) itself.
EULER = {0.1: {0.02: 0.105702, 0.005: 0.097675, 0.001: 0.095659}, 0.01: {0.02: 0.024586, 0.005: 0.012848, 0.001: 0.010467}}


def seeded(seed: int = 0) -> torch.Generator:
    """A generator."""
    return torch.Generator().manual_seed(seed)


def measure(params: Params, seed: int = 0) -> Result:
    """The row of one point."""
    ((_, result),) = load(sampling).run(params, Context(seed))
    return result


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dim", [1, 3])
def test_scores_are_gradients_of_the_log_density(name: str, dim: int) -> None:
    h = (2 * torch.randn(50, dim, generator=seeded(), dtype=torch.float64)).requires_grad_()
    t = 0.01 + 3 * torch.rand(50, generator=seeded(1), dtype=torch.float64)
    law = Latent(name, dim, jitter=0.1)
    (gradient,) = torch.autograd.grad(latents.log_density(law, h, t).sum(), h)
    assert torch.allclose(latents.score(law, h, t), gradient, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_a_diffused_density_is_the_mean_of_kernels(name: str) -> None:
    law, t = Latent(name, 1), torch.tensor(0.7, dtype=torch.float64)
    h0 = torch.linspace(-25, 25, 200_001, dtype=torch.float64)[:, None]
    clean = latents.log_density(law, h0, torch.tensor(1e-9)).exp()
    for at in (-1.3, 0.2, 2.5):
        kernel = torch.exp(-((at - process.signal(t) * h0[:, 0]) ** 2) / (2 * process.variance(t)))
        mean = torch.trapezoid(clean * kernel, h0[:, 0]) / (2 * math.pi * process.variance(t)).sqrt()
        found = latents.log_density(law, torch.tensor([at], dtype=torch.float64), t).exp()
        assert float(found) == pytest.approx(float(mean), rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_samples_have_the_law_s_moments_and_divergence(name: str) -> None:
    law = Latent(name, 3)
    h = latents.sample(law, 100_000, seeded())
    normal = -0.5 * h.square().sum(1) - 1.5 * math.log(2 * math.pi)
    kl = latents.log_density(law, h, torch.tensor(1e-9).expand(len(h))) - normal
    assert float(kl.mean()) == pytest.approx(law.divergence, abs=5 * float(kl.std()) / len(h) ** 0.5)
    moment = float(h.square().mean(0).min())
    assert moment == pytest.approx(law.least_moment, rel=0.03)


def test_a_mixture_s_score_is_the_tabled_one() -> None:
    # Two means (+-2, 0) at t = 0.5 and h = (0.5, 1), worked by hand; our mixture in one dimension has the same two.
    law, t = Latent("mixture", 1), torch.tensor(0.5, dtype=torch.float64)
    first = latents.score(law, torch.tensor([0.5], dtype=torch.float64), t)
    total = 0.25 * math.exp(-0.5) - math.expm1(-0.5)
    assert float(first) == pytest.approx(1.6298854, abs=1e-7)
    assert -1 / total == pytest.approx(-1.83451903, abs=1e-8)
    assert 0.3 / math.expm1(-0.5) == pytest.approx(-0.76244822, abs=1e-8)


def test_the_score_in_the_ambient_space_is_that_of_its_parts() -> None:
    law, basis = Latent("gaussian", 2), problem.subspace(3, 2, seeded())
    t, x = torch.tensor(0.4, dtype=torch.float64), torch.randn(9, 3, generator=seeded(), dtype=torch.float64)
    covariance = math.exp(-0.4) * basis @ torch.diag(law.variances) @ basis.mT - math.expm1(-0.4) * torch.eye(3).double()
    whole = -torch.linalg.solve(covariance, x.mT).mT
    parts = latents.score(law, x @ basis, t) @ basis.mT - (x - x @ basis @ basis.mT) / process.variance(t)
    assert torch.allclose(whole, parts, atol=1e-12)


@pytest.mark.parametrize(("t", "floor"), [(0.1, 19.74744954), (1.0, 1.68858653)])
@pytest.mark.parametrize("ambient", [2, 5])
def test_the_least_denoising_loss_is_the_tabled_one_in_any_ambient_space(t: float, floor: float, ambient: int) -> None:
    law, time = Latent("gaussian", 2), torch.tensor(t, dtype=torch.float64)
    signal, sigma = process.signal(time).square(), process.variance(time)
    on = (signal * law.variances + sigma).reciprocal().sum()  # E|score|^2 of the latent part
    assert float(ambient / sigma - on - (ambient - 2) / sigma) == pytest.approx(floor, abs=1e-7)
    h = latents.sample(law, 200_000, seeded())
    noise = torch.randn(h.shape, generator=seeded(1), dtype=torch.float64)
    x = process.noisy(h, time.expand(len(h)), noise)
    loss = (latents.score(law, x, time.expand(len(h))) + noise / sigma.sqrt()).square().sum(1)
    assert float(loss.mean()) == pytest.approx(floor, abs=5 * float(loss.std()) / len(h) ** 0.5)


@pytest.mark.parametrize("t0", EULER)
@pytest.mark.parametrize("mu", [0.02, 0.005, 0.001])
def test_euler_s_variance_off_the_subspace_is_the_tabled_one(t0: float, mu: float) -> None:
    last = list(process.orthogonal_variances(t0, 5.0, mu))[-1]
    assert last == pytest.approx(EULER[t0][mu], abs=1e-6)
    assert -math.expm1(-t0) < last <= math.e * (t0 + mu)


@pytest.mark.parametrize(("scheme", "mu"), [("euler", 0.1), ("bridge", 0.5)])
def test_sampled_variance_off_the_subspace_is_that_of_the_recursion(scheme: str, mu: float) -> None:
    row = measure(Params(mu=mu, scheme=scheme, samples=4096))
    assert row.orthogonal_variance == pytest.approx(row.orthogonal_exact, abs=5 * row.orthogonal_se)
    assert row.orthogonal_variance <= row.orthogonal_bound


def test_smaller_steps_sample_better_and_stay_within_their_bound() -> None:
    rows = [measure(Params(mu=mu, scheme="bridge", samples=4096)) for mu in (1.0, 0.2, 0.05)]
    assert rows[0].path_integral > rows[1].path_integral > rows[2].path_integral
    assert rows[0].tv > rows[2].tv
    assert all(row.tv <= row.tv_bound + row.tv_noise for row in rows)


def test_the_bound_sees_a_score_of_the_wrong_law() -> None:
    exact, wrong = (measure(Params(mu=0.05, scheme="bridge", score=s, n=500)) for s in ("exact", "plugin"))
    assert wrong.tv > wrong.tv_noise > exact.tv
    assert exact.tv_bound < wrong.tv_bound
    assert wrong.tv <= wrong.tv_bound + wrong.tv_noise


def test_a_path_s_divergence_is_that_of_normal_steps() -> None:
    # A score off by a constant in one dimension: the drift's error is its square at every time.
    law, grid = Latent("gaussian", 1), process.schedule(0.1, 2.0, step=0.001)[None]

    def exact(x: Tensor, t: Tensor) -> Tensor:
        return latents.score(law, x, t)

    def draw(k: int, steps: int) -> tuple[Tensor, ...]:
        own = seeded(k)
        first, second = torch.randn(2, 1, 64 * steps, 1, generator=own, dtype=torch.float64)
        uniform = torch.rand(1, 64 * steps, generator=own, dtype=torch.float64)
        return latents.sample(law, 64 * steps, own)[None], first, second, uniform

    found, error = process.girsanov(lambda x, t: exact(x, t) + 3.0, exact, draw, grid, 8, "euler")
    assert float(found) == pytest.approx(9 * 1.9, rel=0.02)
    assert 0 < float(error) < 0.2


def test_the_average_over_time_sees_a_singular_integrand() -> None:
    t, weight = process.quadrature(0.02, 4.0, 12)
    assert float(weight.sum()) == pytest.approx(1.0, abs=1e-9)
    assert float((weight / t**2).sum()) == pytest.approx((1 / 0.02 - 1 / 4.0) / 3.98, rel=1e-6)


@pytest.mark.parametrize("spread", SPREADS)
def test_training_times_fill_their_interval(spread: str) -> None:
    ends = process.times(torch.tensor([0.0, 1.0], dtype=torch.float64), 0.02, 4.0, spread)
    assert ends.tolist() == pytest.approx([0.02, 4.0])


def test_binned_total_variation_is_zero_for_the_law_itself_up_to_chance() -> None:
    law = Latent("mixture", 2)
    time = torch.tensor(0.1, dtype=torch.float64)
    noise = torch.randn(20_000, 2, generator=seeded(1), dtype=torch.float64)
    x = process.noisy(latents.sample(law, 20_000, seeded()), time.expand(20_000), noise)
    tv, chance = distances.binned_tv(x[None], latents.Density(law, 0.1), 5.0, 8)
    shifted, _ = distances.binned_tv(x[None] + 10.0, latents.Density(law, 0.1), 5.0, 8)
    assert float(tv) < float(chance) < 0.06
    assert float(shifted) > 0.99


def test_distances_of_samples_are_those_of_scipy() -> None:
    x, y = torch.randn(1, 400, 1, dtype=torch.float64), torch.randn(1, 400, 1, dtype=torch.float64) * 2 + 1
    one = torch.ones(1, 1, dtype=torch.float64)
    own = sum(torch.cdist(z, z).sum() / (400 * 399) - torch.cdist(z, z).sum() / 400**2 for z in (x, y))
    energy = stats.energy_distance(x.flatten().numpy(), y.flatten().numpy()) ** 2
    assert float(distances.energy(x, y) + own) == pytest.approx(energy, rel=1e-9)
    gap = (x.flatten().sort().values - y.flatten().sort().values).square().mean().sqrt()
    assert float(distances.sliced_wasserstein(x, y, one)) == pytest.approx(float(gap))


def test_orthonormal_columns_are_unique() -> None:
    weight = torch.randn(4, 6, 3, dtype=torch.float64)
    q = network.orthonormal(weight)
    assert torch.allclose(q.mT @ q, torch.eye(3).double().expand(4, 3, 3), atol=1e-12)
    assert torch.allclose(network.orthonormal(q), q, atol=1e-12)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (Params(mu=0.0), "mu must be above 0 and samples at least 2, but got 0.0 and 2048"),
        (Params(mu=0.1, score="learnt"), "score must be one of exact, plugin, empirical .* but got 'learnt'"),
        (Params(mu=0.1, family="cauchy"), "family must be one of gaussian, mixture, laplace, but got 'cauchy'"),
        (Params(mu=0.1, latent_dim=9), "latent_dim must lie between 1 and ambient_dim, but got 9 and 8"),
        (Params(mu=0.1, t0=6.0), "0 < t0 < horizon, but got t0 = 6.0, horizon = 5.0"),
    ],
)
def test_samplers_that_mean_nothing_are_refused(params: Params, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure(params)


def test_the_mean_discrepancy_is_the_plain_sum_of_kernels_and_its_closed_form() -> None:
    x, y = (
        torch.randn(1, 300, 2, generator=seeded(), dtype=torch.float64) + 1,
        torch.randn(1, 300, 2, generator=seeded(1)).double(),
    )
    wide = 2 * y[0].var(0).sum()
    parts = [torch.exp(-torch.cdist(a[0], b[0]).square() / (2 * wide)) for a, b in ((x, x), (y, y), (x, y))]
    plain = sum((k.sum() - 300) / (300 * 299) for k in parts[:2]) - 2 * parts[2].mean()
    found = float(distances.energy_and_mmd(x, y)[1])
    assert found == pytest.approx(float(plain), abs=1e-12)
    shrink = float(wide / (wide + 2))  # of normal laws at distance root 2: 2 c (1 - exp(-1/(s^2 + 2)))
    assert found == pytest.approx(2 * shrink * (1 - math.exp(-1 / (float(wide) + 2))), rel=0.3)
