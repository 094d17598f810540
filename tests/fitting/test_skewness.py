"""Skew is looked at before a small level is trusted: which end of a mean's interval is too short, and what it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from orchestrator.fitting.intervals import interval
from orchestrator.fitting.skewness import skew, skewness
from tests.helpers.judging import judged, rows_of

Draw = Callable[[np.random.Generator, int], Any]
SMALL = 1 - 0.05 / 20


def lognormal(rng: np.random.Generator, n: int) -> Any:
    return np.exp(rng.normal(size=n))


def normal(rng: np.random.Generator, n: int) -> Any:
    return rng.normal(size=n)


def test_skewness_is_the_samples_own() -> None:
    values = np.array([1.0, 2.0, 3.0, 10.0])
    from scipy import stats

    assert skewness(values) == pytest.approx(stats.skew(values, bias=False))
    assert skewness(1e-170 * values) == pytest.approx(skewness(values)) == pytest.approx(skewness(1e160 * values))
    assert skewness(np.ones(5)) == 0 and skewness(values[:2]) == 0


def test_skew_says_which_end_is_too_short_and_how_many_seeds_it_takes() -> None:
    values = lognormal(np.random.default_rng(1), 32)
    found, turned = skew(values, SMALL), skew(-values, SMALL)
    assert found is not None and turned is not None and (found.side, turned.side) == (1, -1)
    assert found.needs > 32 and found.error > 1 - SMALL and "or judge ln y or the median" in str(found)
    assert skew(values, 0.5) is None


@pytest.mark.parametrize(("draw", "n", "most"), [(normal, 8, 0.25), (normal, 32, 0.25)])
def test_a_symmetric_sample_is_seldom_called_skewed(draw: Draw, n: int, most: float) -> None:
    rng = np.random.default_rng(n)
    assert np.mean([skew(draw(rng, n), SMALL) is not None for _ in range(400)]) <= most


@pytest.mark.parametrize("n", [16, 32])
def test_a_skewed_mean_is_seldom_misjudged_at_a_small_level(n: int) -> None:
    """Means of lognormal values lie outside their interval at 99.75 % in 4 to 5 of 100 samples; those are told now."""
    rng, missed, untold = np.random.default_rng(n), 0, 0
    for _ in range(2000):
        found = interval(lognormal(rng, n), "mean", SMALL)
        miss = not found.low <= np.exp(0.5) <= found.high
        missed, untold = missed + miss, untold + (miss and found.skew is None)
    assert untold <= 0.4 * missed and (n < 32 or untold <= 0.005 * 2000)


def test_a_median_and_a_share_are_no_means() -> None:
    values = lognormal(np.random.default_rng(1), 32)
    assert interval(values, "median", SMALL).skew is None and interval(values, "rms", SMALL).skew is None
    assert interval((values > 1).astype(float), "proportion", SMALL).skew is None


def two_arms(sign: float, seeds: int = 32) -> pl.DataFrame:
    """Arm a less arm b is a lognormal number times the sign."""
    rng = np.random.default_rng(3)
    right = rows_of(lambda d: 5.0, [1], seeds=seeds, arm="b")
    drawn = pl.Series(5.0 + sign * lognormal(rng, seeds))
    return pl.concat([rows_of(lambda d: 5.0, [1], seeds=seeds, arm="a").with_columns(y=drawn), right])


ARMS = {"arms": {"a": {}, "b": {}}, "axes": {"d": [1]}}


@pytest.mark.parametrize(
    ("sign", "expect", "verdict"),
    [
        (1, {"at_most": 5}, "undecided"),
        (1, {"at_least": 5}, "undecided"),
        (1, {"at_most": 20}, "supported"),
        (1, {"at_least": 0.1}, "supported"),
        (1, {"at_most": 0.1}, "refuted"),
        (-1, {"at_least": -5}, "undecided"),
        (-1, {"at_most": -0.1}, "supported"),
    ],
)
def test_a_paired_verdict_does_not_rest_on_the_end_that_is_too_short(
    sign: float, expect: dict[str, float], verdict: str
) -> None:
    found = judged({"compare": {"y": "y", "arms": "a - b"}, "expect": expect}, two_arms(sign), **ARMS)
    assert found.verdict == verdict
    assert (verdict == "undecided") == any("skewed values" in reason for reason in found.reasons)


def test_a_table_of_skewed_numbers_is_not_settled_by_them() -> None:
    rows = rows_of(lambda d: 1.0, [1], seeds=32).with_columns(y=pl.Series(lognormal(np.random.default_rng(1), 32)))
    found = judged({"equals": {"y": "y", "table": [{"d": 1, "y": 2.5}], "tolerance": 0.01}}, rows)
    assert found.verdict == "undecided" and "skewed values" in found.sentence
