"""The audit's bounds, dp_kde.audit with planted mistakes, dp_kde.kernels and dp_kde.cost against closed forms and peers."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.neighbors import KernelDensity

from orchestrator.workload.context import Context
from orchestrator.workload.describe import load
from workloads.dp_kde import audit as workload
from workloads.dp_kde import cost, kernels
from workloads.dp_kde.audit import Params
from workloads.dp_kde.maths import data, losses, noise, spent, sums, tree
from workloads.dp_kde.maths.reading import Reading
from workloads.shared.privacy import audit

CTX = Context(seed=2)


def seen(*args: object, seed: int = 2, **given: object) -> workload.Result:
    ((_, row),) = workload.run(Params(*args, **given), Context(seed=seed))  # type: ignore[arg-type]
    return row


def test_clopper_pearson_is_that_of_scipy() -> None:
    low, high = audit.clopper_pearson(np.array([0, 3, 50, 100]), 100, 0.975)
    peers = [stats.binomtest(k, 100).proportion_ci(0.95, "exact") for k in (0, 3, 50, 100)]
    assert low == pytest.approx([p.low for p in peers], abs=1e-9)
    assert high == pytest.approx([p.high for p in peers], abs=1e-9)


def test_the_bound_holds_as_often_as_it_says() -> None:
    draw = np.random.default_rng(0)
    above = 0
    for _ in range(400):
        runs = draw.laplace(size=(2, 1000, 1)) * 2 + np.array([0.0, 1.0])[:, None, None]
        found = audit.epsilon_lower(*(audit.laplace_score(r, np.ones(1), np.full(1, 2.0)) for r in runs))
        above += found.epsilon > 0.5
    assert above <= 400 * 0.05


def test_equal_databases_prove_nothing() -> None:
    scores = np.random.default_rng(1).normal(size=(2, 20_000))
    assert audit.epsilon_lower(*scores).epsilon < 0.02


def test_the_audit_takes_either_tail() -> None:
    draw = np.random.default_rng(2)
    rare = np.where(draw.random((2, 50_000)) < np.array([[0.5], [0.999]]), 1.0, 0.0)
    found = audit.epsilon_lower(*rare)
    assert found.below and found.epsilon > 5


def test_scores_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="two arrays of one length"):
        audit.epsilon_lower(np.zeros(10), np.zeros(12))


def test_flips_score_is_the_likelihood_ratio_of_binomials() -> None:
    ratio = stats.binom.logpmf(3, 5, 0.8) - stats.binom.logpmf(3, 5, 0.2)
    assert audit.flips_score(np.array([3]), 5, 0.2) == pytest.approx(ratio)


def test_laplace_at_eps_one_shows_nearly_all_it_loses_whatever_the_seed() -> None:
    found = [seen("per_query", runs=100_000, seed=seed).eps_lower for seed in range(20)]
    assert min(x for x in found if x is not None) >= 0.93
    assert sum(x > 1 for x in found if x is not None) <= 3  # a bound at 95 % of a tight mechanism errs in 2.5 to 5 % of audits


# What an audit proves of 10^4, 10^5 and 10^6 releases that had no part in choosing the event, and as many that had.
LAPLACE = {0.1: (0.06, 0.09, 0.096), 0.5: (0.45, 0.48, 0.495), 1.0: (0.94, 0.98, 0.994), 2.0: (1.91, 1.97, 1.99),
           4.0: (3.77, 3.93, 3.98), 8.0: (6.52, 7.51, 7.85)}  # fmt: skip


@pytest.mark.parametrize("eps", LAPLACE)
def test_the_power_of_audits_of_laplace_is_that_of_the_table(eps: float) -> None:
    found = [losses.reach([(1 << 16, (1 << 16) / eps)], 2 * runs).epsilon for runs in (10**4, 10**5, 10**6)]
    assert found == pytest.approx(LAPLACE[eps], rel=0.03, abs=0.005)


@pytest.mark.parametrize("eps", [0.5, 2.0, 4.0, 8.0])
def test_laplace_audits_prove_what_they_can_whatever_the_seed(eps: float) -> None:
    found = [seen("per_query", eps=eps, runs=100_000, seed=seed) for seed in range(5)]
    for one in found:
        assert one.eps_lower is not None and one.eps_reachable is not None
        assert one.eps_lower >= one.eps_reachable - 0.1 - 0.08 * eps
    assert sum(bool(one.caught) for one in found) <= 1


@pytest.mark.parametrize(
    ("levels", "runs", "least"),
    [(5, 10**5, 0.88), (10, 10**5, 0.62), (17, 10**5, 0.37), (5, 10**6, 0.97), (10, 10**6, 0.74), (17, 10**6, 0.58)],
)
def test_trees_of_counts_hide_behind_their_levels_as_in_the_table(levels: int, runs: int, least: float) -> None:
    assert least - 0.01 <= losses.reach([(1, float(levels))] * levels, 2 * runs).epsilon <= least + 0.15
    found = seen("counts", levels=levels, runs=50_000)
    assert found.eps_lower is not None and found.eps_reachable is not None
    assert found.eps_reachable - 0.1 <= found.eps_lower <= found.eps_reachable + 0.1


def test_halved_noise_of_a_tree_is_caught_by_a_million_runs() -> None:
    found = seen("counts", levels=10, bug="halved_noise", runs=1_000_000)
    assert found.eps_lower is not None and found.eps_lower > 1.3
    assert found.caught and not found.ledger_ok and found.power == 1


@pytest.mark.parametrize("bug", ["halved_noise", "doubled_budget", "ignored_replacement"])
def test_planted_mistakes_are_caught_whatever_the_seed(bug: str) -> None:
    adjacency = "replace_one" if bug == "ignored_replacement" else "add_remove"
    for seed in range(5):
        found = seen("counts", levels=3, bug=bug, adjacency=adjacency, runs=50_000, confidence=0.9999, seed=seed)
        assert found.caught and not found.ledger_ok and found.ledger_agrees and found.power == 1


@pytest.mark.parametrize("variant", workload.VARIANTS)
def test_a_sound_structure_passes_both_audits(variant: str) -> None:
    found = seen(variant, levels=4, eps=1.5, runs=20_000, confidence=0.9999)
    assert found.ledger_ok and found.ledger_agrees and not found.caught
    assert found.power is not None and found.power < 0.01


def test_without_runs_the_ledger_stands_alone() -> None:
    found = seen("anchored", runs=0, d=5, eps=0.1)
    assert found.ledger_ok and found.eps_lower is None and found.caught is None


def test_losses_of_counts_are_binomial() -> None:
    where, chance = losses.distribution([(1, 4.0)] * 4)
    q = 1 / (1 + math.exp(-1 / 4))
    assert sum(chance) == pytest.approx(1, abs=1e-9)
    assert [float(chance[np.argmin(abs(where - k / 2))]) for k in (-2, 0, 2)] == pytest.approx(
        [stats.binom.pmf(k, 4, q) for k in (4, 2, 0)], abs=1e-9
    )


def test_an_audit_of_an_unknown_mistake_is_refused() -> None:
    with pytest.raises(ValueError, match="bug must be one of none, halved_noise"):
        seen(bug="typo")


def kernel(*args: object, **given: object) -> kernels.Result:
    params = kernels.Params(*args, **{"n": 300, "trees": 400, **given})  # type: ignore[arg-type]
    ((_, row),) = kernels.run(params, CTX)
    return row


@pytest.mark.parametrize(
    "given",
    [
        {"kernel": "l2_squared"},
        {"kernel": "l2_squared", "adjacency": "replace_one"},
        {"kernel": "lp_power", "power": 1.0},
        {"kernel": "lp_power", "power": 3.0, "variant": "anchored", "adjacency": "replace_one"},
        {"kernel": "lp_power", "power": 0.5, "variant": "counts_consistent"},
        {"kernel": "l2", "features": 8, "levels": 6},
        {"kernel": "gaussian", "features": 32},
        {"kernel": "gaussian", "variant": "per_query"},
        {"kernel": "l2", "variant": "constant", "eps": 0.01},
        {"kernel": "lp_power", "variant": "constant", "adjacency": "replace_one"},
    ],
)
def test_kernel_sums_have_the_error_of_their_closed_form(given: dict[str, object]) -> None:
    row = kernel(**given)
    assert abs(row.rmse - row.rmse_exact) <= 4.5 * row.rmse_se + 1e-9 * row.rmse
    assert not row.private


@pytest.mark.parametrize("adjacency", ["add_remove", "replace_one"])
@pytest.mark.parametrize(("variant", "power"), [("anchored", 3), ("anchored_geometric", 2)])
def test_the_ledger_of_moments_is_the_worst_of_all_neighbours(variant: str, power: int, adjacency: str) -> None:
    _, found, _ = sums.moments(
        variant, power, 4, torch.zeros(1, 1).double(), torch.zeros(1, 1).double(), Fraction(1), adjacency
    )
    leaf = torch.arange(16)

    def held(u: int, j: int, level: int) -> torch.Tensor:
        every = Reading(level=level, statistic=j, nodes=torch.arange(1 << level), weights=torch.zeros(1))
        return sums._moment(leaf[u : u + 1], 4, every) if u >= 0 else torch.zeros(1 << level).double()

    def cost(a: int, b: int) -> Fraction:
        moved = {key: int((held(a, *key) - held(b, *key)).abs().sum()) for key in found.noise}
        return sum((moved[key] / Fraction(scale) for key, scale in found.noise.items()), Fraction(0))

    pairs = itertools.combinations(range(16), 2) if adjacency == "replace_one" else ((u, -1) for u in range(16))
    assert spent.loss("lp_power", variant, found, 1, 1, adjacency) == max(cost(*pair) for pair in pairs) <= 1


@pytest.mark.parametrize("adjacency", ["add_remove", "replace_one"])
def test_the_ledger_of_squares_is_the_worst_of_all_neighbours(adjacency: str) -> None:
    y = torch.zeros(1, 2, dtype=torch.float64)
    _, found, _ = sums.squared(y, y, 2, Fraction(3, 2), adjacency)
    places = [torch.tensor(p) for p in itertools.product((1, 3, 5, 7), repeat=2)]
    held = [(torch.tensor([1]), place, (place**2).sum().reshape(1)) for place in places]
    nothing = tuple(torch.zeros_like(part) for part in held[0])

    def cost(a: tuple[torch.Tensor, ...], b: tuple[torch.Tensor, ...]) -> Fraction:
        moved = [int((one - two).abs().sum()) for one, two in zip(a, b, strict=True)]
        return sum((moved[j] / Fraction(scale) for (j, _), scale in found.noise.items()), Fraction(0))

    pairs = itertools.combinations(held, 2) if adjacency == "replace_one" else ((one, nothing) for one in held)
    worst = max(cost(*pair) for pair in pairs)
    assert spent.loss("l2_squared", "anchored", found, 2, 1, adjacency) == worst <= Fraction(3, 2)


@pytest.mark.parametrize("params", kernels.EXAMPLES, ids=lambda p: f"{p.kernel} {p.variant}")
def test_every_kernel_keeps_its_budget(params: kernels.Params) -> None:
    for adjacency in ("add_remove", "replace_one"):
        row = kernel(**{**vars(params), "adjacency": adjacency, "trees": 2, "eps": 0.3})
        assert row.ledger_ok and row.ledger_eps >= (0 if params.variant == "constant" else 0.1)  # public n costs nothing


def test_moments_and_leaves_leave_only_rounding() -> None:
    for variant, power in (("anchored", 3.0), ("anchored", 2.0), ("counts_consistent", 1.5), ("histogram", 4.0)):
        assert kernel("lp_power", variant, power=power, levels=12).relative_approximation < 1e-4
    assert kernel("l2_squared", levels=12).relative_approximation < 1e-4


def test_the_first_power_by_moments_is_the_anchored_tree() -> None:
    from workloads.dp_kde import error

    ((_, tree_row),) = load(error).run(error.Params("anchored", n=300, d=1, trees=400), CTX)
    row = kernel("lp_power", "anchored", power=1.0, d=1)
    assert (row.rmse_exact, row.rmse) == pytest.approx((tree_row.rmse_exact, tree_row.rmse), rel=1e-9)


def test_features_have_the_noise_and_the_error_of_random_features() -> None:
    few, many = (kernel("gaussian", features=i, trees=50) for i in (64, 1024))
    assert few.theory == 16.0
    assert many.noise_rmse == pytest.approx(64.0, rel=0.1)
    assert kernel("gaussian", features=64, adjacency="replace_one", trees=50).theory == 32.0
    assert few.approximation > 1.5 * many.approximation


def test_projections_err_as_one_over_their_root() -> None:
    rows = [kernel("l2", features=t, trees=1) for t in (4, 256)]
    assert rows[1].relative_approximation < 3 * 0.7555 / 16
    assert rows[1].relative_approximation < rows[0].relative_approximation


def test_gaussian_sums_are_those_of_scikit_learn() -> None:
    x, y = data.points("mixture", 200, 3, CTX), data.queries(9, 3, CTX)
    peer = KernelDensity(bandwidth=0.8 / math.sqrt(2), rtol=0).fit(x.numpy()).score_samples(y.numpy())
    ours = sums.totals(sums.value("gaussian", 1.0, 0.8), x, y).numpy() / (200 * (2 * math.pi * 0.32) ** 1.5)
    assert ours == pytest.approx(np.exp(peer), rel=1e-9)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"kernel": "cubic"}, "kernel must be one of"),
        ({"kernel": "lp_power", "power": 1.5}, "use variant 'counts_consistent'"),
        ({"kernel": "gaussian", "bandwidth": 0.0}, "power and bandwidth must be positive"),
        ({"kernel": "gaussian", "variant": "backurs"}, "variant must be one of"),
    ],
)
def test_kernels_that_cannot_be_measured_are_refused(given: dict[str, object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        kernel(**given)


def test_a_batched_query_of_fourteen_levels_takes_half_a_microsecond() -> None:
    ((_, row),) = cost.run(cost.Params(queries=4096, repeats=15), CTX)
    assert row.query_us <= 0.5
    assert row.nodes_touched == 15
    assert row.bytes == 8 * 2 * (2**15 - 2)


def test_backurs_tree_reads_as_many_nodes_as_the_table_says() -> None:
    ((_, row),) = cost.run(cost.Params("backurs", alpha=0.1, queries=64, repeats=1), CTX)
    assert row.nodes_touched / 14 == pytest.approx(47, rel=0.06)


def test_the_table_of_leaves_costs_no_more_than_the_levels() -> None:
    ((_, row),) = cost.run(cost.Params("counts", n=500, levels=12, queries=4096, repeats=9), CTX)
    assert row.tabulated_us is not None and row.tabulated_us < row.query_us


def test_simulated_releases_use_the_noise_of_their_number() -> None:
    add = [tree.simulate(i, 1, noise.key(CTX)) for i in (0, 0, 1)]
    found = [a(0, 0, 3, torch.zeros(8), 5.0).tolist() for a in add]
    assert found[0] == found[1] != found[2]
