"""khm.metastable: the norm control, measured with the official settings, and what its columns mean."""

from __future__ import annotations

import dataclasses
from statistics import fmean
from typing import Any

import pytest
import torch

from orchestrator.workload.context import Context
from orchestrator.workload.describe import load
from workloads.khm import metastable as workload
from workloads.khm.metastable import METHODS, Params, Result

SINGLE = {"dense": 0.0, "uhop_plus": 1.0, "uhop_plus_normalised": 0.0, "dense_scaled": 1.0}


def measure(*params: Params, seeds: list[int] | None = None) -> list[dict[str, Any]]:
    """Rows of a pack, by point."""
    rows: dict[int, dict[str, Any]] = {}
    for columns in workload.run_pack(params, [Context(seed=s) for s in seeds or [0] * len(params)]):
        for place, index in enumerate(columns["index"]):
            rows[index] = {name: values[place] for name, values in columns.items() if name not in ("index", "step")}
    return [rows[i] for i in range(len(params))]


def share(params: Params, seeds: int = 3) -> float:
    """Mean share of queries that end on one memory."""
    return fmean(r["single_share"] for r in measure(*[params] * seeds, seeds=list(range(seeds))))


@pytest.mark.parametrize("alpha", [1.0, 1.5, 2.0])
@pytest.mark.parametrize("method", METHODS)
def test_the_gain_of_the_map_is_an_effective_temperature(method: str, alpha: float) -> None:
    assert share(Params(method, alpha=alpha)) == pytest.approx(SINGLE[method], abs=0.04)


@pytest.mark.parametrize("method", METHODS)
def test_so_it_is_with_a_hundred_memories(method: str) -> None:
    assert share(Params(method, m=100)) == pytest.approx(SINGLE[method], abs=0.06)


def test_features_are_some_hundred_times_longer_than_memories() -> None:
    rows = measure(*[Params("uhop_plus")] * 10, seeds=list(range(10)))
    assert 200 < fmean(r["k_norm"] for r in rows) < 600


def test_arms_of_a_seed_share_memories_and_map() -> None:
    rows = measure(*(Params(method) for method in METHODS), seeds=[5] * 4)
    assert len({(r["k_norm"], r["delta_memories"]) for r in rows}) == 1


def test_only_lengths_that_count_multiply_beta() -> None:
    rows = {method: measure(Params(method, beta=2.0))[0] for method in METHODS}
    gains = {method: r["beta_effective"] / 2.0 for method, r in rows.items()}
    k = rows["dense"]["k_norm"]
    assert gains == pytest.approx({"dense": 1.0, "uhop_plus": k, "uhop_plus_normalised": 1.0, "dense_scaled": k})


def test_shares_of_sizes_add_up() -> None:
    for row in measure(*(Params(method, m=20, alpha=2.0) for method in METHODS)):
        assert row["single_share"] + row["few_share"] + row["many_share"] == pytest.approx(1.0)


def test_the_plain_network_descends_and_a_map_with_a_bias_has_no_energy() -> None:
    rows = measure(Params("dense", m=30), Params("uhop_plus", m=30))
    assert [r["energy_increases"] for r in rows] == [0, None]


def test_scaling_features_up_is_the_same_as_beta() -> None:
    low, high = measure(Params("uhop_plus_normalised", beta=1.0), Params("uhop_plus_normalised", beta=400.0))
    assert low["entropy_mean"] > 2.0 > 0.2 > high["entropy_mean"]


def test_a_point_does_not_depend_on_its_pack() -> None:
    points = [Params(method, m=m, d=d, alpha=a, queries=7) for method in METHODS for m, d, a in ((9, 5, 1.0), (12, 3, 1.5))]
    seeds = [0, 3] * len(points)
    packed = measure(*(p for p in points for _ in range(2)), seeds=seeds)
    assert packed == [measure(p, seeds=[s])[0] for p, s in zip((p for p in points for _ in range(2)), seeds, strict=True)]


def test_run_gives_the_row_of_the_pack() -> None:
    ((step, row),) = load(workload).run(Params("uhop_plus"), Context(seed=3))
    assert (step, dataclasses.asdict(row)) == (0, measure(Params("uhop_plus"), seeds=[3])[0])
    assert isinstance(row, Result)


def test_a_softmax_state_counts_weights_above_a_hundredth() -> None:
    weights = torch.tensor([[[0.985, 0.005, 0.01], [0.5, 0.48, 0.02]]], dtype=torch.float64)
    assert workload._sizes(weights, 1.0)["support_mean"] == [2.0]
    assert workload._sizes(weights, 2.0)["support_mean"] == [3.0]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (Params("uhop"), "method must be one of dense, .* but got 'uhop'"),
        (Params(alpha=3.0), "alpha must be 1 .* but got 3.0"),
        (Params(beta=0.0), "beta and tau must be positive and finite, but got beta = 0.0"),
        (Params(m=1), "m and d must be at least 2, .* got m = 1"),
    ],
)
def test_params_that_mean_nothing_are_refused(params: Params, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure(params)
