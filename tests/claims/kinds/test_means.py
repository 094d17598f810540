"""A mean, a difference and a ratio of two settings have intervals that hold the truth, and say what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from orchestrator.claims import Verdict, judging
from orchestrator.claims.sources import boundary
from orchestrator.errors import SpecError
from orchestrator.results.described import Described
from orchestrator.results.query import run as query
from tests.helpers.judging import FIELDS, judged, rows_of, spec_of, stored

ABOUT_ONE = {"mean": {"between": [0.9, 1.1]}}
DRAWS = 120
Noise = Callable[[np.random.Generator, int], np.ndarray[Any, Any]]


def frame(values: Any, d: Any = (2,), **more: Any) -> pl.DataFrame:
    """Rows of y `(settings, seeds)`."""
    table = np.atleast_2d(np.asarray(values, dtype=float))
    n = table.shape[1]
    columns = {"d": np.repeat(np.asarray(d), n), "seed": np.tile(np.arange(n), len(table)), "y": table.ravel()}
    blank = {"arm": "all", "beta": 8.0, "final": True, "status": "ok", "error": None, "step": 0, "top": 2.0, **more}
    rows = pl.DataFrame(columns).with_columns(pl.lit(value).alias(name) for name, value in blank.items())
    return rows.with_columns(point=pl.concat_str("arm", "d", "beta", "seed", separator="/"))


def mean(rows: pl.DataFrame, expect: dict[str, Any] | None = None, **more: Any) -> Verdict:
    return judged({"mean": {"y": "y"}, "expect": expect or ABOUT_ONE, **more}, rows)


def contrast(rows: pl.DataFrame, way: str, expect: dict[str, Any], **more: Any) -> Verdict:
    return judged({"contrast": {"y": "y", "of": {"d": 4}, way: {"d": 2}}, "expect": expect, **more}, rows)


def lost(rows: pl.DataFrame, *seeds: int) -> pl.DataFrame:
    gone = pl.col("seed").is_in(seeds)
    return rows.with_columns(status=pl.when(gone).then(pl.lit("error")).otherwise("status"), y=pl.when(~gone).then("y"))


# Coverage


def draws(noise: Noise, seeds: int, truth: float, how: str = "mean", repeats: int = DRAWS) -> tuple[float, Counter[str]]:
    """How often the interval holds the truth, and the verdicts on `at least the truth`."""
    fields = {**FIELDS, "y": Described(name="y", role="result", aggregate=how)}
    spec = spec_of({"id": "c", "mean": {"y": "y"}, "expect": {"mean": {"at_least": truth}}})
    words: Counter[str] = Counter()
    covered = 0
    for i in range(repeats):
        (verdict,) = judging.judge_rows(spec, frame(noise(np.random.default_rng([i, seeds]), seeds)), fields)
        words[verdict.verdict] += 1
        covered += verdict.numbers["mean"]["low"] <= truth <= verdict.numbers["mean"]["high"]
    return covered / repeats, words


SETTINGS: dict[str, tuple[Noise, float, str]] = {
    "normal": (lambda rng, n: rng.normal(1, 0.3, n), 1.0, "mean"),
    "t3": (lambda rng, n: 1 + 0.3 * rng.standard_t(3, n), 1.0, "mean"),
    "median of lognormal": (lambda rng, n: rng.lognormal(0, 1, n), 1.0, "median"),
    "rms of normal errors": (lambda rng, n: rng.normal(0, 1, n), 1.0, "rms"),
    "shares, declared": (lambda rng, n: (rng.random(n) < 0.93) * 1.0, 0.93, "proportion"),
}


@pytest.mark.parametrize("seeds", [4, 8, 32])
@pytest.mark.parametrize("name", SETTINGS)
def test_the_interval_of_a_mean_covers_and_its_edge_is_rarely_decided(name: str, seeds: int) -> None:
    noise, truth, how = SETTINGS[name]
    covered, words = draws(noise, seeds, truth, how)
    assert covered > 0.93 - 2.5 * np.sqrt(0.93 * 0.07 / DRAWS)
    assert max(words["supported"], words["refuted"]) < DRAWS * (0.05 + 2.5 * np.sqrt(0.05 * 0.95 / DRAWS))


@pytest.mark.parametrize("seeds", [4, 8, 32])
@pytest.mark.parametrize(("way", "truth"), [("minus", 1.0), ("over", 2.0)])
def test_the_interval_of_a_contrast_covers(way: str, truth: float, seeds: int) -> None:
    name = {"minus": "difference", "over": "ratio"}[way]
    spec = spec_of({"id": "c", "contrast": {"y": "y", "of": {"d": 4}, way: {"d": 2}}, "expect": {name: {"at_least": truth}}})
    covered = 0
    for i in range(DRAWS):
        rng = np.random.default_rng([i, seeds])
        own = rng.normal(size=seeds)
        values = np.array([1 + 0.2 * own + 0.1 * rng.normal(size=seeds), 2 + 0.2 * own + 0.1 * rng.normal(size=seeds)])
        (verdict,) = judging.judge_rows(spec, frame(values, (2, 4)), FIELDS)
        covered += verdict.numbers[name]["low"] <= truth <= verdict.numbers[name]["high"]
    assert covered / DRAWS > 0.93 - 2.5 * np.sqrt(0.93 * 0.07 / DRAWS)


# A mean of one setting


def test_a_mean_of_one_setting_is_placed_by_its_interval() -> None:
    rows = frame(np.random.default_rng(0).normal(1, 0.05, 8))
    assert mean(rows).verdict == "supported"
    assert mean(rows, {"mean": {"at_most": 0.8}}).verdict == "refuted"
    assert mean(rows, {"mean": {"at_least": 1.0}}).verdict == "undecided"
    assert "mean of y over 8 units" in mean(rows).sentence and "expected in [0.9, 1.1]" in mean(rows).sentence


def test_each_group_has_a_mean() -> None:
    values = np.random.default_rng(0).normal(1, 0.02, (2, 8)) + np.array([[0], [1]])
    verdict = mean(frame(values, (2, 4)), by=["d"])
    assert [(f.group["d"], f.verdict) for f in verdict.findings] == [(2, "supported"), (4, "refuted")]


def test_cells_that_share_a_seed_are_one_unit() -> None:
    own = 0.1 * np.random.default_rng(1).normal(size=8)
    one, many = frame(1 + own), frame(np.tile(1 + own, (16, 1)), range(16))
    assert mean(many).numbers["mean"]["low"] == pytest.approx(mean(one).numbers["mean"]["low"])


def test_two_noisy_seeds_are_too_few_and_a_claim_may_ask_for_more() -> None:
    assert "it has 2 seeds and needs 4" in mean(frame([0.98, 1.03])).sentence
    rows = frame(np.random.default_rng(0).normal(1, 0.01, 8))
    assert mean(rows, require={"seeds": 16}).verdict == "unmet"


def test_rows_without_noise_are_judged_by_their_range() -> None:
    rows = frame(np.tile([[0.95], [1.05]], 4), (2, 4))
    assert mean(rows).verdict == "supported" and mean(rows).numbers["mean"]["high"] == 1.05
    assert mean(rows, {"mean": {"at_least": 1.0}}).verdict == "undecided"


def test_one_seed_shows_no_noise_unless_the_workload_says_that_there_is_none() -> None:
    assert "one seed shows no noise of y" in mean(frame([1.0])).sentence
    fields = {**FIELDS, "y": Described(name="y", role="result", seedless="true")}
    assert judged({"mean": {"y": "y"}, "expect": ABOUT_ONE}, frame([1.0]), fields).verdict == "supported"


def test_whole_numbers_that_agree_are_exact_only_where_no_seed_changes_them() -> None:
    rows, claim = frame([2.0, 2.0, 2.0, 2.0]), {"mean": {"y": "y"}, "expect": {"mean": {"at_most": 2.0}}}
    assert judged(claim, rows).verdict == "undecided"
    fields = {**FIELDS, "y": Described(name="y", role="result", seedless="true")}
    assert judged(claim, rows, fields).verdict == "supported"


def test_units_that_agree_by_chance_do_not_decide() -> None:
    values = np.stack([np.full(4, 2.5), [2.5, 3.0, 2.0, 4.0]])
    verdict = mean(frame(values, (2, 4)), {"mean": {"at_most": 2.5}}, by=["d"])
    assert verdict.findings[0].verdict == "undecided" and "agree" in verdict.findings[0].reasons[0]


def test_two_values_are_known_by_the_share_of_each() -> None:
    values = np.where(np.arange(8) == 0, 3.0, 2.0)
    numbers = mean(frame(values), {"mean": {"at_most": 3}}).numbers["mean"]
    assert numbers["method"] == "exact binomial" and numbers["low"] > 2.0 and numbers["high"] == pytest.approx(2.527, abs=1e-3)


def test_lost_points_leave_a_mean_open_but_not_a_share() -> None:
    rows = lost(frame(np.random.default_rng(0).normal(1, 0.05, 8)), 0)
    assert mean(rows).verdict == "undecided" and "1 point has no result" in mean(rows).reasons
    fields = {**FIELDS, "y": Described(name="y", role="result", aggregate="proportion")}
    claim = {"mean": {"y": "y"}, "expect": {"mean": {"at_least": 0.5}}}
    assert judged(claim, lost(frame(np.ones(32)), 0, 1), fields).verdict == "supported"


def test_a_lost_point_lies_in_the_range_that_its_result_declares() -> None:
    rows, claim = lost(frame(np.random.default_rng(0).normal(1, 0.05, 8)), 0), {"mean": {"y": "y"}}
    fields = {**FIELDS, "y": Described(name="y", role="result", range=(0.0, 2.0))}
    assert judged({**claim, "expect": {"mean": {"between": [0.0, 2.0]}}}, rows, fields).verdict == "supported"
    assert judged({**claim, "expect": ABOUT_ONE}, rows, fields).verdict == "undecided"


def test_a_null_beside_numbers_is_lost_and_a_null_setting_has_no_part() -> None:
    rows = frame(np.random.default_rng(0).normal(1, 0.05, (2, 8)), (2, 4))
    one = rows.with_columns(y=pl.when((pl.col("d") == 2) & (pl.col("seed") == 0)).then(None).otherwise("y"))
    whole = rows.with_columns(y=pl.when(pl.col("d") == 2).then(None).otherwise("y"))
    assert mean(one).verdict == "undecided"
    assert mean(whole).verdict == "supported" and "8 rows have a null result and no part in it" in mean(whole).reasons


def test_infinity_and_nan_never_support() -> None:
    for wrong in (np.inf, np.nan):
        values = np.r_[np.random.default_rng(0).normal(1, 0.01, 7), wrong]
        assert mean(frame(values), {"mean": {"at_most": 2}}).verdict == "undecided"


def test_the_best_of_all_is_a_lower_bound() -> None:
    fields = {**FIELDS, "y": Described(name="y", role="result", aggregate="max")}
    rows = frame(np.random.default_rng(0).normal(1, 0.05, 8))
    words = [
        judged({"mean": {"y": "y"}, "expect": {"mean": e}}, rows, fields).verdict for e in ({"at_least": 1}, {"at_most": 2})
    ]
    assert words == ["supported", "undecided"]


def test_values_found_from_below_cannot_support_at_most() -> None:
    fields = {**FIELDS, "y": Described(name="y", role="result", bound="lower")}
    rows = frame(np.random.default_rng(0).normal(1, 0.05, 8))
    assert judged({"mean": {"y": "y"}, "expect": {"mean": {"at_most": 2}}}, rows, fields).verdict == "undecided"
    assert judged({"mean": {"y": "y"}, "expect": {"mean": {"at_least": 0.5}}}, rows, fields).verdict == "supported"


def test_the_unit_may_be_another_column() -> None:
    rows = frame(np.random.default_rng(0).normal(1, 0.05, (8, 2)), range(8))
    assert mean(rows, unit="d").numbers["mean"]["units"] == 8


def test_steps_are_groups_and_a_point_that_failed_is_lost_at_those_it_did_not_reach() -> None:
    values = np.random.default_rng(0).normal(1, 0.02, 8)
    early, late = frame(values, step=10, final=False), frame(values, step=20)
    rows = pl.concat([early, late.filter(pl.col("seed") > 0), lost(late, 0).filter(pl.col("seed") == 0)])
    rows = rows.with_columns(step=pl.when(pl.col("status") == "error").then(-1).otherwise("step"))
    verdict = mean(rows, by=["step"])
    assert [(f.group["step"], f.verdict) for f in verdict.findings] == [(10, "supported"), (20, "undecided")]
    assert [f.group["step"] for f in mean(rows.filter(pl.col("status") == "ok"), by=["step"]).findings] == [10, 20]


def test_a_mean_keeps_what_unmet_if_choose_and_where_say() -> None:
    values = np.random.default_rng(0).normal(1, 0.02, (2, 8)) + np.array([[0], [1]])
    rows = frame(values, (2, 4))
    assert mean(rows, where="d = 2").verdict == "supported"
    assert mean(rows, by=["d"], unmet_if="d = 4").findings[1].verdict == "unmet"
    picked = mean(rows, choose={"over": ["d"], "of": "y"})
    assert picked.verdict == "supported" and picked.numbers["mean"]["units"] == 4


def test_means_share_the_five_percent_with_other_claims() -> None:
    rows = frame(np.random.default_rng(0).normal(1, 0.05, 8))
    claims = [{"id": f"c{i}", "mean": {"y": "y"}, "expect": ABOUT_ONE} for i in range(5)]
    assert judging.judge_rows(spec_of(*claims), rows, FIELDS)[0].level == pytest.approx(0.99)


def test_the_sql_of_a_mean_gives_its_rows(tmp_path: Any) -> None:
    spec = spec_of({"id": "c", "mean": {"y": "ln(y)", "by": ["d"]}, "expect": {"mean": {"at_least": 0}}}, name="toy_sweep")
    store = stored(tmp_path, spec, lambda d, seed: d + 0.01 * seed)
    (verdict,) = judging.judge_rows(spec, rows_of(lambda d: d, (2, 3)), FIELDS)
    assert "ln(y)" in query(store, verdict.sql).column_names


# What a search found


def found(*positions: float | None) -> pl.DataFrame:
    about = {"arm": "all", "curve": "c", "along": "beta", "of": "y", "level": 0.0, "evaluations": 24}
    rows = [
        {"d": 2**i, "beta": p, "beta_lower": 2.0 if p is None else p - 0.01, "beta_upper": None if p is None else p + 0.01,
         "status": "above" if p is None else "found"}
        for i, p in enumerate(positions)
    ]  # fmt: skip
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(pl.lit(v).alias(k) for k, v in about.items())


SEARCH = {"search": {"boundary": {"along": "beta", "of": "y", "level": 0, "between": [0.1, 2]}}, "axes": {"d": [1, 2]}}


def of_search(table: pl.DataFrame, claim: dict[str, Any]) -> Verdict:
    spec = spec_of({"id": "c", "from": "boundary", **claim}, **SEARCH)
    return judging.judge_all(spec, {"boundary": boundary(spec, table, FIELDS)})[0]


def test_what_a_search_found_has_its_brackets_and_what_it_did_not_find_is_open() -> None:
    claim = {"mean": {"y": "beta"}, "expect": {"mean": {"between": [0.9, 1.1]}}}
    assert of_search(found(1.0, 1.05), claim).verdict == "supported"
    assert of_search(found(1.0, 1.095), claim).verdict == "undecided"
    assert of_search(found(1.0, None), claim).verdict == "undecided"
    assert of_search(found(1.5, None), claim).verdict == "refuted"
    assert of_search(found(1.5, None), {**claim, "expect": {"mean": {"at_least": 1.4}}}).verdict == "supported"


def test_what_a_search_spent_has_a_mean_and_a_contrast() -> None:
    claim = {"mean": {"y": "evaluations"}, "expect": {"mean": {"at_most": 30}}}
    assert of_search(found(1.0, 1.05), claim).verdict == "supported"
    ratio = {"contrast": {"y": "beta", "of": {"d": 2}, "over": {"d": 1}}, "expect": {"ratio": {"between": [1.9, 2.1]}}}
    assert of_search(found(0.5, 1.0), ratio).verdict == "supported"
    assert of_search(found(0.5, None), {**ratio, "expect": {"ratio": {"at_least": 3}}}).verdict == "supported"


# Two settings of one arm


def pair(seeds: int = 8, noise: float = 0.02) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    own = 0.5 * rng.normal(size=seeds)
    return frame([3 + own + noise * rng.normal(size=seeds), 4 + own + noise * rng.normal(size=seeds)], (2, 4))


def test_a_difference_is_paired_over_seeds_that_both_settings_have() -> None:
    rows = pair()
    paired = contrast(rows, "minus", {"difference": {"between": [0.9, 1.1]}})
    assert paired.verdict == "supported" and "paired t over 8 units" in paired.sentence
    apart = rows.with_columns(seed=pl.when(pl.col("d") == 4).then(pl.col("seed") + 100).otherwise("seed"))
    unpaired = contrast(apart, "minus", {"difference": {"between": [0.9, 1.1]}})
    assert unpaired.verdict == "undecided" and "both sides" in unpaired.sentence


def test_a_ratio_is_placed_on_the_logarithm() -> None:
    assert contrast(pair(), "over", {"ratio": {"between": [1.2, 1.5]}}).verdict == "supported"
    assert contrast(pair(), "over", {"ratio": {"at_most": 1.0}}).verdict == "refuted"


def test_a_ratio_over_what_may_be_zero_is_open() -> None:
    rng = np.random.default_rng(0)
    rows = frame([rng.normal(0, 1, 8), rng.normal(4, 1, 8)], (2, 4))
    assert contrast(rows, "over", {"ratio": {"at_least": 0}}).verdict == "undecided"


def test_steps_are_settings_of_a_contrast() -> None:
    values = np.random.default_rng(0).normal(3, 0.5, 8)
    rows = pl.concat([frame(values, step=10, final=False), frame(values / 2, step=20)])
    claim = {"contrast": {"y": "y", "of": {"step": 10}, "over": {"step": 20}}, "expect": {"ratio": {"between": [1.9, 2.1]}}}
    assert judged(claim, rows).verdict == "supported"


def test_a_setting_that_no_row_has_is_unmet() -> None:
    assert (
        "at d = 4: no row has a result"
        in contrast(pair().filter(pl.col("d") == 2), "minus", {"difference": {"at_least": 0}}).sentence
    )


def test_lost_points_leave_a_contrast_open() -> None:
    assert contrast(lost(pair(), 0), "minus", {"difference": {"at_least": 0}}).verdict == "undecided"


# Files that say it wrong

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"mean": {"y": "y"}}, "no 'expect'"),
    ({"mean": {"y": "y"}, "expect": {"median": {"at_least": 1}}}, "may expect mean, but got 'median'"),
    ({"mean": {"y": "y"}, "expect": ABOUT_ONE, "floor": {"arm": "all"}}, "a floor must be below a curve"),
    ({"mean": {"y": "z"}, "expect": ABOUT_ONE}, "'z'"),
    ({"contrast": {"y": "y", "of": {"d": 2}}, "expect": {"difference": {"at_least": 0}}}, "one of minus and over"),
    ({"contrast": {"y": "y", "of": {"d": 2}, "minus": {"beta": 2}}, "expect": {"difference": {"at_least": 0}}}, "same columns"),
    ({"contrast": {"y": "y", "of": {"d": 2}, "minus": {"d": 2}}, "expect": {"difference": {"at_least": 0}}}, "are the same"),
    ({"contrast": {"y": "y", "of": {"d": 2}, "over": {"d": 4}}, "expect": {"difference": {"at_least": 0}}}, "may expect ratio"),
]  # fmt: skip


@pytest.mark.parametrize(("claim", "text"), WRONG)
def test_a_wrong_claim_is_refused(claim: dict[str, Any], text: str) -> None:
    with pytest.raises(SpecError, match=text):
        judged(claim, pair())
