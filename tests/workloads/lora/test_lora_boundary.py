"""lora.boundary: the staircase by plain search, entries and outputs by brute force, data kinds, packs."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch

from orchestrator.workload.context import Context
from workloads.lora import boundary as workload
from workloads.lora.boundary import Params
from workloads.lora.maths import data, outputs
from workloads.shared.attention import degree, signs

STAIRS = {6: 0.598, 7: 0.786, 8: 0.786, 9: 0.786, 10: 0.945, 11: 0.945, 12: 0.945}
SIGN_OUTPUTS = {6: 0.818, 7: 1.045, 8: 1.088, 9: 1.102, 10: 1.368}
RANDOM = {6: 0.903, 7: 1.088, 8: 1.143, 9: 1.042, 10: 1.348, 11: 1.321, 12: 1.349}


def measure(*params: Params, seeds: list[int] | None = None) -> list[dict[str, Any]]:
    """Rows of a pack, by point."""
    rows: dict[int, dict[str, Any]] = {}
    for columns in workload.run_pack(params, [Context(seed=s) for s in seeds or [0] * len(params)]):
        for place, index in enumerate(columns["index"]):
            rows[index] = {name: values[place] for name, values in columns.items() if name not in ("index", "step")}
    return [rows[i] for i in range(len(params))]


def search(column: str = "log_error_ratio", rounds: int = 3, **fixed: Any) -> tuple[float, int]:
    """Where the column crosses 0 along b, by rounds of eight equal factors, and how many points that took."""
    base = Params(**{"b": 1.0, **fixed})
    u = math.sqrt(math.log(base.seq_len))
    low, high = 0.1 * u, u
    for _ in range(rounds):
        tried = [low * (high / low) ** ((k + 1) / 9) for k in range(8)]
        found = measure(*(dataclasses.replace(base, b=b) for b in tried))
        good = sum(row[column] <= 0 for row in found)
        low, high = [low, *tried, high][good : good + 2]
    return math.sqrt(low * high), 8 * rounds


@pytest.mark.parametrize("power", STAIRS)
@pytest.mark.parametrize("kind", ["sign", "planted"])
def test_a_search_finds_the_staircase(kind: str, power: int) -> None:
    b, evaluations = search(seq_len=2**power, dim=power, data=kind, rows=16)
    assert b == pytest.approx(STAIRS[power], rel=0.005) and evaluations <= 40


def test_random_data_reach_a_third_further() -> None:
    found = [search(seq_len=2**k, dim=k, data="uniform", rows=16)[0] for k in RANDOM]
    assert found == pytest.approx(list(RANDOM.values()), rel=0.12)
    assert sum(found) / sum(RANDOM.values()) == pytest.approx(1, rel=0.04)


def test_outputs_of_signs_are_good_a_little_longer() -> None:
    found = [search("log_output_ratio", 2, seq_len=2**k, dim=k, rows=2**k)[0] for k in SIGN_OUTPUTS]
    assert found == pytest.approx(list(SIGN_OUTPUTS.values()), rel=0.12)
    assert sum(found) / sum(SIGN_OUTPUTS.values()) == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("kind", data.KINDS)
@pytest.mark.parametrize("policy", ["rank_le_l", "rank_le_sqrt_l"])
def test_the_error_is_that_of_all_pairs(kind: str, policy: str) -> None:
    (row,) = measure(Params(150, 5, 0.9, data=kind, policy=policy))
    queries, keys = data.pair(Context(seed=0), kind, 150, 5)
    scores = 0.81 * queries @ keys.mT / 5
    near = sum(scores**m / math.factorial(m) for m in range(int(row["degree"]) + 1))
    assert row["rel_error"] == pytest.approx(float((near / scores.exp() - 1).abs().max()), rel=1e-10)
    assert row["score_max"] == pytest.approx(float(scores.abs().max()), rel=1e-14)


def test_outputs_are_compared_as_written_out() -> None:
    (row,) = measure(Params(90, 4, 1.1, data="uniform", values="normal", rows=90))
    queries, keys = data.pair(Context(seed=0), "uniform", 90, 4)
    values = data.values(Context(seed=0), "normal", keys)
    scores = 1.21 * queries @ keys.mT / 4
    near = sum(scores**m / math.factorial(m) for m in range(int(row["degree"]) + 1))
    exact, wrong = scores.softmax(1) @ values, near / near.sum(1, keepdim=True) @ values
    assert row["rel_error_output"] == pytest.approx(float((wrong - exact).norm() / exact.norm()), rel=1e-9)
    assert row["least_sum"] == pytest.approx(float((near.sum(1) / scores.exp().sum(1)).min()), rel=1e-12)


def test_features_give_the_error_of_the_scores() -> None:
    (by_scores,) = measure(Params(128, 7, 0.8, data="uniform"))
    (by_features,) = measure(Params(128, 7, 0.8, data="uniform", path="features", rows=128))
    assert by_features["rel_error"] == pytest.approx(by_scores["rel_error"], rel=1e-9)


def test_single_precision_has_a_floor() -> None:
    single, double = (
        measure(Params(256, 8, 0.02, path="features", dtype=dtype, rows=64))[0] for dtype in ("float32", "float64")
    )
    assert double["rel_error"] < 1e-12 and 1e-8 < single["rel_error"] < 1e-5


def test_the_error_grows_with_the_bound() -> None:
    rows = measure(*(Params(256, 8, 0.1 * k, data="uniform", rows=16) for k in range(1, 25)))
    errors = [row["log_error_ratio"] for row in rows]
    assert errors == sorted(errors)


def test_signs_reach_the_bound_of_the_scores() -> None:
    (row,) = measure(Params(512, 9, 1.3))
    assert row["score_max"] == row["score_bound"] == pytest.approx(1.69)
    assert row["b_worst"] == pytest.approx(0.786, abs=6e-4)


def test_codes_of_signs_find_the_largest_products(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [data.extremes(Context(seed=s), "sign", 40, 11) for s in range(6)]
    monkeypatch.setattr(signs, "CODED", 0)
    data.extremes.cache_clear()
    assert found == [data.extremes(Context(seed=s), "sign", 40, 11) for s in range(6)]
    assert len(set(found)) > 1


def test_a_longer_sequence_of_signs_begins_with_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    short, long = (data.pair(Context(seed=7), "sign", n, 13) for n in (37, 1 << 12))
    assert all(torch.equal(few, many[:37]) for few, many in zip(short, long, strict=True))
    monkeypatch.setattr(signs, "PROBED", 16)  # too few rows to hold both ends
    data.extremes.cache_clear()
    assert data.extremes(Context(seed=7), "sign", 1 << 12, 13) == (-1.0, 1.0)


def test_scores_of_a_scale_are_those_of_another_bound() -> None:
    theory, practice, unit = measure(
        Params(64, 16, 0.8), Params(64, 16, 0.4, score_scale="practice"), Params(64, 16, 0.2, score_scale="unit")
    )
    assert theory["rel_error"] == pytest.approx(practice["rel_error"], rel=1e-12)
    assert theory["rel_error"] == pytest.approx(unit["rel_error"], rel=1e-12)


def test_an_odd_degree_loses_its_row_sums_first() -> None:
    needle = Params(64, 6, 2.6, data="planted", values="needle")
    assert measure(needle)[0]["degree"] == 2 and measure(needle)[0]["least_sum"] > 0
    odd = outputs.compared(torch.tensor([[-1.0, -0.9]], dtype=torch.float64), torch.eye(2, dtype=torch.float64), 6.0, 3)
    assert odd[1] < 0


def test_a_real_degree_has_no_outputs() -> None:
    (row,) = measure(Params(64, 6, 0.7, policy="rank_eq_l"))
    assert row["rank"] == pytest.approx(64) and row["degree"] == pytest.approx(2.7335, abs=1e-4)
    assert row["rel_error_output"] is None and row["log_output_ratio"] is None


def test_without_rows_no_outputs_are_looked_at() -> None:
    (row,) = measure(Params(2**18, 18, 1.2, rows=0))
    assert row["rel_error_output"] is None and row["log_error_ratio"] < 0 and row["score_max"] == pytest.approx(1.44)


def test_flops_allow_a_little_less_than_the_length() -> None:
    assert degree.allowed("flops_le_exact", 1024, 10) == pytest.approx(2 * 1024 * 10 / 23)


def test_a_point_does_not_depend_on_its_pack() -> None:
    points, seeds = [p for p in workload.EXAMPLES for _ in range(2)], [0, 3] * len(workload.EXAMPLES)
    assert measure(*points, seeds=seeds) == [measure(p, seeds=[s])[0] for p, s in zip(points, seeds, strict=True)]


def test_all_bounds_share_their_data() -> None:
    low, high = measure(Params(64, 6, 0.5, data="uniform"), Params(64, 6, 1.0, data="uniform"))
    assert high["score_max"] == pytest.approx(4 * low["score_max"], rel=1e-14)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (Params(64, 6, -1.0), "b must be positive and finite.* got b = -1.0"),
        (Params(64, 6, 1.0, data="signs"), "data must be one of sign, .*, but got 'signs'"),
        (Params(64, 6, 1.0, values="unit"), "values must be one of normal, .*, but got 'unit'"),
        (Params(64, 6, 1.0, score_scale="sqrt"), "score_scale must be one of theory, .*, but got 'sqrt'"),
        (Params(64, 6, 1.0, policy="all"), "policy must be one of rank_le_l, .*, but got 'all'"),
        (Params(64, 6, 1.0, path="feature"), "path must be one of scores, features.* got path = 'feature'"),
        (
            Params(64, 6, 1.0, path="features", policy="rank_eq_l"),
            "must have a whole degree and rows, but policy is 'rank_eq_l'",
        ),
        (Params(64, 6, 1.0, rows=-1), "rows at least 0.* got .*rows = -1"),
    ],
)
def test_params_that_mean_nothing_are_refused(params: Params, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure(params)
