"""What rows do not show is not taken for granted: one seed has noise, and rows of one seed are one repeat."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from orchestrator.claims import Verdict
from orchestrator.claims.case import Region
from orchestrator.claims.kinds import collapse, prefer
from orchestrator.claims.kinds.trend import Path, Way, slope_of
from orchestrator.claims.paired_arms import difference
from orchestrator.errors import SpecError
from orchestrator.fitting import laws, ties
from orchestrator.fitting.fits import rivals
from orchestrator.fitting.intervals import binomial
from orchestrator.fitting.series import Series
from tests.helpers.judging import FIELDS, judged, rows_of, spec_of

XS = (2, 4, 8, 16, 32)
SURE = {**FIELDS, "y": replace(FIELDS["y"], seedless="true")}
IN_PART = {**FIELDS, "y": replace(FIELDS["y"], seedless="beta > 4")}
RISES = {"trend": {"of": "y", "along": "d", "is": "increasing"}}
PAIRED = {"compare": {"y": "y", "arms": "left - right", "pair": ["d", "seed"]}, "expect": {"at_least": 0}}
TABLE = {"equals": {"y": "y", "table": [{"d": 4, "y": 4.5}], "tolerance": 0.01}}
FALLS = {"fit": {"law": "power", "x": "d", "y": "y", "by": ["arm"]}, "compare": {"exponent": "left - right"}}
FALLS |= {"expect": {"at_least": 0}}


def arms(seeds: int) -> pl.DataFrame:
    return pl.concat(rows_of(lambda d: d + 0.5, XS, seeds=seeds, arm=arm) for arm in ("left", "right"))


def of_arms(claim: dict[str, Any], rows: pl.DataFrame, fields: Any = FIELDS) -> Verdict:
    return judged(claim, rows, fields, arms={"left": {}, "right": {}}, axes={"d": list(XS)})


# One seed


@pytest.mark.parametrize(
    "claim", [RISES, PAIRED, TABLE, {**FALLS, "expect": {"at_least": 0}}], ids=["trend", "pairs", "table", "fits"]
)
def test_one_seed_of_a_random_result_decides_nothing(claim: dict[str, Any]) -> None:
    found = of_arms(claim, arms(1))
    assert found.verdict == "unmet" and "one seed shows no noise of y" in str(found.reasons)


@pytest.mark.parametrize("claim", [RISES, PAIRED, TABLE], ids=["trend", "pairs", "table"])
def test_one_seed_is_enough_where_seeds_change_nothing(claim: dict[str, Any]) -> None:
    assert of_arms(claim, arms(1), SURE).verdict == "supported"
    assert of_arms(claim, arms(1), IN_PART).verdict == "supported"
    assert of_arms(claim, arms(1).with_columns(beta=pl.lit(2.0)), IN_PART).verdict == "unmet"


def test_a_formula_is_seedless_where_all_of_it_is() -> None:
    claim = {"trend": {"of": "2 * y + d", "along": "d", "is": "increasing"}}
    rows = rows_of(lambda d: d + 0.5, XS, seeds=1)
    assert judged(claim, rows, SURE).verdict == "supported"
    assert judged({"trend": {**claim["trend"], "of": "y + top"}}, rows, SURE).verdict == "unmet"
    derived = {"trend": {**claim["trend"], "of": "z"}}
    assert judged(derived, rows, SURE, derive={"z": "3 * y"}).verdict == "supported"
    assert judged(derived, rows, SURE, derive={"z": "3 * top"}).verdict == "unmet"


def test_the_best_of_seeds_that_differ_decides_no_trend() -> None:
    best = {**FIELDS, "y": replace(FIELDS["y"], aggregate="max")}
    found = judged(RISES, rows_of(lambda d: d, XS, noise=0.01), best)
    assert found.verdict == "undecided" and "y is the max of 8 seeds" in found.sentence
    assert judged(RISES, rows_of(lambda d: d + 0.5, XS), best).verdict == "supported"


# Trends: every step, or from end to end


def bump(seeds: int = 8, noise: float = 1.0, last: float = 8.2) -> pl.DataFrame:
    truth = dict(zip((1, 2, 3, 4, 5, 6), (0.0, 3.0, 6.0, 8.0, 9.0, last), strict=True))
    rows = rows_of(lambda d: 0.0, truth, seeds=seeds)
    rng = np.random.default_rng(5)
    return rows.with_columns(y=pl.col("d").replace_strict(truth).cast(pl.Float64) + noise * rng.standard_normal(len(rows)))


def test_a_rise_whose_last_step_is_open_is_undecided() -> None:
    found = judged(RISES, bump())
    assert found.verdict == "undecided" and "the step from" in found.sentence and found.numbers["open"] >= 1
    assert judged({"trend": {**RISES["trend"], "is": "rising_overall"}}, bump()).verdict == "supported"
    assert judged({"trend": {**RISES["trend"], "is": "falling_overall"}}, bump()).verdict == "refuted"
    assert judged({"trend": {**RISES["trend"], "slack": 4.0}}, bump()).verdict == "supported"


def test_slack_belongs_to_steps() -> None:
    with pytest.raises(SpecError, match="'slack' must stand beside increasing or decreasing"):
        spec_of({"id": "c", "trend": {**RISES["trend"], "is": "rising_overall", "slack": 1}})


@pytest.mark.parametrize("units", [4, 8, 32])
@pytest.mark.parametrize("fall", [1.0, 2.0, 3.0])
def test_a_last_step_that_falls_is_hardly_ever_supported(units: int, fall: float) -> None:
    rng, words = np.random.default_rng(int(fall)), []
    for _ in range(60):
        noise = rng.standard_normal((5, units)) * np.sqrt(units)
        values = np.array([0, 10, 20, 30, 30 - fall])[:, None] + noise
        without = (values.sum(1) - values.T) / (units - 1)
        path = Path(
            at=np.arange(5.0), values=values.mean(1), errors=np.zeros(5), freedom=np.full(5, 1e6),
            replicas=without, factor=(units - 1) / np.sqrt(units), units=units,
        )  # fmt: skip
        words.append(slope_of(path, Way(sign=1.0), 0.95).word)
    assert words.count("supported") <= 4


# Tables: rows of a seed are one repeat


def shared(draw: int, seeds: int = 8, parts: int = 16) -> pl.DataFrame:
    rng = np.random.default_rng(draw)
    own = 1.05 + 0.1 * rng.standard_normal(seeds)
    rows = pl.concat(rows_of(lambda d: 0.0, (1,), seeds=seeds).with_columns(beta=pl.lit(float(p))) for p in range(parts))
    return rows.with_columns(
        y=pl.col("seed").replace_strict(dict(enumerate(own))) + 0.01 * pl.Series(rng.standard_normal(len(rows)))
    )


def test_rows_of_one_seed_are_one_repeat_of_a_table() -> None:
    claim = {"equals": {"y": "y", "table": [{"d": 1, "y": 1.0}], "tolerance": 0.05}}
    found = [judged(claim, shared(i)) for i in range(40)]
    words = [verdict.verdict for verdict in found]
    assert words.count("refuted") <= 4 and words.count("supported") <= 4  # on the edge; with rows as repeats a third each
    assert "up to 16 rows of one seed are one repeat, combined by mean" in found[0].sentence


def test_successes_that_all_succeed_may_still_fail() -> None:
    claim = {"equals": {"y": "y", "table": [{"d": 2, "y": 1.0}], "tolerance": 0.02}}
    assert judged(claim, rows_of(lambda d: 1.0, (2,))).verdict == "undecided"
    assert judged(claim, rows_of(lambda d: 1.0, (2,), seeds=256)).verdict == "supported"
    assert judged(claim, rows_of(lambda d: 1.0, (2,)), SURE).verdict == "supported"
    assert (
        judged({"equals": {**claim["equals"], "table": [{"d": 2, "y": 0.4}]}}, rows_of(lambda d: 1.0, (2,))).verdict
        == "refuted"
    )


def test_whole_numbers_that_agree_may_have_neighbours() -> None:
    claim = {"equals": {"y": "y", "table": [{"d": 2, "y": 2.0}]}}
    assert judged(claim, rows_of(lambda d: 2.0, (2,))).verdict == "undecided"


@pytest.mark.parametrize("seeds", [4, 8, 32])
def test_differences_of_zeros_and_ones_have_an_exact_interval(seeds: int) -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        left = (rng.random((1, seeds)) < 0.1).astype(float)
        ends = difference(left, np.zeros((1, seeds)), "mean", 0.95)
        covered += ends.low <= 0.1 <= ends.high
    assert covered >= 186


# Ties


def test_an_exact_interval_is_that_of_another_implementation() -> None:
    for ones, n in ((0, 3), (1, 4), (7, 8), (30, 32)):
        theirs = stats.binomtest(ones, n).proportion_ci(0.95, "exact")
        assert binomial(ones, n, 0.95) == pytest.approx((theirs.low, theirs.high))
        values = np.array([3.0] * ones + [2.0] * (n - ones))
        if 0 < ones < n:
            found = ties.interval(values)
            assert (found.low, found.high) == pytest.approx((2 + theirs.low, 2 + theirs.high))


def test_values_that_agree_leave_room_where_they_are_whole() -> None:
    found = ties.interval(np.full(8, 5.0))
    assert (found.low, found.high) == pytest.approx((5 - (1 - 0.025 ** (1 / 8)), 5 + (1 - 0.025 ** (1 / 8))))
    assert ties.interval(np.full(8, 0.0), "proportion").low == 0.0
    assert ties.interval(np.full(8, 0.5)).low == ties.interval(np.full(8, 0.5)).high == 0.5
    squares = ties.interval(np.array([-2.0, -2.0, -3.0]), "rms")
    assert 2 < squares.low < 2.38 < squares.high < 3


# Collapses


def noisy(se: float, units: int, draw: int, factor: float = 0.0, shift: float = 0.07) -> list[Series]:
    rng = np.random.default_rng(draw)
    curves = []
    for c in range(4):
        x = np.array([1, 2, 3, 4, 6, 8, 12, 16.0]) * (1 + shift * c)
        values = (np.tanh(x / 4) * (1 + factor * c))[:, None] + se * np.sqrt(units) * rng.standard_normal((8, units))
        curves.append(Series(x=x, values=values, units=tuple(range(units))))
    return curves


@pytest.mark.parametrize("se", [0.2, 0.4])
@pytest.mark.parametrize("units", [4, 8])
def test_noise_does_not_refute_a_collapse(units: int, se: float) -> None:
    words = [collapse.place(noisy(se, units, i), Region(high=0.1), 0.95).word for i in range(25)]
    assert words.count("refuted") <= 2


def test_curves_that_lie_apart_are_refuted_through_noise() -> None:
    words = [collapse.place(noisy(0.02, 8, i, factor=0.35, shift=0), Region(high=0.1), 0.95).word for i in range(10)]
    assert words.count("refuted") >= 9


def test_a_small_noise_still_supports_a_collapse() -> None:
    words = [collapse.place(noisy(0.03, 8, i), Region(high=0.1), 0.95).word for i in range(15)]
    assert words.count("supported") >= 12


def decades(factor: float) -> pl.DataFrame:
    x = np.geomspace(1, 100, 8)
    curves = (rows_of(lambda d, b=b: (1 + factor * b) * d**-2.0, x, noise=0.02, draw=b) for b in range(4))
    return pl.concat(part.with_columns(beta=pl.lit(float(b))) for b, part in enumerate(curves))


def test_curves_over_decades_need_a_scale() -> None:
    claim = {"collapse": {"x": "d", "y": "y", "curves": "beta"}, "expect": {"spread": {"at_most": 0.1}}}
    found = judged(claim, decades(1.0))
    assert found.verdict == "undecided" and "write 'scale: log'" in found.sentence
    tight = {"spread": {"at_most": 0.02}}
    assert judged({"collapse": {**claim["collapse"], "scale": "log"}, "expect": tight}, decades(1.0)).verdict == "refuted"
    assert judged({"collapse": {**claim["collapse"], "scale": "log"}, "expect": tight}, decades(0.0)).verdict == "supported"
    assert judged({"collapse": {**claim["collapse"], "scale": "linear"}}, decades(0.0)).verdict == "supported"


def test_straight_lines_do_not_refute_a_collapse() -> None:
    places = [np.array([1, 2, 4, 8.0]) * (1 + 0.15 * c) for c in range(4)]
    curves = [Series(x=x, values=np.repeat(1 / x[:, None], 8, 1), units=tuple(range(8))) for x in places]
    assert collapse.place(curves, Region(high=0.02), 0.95).word == "undecided"
    assert collapse.bundle(curves).off > 0.02


# Preferences


def test_the_better_of_laws_that_all_miss_is_no_preference() -> None:
    claim = {"prefer": {"law": "exponential", "over": ["power"], "x": "d", "y": "y"}}
    bent = rows_of(lambda d: 1000 / (1 + np.exp(9 - d)), (2, 3, 4, 5, 6), noise=0.01)
    found = judged(claim, bent)
    assert found.verdict == "undecided" and "neither" in found.sentence and found.numbers["odds"]["neither"] > 0.9
    assert "0.48 decades of d, less than one" in found.sentence
    assert judged({"prefer": {**claim["prefer"], "misfit": 0.1}}, bent).verdict == "supported"
    straight = judged(claim, rows_of(lambda d: np.exp(0.6 * d), (2, 3, 4, 5, 6), noise=0.01))
    assert straight.verdict == "supported" and straight.numbers["odds"]["exponential"] > 0.8


def test_odds_without_noise_speak_of_the_laws_alone() -> None:
    curve = Series(x=np.arange(2.0, 8.0), values=np.exp(np.arange(2.0, 8.0))[:, None], units=(0,))
    odds = prefer.odds(rivals((laws.law("exponential"), laws.law("power")), curve))
    assert set(odds) == {"exponential", "power"} and sum(odds.values()) == pytest.approx(1)
