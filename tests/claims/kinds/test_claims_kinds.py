"""Trends, collapses, tables and paired arms are judged right where the answer is known, and undecided where it is not told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from orchestrator.claims import Verdict
from orchestrator.claims.kinds.collapse import overlap
from orchestrator.claims.paired_arms import difference
from orchestrator.errors import SpecError
from orchestrator.results.described import Described
from tests.helpers.judging import FIELDS, judged, rows_of, spec_of

XS = (2, 4, 8, 16, 32)


def flat(level: float, **more: Any) -> pl.DataFrame:
    return rows_of(lambda d: level, XS, **more)


# Trends


def trend(rows: pl.DataFrame, way: str = "increasing", **more: Any) -> Verdict:
    return judged({"trend": {"of": "y", "along": "d", "is": way}, **more}, rows)


def test_a_rise_beyond_the_noise_is_a_trend() -> None:
    found = trend(rows_of(lambda d: 1 + np.log(d), XS, noise=0.02))
    assert found.verdict == "supported" and "0 of 4 steps go against it" in found.sentence


def test_a_rise_is_no_fall() -> None:
    assert trend(rows_of(lambda d: 1 + np.log(d), XS, noise=0.02), "decreasing").verdict == "refuted"


def test_noise_is_no_trend() -> None:
    assert trend(flat(1.0, noise=0.1, draw=1)).verdict == "undecided"


def test_a_rise_that_turns_is_no_trend() -> None:
    turned = rows_of(lambda d: {32: 3.0}.get(int(d), float(d)), XS, noise=0.01)
    assert trend(turned).verdict == "refuted"


def test_one_step_back_without_noise_refutes_a_trend() -> None:
    assert trend(rows_of(lambda d: {16: 7.9}.get(int(d), float(d)), XS)).verdict == "refuted"
    assert trend(rows_of(lambda d: {16: 8.0}.get(int(d), float(d)), XS)).verdict == "supported"


def test_a_step_back_among_the_smallest_places_alone_is_undecided() -> None:
    found = trend(rows_of(lambda d: {8: 3.9}.get(int(d), float(d)), XS))
    assert found.verdict == "undecided" and "finite size" in found.sentence


def test_two_places_are_too_few_for_a_trend() -> None:
    assert "it has 2 x and needs 3" in trend(rows_of(lambda d: d, (2, 4))).sentence


def test_a_trend_is_rarely_seen_in_noise() -> None:
    words = [trend(flat(1.0, noise=0.1, seeds=4, draw=i)).verdict for i in range(80)]
    assert words.count("supported") <= 6 and words.count("refuted") <= 12


def decays(exponents: dict[float, float], noise: float = 0.02) -> pl.DataFrame:
    parts = [
        rows_of(lambda d, e=e: d**-e, XS, noise=noise, draw=i).with_columns(beta=pl.lit(b))
        for i, (b, e) in enumerate(exponents.items())
    ]
    return pl.concat(parts)


FIT = {"id": "rate", "fit": {"law": "power", "x": "d", "y": "y", "by": ["beta"]}, "expect": {"decay": {"at_least": 0}}}
ORDER = {"id": "order", "trend": {"of": "decay", "along": "beta", "is": "increasing"}}


def ordered(rows: pl.DataFrame, *listed: dict[str, Any]) -> Verdict:
    from orchestrator.claims import judging

    return judging.judge_rows(spec_of(*(listed or (FIT, ORDER))), rows, FIELDS)[-1]


def test_a_fitted_parameter_may_rise() -> None:
    found = ordered(decays({1.0: 0.3, 2.0: 0.5, 4.0: 0.8}))
    assert found.verdict == "supported" and "decay along beta, 3 places" in found.sentence


def test_a_fitted_parameter_that_falls_does_not_rise() -> None:
    assert ordered(decays({1.0: 0.8, 2.0: 0.5, 4.0: 0.3})).verdict == "refuted"


def test_parameters_of_exact_curves_are_compared_by_their_scatter() -> None:
    assert ordered(decays({1.0: 0.3, 2.0: 0.5, 4.0: 0.8}, noise=0.0)).verdict == "supported"


def test_one_value_makes_no_trend() -> None:
    assert "it has 1 beta and needs 3" in ordered(decays({1.0: 0.3})).sentence


def test_a_trend_of_a_parameter_needs_an_earlier_fit() -> None:
    with pytest.raises(SpecError, match=r"claims\[0\].trend.of: a trend of 'decay' must have a claim before it"):
        spec_of(ORDER)


# Collapse


def curves(scale: float, noise: float = 0.0, seeds: int = 1) -> pl.DataFrame:
    """tanh(d / beta ** scale) for four beta: over d / beta all are one curve where scale is 1."""
    return pl.concat(
        rows_of(lambda d, b=b: np.tanh(d / 2 / b**scale), np.arange(1, 8) * b / 2, seeds, noise, draw=i).with_columns(
            beta=pl.lit(b)
        )
        for i, b in enumerate((1.0, 2.0, 4.0, 8.0))
    )


COLLAPSE = {"collapse": {"x": "d/beta", "y": "y", "curves": "beta"}, "expect": {"spread": {"at_most": 0.1}}}


SURE = {**FIELDS, "y": replace(FIELDS["y"], seedless="true")}


def test_curves_of_one_shape_collapse() -> None:
    found = judged(COLLAPSE, curves(1.0), SURE)
    assert found.verdict == "supported" and found.numbers["spread"]["estimate"] < 1e-12


def test_curves_of_another_scale_do_not_collapse() -> None:
    assert judged(COLLAPSE, curves(0.5), SURE).verdict == "refuted"


def test_noisy_curves_collapse_within_their_noise() -> None:
    found = judged(COLLAPSE, curves(1.0, 0.03, 8))
    assert found.verdict == "supported" and "t over 8 units" in found.sentence


def test_two_curves_are_too_few() -> None:
    assert judged(COLLAPSE, curves(1.0).filter(pl.col("beta") < 3)).verdict == "unmet"


def test_curves_that_never_overlap_are_unmet() -> None:
    apart = pl.concat(
        rows_of(lambda d: d, [10 * b + i for i in range(3)], 1).with_columns(beta=pl.lit(b)) for b in (1.0, 2.0, 4.0)
    )
    assert judged({"collapse": {"x": "d", "y": "y", "curves": "beta"}}, apart).verdict == "unmet"


def test_a_spread_is_the_distance_from_the_others_mean() -> None:
    x = np.array([0.0, 1.0])
    found, places = overlap([(x, np.array([0.0, 1.0])), (x, np.array([0.3, 1.3])), (x, np.array([0.0, 1.0]))]).spread()
    assert found == pytest.approx(np.sqrt((4 * 0.15**2 + 2 * 0.3**2) / 6) / 1.3) and places == 6


def test_a_lost_point_may_break_a_collapse() -> None:
    rows = curves(1.0).with_columns(
        status=pl.when((pl.col("beta") == 8) & (pl.col("d") > 20)).then(pl.lit("oom")).otherwise("status")
    )
    rows = rows.with_columns(y=pl.when(pl.col("status") == "ok").then("y"))
    assert judged({**COLLAPSE, "expect": {"spread": {"at_most": 1e-6}}}, rows, SURE).verdict == "undecided"


# Tables


def table(entries: list[dict[str, Any]], rows: pl.DataFrame, **more: Any) -> Verdict:
    return judged({"equals": {"y": "y", "table": entries, **more}}, rows)


def test_rows_that_are_what_the_table_says_support_it() -> None:
    assert table([{"d": 2, "y": 4.0}, {"d": 8, "y": 64.0}], rows_of(lambda d: d**2, XS)).verdict == "supported"


def test_an_entry_that_is_not_is_listed() -> None:
    found = table([{"d": 2, "y": 4.0}, {"d": 8, "y": 63.0}], rows_of(lambda d: d**2, XS))
    assert found.verdict == "refuted" and found.numbers["offenders"][0]["d"] == 8 and "d = 8: 64, expected 63" in found.sentence


def test_a_tables_tolerance_is_relative() -> None:
    rows = rows_of(lambda d: 1e-5 * d * (1 + 5e-7), XS)
    assert table([{"d": 2, "y": 2e-5}], rows, tolerance=1e-6).verdict == "supported"
    assert table([{"d": 2, "y": 2e-5}], rows, tolerance=1e-7).verdict == "refuted"


def test_an_entry_without_rows_is_unmet() -> None:
    assert table([{"d": 3, "y": 9.0}], rows_of(lambda d: d**2, XS)).verdict == "unmet"


def test_noisy_rows_are_compared_by_their_interval() -> None:
    rows = rows_of(lambda d: 1.0, XS, noise=0.1)
    words = [table([{"d": 4, "y": 1.0}], rows, tolerance=t).verdict for t in (0.5, 0.01)]
    assert words == ["supported", "undecided"] and table([{"d": 4, "y": 2.0}], rows, tolerance=0.1).verdict == "refuted"


def test_a_lost_row_leaves_an_entry_undecided() -> None:
    rows = rows_of(lambda d: d**2, XS).with_columns(status=pl.when(pl.col("seed") == 0).then(pl.lit("oom")).otherwise("status"))
    assert table([{"d": 2, "y": 4.0}], rows).verdict == "undecided"


def test_a_table_may_hold_text() -> None:
    rows = rows_of(lambda d: d, XS).with_columns(
        kind=pl.when(pl.col("d") > 4).then(pl.lit("dense")).otherwise(pl.lit("sparse"))
    )
    claim = {"equals": {"y": "kind", "table": [{"d": 2, "kind": "sparse"}, {"d": 8, "kind": "dense"}]}}
    fields = {**FIELDS, "kind": Described(name="kind", role="result")}
    assert judged(claim, rows, fields).verdict == "supported"


# Paired arms


def arm(name: str, level: float, noise: float = 0.05, seeds: int = 8, size: int = 100, draw: int = 0) -> pl.DataFrame:
    """Rows whose seeds share a shift between arms, with noise of their own."""
    shared = np.random.default_rng(7).normal(size=100)
    own = np.random.default_rng(100 + draw).normal(size=(5, 100))
    rows = rows_of(lambda d: 1.0, XS, seeds).with_columns(arm=pl.lit(name), n_params=pl.lit(size))
    y = [level + 0.5 * shared[s] + noise * own[XS.index(d), s] for d, s in rows.select("d", "seed").iter_rows()]
    return rows.with_columns(y=pl.Series(y))


def paired(*arms: pl.DataFrame, interaction: bool = False, fields: Any = FIELDS, **more: Any) -> Verdict:
    asked = {"y": "y", "arms": "nd - dense", "pair": ["seed", "d"], **({"interaction": "permuted"} if interaction else {})}
    names = {name: {} for name in ("nd", "dense", "permuted")}
    return judged({"compare": asked, **more}, pl.concat(arms), fields, arms=names, axes={"d": list(XS)})


def test_arms_are_compared_pair_by_pair() -> None:
    found = paired(arm("nd", 0.6, draw=1), arm("dense", 0.5, draw=2), expect={"between": [0.05, 0.15]})
    assert found.verdict == "supported" and "40 pairs" in found.sentence and "paired t over 8 units" in found.sentence


def test_an_effect_that_is_gone_elsewhere_is_an_interaction() -> None:
    found = paired(arm("nd", 0.6, draw=1), arm("dense", 0.5, draw=2), arm("permuted", 0.5, draw=3), interaction=True)
    assert found.verdict == "supported" and set(found.numbers) == {"difference", "interaction"}


def test_an_effect_that_stays_elsewhere_is_none() -> None:
    arms = arm("nd", 0.6, draw=1), arm("dense", 0.5, draw=2), arm("permuted", 0.7, draw=3)
    found = paired(*arms, interaction=True)
    assert found.verdict == "refuted" and "(nd - dense) - (permuted - dense)" in found.sentence


def test_a_paired_difference_is_the_textbooks() -> None:
    from scipy.stats import ttest_rel

    left, right = np.random.default_rng(0).normal(size=(2, 1, 9))
    wanted = ttest_rel(left[0], right[0]).confidence_interval(0.9)
    found = difference(left, right, "mean", 0.9)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), rel=1e-12)


def test_arms_that_do_not_match_are_unmet() -> None:
    arms = arm("nd", 0.6, draw=1, size=104), arm("dense", 0.5, draw=2)
    found = paired(*arms, require={"matched": {"n_params": 0.02}})
    assert found.verdict == "unmet" and "n_params must match within 2 %, but is 100 against 104" in found.sentence
    assert paired(*arms, require={"matched": {"n_params": 0.05}}).verdict == "supported"


def test_matched_stands_beside_a_comparison() -> None:
    with pytest.raises(SpecError, match=r"'matched' must stand beside 'compare'"):
        spec_of({"id": "c", "holds": "y > 0", "require": {"matched": {"n": 0.1}}})


def test_too_few_pairs_are_unmet() -> None:
    found = paired(arm("nd", 0.6, draw=1), arm("dense", 0.5, draw=2), require={"seeds": 30})
    assert "it has 8 seeds and needs 30" in found.sentence


def test_a_lost_pair_may_turn_a_difference() -> None:
    left = arm("nd", 0.53, draw=1).with_columns(status=pl.when(pl.col("seed") < 3).then(pl.lit("lost")).otherwise("status"))
    found = paired(left, arm("dense", 0.5, draw=2))
    assert found.verdict == "undecided" and "15 pairs have no result" in found.sentence


def test_a_pair_that_one_arm_did_not_plan_is_left_out_and_told() -> None:
    left = arm("nd", 0.6, draw=1)
    found = paired(left.filter(pl.col("seed") < 6), arm("dense", 0.5, draw=2))
    assert found.verdict == "supported" and "nd: 10 pairs have no row and no part in it" in found.sentence


def test_an_arm_without_rows_is_unmet() -> None:
    assert paired(arm("nd", 0.6)).verdict == "unmet"


def test_exact_pairs_are_compared_by_their_range() -> None:
    arms = (arm(n, v, noise=0, seeds=1) for n, v in (("nd", 0.6), ("dense", 0.5)))
    found = paired(*arms, expect={"between": [0.09, 0.11]}, fields=SURE)
    assert found.verdict == "supported" and "range over pairs" in found.sentence


@pytest.mark.parametrize("seeds", [4, 8, 32])
def test_a_paired_difference_covers(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    shift = rng.normal(size=(1500, 1, seeds))
    found = [difference(*(s + rng.normal(size=(2, 3, seeds))), "mean", 0.95) for s in shift]
    assert 0.935 <= np.mean([i.low <= 0 <= i.high for i in found]) <= 0.965


@pytest.mark.parametrize("how", ["median", "rms", "proportion"])
def test_a_paired_difference_of_another_aggregate_covers(how: str) -> None:
    rng = np.random.default_rng(4)
    found = [difference(*(3 + rng.normal(size=(2, 3, 8))), how, 0.95) for _ in range(400)]
    assert 0.92 <= np.mean([i.low <= 0 <= i.high for i in found]) <= 0.995


def test_a_trend_and_a_collapse_of_medians_are_judged() -> None:
    fields = {**FIELDS, "y": Described(name="y", role="result", aggregate="median")}
    rising = rows_of(lambda d: 1 + np.log(d), XS, noise=0.02)
    assert judged({"trend": {"of": "y", "along": "d", "is": "increasing"}}, rising, fields).verdict == "supported"
    assert judged(COLLAPSE, curves(1.0, 0.03, 8), fields).verdict == "supported"


def test_the_unit_that_a_claim_declares_is_what_repeats() -> None:
    rows = rows_of(lambda d: d**-0.5, XS, seeds=32, noise=0.01).with_columns(tree=pl.col("seed") // 8)
    found = judged(
        {"fit": {"law": "power", "x": "d", "y": "y"}, "expect": {"decay": {"between": [0.4, 0.6]}}, "unit": "tree"}, rows
    )
    assert found.verdict == "supported" and "t over 4 units" in found.sentence
