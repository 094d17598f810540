"""dit_conditional.guidance: variances of guided sampling in closed form, by recursion, on paths, beside the tilted density."""

from __future__ import annotations

import functools

import pytest
import torch
from scipy.integrate import solve_ivp

from orchestrator.workload.context import Context
from orchestrator.workload.describe import load
from workloads.dit_conditional import guidance
from workloads.dit_conditional.guidance import Params
from workloads.dit_conditional.maths import guided


def measured(params: Params, seed: int = 0) -> guidance.Result:
    ((_, row),) = load(guidance).run(params, Context(seed))
    return row


@pytest.mark.parametrize(
    ("gamma", "ode", "sde", "tilted"), [(2, 0.5, 0.583333, 0.666667), (3, 0.25, 0.3875, 0.5), (5, 0.0625, 0.221788, 0.333333)]
)
def test_variances_are_the_tabled_ones(gamma: float, ode: float, sde: float, tilted: float) -> None:
    strength, two = torch.tensor([float(gamma)], dtype=torch.float64), torch.tensor([2.0], dtype=torch.float64)
    assert guided.limit(strength, two, "ode").item() == pytest.approx(ode, abs=1e-6)
    assert guided.limit(strength, two, "sde").item() == pytest.approx(sde, abs=1e-6)
    assert guided.tilted(strength, two).item() == pytest.approx(tilted, abs=1e-6)


@pytest.mark.parametrize(("sampler", "variance"), [("ode", 0.25027), ("sde", 0.38758)])
def test_ten_thousand_steps_come_near_the_limit(sampler: str, variance: float) -> None:
    row = measured(Params(gamma=3.0, sampler=sampler))
    assert row.variance == pytest.approx(variance, abs=1e-3)
    assert abs(row.relative_error) < 3e-3
    assert row.away_from_tilted == pytest.approx(row.variance / 0.5)


@pytest.mark.parametrize("sampler", guided.SAMPLERS)
@pytest.mark.parametrize(("gamma", "u"), [(2.5, 1.5), (4.0, 3.0)])
def test_limits_solve_the_variance_s_equation(sampler: str, gamma: float, u: float) -> None:
    def change(s: float, v: list[float]) -> list[float]:  # s runs backwards from the horizon
        g = gamma - (gamma - 1) / (1 + (u - 1) * torch.exp(torch.tensor(s - 40.0, dtype=torch.float64)).item())
        return [(1 - g) * v[0]] if sampler == "ode" else [(1 - 2 * g) * v[0] + 1]

    solved = solve_ivp(change, (0, 40), [1.0], rtol=1e-10, atol=1e-12).y[0, -1]
    pair = (torch.tensor([value], dtype=torch.float64) for value in (gamma, u))
    assert guided.limit(*pair, sampler).item() == pytest.approx(solved, rel=1e-7)


def test_strength_one_keeps_the_conditional_law() -> None:
    assert measured(Params(gamma=1.0, steps=50)).variance == 1.0
    row = measured(Params(gamma=1.0, steps=50, sampler="sde"))
    assert row.variance_exact == pytest.approx(1.0, abs=1e-12)
    assert row.variance == pytest.approx(1 / (1 - 20 / 50 / 4), rel=1e-3)  # the fixed point of Euler's steps of 0.4


def test_no_guidance_is_bitwise_the_conditional_path() -> None:
    grid, start, ones = torch.linspace(5, 0, 21, dtype=torch.float64), torch.randn(1, 8).double(), torch.ones(1).double()
    found = []
    for u in (2.0, 7.0):
        draws = torch.Generator().manual_seed(0)
        noise = functools.partial(torch.randn, 1, 8, generator=draws, dtype=torch.float64)
        found.append(guided.paths(ones, u * ones, "sde", grid, start, noise))
    assert torch.equal(*found)  # the marginal law plays no part


@pytest.mark.parametrize("sampler", guided.SAMPLERS)
def test_paths_spread_as_their_recursion_says(sampler: str) -> None:
    row = measured(Params(gamma=3.0, sampler=sampler, steps=10, samples=20_000))
    assert row.sampled is not None and row.sampled_exact is not None and row.sampled_se is not None
    assert abs(row.sampled - row.sampled_exact) < 4 * row.sampled_se < 0.05 * row.sampled_exact


def test_class_scores_weighed_by_the_posterior_are_the_mixture_s() -> None:
    assert max(measured(Params(gamma=1.0, steps=1), seed).posterior_gap for seed in range(50)) < 1e-12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sampler": "heun"}, "sampler must be one of ode, sde, but got 'heun'"),
        ({"gamma": 0.5}, "gamma must be at least 1"),
        ({"marginal": 1.0}, "marginal above 1"),
    ],
)
def test_what_means_nothing_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measured(Params(**{"gamma": 2.0, **change}))  # type: ignore[arg-type]
