"""lora.needle: measured masses, the closed form, one curve for all lengths, brute force, packs."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from orchestrator.workload.context import Context
from workloads.lora import needle as workload
from workloads.lora.maths import data
from workloads.lora.needle import Params

MASSES = {0.5: 0.0018, 0.8: 0.033, 1.0: 0.275, 1.2: 0.838, 1.5: 0.997}  # L = 2^12, dim 12, by B / sqrt(ln L)


def measure(*params: Params, seeds: list[int] | None = None) -> list[dict[str, Any]]:
    """Rows of a pack, by point."""
    rows: dict[int, dict[str, Any]] = {}
    for columns in workload.run_pack(params, [Context(seed=s) for s in seeds or [0] * len(params)]):
        for place, index in enumerate(columns["index"]):
            rows[index] = {name: values[place] for name, values in columns.items() if name not in ("index", "step")}
    return [rows[i] for i in range(len(params))]


def at(power: int, share: float) -> Params:
    """The point at that share of sqrt(ln L)."""
    return Params(2**power, power, share * math.sqrt(power * math.log(2)))


def test_masses_are_those_measured_before() -> None:
    rows = measure(*(at(12, x) for x in MASSES))
    assert [row["mass"] for row in rows] == pytest.approx(list(MASSES.values()), rel=0.04)


@pytest.mark.parametrize(("power", "b"), [(6, 2.039), (10, 2.633), (14, 3.115), (20, 3.723)])
def test_the_threshold_is_the_root_of_the_logarithm(power: int, b: float) -> None:
    assert at(power, 1.0).b == pytest.approx(b, abs=6e-4)


@pytest.mark.parametrize("share", [0.3, 0.8, 1.1, 1.5])
def test_the_mass_is_that_of_the_mean_background(share: float) -> None:
    (row,) = measure(at(12, share))
    assert row["mass"] == pytest.approx(row["mass_expected"], rel=0.02)


def test_at_one_and_a_half_thresholds_the_odds_are_hundreds_to_one() -> None:
    # ln odds = B² - ln(L - 1) - d ln(sinh a / a), a = B²/d: 18.715 - 8.318 - 4.522 = 5.875, so all but 1 part in 357.
    (row,) = measure(at(12, 1.5))
    assert row["mass_expected"] == pytest.approx(1 / (1 + math.exp(-5.875)), abs=2e-5)
    assert 1 - row["mass"] == pytest.approx(1 / 357, rel=0.15)


def test_the_mass_is_what_the_softmax_gives() -> None:
    (row,) = measure(Params(50, 4, 1.7, queries=5))
    ctx = Context(seed=0)
    queries = 1.7 * data.pair(ctx, "sign", 5, 4)[0]
    background = 1.7 * data.pair(ctx, "uniform", 49, 4)[1]
    found = [torch.softmax(torch.cat([q[None], background]) @ q / 4, dim=0)[0].item() for q in queries]
    assert row["mass"] == pytest.approx(sum(found) / 5, rel=1e-12) and row["score"] == pytest.approx(1.7**2)


def test_odds_over_the_logarithm_are_one_curve() -> None:
    shares = (0.5, 0.8, 1.0, 1.2)
    curves = [[r["log_odds"] / (k * math.log(2)) for r in measure(*(at(k, x) for x in shares))] for k in (9, 12)]
    assert curves[0] == pytest.approx(curves[1], abs=0.01)


def test_half_of_the_mass_is_where_the_curve_is_zero() -> None:
    share = math.sqrt((1 - math.sqrt(1 - 2 * math.log(2) / 3)) * 3 / math.log(2))  # x² - 1 - x⁴ ln 2 / 6 = 0
    assert share == pytest.approx(1.0741, abs=1e-4)
    assert [row["mass"] for row in measure(at(9, share), at(12, share))] == pytest.approx([0.5, 0.5], abs=0.03)


def test_a_polynomial_loses_the_needle_above_its_boundary() -> None:
    below, above = measure(at(12, 0.29), at(12, 1.1))
    assert below["rel_error"] < 0.01 and above["mass_polynomial"] < 0.1 < 0.5 < above["mass"]


def test_no_needle_is_seen_where_all_scores_are_small() -> None:
    (row,) = measure(Params(200, 5, 1e-6))
    assert row["mass"] == pytest.approx(1 / 200, rel=1e-9) and row["mass_expected"] == pytest.approx(1 / 200, rel=1e-9)


def test_a_point_does_not_depend_on_its_pack() -> None:
    points, seeds = [p for p in workload.EXAMPLES for _ in range(2)], [0, 3] * len(workload.EXAMPLES)
    assert measure(*points, seeds=seeds) == [measure(p, seeds=[s])[0] for p, s in zip(points, seeds, strict=True)]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (Params(1, 4, 1.0), "seq_len must be at least 2.* got seq_len = 1"),
        (Params(64, 4, 1.0, policy="rank_eq_l"), "the degree whole.* policy = 'rank_eq_l'"),
        (Params(64, 4, 0.0), "b must be positive and finite.* got b = 0.0"),
    ],
)
def test_params_that_mean_nothing_are_refused(params: Params, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure(params)
