"""Verdicts are right on data whose law is known, and undecided where the data do not tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from orchestrator.check import conditions
from orchestrator.claims import Verdict, judging
from orchestrator.claims.case import Region
from orchestrator.claims.ledger import claim_hash
from orchestrator.claims.placing import weighed
from orchestrator.claims.verdict import alarming, restore
from orchestrator.errors import SpecError
from orchestrator.fitting.intervals import Interval
from orchestrator.results import query
from orchestrator.results.described import Described
from orchestrator.results.stored_sweep import in_store
from orchestrator.spec import Spec
from tests.helpers.judging import FIELDS, KISSING, SATURATING, judged, rows_of, spec_of, stored, toy

EXPONENTIAL = {"prefer": {"law": "exponential", "over": ["power"], "x": "d", "y": "y"}}
POWER = {"prefer": {"law": "power", "over": ["exponential"], "x": "d", "y": "y"}}
XS = (2, 4, 8, 16, 32, 64)


def fit(expect: dict[str, Any], law: str = "power", **more: Any) -> dict[str, Any]:
    return {"fit": {"law": law, "x": "d", "y": "y"}, "expect": expect, **more}


def power(d: float) -> float:
    return float(2 * d**-0.5)


def test_true_exponential_data_support_the_exponential() -> None:
    assert judged(EXPONENTIAL, rows_of(lambda d: np.exp(0.6 * d), range(2, 9), noise=0.05)).verdict == "supported"


def test_swapped_data_flip_the_preference() -> None:
    angle, beta = rows_of(KISSING.__getitem__, KISSING), rows_of(lambda d: np.exp(SATURATING[int(d)]), SATURATING)
    words = [judged(claim, rows).verdict for rows in (angle, beta) for claim in (EXPONENTIAL, POWER)]
    assert words == ["supported", "refuted", "refuted", "supported"]


def test_data_of_neither_law_are_undecided() -> None:
    rows = rows_of(lambda d: np.exp(0.3 * d**0.5), range(2, 9), noise=0.3)
    assert judged(EXPONENTIAL, rows).verdict == "undecided"


def test_preferences_are_rarely_wrong() -> None:
    words = [judged(EXPONENTIAL, rows_of(lambda d: d**2.0, range(2, 9), noise=0.4, draw=i)).verdict for i in range(40)]
    assert words.count("supported") <= 1


def test_a_preference_that_rests_on_the_smallest_x_is_undecided() -> None:
    rows = rows_of(lambda d: {2: 60.0, 3: 20.0}.get(int(d), 100.0 * (1 + 0.001 * (d % 3))), range(2, 10))
    found = judged({"prefer": {"law": "linear", "over": ["constant"], "x": "d", "y": "y"}}, rows)
    assert found.verdict == "undecided"


def test_three_x_are_too_few_for_a_preference() -> None:
    found = judged(EXPONENTIAL, rows_of(KISSING.__getitem__, (2, 3, 4)))
    assert found.verdict == "unmet" and "it has 3 x and needs 5" in found.sentence


def test_two_noisy_seeds_are_too_few() -> None:
    found = judged(fit({"exponent": {"at_most": 0}}), rows_of(power, XS, seeds=2, noise=0.1))
    assert found.verdict == "unmet" and "2 seeds and needs 4" in found.sentence


def test_a_claim_may_ask_for_more_seeds_and_decades() -> None:
    claim = fit({"exponent": {"at_most": 0}}, require={"seeds": 16, "x_decades": 2})
    found = judged(claim, rows_of(power, XS, noise=0.1))
    assert found.verdict == "unmet" and len(found.reasons) == 2


def test_a_true_exponent_is_supported() -> None:
    rows = rows_of(power, XS, noise=0.05)
    assert judged(fit({"decay": {"between": [0.4, 0.6]}}), rows).verdict == "supported"


def test_a_wrong_exponent_is_refuted() -> None:
    assert judged(fit({"exponent": {"at_least": -0.3}}), rows_of(power, XS, noise=0.05)).verdict == "refuted"


def test_wide_noise_is_undecided() -> None:
    rows = rows_of(power, XS, noise=0.9, seeds=4)
    assert judged(fit({"exponent": {"between": [-0.6, -0.4]}}), rows).verdict == "undecided"


def test_a_false_exponent_is_hardly_ever_supported() -> None:
    words = [judged(fit({"exponent": {"at_least": -0.5}}), rows_of(power, XS, 4, 0.2, draw=i)).verdict for i in range(60)]
    assert words.count("supported") <= 4


def test_an_expected_end_may_be_a_formula_of_the_group() -> None:
    rows = pl.concat([rows_of(lambda d, b=b: d ** (1 / b), XS, noise=0.01).with_columns(beta=pl.lit(b)) for b in (2.0, 4.0)])
    claim = fit({"exponent": {"between": ["=1/beta - 0.05", "=1/beta + 0.05"]}}, by=["beta"])
    found = judged(claim, rows)
    assert [f.verdict for f in found.findings] == ["supported", "supported"]


def test_one_refuted_group_refutes_the_claim() -> None:
    rows = pl.concat([rows_of(lambda d, b=b: d**b, XS, noise=0.01).with_columns(beta=pl.lit(b)) for b in (1.0, 3.0)])
    found = judged(fit({"exponent": {"at_most": 2}}, by=["beta"]), rows)
    assert found.verdict == "refuted" and "for beta = 1, " in found.sentence and "For beta = 3, " in found.sentence


@pytest.mark.parametrize(("windows", "verdict"), [((0.31, 0.33), "supported"), ((0.36, 0.41), "undecided")])
def test_a_verdict_must_survive_dropping_the_smallest_x(windows: tuple[float, float], verdict: str) -> None:
    found = Interval(estimate=0.3, low=0.25, high=0.35, units=8, method="t")
    placed = weighed("exponent", found, windows, Region(high=0.38), noisy=True)
    assert placed.word == verdict and placed.reason.startswith("finite size") == (verdict == "undecided")


def test_a_bent_curve_supports_no_exponent() -> None:
    rows = rows_of(lambda d: d**0.5 * (1 + 2 / d), XS, noise=0.01)
    assert judged(fit({"exponent": {"at_most": 0.38}}), rows).verdict == "undecided"


def test_deterministic_rows_have_no_zero_width_interval() -> None:
    numbers = judged(fit({"rate": {"between": [0.5, 0.7]}}, law="exponential"), rows_of(KISSING.__getitem__, KISSING)).numbers
    assert numbers["rate"]["low"] < 0.576 and numbers["rate"]["high"] > 0.62


def test_an_exact_law_at_the_edge_of_its_region_is_inside() -> None:
    rows = rows_of(lambda d: 2.0 * d, XS)
    assert judged(fit({"exponent": {"between": [1, 1]}}), rows).verdict == "supported"


def test_a_lower_bound_supports_no_upper_law() -> None:
    fields = {**FIELDS, "y": Described(name="y", role="result", bound="lower")}
    found = judged(POWER, rows_of(lambda d: np.exp(SATURATING[int(d)]), SATURATING), fields)
    assert found.verdict == "undecided" and "lower bounds found by search" in found.sentence


def test_a_lower_bound_supports_a_law_from_below() -> None:
    fields = {**FIELDS, "y": Described(name="y", role="result", bound="lower")}
    assert judged(EXPONENTIAL, rows_of(KISSING.__getitem__, KISSING), fields).verdict == "supported"
    decay = judged(fit({"decay": {"at_least": 0.3}}), rows_of(power, XS, noise=0.01), fields)
    assert decay.verdict == "undecided"


def lost(rows: pl.DataFrame, condition: pl.Expr) -> pl.DataFrame:
    """The rows with those of the condition failed."""
    bad = rows.with_columns(status=pl.when(condition).then(pl.lit("oom")).otherwise("status"))
    return bad.with_columns(y=pl.when(pl.col("status") == "ok").then("y"))


def test_one_lost_point_is_counted_and_turns_nothing() -> None:
    rows = lost(rows_of(power, XS, noise=0.05), (pl.col("d") == 8) & (pl.col("seed") == 3))
    found = judged(fit({"decay": {"between": [0.3, 0.7]}}), rows)
    assert (found.verdict, found.failed) == ("supported", {"oom": 1})


def test_a_lost_largest_x_leaves_the_law_undecided() -> None:
    rows = lost(rows_of(power, XS, noise=0.05), pl.col("d") == 64)
    found = judged(fit({"decay": {"between": [0.45, 0.55]}}), rows)
    assert found.verdict == "undecided" and "could turn it" in found.sentence


def test_a_value_that_is_not_finite_counts_as_lost() -> None:
    rows = rows_of(power, XS, noise=0.05).with_columns(y=pl.when(pl.col("d") == 64).then(float("nan")).otherwise("y"))
    assert "8 points have no result" in judged(fit({"exponent": {"at_most": 0}}), rows).sentence


def test_levels_of_support_are_shared_by_the_claims_of_a_sweep() -> None:
    claim = fit({"exponent": {"at_most": 0}, "prefactor": {"at_least": 0}})
    spec = spec_of({"id": "a", **claim}, {"id": "b", **EXPONENTIAL}, {"id": "c", **fit({"exponent": {"at_most": 0}})})
    found = judging.judge_rows(spec, rows_of(power, XS, noise=0.05), FIELDS)
    assert {v.level for v in found} == {1 - 0.05 / 2}  # two claims have intervals; three intervals, for refutations


def test_only_a_quoted_claim_is_the_papers() -> None:
    rows = rows_of(power, XS, noise=0.05)
    for kind, opening in (("quoted", "The paper's claim (Thm 1) is refuted"), ("derived", "Our reading of Thm 1 is refuted")):
        found = judged(fit({"exponent": {"at_least": 0}}, basis={"kind": kind, "source": "Thm 1"}), rows)
        assert found.sentence.startswith(opening)


def arms(left: float, right: float, **more: Any) -> pl.DataFrame:
    return pl.concat(
        [
            rows_of(lambda d, e=e: d**e, XS, shift=0.05, **more).with_columns(arm=pl.lit(a))
            for a, e in (("a", left), ("b", right))
        ]
    )


COMPARE = {"fit": {"law": "power", "x": "d", "y": "y", "by": ["arm"]}, "compare": {"exponent": "a - b"}}


def compared(rows: pl.DataFrame, **more: Any) -> Verdict:
    return judged({**COMPARE, **more}, rows, arms={"a": {}, "b": {}}, axes={"d": list(XS)})


def test_a_difference_between_arms_is_paired_over_seeds() -> None:
    found = compared(arms(0.8, 0.3, noise=0.01), expect={"between": [0.48, 0.52]})
    assert found.verdict == "supported" and "paired t over 8 units" in found.sentence


def test_a_wrong_difference_is_refuted() -> None:
    assert compared(arms(0.8, 0.3, noise=0.01), expect={"at_least": 0.6}).verdict == "refuted"


def test_arms_of_different_seeds_are_compared_by_welch() -> None:
    rows = arms(0.8, 0.3, noise=0.01).filter((pl.col("arm") == "a") | (pl.col("seed") < 6))
    found = compared(rows, expect={"between": [0.3, 0.7]})
    assert found.verdict == "supported" and "Welch" in found.sentence


def test_deterministic_arms_are_compared_by_their_scatter() -> None:
    rows = arms(0.8, 0.3).with_columns(y=pl.col("y").mean().over("arm", "d"))
    assert compared(rows, expect={"between": [0.3, 0.7]}).verdict == "supported"


def test_derived_columns_and_formulas_are_axes() -> None:
    rows = rows_of(lambda d: np.sqrt(np.log(d)) ** 2, XS, noise=0.01)
    claim = {"fit": {"law": "power", "x": "u", "y": "y/2"}, "expect": {"exponent": {"between": [1.9, 2.1]}}}
    found = judged(claim, rows, derive={"u": "sqrt(ln(d))"})
    assert found.verdict == "supported" and 'sqrt(ln(d)) AS "u"' in found.sql.replace("(sqrt(ln(d)))", "sqrt(ln(d))")


def test_a_wrong_column_in_where_names_the_nearest() -> None:
    with pytest.raises(SpecError, match=r"toy_sweep: claims.c.where: .* got 'betta'; did you mean 'beta'"):
        judged({**EXPONENTIAL, "where": "betta = 8"}, rows_of(KISSING.__getitem__, KISSING))


def test_where_reaches_no_file() -> None:
    with pytest.raises(SpecError, match="Cannot access file"):
        judged({**EXPONENTIAL, "where": "d in (select 1 from read_csv('/etc/passwd'))"}, rows_of(KISSING.__getitem__, KISSING))


@pytest.mark.parametrize("key", ["where", "holds"])
def test_wrong_sql_is_refused_before_there_are_rows(key: str) -> None:
    claim = {"id": "c", "holds": "y > 0", key: "betta > 0 and u > 1"}
    with pytest.raises(SpecError, match=rf"toy_sweep:\d+: claims\[0\].{key}: .* did you mean 'beta'"):
        conditions.check(spec_of(claim, derive={"u": "sqrt(d)"}), toy())


def test_right_sql_passes_before_there_are_rows() -> None:
    conditions.check(
        spec_of({"id": "c", "where": "arm = 'all' and u > 1", "holds": "y <= top"}, derive={"u": "sqrt(d)"}), toy()
    )


def test_no_rows_are_unmet() -> None:
    found = judged({**EXPONENTIAL, "where": "d > 100"}, rows_of(KISSING.__getitem__, KISSING))
    assert found.verdict == "unmet" and "no row fulfils" in found.sentence


def test_averaging_over_a_param_is_told() -> None:
    rows = pl.concat([rows_of(KISSING.__getitem__, KISSING).with_columns(beta=pl.lit(b)) for b in (1.0, 2.0)])
    assert "differ in beta" in judged(EXPONENTIAL, rows).reasons[-1]


def test_params_that_go_with_a_group_are_not_averaged_over() -> None:
    rows = pl.concat(
        [
            rows_of(KISSING.__getitem__, KISSING).with_columns(beta=pl.lit(b), arm=pl.lit(a))
            for a, b in zip("ab", (1.0, 2.0), strict=True)
        ]
    )
    assert judged({**EXPONENTIAL, "by": ["arm"]}, rows).reasons == ()


def test_a_verdict_survives_json() -> None:
    found = judged(fit({"exponent": {"at_most": 0}}), rows_of(power, XS, noise=0.05))
    again = restore(found.record())
    assert again.record() == found.record() and again.findings[0].numbers["exponent"]["expected_low"] == -np.inf


def kissing(d: float, seed: int) -> float:
    return float(KISSING[int(d)])


def test_a_verdicts_sql_gives_its_rows(tmp_path: Path) -> None:
    spec = spec_of({"id": "c", **EXPONENTIAL, "where": "d > 2"})
    store = stored(tmp_path, spec, kissing)
    found = judging.judge(in_store(spec, store))[0]
    assert query.run(store, found.sql).num_rows == found.rows == 48


def test_points_that_were_not_measured_leave_a_condition_undecided(tmp_path: Path) -> None:
    spec = spec_of({"id": "c", "holds": "y > 0"})
    store = stored(tmp_path, spec, kissing, keep=lambda d, seed: None if d == 8 else "ok")
    found = judging.judge(in_store(spec, store))[0]
    assert (found.verdict, found.failed) == ("undecided", {"absent": 8})


def test_rows_that_break_a_condition_are_named_as_people_read_them(tmp_path: Path) -> None:
    spec = spec_of({"id": "c", "holds": "y < 0"})
    store = stored(tmp_path, spec, kissing)
    (finding,) = judging.judge(in_store(spec, store))[0].findings
    broken = {row["point"] for row in finding.numbers["offenders"]}
    assert broken and broken <= set(query.results(store.path).table("toy.law").collect()["point"])


def rejudged(tmp_path: Path, first: Spec, then: Spec) -> str:
    """What the second spec's verdict says has changed."""
    store = stored(tmp_path, first, kissing)
    judging.judge(in_store(first, store))
    return judging.judge(in_store(then, store))[0].changed


def test_judging_again_changes_nothing(tmp_path: Path) -> None:
    spec = spec_of({"id": "c", **EXPONENTIAL})
    assert rejudged(tmp_path, spec, spec) == ""


def test_a_claim_changed_after_data_were_seen_is_told(tmp_path: Path) -> None:
    first, then = spec_of({"id": "c", **EXPONENTIAL}), spec_of({"id": "c", **POWER})
    assert claim_hash(first.claims[0]) in rejudged(tmp_path, first, then)


def test_a_claim_added_after_data_were_seen_is_told(tmp_path: Path) -> None:
    then = spec_of({"id": "late", **EXPONENTIAL})
    assert "added after data were seen" in rejudged(tmp_path, spec_of({"id": "c", **EXPONENTIAL}), then)


def test_a_claim_changed_before_data_were_seen_is_not_told(tmp_path: Path) -> None:
    first, then = spec_of({"id": "c", **EXPONENTIAL}), spec_of({"id": "c", **POWER})
    store = stored(tmp_path, first, kissing, keep=lambda d, seed: None)
    judging.register(in_store(first, store))
    assert judging.judge(in_store(then, store))[0].changed == ""


def test_verdicts_of_every_size_are_kept(tmp_path: Path) -> None:
    spec = spec_of({"id": "c", "holds": "y > 0"}, sizes={"smoke": {"axes": {"d": [2]}}})
    store = stored(tmp_path, spec.model_copy(update={"size": "base"}), kissing)
    small = spec.model_copy(update={"size": "smoke"})
    plan = {"sweep": spec.name, "size": "smoke", "workload": "toy.law", "generation": 2}
    store.save_plan(store.plan(spec.name, "base").slice(0, 3), plan)
    for _ in range(2):
        judging.judge(in_store(small, store))
        judging.judge(in_store(spec, store))
    kept = store.load("verdicts", spec.name)
    assert [(v["size"], v["rows"]) for v in kept] == [("smoke", 3), ("base", 56)]


def test_what_is_foreseen_alarms_only_where_it_does_not_come() -> None:
    claim = {"holds": "y > 0"}
    spec = spec_of({"id": "c", **claim}, {"id": "d", **claim, "foreseen": "refuted"})
    assert claim_hash(spec.claims[0].model_copy(update={"id": "d"})) == claim_hash(spec.claims[1])
    for y, alarms in ((1.0, [False, True]), (-1.0, [True, False])):
        found = judging.judge_rows(spec, rows_of(lambda d, y=y: y, XS), FIELDS)
        assert [alarming(v.record()) for v in found] == alarms
