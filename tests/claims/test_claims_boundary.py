"""Boundaries that a search found are judged with their brackets, their steps and what lay beyond the searched interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from orchestrator.check import conditions
from orchestrator.claims import Verdict, judging
from orchestrator.claims.series_of_rows import beyond
from orchestrator.claims.sources import boundary
from orchestrator.errors import SpecError
from orchestrator.fitting.fits import fit
from orchestrator.fitting.laws import law
from orchestrator.fitting.series import Series
from orchestrator.results import query
from orchestrator.results.stored_sweep import in_store
from orchestrator.spec import Spec
from tests.helpers.judging import FIELDS, fill, rows_of, spec_of, stored, toy

LENGTHS = [2**k for k in range(6, 15)]
SEARCH = {"search": {"boundary": {"along": "beta", "of": "y", "level": 0, "between": [0.1, 4]}}}
POWER = {"from": "boundary", "fit": {"law": "power", "x": "u", "y": "beta"}}


def sweep(*listed: dict[str, Any], **more: Any) -> Spec:
    axes = {"axes": {"d": LENGTHS}, "derive": {"u": "sqrt(ln(d))"}, **SEARCH, **more}
    return spec_of(*({"id": f"c{i}", **claim} for i, claim in enumerate(listed)), seeds=1, **axes)


def table(law: Callable[[int], float], half: float = 0.001, xs: Iterable[int] = LENGTHS, arm: str = "all") -> pl.DataFrame:
    """What a search leaves: positions with brackets of relative half-width `half`."""
    rows = [{"arm": arm, "curve": f"d = {d}", "d": d, "u": math.sqrt(math.log(d)), "beta": law(d)} for d in xs]
    ends = [{"beta_lower": r["beta"] * (1 - half), "beta_upper": r["beta"] * (1 + half)} for r in rows]
    about = {"along": "beta", "of": "y", "level": 0.0, "evaluations": 24, "status": "found"}
    return pl.DataFrame([{**r, **e, **about} for r, e in zip(rows, ends, strict=True)])


def beyond_search(rows: pl.DataFrame, d: int, status: str, low: float = 0.5, high: float = 1.0) -> pl.DataFrame:
    """The rows with the boundary of one length below or above the searched interval."""
    at = pl.col("d") == d
    edges = {"below": (None, low), "above": (high, None)}[status]
    named = zip(("beta", "beta_lower", "beta_upper", "status"), (None, *edges, status), strict=True)
    return rows.with_columns(pl.when(at).then(pl.lit(v)).otherwise(pl.col(n)).alias(n) for n, v in named)


def judged(claim: dict[str, Any], rows: pl.DataFrame, **more: Any) -> Verdict:
    spec = sweep(claim, **more)
    return judging.judge_all(spec, {"boundary": boundary(spec, rows, FIELDS)})[0]


SERVED = {2: 0.598, 3: 0.786, 4: 0.945, 5: 1.083, 6: 1.207, 7: 1.320, 8: 1.424}  # the norm that each degree serves at 1e-2


def served(d: int, dim: int) -> float:
    """The norm that the largest degree serves whose rank is at most d."""
    return SERVED[max(g for g in SERVED if math.comb(dim + g, g) <= d)]


def growing(d: int) -> float:
    return served(d, math.ceil(math.log2(d)))


def control(d: int) -> float:
    return served(d, 8)


def test_a_smooth_boundary_has_its_exponent() -> None:
    found = judged({**POWER, "expect": {"exponent": {"between": [0.95, 1.05]}}}, table(lambda d: 0.34 * math.sqrt(math.log(d))))
    assert found.verdict == "supported" and found.rows == 9 and found.seeds == 1


def test_a_staircase_supports_growth_like_the_root_of_the_logarithm() -> None:
    claim = {
        "from": "boundary",
        "fit": {"law": "power", "x": "u**2", "y": "beta"},
        "expect": {"exponent": {"between": [0.35, 0.8]}},
    }
    found = judged(claim, table(growing))
    assert found.verdict == "supported" and "what rounding to steps does" in found.sentence
    assert found.numbers["exponent"]["estimate"] == pytest.approx(0.566, abs=0.001)
    fixed = judged(claim, table(control))
    assert fixed.verdict == "refuted" and fixed.numbers["exponent"]["estimate"] == pytest.approx(1.09, abs=0.01)


def test_a_staircases_interval_holds_the_law_that_was_rounded() -> None:
    """Floors of c u^1.2, whatever the phase: no tighter claim than the steps allow is supported."""
    hits = []
    for phase in np.linspace(0.3, 0.7, 25):
        rows = table(lambda d, p=phase: math.floor(p * 8 * math.log(d) ** 0.6) / 8)
        numbers = judged({**POWER, "expect": {"exponent": {"between": [1, 2]}}}, rows).numbers["exponent"]
        hits.append(numbers["low"] <= 1.2 <= numbers["high"])
    assert np.mean(hits) >= 0.95


def test_the_fixed_dimension_grows_faster() -> None:
    rows = pl.concat([table(growing, arm="growing"), table(control, arm="control")])
    claim = {**POWER, "fit": {**POWER["fit"], "by": ["arm"]}, "compare": {"exponent": "control - growing"}}
    found = judged({**claim, "expect": {"at_least": 0.5}}, rows, arms={"growing": {}, "control": {}})
    assert found.verdict == "supported" and found.numbers["difference"]["low"] > 0.5


def test_few_steps_do_not_tell_a_law() -> None:
    found = judged({**POWER, "expect": {"exponent": {"at_least": 0}}}, table(lambda d: 0.6 if d < 500 else 0.8))
    assert found.verdict == "undecided" and "staircase: 9 x share 2 values" in found.sentence


def test_wide_brackets_widen_the_interval() -> None:
    root = lambda d: 0.34 * math.sqrt(math.log(d))  # noqa: E731
    narrow, wide = (judged({**POWER, "expect": {"exponent": {"between": [0.9, 1.1]}}}, table(root, h)) for h in (0.001, 0.02))
    widths = [v.numbers["exponent"]["high"] - v.numbers["exponent"]["low"] for v in (narrow, wide)]
    assert widths[1] > 15 * widths[0] and "brackets of the search" in wide.sentence


@pytest.mark.parametrize("half", [0.002, 0.02])
def test_a_boundarys_interval_covers_where_its_bracket_is_all_that_is_known(half: float) -> None:
    rng, x = np.random.default_rng(2), np.sqrt(np.log(LENGTHS))
    hits = []
    for _ in range(400):
        y = 0.34 * x * (1 + half * rng.uniform(-1, 1, len(x)))
        found = fit(law("power"), Series(x=x, values=y[:, None], units=(0,), halves=half * y)).interval("exponent")
        hits.append(found.low <= 1 <= found.high)
    assert np.mean(hits) >= 0.95


@pytest.mark.parametrize(("d", "status"), [(64, "below"), (16384, "above"), (1024, "above")])
def test_a_boundary_beyond_the_search_counts_as_both_extremes(d: int, status: str) -> None:
    rows = beyond_search(table(lambda d: 0.34 * math.sqrt(math.log(d))), d, status)
    found = judged({**POWER, "expect": {"exponent": {"between": [0.95, 1.05]}}}, rows)
    assert found.verdict == "undecided" and found.failed == {status: 1} and "could turn it" in found.sentence


def test_a_boundary_beyond_the_search_may_only_strengthen_a_claim() -> None:
    rows = beyond_search(table(lambda d: 0.2 * math.log(d)), 16384, "above", high=1.9)
    assert judged({**POWER, "expect": {"exponent": {"at_least": 1.5}}}, rows).verdict == "supported"


def test_what_lies_beyond_an_edge_reaches_some_of_the_largest_steps() -> None:
    y = np.array([1.0, 3.0])
    assert beyond(y, (4.0, math.inf), 2) == pytest.approx((4.0, 36.0)) and beyond(y, (-math.inf, 0.6), 1) == pytest.approx(
        (0.2, 0.6)
    )
    assert beyond(y - 2, (4.0, math.inf), 1) == (4.0, 7.0)


def test_a_formula_of_the_boundary_keeps_its_bracket() -> None:
    claim = {
        "from": "boundary",
        "fit": {"law": "constant", "x": "d", "y": "u/beta"},
        "expect": {"intercept": {"between": [2.93, 2.95]}},
    }
    found = judged(claim, table(lambda d: 0.34 * math.sqrt(math.log(d)), half=0.02))
    assert found.verdict == "undecided" and found.numbers["intercept"]["high"] > 2.96


def test_a_formula_that_falls_turns_what_is_beyond_the_edge() -> None:
    rows = beyond_search(table(lambda d: 0.2 * math.log(d)), 16384, "above", high=1.9)
    claim = {"from": "boundary", "fit": {"law": "power", "x": "u", "y": "1/beta"}, "expect": {"exponent": {"at_most": -1.5}}}
    assert judged(claim, rows).verdict == "supported"
    assert judged({**claim, "expect": {"exponent": {"at_least": -2.05}}}, rows).verdict == "undecided"


def test_a_condition_may_speak_of_how_a_search_ended() -> None:
    rows = beyond_search(table(growing), 64, "above")
    assert judged({"from": "boundary", "holds": "evaluations <= 40"}, rows).verdict == "supported"
    assert judged({"from": "boundary", "holds": "status = 'found'"}, rows).numbers["broken"] == 1
    assert judged({"from": "boundary", "holds": "beta_upper - beta_lower <= 0.01"}, rows).verdict == "supported"


def test_a_boundary_that_was_not_found_cleanly_is_told() -> None:
    turning = table(growing).with_columns(status=pl.when(pl.col("d") > 4096).then(pl.lit("not_monotone")).otherwise("status"))
    assert "2 boundaries are not_monotone" in judged({**POWER, "expect": {"exponent": {"at_least": 0}}}, turning).reasons


def test_boundaries_may_have_a_trend() -> None:
    claim = {"from": "boundary", "trend": {"of": "beta", "along": "d", "is": "increasing"}}
    assert judged(claim, table(growing)).verdict == "supported"


def test_no_boundary_yet_is_unmet() -> None:
    found = judging.judge_rows(sweep({**POWER, "expect": {"exponent": {"at_least": 0}}}), rows_of(lambda d: d, (2, 4)))[0]
    assert found.verdict == "unmet" and "no boundary was found yet" in found.sentence
    assert found.sql == "SELECT arm, status, u, beta FROM boundaries.toy_sweep ORDER BY 1, 2, 3, 4"


def test_conditions_on_boundaries_are_tried_before_there_are_any() -> None:
    conditions.check(sweep({"from": "boundary", "holds": "beta_upper < 2 * beta_lower", "where": "status = 'found'"}), toy())
    with pytest.raises(SpecError, match=r"claims\[0\].holds: .* got 'beta_uper'; did you mean 'beta_upper'"):
        conditions.check(sweep({"from": "boundary", "holds": "beta_uper < 2"}), toy())


def test_a_stored_table_of_boundaries_is_judged(tmp_path: Path) -> None:
    spec = sweep({**POWER, "expect": {"exponent": {"between": [0.95, 1.05]}}})
    plain = spec_of({"id": "c", "holds": "y > 0"})
    store = stored(tmp_path, plain, lambda d, seed: 1.0)
    store.save_boundaries(spec.name, None, pa.table(table(lambda d: 0.34 * math.sqrt(math.log(d))).to_arrow()))
    found = judging.judge(in_store(spec, store))[0]
    assert (found.verdict, found.rows) == ("supported", 9) and query.run(store, found.sql).num_rows == 9


def test_another_sweeps_rows_are_judged_by_its_own_names(tmp_path: Path) -> None:
    theirs = spec_of({"id": "c", "holds": "y > 0"}, derive={"v": "2*d"})
    store = stored(tmp_path, theirs, lambda d, seed: float(d))
    spec = sweep(
        {"from": "sweep:toy_sweep", "fit": {"law": "linear", "x": "v", "y": "y"}, "expect": {"slope": {"between": [0.5, 0.5]}}}
    )
    renamed = spec.model_copy(update={"name": "mine"})
    fill(store, spec_of(name="mine"), lambda d, seed: float(d))
    record = {**store.latest("toy_sweep"), "spec": theirs.resolved()}
    store.save_plan(store.plan("toy_sweep"), record)
    found = judging.judge(in_store(renamed, store))[0]
    assert found.verdict == "supported" and "FROM sweeps.toy_sweep" in found.sql and "(2*d)" in found.sql


def test_a_sweep_that_was_not_run_yet_is_unmet(tmp_path: Path) -> None:
    spec = spec_of({"id": "c", "from": "sweep:elsewhere", "holds": "y > 0"})
    found = judging.judge(in_store(spec, stored(tmp_path, spec, lambda d, seed: 1.0)))[0]
    assert found.verdict == "unmet" and "no rows of sweep 'elsewhere'" in found.sentence
