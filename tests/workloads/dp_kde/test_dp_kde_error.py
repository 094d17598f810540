"""dp_kde.error and dp_kde.release against closed forms, orders between mechanisms, symmetries and refusals."""

from __future__ import annotations

import math
import sys
from typing import Any

import pytest

from orchestrator.check import contract
from orchestrator.workload import describe
from orchestrator.workload.context import Context
from orchestrator.workload.describe import load
from workloads.dp_kde import error, release
from workloads.dp_kde.error import Params
from workloads.dp_kde.maths import noise

SEED = Context(seed=1)
ALL = error.VARIANTS


def measure(*params: Params, seed: int = 1) -> list[dict[str, Any]]:
    """Rows of a pack, by point."""
    rows: dict[int, dict[str, Any]] = {}
    for columns in error.run_pack(params, [Context(seed=seed)] * len(params)):
        for place, index in enumerate(columns["index"]):
            rows[index] = {name: values[place] for name, values in columns.items()}
    return [rows[i] for i in range(len(params))]


@pytest.mark.parametrize(
    ("variant", "power", "constant", "allowed"), [("anchored", 1, 1.8856, 0.012), ("absolute", 1.5, 3.266, 0.02)]
)
def test_four_hundred_thousand_trials_reach_the_constant_of_a_reading(
    variant: str, power: float, constant: float, allowed: float
) -> None:
    (row,) = measure(Params(variant, n=64, levels=10, eps=0.1, trees=100_000, queries=64), seed=0)
    assert row["noise_se"] / 10**power < allowed / 3
    assert row["noise_scaled"] / 10**power == pytest.approx(constant, abs=allowed)


def test_many_trees_of_the_anchored_reading_reach_their_constant() -> None:
    for levels in (6, 10, 14, 18):
        (row,) = measure(Params("anchored", n=64, levels=levels, eps=0.1, trees=12_500))
        assert row["noise_scaled"] / levels == pytest.approx(1.8856, abs=4 * row["noise_se"] / levels + 0.003)
        assert row["noise_se"] / levels < 0.012


def test_many_trees_of_absolute_sums_reach_their_constant() -> None:
    for levels in (6, 10, 14):
        (row,) = measure(Params("absolute", n=64, levels=levels, eps=0.1, trees=12_500))
        assert row["noise_scaled"] / levels**1.5 == pytest.approx(3.266, abs=0.1 / levels + 0.02)


def test_counts_alone_reach_theirs() -> None:
    (row,) = measure(Params("counts", n=64, levels=10, trees=6000, queries=64))
    assert row["noise_scaled"] / 10 == pytest.approx(0.9425, abs=0.04) and row["noise_se"] < 0.1


@pytest.mark.parametrize(("levels", "expected"), [(10, 7.148), (20, 7.254)])
def test_geometric_budgets_reach_theirs(levels: int, expected: float) -> None:
    (row,) = measure(Params("anchored_geometric", n=64, levels=levels, trees=4000))
    assert row["noise_scaled"] == pytest.approx(expected, rel=0.03)


def test_backurs_tree_has_the_noise_nodes_and_bias_of_the_table() -> None:
    (row,) = measure(Params("backurs", n=1 << 14, levels=10, alpha=0.5, trees=1500, queries=64))
    assert row["noise_scaled"] == pytest.approx(43.0, rel=0.05)
    assert row["nodes_touched"] == pytest.approx(100, abs=6)
    assert row["bias_exact"] / (row["rmse"] / row["relative_rmse"]) == pytest.approx(0.232, abs=0.01)


def test_the_relative_error_falls_with_the_number_of_points() -> None:
    (row,) = measure(Params("anchored", n=1 << 14, levels=10, eps=0.1, d=4, trees=4000))
    assert row["relative_rmse"] * 0.1 * 2**14 / (math.sqrt(4) * 10) == pytest.approx(5.66, rel=0.05)


def test_sixteen_coordinates_have_sixty_four_times_the_error_of_one() -> None:
    one, many = measure(*(Params("anchored", n=64, d=d, eps=0.1, trees=6000) for d in (1, 16)))
    assert many["noise_scaled"] / one["noise_scaled"] == pytest.approx(64, rel=0.02)


@pytest.mark.parametrize("variant", ALL)
def test_the_measured_error_is_that_of_the_closed_form(variant: str) -> None:
    for row in measure(*(Params(variant, n=500, levels=6, eps=eps, d=2, data="beta", trees=800) for eps in (0.5, 8.0))):
        assert abs(row["rmse"] - row["rmse_exact"]) < 4.5 * row["rmse_se"]
        assert abs(row["bias"] - row["bias_exact"]) < 4.5 * row["bias_se"]


def test_standard_errors_of_closed_forms_are_those_of_repetition() -> None:
    rows = [measure(Params("anchored", n=64, levels=5, trees=64), seed=s)[0] for s in range(200)]
    strays = [(row["rmse"] - row["rmse_exact"]) / row["rmse_se"] for row in rows]
    assert math.sqrt(sum(z * z for z in strays) / 200) == pytest.approx(1, abs=0.2)  # four standard errors of a deviation


@pytest.mark.parametrize("variant", ALL)
def test_replacing_a_point_doubles_the_noise_of_structures_and_not_that_of_answers(variant: str) -> None:
    added, replaced = measure(*(Params(variant, n=64, levels=8, eps=0.1, adjacency=a) for a in ("add_remove", "replace_one")))
    factor = 1 if variant == "per_query" else 2
    assert replaced["rmse_exact"] == pytest.approx(factor * added["rmse_exact"], rel=1e-3)
    assert added["ledger_ok"] and replaced["ledger_ok"]


def test_the_error_is_linear_in_the_radius() -> None:
    one, seven = measure(Params(n=300, levels=6), Params(n=300, levels=6, radius=7.0))
    for name in ("bias", "rmse", "rmse_exact", "rmse_se", "max_error", "constant_rmse"):
        assert seven[name] == pytest.approx(7 * one[name], rel=1e-12)
    assert seven["rmse_scaled"] == pytest.approx(one["rmse_scaled"], rel=1e-12)


def test_the_largest_error_of_a_release_is_about_twice_the_mean_one() -> None:
    uniform, geometric = measure(*(Params(v, n=64, trees=400, queries=500) for v in ("anchored", "anchored_geometric")))
    assert uniform["max_error"] / uniform["rmse"] == pytest.approx(1.85, abs=0.15)
    assert geometric["max_error"] / geometric["rmse"] == pytest.approx(2.6, abs=0.2)


def test_a_histogram_on_even_data_beats_the_anchored_tree_and_loses_on_a_cluster() -> None:
    rows = {
        (variant, data): measure(Params(variant, n=1 << 14, levels=levels, data=data))[0]["rmse"]
        for variant, levels in (("histogram", 5), ("anchored_geometric", 14))
        for data in ("uniform", "cluster")
    }
    assert rows["histogram", "uniform"] == pytest.approx(3.6, abs=0.6)
    assert rows["histogram", "uniform"] < rows["anchored_geometric", "uniform"] < rows["histogram", "cluster"]


@pytest.mark.parametrize(
    ("levels", "data", "n", "expected", "near"),
    [(5, "uniform", 14, 3.8, 0.15), (7, "uniform", 14, 5.5, 0.15), (9, "uniform", 14, 12.7, 0.03),
     (11, "uniform", 14, 24.5, 0.03), (7, "cluster", 14, 14.4, 0.4), (9, "cluster", 14, 13.0, 0.05),
     (7, "cluster", 17, 102, 0.4), (9, "cluster", 17, 12.0, 0.1)],
)  # fmt: skip
def test_a_histogram_errs_as_the_table_says(levels: int, data: str, n: int, expected: float, near: float) -> None:
    # A cell that holds the whole cluster errs by where the cluster lies in it, which the table does not say.
    (row,) = measure(Params("histogram", n=1 << n, levels=levels, data=data, trees=2, queries=64))
    assert row["rmse_exact"] == pytest.approx(expected, rel=near)


def test_eight_cells_err_less_than_the_table_says_for_the_own_cell_weighs_its_mean_distance() -> None:
    (row,) = measure(Params("histogram", n=1 << 14, levels=3, trees=2, queries=64))
    centred = math.sqrt(row["rmse_exact"] ** 2 + (2**14 / 64) ** 2 / 80)  # a cell's points at its centre: rms n w^2/sqrt(80)
    assert row["rmse_exact"] < 6 and centred == pytest.approx(25.7, rel=0.15)


def test_an_answer_without_data_is_a_histogram_of_one_cell() -> None:
    (row,) = measure(Params("histogram", n=4096, levels=0, eps=100.0, data="beta"))
    assert row["rmse"] == pytest.approx(row["constant_rmse"], rel=1e-6)


def test_points_of_a_pack_share_their_noise() -> None:
    low, high = measure(Params(n=100, levels=5, eps=0.01), Params(n=100, levels=5, eps=0.02))
    assert low["noise_scaled"] == pytest.approx(high["noise_scaled"], rel=0.01)


def test_no_row_of_simulated_noise_is_called_private() -> None:
    rows = measure(*(Params(v, n=50, levels=3, trees=4) for v in ALL))
    assert {(row["private"], row["rng"]) for row in rows} == {(False, "seed")}


@pytest.mark.parametrize("name", [name for name in describe.shipped() if name.startswith("dp_")])
def test_every_private_measurement_says_of_each_row_whether_it_is_private(name: str) -> None:
    module = describe.load(name).module
    (params, *_) = [p for p in module.EXAMPLES if getattr(p, "backend", "simulate") == "simulate"]
    ((_, result),) = load(module).run(params, SEED)
    assert result.private is False


@pytest.mark.parametrize("variant", ALL)
def test_secure_rows_have_the_error_of_the_closed_form_and_are_private(variant: str) -> None:
    (row,) = measure(Params(variant, n=300, levels=5, d=2, eps=0.7, trees=100, data="beta", backend="secure"))
    # Nobody can seed this noise: six standard errors are passed once in 10^8 runs.
    assert abs(row["rmse"] - row["rmse_exact"]) < 6 * row["rmse_se"]
    assert abs(row["bias"] - row["bias_exact"]) < 6 * row["bias_se"]
    assert (row["private"], row["rng"], row["ledger_ok"]) == (True, "os", True)


def test_a_point_with_the_systems_noise_is_a_sample_and_the_others_are_values() -> None:
    described = describe.load("dp_kde.error")
    points = [({**vars(Params(n=50, levels=3, trees=4, backend=b))}, 0) for b in error.BACKENDS]
    assert [described.measures_of(params) for params, _ in points] == ["value", "sample"]
    assert all(check.passed for check in contract.check(described, points=points))
    assert measure(Params(backend="secure", trees=4))[0]["rmse"] != measure(Params(backend="secure", trees=4))[0]["rmse"]


def test_without_the_extra_a_secure_point_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opendp.prelude", None)
    noise._opendp.cache_clear()
    with pytest.raises(ImportError, match=r"pip install 'lawsweep\[secure\]' or use 'simulate'"):
        measure(Params(backend="secure", n=50, levels=3, trees=4))


@pytest.mark.parametrize(
    ("params", "match"),
    [
        (Params("anchord"), "variant must be one of"),
        (Params(data="unform"), "data must be one of"),
        (Params(adjacency="both"), "adjacency must be one of"),
        (Params(backend="numpy"), "backend must be one of simulate, secure"),
        (Params(levels=0), "levels in 1 to 24"),
        (Params(alpha=0.0), "alpha and radius must be positive"),
        (Params(count_share=1.0), "count_share in"),
        (Params(eps=-1.0), "eps must be positive"),
        (Params(data="digits", n=5000), "digits must have n <= 1797"),
    ],
)
def test_what_cannot_be_measured_is_refused(params: Params, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        measure(params)


def released(**given: Any) -> release.Result:
    ((_, row),) = release.run(release.Params(**{"levels": 3, "n": 64, "releases": 40, **given}), SEED)
    return row


@pytest.mark.parametrize("backend", release.BACKENDS)
@pytest.mark.parametrize("variant", ["anchored", "counts_consistent"])
def test_either_noise_has_the_error_of_the_closed_form(backend: str, variant: str) -> None:
    row = released(variant=variant, backend=backend, eps=0.8)
    assert abs(row.rmse - row.rmse_exact) < 6 * row.rmse_se
    assert abs(row.bias - row.bias_exact) < 6 * row.bias_se
    assert (row.private, row.rng) == ((True, "os") if backend == "secure" else (False, "seed"))


def test_secure_releases_cannot_be_repeated_and_simulated_ones_can() -> None:
    assert released(releases=4).rmse != released(releases=4).rmse
    assert released(releases=4, backend="simulate") == released(releases=4, backend="simulate")


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(ValueError, match="backend must be one of secure, simulate"):
        released(backend="numpy")
