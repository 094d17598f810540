"""Private Hamming distances against tabulated numbers, closed forms, and sketches of real strings."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from orchestrator.workload.context import Context
from orchestrator.workload.describe import load
from workloads.dp_strings import hamming
from workloads.dp_strings.hamming import Params, Result
from workloads.dp_strings.maths import closed, flips, simulate, sketch
from workloads.dp_strings.maths.methods import Method, constants, method

Sizes = tuple[int | None, int | None, int | None]


def measured(params: Params, seed: int = 0) -> Result:
    ((_, result),) = load(hamming).run(params, Context(seed=seed))
    return result


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def simulated(own: Method, z: int, trials: int, seed: int = 0) -> Tensor:
    generator = stream(seed)
    return simulate.statistics(own, simulate.odd_cells(own, z, trials, generator), z, trials, generator)


def released(own: Method, z: int, trials: int) -> Tensor:
    """Statistics (trials,) of real strings z apart, each with hashes and flips of its own."""
    generator, found = stream(7), []
    for _ in range(trials):
        strings = torch.randint(2, (1, own.n), generator=generator).expand(2, -1).clone()
        strings[1, torch.randperm(own.n, generator=generator)[:z]] ^= 1
        private, public = sketch.encode(strings, sketch.hashes(own, generator))
        noisy = private ^ flips.noise(tuple(private.shape), own.flip, generator)
        found.append(simulate.statistic(sketch.compare(noisy, public, own.buckets), own))
    return torch.stack(found)


@pytest.mark.parametrize(("eps", "q"), [(0.5, 0.37754), (1, 0.26894), (2, 0.11920), (3, 0.04743), (4, 0.01799), (8, 3.3535e-4)])
def test_flip_probabilities(eps: float, q: float) -> None:
    assert flips.probability(eps) == pytest.approx(q, rel=3e-4)


@pytest.mark.parametrize("eps", [0.01, 1.0, 40.0, 700.0])
def test_the_loss_of_a_flip_is_its_budget(eps: float) -> None:
    assert flips.loss(flips.probability(eps)) == pytest.approx(eps, rel=1e-12)


def test_an_endless_budget_flips_nothing() -> None:
    assert (flips.probability(1e6), flips.loss(0.0)) == (0.0, math.inf)


@pytest.mark.parametrize(
    ("eps", "sd"), [(0.5, 1.9793), (1, 0.9595), (2, 0.4255), (3, 0.2348), (4, 0.1379), (6, 0.0499), (8, 0.0183)]
)
def test_the_spread_of_flat_randomised_response(eps: float, sd: float) -> None:
    assert closed.flat_sd(1, eps) == pytest.approx(sd, abs=6e-5)


@pytest.mark.parametrize(("eps", "bias"), [(4, 450.688), (16, 165.573), (32, 36.513), (48, 8.249), (64, 1.331), (80, 0.185)])
def test_the_bias_of_equal_strings(eps: float, bias: float) -> None:
    found = closed.moments(method("practical", 16, 1, eps, (4, 32, 64)), 0)
    assert found is not None
    assert found[0] == pytest.approx(bias, abs=6e-4)


@pytest.mark.parametrize(("eps", "sd"), [(16, 5.708), (64, 0.790)])
def test_the_spread_of_equal_strings(eps: float, sd: float) -> None:
    found = closed.moments(method("practical", 16, 1, eps, (4, 32, 64)), 0)
    assert found is not None
    assert found[1] == pytest.approx(sd, abs=6e-4)


@pytest.mark.parametrize(("eps", "bias"), [(16, 165.573), (64, 1.331)])
def test_the_measured_bias_of_equal_strings(eps: float, bias: float) -> None:
    found = measured(Params("practical", 16, eps, 4, 32, 64, z=0, trials=4000))
    assert abs(found.bias - bias) < 4 * found.bias_se


@pytest.mark.parametrize(("eps", "slope"), [(48, -0.1029), (64, -0.1211), (80, -0.1245)])
def test_the_exponent_reaches_one_over_2_m1(eps: float, slope: float) -> None:
    def bias(at: float) -> float:
        found = closed.moments(method("practical", 16, 1, at, (4, 32, 64)), 0)
        assert found is not None
        return math.log(found[0])

    assert (bias(eps + 0.01) - bias(eps - 0.01)) / 0.02 == pytest.approx(slope, abs=1e-4)


@pytest.mark.parametrize(
    ("log", "k", "half", "one"),
    [
        ("2", 16, 1027, 1216),
        ("2", 64, 1686, 2138),
        ("2", 256, 2385, 3212),
        ("e", 16, 658, None),
        ("e", 64, 1089, None),
        ("e", 256, 1518, None),
    ],
)
def test_budgets_at_which_the_paper_beats_a_constant(log: str, k: int, half: int, one: int | None) -> None:
    assert closed.eps_where(lambda eps: closed.bias_at_zero(k, eps, log), k / 2) == pytest.approx(half, abs=0.6)
    if one is not None:
        assert closed.eps_where(lambda eps: closed.bias_at_zero(k, eps, log), 1) == pytest.approx(one, abs=0.6)


@pytest.mark.parametrize(
    ("log", "k", "eps"),
    [("2", 16, 19.4), ("2", 64, 36.4), ("2", 256, 55.4), ("e", 16, 10.3), ("e", 64, 20.6), ("e", 256, 32.3)],
)
def test_budgets_at_which_the_displayed_bound_does(log: str, k: int, eps: float) -> None:
    assert closed.eps_where(lambda at: closed.displayed_bound(k, at, log), k / 2) == pytest.approx(eps, abs=0.06)


@pytest.mark.parametrize(("k", "megabits"), [(16, 8.19), (64, 110.6), (256, 1048.6)])
def test_the_size_of_the_papers_sketch(k: int, megabits: float) -> None:
    assert math.prod(constants(k)) / 1e6 == pytest.approx(megabits, rel=1e-3)


@pytest.mark.parametrize(
    ("k", "sizes", "z", "bias"),
    [(16, (1, 4), 8, -0.92), (16, (1, 4), 16, -3.1), (16, (1, 16), 16, -1.0), (16, (2, 16), 16, -0.14), (16, (4, 64), 16, 0.0),
     (16, (1, 16), 8, -0.16), (16, (2, 16), 8, -0.03), (16, (4, 64), 8, 0.0), (64, (1, 16), 32, -0.9), (64, (2, 16), 32, -0.09),
     (64, (1, 4), 32, -3.8), (64, (1, 4), 64, -13.6), (64, (1, 16), 64, -3.9), (64, (2, 16), 64, -0.68)],
)  # fmt: skip
def test_collisions_of_a_sketch_without_noise(k: int, sizes: tuple[int, int], z: int, bias: float) -> None:
    error = simulated(method("practical", k, 1, 1e6, (sizes[0], 2 * k, sizes[1])), z, 1000) - z
    spread = error.std().item() * math.sqrt(1 / 1000 + 1 / 200)  # the table's are means over 200 trials
    assert abs(error.mean().item() - bias) < 4 * spread + 0.05


@pytest.mark.parametrize("k", [16, 32, 64])
def test_a_sketch_without_noise_is_exact(k: int) -> None:
    own = method("practical", k, 1, 1e6)
    for z in (0, k // 2, k):
        assert (simulated(own, z, 400) == z).double().mean() >= 0.99


@pytest.mark.parametrize(
    ("eps", "errors"),
    [(0.5, (127, 515, 2001)), (1, (61, 248, 954)), (2, (27, 108, 424)), (4, (8.9, 35.7, 138)), (8, (1.2, 4.7, 18.3))],
)
def test_the_error_of_flat_randomised_response(eps: float, errors: tuple[float, ...]) -> None:
    found = [closed.flat_sd(n, eps) for n in (4096, 65536, 10**6)]
    assert found == pytest.approx(errors, rel=0.03)


@pytest.mark.parametrize("k", [16, 64])
@pytest.mark.parametrize(("m1", "m3", "eps"), [(1, 4, 4), (1, 16, 8), (2, 16, 24), (4, 64, 56)])
def test_budgets_at_which_small_constants_beat_a_constant_answer(m1: int, m3: int, eps: float, k: int) -> None:
    def worst(budget: float) -> float:
        return max(measured(Params("practical", k, budget, m1, None, m3, z=z)).rmse_clipped for z in (0, k // 2, k))

    assert worst(eps) < k / 2 < worst(eps / 2)


def test_flat_randomised_response_of_4096_bits() -> None:
    assert measured(Params("flat", 64, 1.0, trials=20000)).rmse == pytest.approx(61.4, rel=0.02)


@pytest.mark.parametrize(
    ("k", "eps", "rmse"),
    [(64, 0.5, 24.9), (64, 1, 17.8), (64, 2, 9.3), (64, 4, 4.3), (64, 8, 3.1), (256, 1, 40.6), (1024, 1, 81.7)],
)
def test_the_error_of_a_parity(k: int, eps: float, rmse: float) -> None:
    assert measured(Params("parity", k, eps, trials=4000)).rmse == pytest.approx(rmse, rel=0.06)


@pytest.mark.parametrize(("eps", "error"), [(4, 444), (16, 163), (32, 36.2), (48, 8.38), (56, 3.30), (64, 1.36), (72, 0.48)])
def test_the_error_of_small_constants(eps: float, error: float) -> None:
    assert measured(Params("practical", 16, eps, 4, 32, 64, trials=1000)).bias == pytest.approx(error, rel=0.06, abs=0.06)


@pytest.mark.parametrize(
    ("variant", "sizes"),
    [
        ("practical", (2, 8, 16)),
        ("practical", (1, 8, 4)),
        ("mean", (3, 8, 4)),
        ("parity", (None, None, 32)),
        ("flat", (None,) * 3),
    ],
)
def test_simulation_agrees_with_real_strings(variant: str, sizes: Sizes) -> None:
    own, z, trials = method(variant, 8, 64, 6.0, sizes), 5, 1500
    if variant == "flat":
        bits = flips.noise((trials, 64), own.flip, stream(3)).double()
        real = (z + bits[:, z:].sum(1) - bits[:, :z].sum(1) - own.flip * 64) / (1 - 2 * own.flip)
    else:
        real = released(own, z, trials)
    assert stats.ks_2samp(real, simulated(own, z, trials)).pvalue > 1e-3


@pytest.mark.parametrize("n", [16, 64, 512])
def test_the_length_of_strings_does_not_matter_to_a_sketch(n: int) -> None:
    own = method("practical", 8, n, 20.0, (2, 16, 16))
    assert stats.ks_2samp(released(own, 4, 400), simulated(own, 4, 400)).pvalue > 1e-3


@pytest.mark.parametrize(
    ("variant", "sizes", "z"), [("mean", (1, 16, 2), 6), ("mean", (4, 16, 8), 6), ("parity", (None, None, 64), 12)]
)
def test_moments_of_odd_cells(variant: str, sizes: Sizes, z: int) -> None:
    own = method(variant, 16, 1, 8.0, sizes)
    exact, found = closed.moments(own, z), simulated(own, z, 20000)
    assert exact is not None
    assert abs(found.mean().item() - exact[0]) < 4 * exact[1] / math.sqrt(20000)
    assert found.std().item() == pytest.approx(exact[1], rel=0.03)


@pytest.mark.parametrize("q", [0.0, 1e-5, 1e-3, 0.0015, 0.2])
def test_counts_after_flips(q: float) -> None:
    odd = torch.full((200_000,), 3)
    found, exact = flips.counts(odd, 64, q, stream()) - 3, 58 * q
    assert abs(found.mean().item() - exact) <= 4 * math.sqrt(64 * q * (1 - q) / 200_000)


def test_rare_flips_are_where_frequent_ones_are() -> None:
    places = flips.skips(100_000, 0.01, stream())
    assert (places.diff() > 0).all()
    assert stats.kstest(places.numpy() / 1e5, "uniform").pvalue > 1e-3
    assert stats.kstest(np.diff(places.numpy()) - 1 + np.random.default_rng(0).random(len(places) - 1), _gap).pvalue > 1e-3


def _gap(x: np.ndarray) -> np.ndarray:
    """Distribution function of a geometric gap, spread over the unit after it."""
    whole = np.floor(x)
    below = 1 - 0.99**whole
    return below + (x - whole) * 0.99**whole * 0.01


def test_the_constant_answer() -> None:
    assert (measured(Params("trivial", 16, 1.0, z=0)).rmse, measured(Params("trivial", 16, 1.0, z=8)).rmse) == (8, 0)


def test_laplace_shares_its_budget_among_answers() -> None:
    assert measured(Params("laplace", 16, 2.0, trials=20000, queries=10)).rmse == pytest.approx(math.sqrt(2) * 5, rel=0.03)


def test_copies_share_the_budget() -> None:
    one, three = (measured(Params("practical", 16, 64.0, 4, 32, 64, copies=r)) for r in (1, 3))
    assert three.eps_bit == pytest.approx(one.eps_bit, rel=1e-12)
    assert three.rmse > 10 * one.rmse


def test_a_broken_promise_is_clipped_away() -> None:
    found = measured(Params("parity", 16, 20.0, z=64))
    assert found.bias == 16 - 64


def test_taking_off_the_known_bias_helps() -> None:
    found = measured(Params("practical", 16, 32.0, 4, 32, 64))
    assert found.rmse_corrected is not None
    assert found.rmse_corrected < found.rmse / 5


def test_the_paper_is_worse_than_a_constant_at_ordinary_budgets() -> None:
    found = measured(Params("paper", 16, 8.0, trials=10))
    assert not found.beats_trivial
    assert found.rmse > 1000 * found.trivial_error


def test_no_row_is_a_release() -> None:
    assert not any(measured(p).private for p in hamming.EXAMPLES)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        (Params("papper", 16, 1.0), "variant must be one of paper"),
        (Params("paper", 16, -1.0), "eps positive"),
        (Params("paper", 16, 1.0, z=5000), r"z must lie in \[0, n\]"),
        (Params("paper", 16, 1.0, log="10"), "log must be one of 2, e"),
        (Params("parity", 16, 1.0, m1=2), "one row"),
        (Params("practical", 16, 1.0, m3=0), "m1, m2 and m3 must be at least 1"),
    ],
)
def test_what_makes_no_sketch_is_refused(params: Params, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        measured(params)
