"""Ones alone are a share that may fail yet, declared or not, unless the workload says that the seed changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from orchestrator.fitting.shares import trials
from orchestrator.results.described import Described
from tests.helpers.judging import FIELDS, judged, rows_of

CLAIM = {"fit": {"law": "constant", "x": "d", "y": "y"}, "expect": {"intercept": {"at_least": 0.95}}}
HOLDS = {"holds": "y <= 2"}


def ones(value: float = 1.0) -> pl.DataFrame:
    return rows_of(lambda d: value, (2, 4, 8, 16), seeds=4)


def test_ones_of_a_random_result_have_the_exact_interval() -> None:
    verdict = judged(CLAIM, ones())
    ends = verdict.numbers["intercept"]
    assert verdict.verdict == "undecided" and ends["low"] == pytest.approx(stats.beta.ppf(0.025, 16, 1))


def test_ones_of_a_result_without_noise_are_exact() -> None:
    steady = {**FIELDS, "y": replace(FIELDS["y"], seedless="true")}
    assert judged(CLAIM, ones(), steady).verdict == "supported"


@pytest.mark.parametrize(
    ("values", "how", "seedless", "expected"),
    [([1, 1], "mean", False, 1), ([0, 0], "mean", False, 1), ([1, 1], "mean", True, 0), ([1, 0], "mean", True, 1),
     ([2, 2], "mean", False, 0), ([0.5, 1], "mean", False, 0), ([1, 1], "max", False, 0)],
)  # fmt: skip
def test_what_counts_as_shares(values: list[float], how: str, seedless: bool, expected: int) -> None:
    assert trials(np.array([values], dtype=float), how, seedless) == expected


@pytest.mark.parametrize(("how", "noise", "caveat"), [("max", 0.1, True), ("max", 0.0, False), ("mean", 0.1, False)])
def test_a_condition_on_the_best_of_several_says_that_it_is_random(how: str, noise: float, caveat: bool) -> None:
    fields: dict[str, Any] = {**FIELDS, "y": Described(name="y", role="result", aggregate=how)}
    verdict = judged(HOLDS, rows_of(lambda d: 1.0, (2, 4), noise=noise), fields)
    assert verdict.verdict == "supported"
    assert any("which is random" in reason for reason in verdict.reasons) == caveat
