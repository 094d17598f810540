"""A figure draws the law that a claim was judged by, from its verdict, and fits nothing of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from orchestrator.claims import Verdict, judge_rows, judging
from orchestrator.claims.judged_law import JudgedLaw, laws_of
from orchestrator.claims.verdict import restore
from orchestrator.figures import of_sweep
from orchestrator.figures.draw import draw
from orchestrator.figures.drawing import Drawing, Material
from orchestrator.figures.law_lines import concerned
from orchestrator.fitting import fits, laws
from orchestrator.fitting.intervals import Array
from orchestrator.plan import expand
from orchestrator.report import export, page
from orchestrator.results import stored_sweep
from orchestrator.results.described import Described
from orchestrator.results.stored_sweep import StoredSweep
from orchestrator.spec import Spec, read
from orchestrator.store import Store
from orchestrator.wording import text
from orchestrator.workload.describe import load
from tests.helpers.judging import FIELDS, rows_of, spec_of, stored

NS = tuple(2**k for k in range(9))
POWER = {"law": "power", "x": "d", "y": "y"}
RATE = {"id": "rate", "fit": POWER, "expect": {"exponent": {"between": [-1.05, -0.95]}}, "require": {"x_points": 4, "seeds": 4}}
LIMITED = {**RATE, "unmet_if": "top > 0.5"}
CURVE = {"kind": "curve", "x": "d", "y": "y", "log": ["x", "y"]}


def flattening() -> pl.DataFrame:
    """1/n up to n = 8 and flat after, where `top` says that something else limits it."""
    table = rows_of(lambda d: 1 / min(d, 8), NS, noise=0.001)
    return table.with_columns(top=pl.when(pl.col("d") > 8).then(1.0).otherwise(0.0))


def drawn(made: Drawing, shows: str = "law") -> list[dict[str, Any]]:
    return [record for record in made.data if record["shows"] == shows]


def slope(lines: list[dict[str, Any]]) -> float:
    return float(np.polyfit(np.log([p["x"] for p in lines]), np.log([p["y"] for p in lines]), 1)[0])


def saved(verdicts: tuple[Verdict, ...]) -> tuple[Verdict, ...]:
    """The verdicts as a store gives them back."""
    return tuple(restore(json.loads(json.dumps(verdict.record()))) for verdict in verdicts)


@pytest.mark.parametrize("way", ["in hand", "saved", "none"])
def test_the_law_that_was_judged_is_drawn_over_the_x_that_were_judged(way: str) -> None:
    spec, table = spec_of(LIMITED, figures=[CURVE]), flattening()
    (verdict,) = verdicts = judge_rows(spec, table, FIELDS)
    assert verdict.verdict == "supported"
    made = draw(spec, 0, table, FIELDS, Material(verdicts={"in hand": verdicts, "saved": saved(verdicts), "none": None}[way]))
    lines = drawn(made)
    assert slope(lines) == pytest.approx(verdict.numbers["parameters"]["exponent"], abs=1e-9) == pytest.approx(-1, abs=0.01)
    assert (lines[0]["x"], lines[-1]["x"]) == pytest.approx((1, 8))


def test_residuals_are_those_of_the_points_that_were_judged() -> None:
    spec, table = spec_of(LIMITED, figures=[{**CURVE, "residuals": True}]), flattening()
    left = drawn(draw(spec, 0, table, FIELDS), "residual")
    assert [p["x"] for p in left] == [1, 2, 4, 8] and all(p["y"] == pytest.approx(1, abs=0.01) for p in left)
    assert all(p["low"] < p["y"] < p["high"] for p in left)


def test_a_tuned_setting_is_the_one_that_was_chosen() -> None:
    choose = {"over": ["beta"], "of": "y", "goal": "minimize", "seeds": 4}
    best = rows_of(lambda d: 1 / d, NS, noise=0.001)
    poor = rows_of(lambda d: 3.0, NS, noise=0.001, draw=1).with_columns(beta=pl.lit(9.0))
    spec = spec_of({**RATE, "choose": choose}, figures=[CURVE])
    assert slope(drawn(draw(spec, 0, pl.concat([best, poor]), FIELDS))) == pytest.approx(-1, abs=0.01)


PREFER = {"id": "kind", "prefer": {**POWER, "over": ["exponential"]}}
COMPARE = {
    "id": "apart",
    "fit": POWER,
    "compare": {"exponent": "left - right"},
    "expect": {"difference": {"at_most": 0}},
}


@pytest.mark.parametrize("claim", [PREFER, COMPARE, {**RATE, "by": ["arm"]}])
def test_each_judged_law_is_drawn_in_the_colour_of_its_rows(claim: dict[str, Any]) -> None:
    powers = {"left": -1.0, "right": -0.5}
    parts = [rows_of(lambda d, p=p: d**p, NS, noise=0.01, arm=arm) for arm, p in powers.items()]
    arms = {"arms": {arm: {} for arm in powers}, "axes": {"d": list(NS)}}
    spec = spec_of({"by": ["arm"], **claim}, figures=[{**CURVE, "color": "arm"}], **arms)
    made = drawn(draw(spec, 0, pl.concat(parts), FIELDS))
    for arm, power in powers.items():
        assert slope([p for p in made if p["color"] == arm]) == pytest.approx(power, abs=0.02)


def test_a_colour_may_be_a_formula_of_what_the_rows_share() -> None:
    table = pl.concat([rows_of(lambda d, b=b: b / d, NS).with_columns(beta=pl.lit(b)) for b in (2.0, 4.0)])
    spec = spec_of({**RATE, "by": ["beta"]}, figures=[{**CURVE, "color": "beta/2"}])
    made = drawn(draw(spec, 0, table, FIELDS))
    assert {p["color"] for p in made} == {"1", "2"}


@pytest.mark.parametrize("where", ["arm = 'left'", "d < 32"])
def test_a_law_of_rows_that_a_figure_does_not_show_is_not_drawn(where: str) -> None:
    parts = [rows_of(lambda d: 1 / d, xs, noise=0.01, arm=arm) for arm, xs in (("left", NS), ("right", NS[5:]))]
    spec = spec_of({**RATE, "by": ["arm"]}, figures=[{**CURVE, "where": where, "color": "arm"}])
    assert {p["color"] for p in drawn(draw(spec, 0, pl.concat(parts), FIELDS))} == {"left"}


def test_a_verdict_of_an_older_version_has_no_law_and_the_caption_says_so() -> None:
    spec, table = spec_of(LIMITED, figures=[CURVE]), flattening()
    (record,) = (verdict.record() for verdict in judge_rows(spec, table, FIELDS))
    for numbers in (record["numbers"], *(finding["numbers"] for finding in record["findings"])):
        del numbers["parameters"]
    made = draw(spec, 0, table, FIELDS, Material(verdicts=[restore(record)]))
    assert not drawn(made) and "No law is drawn of rate: the claim has a verdict of an older version" in made.caption


def test_a_claim_without_a_law_is_named_with_the_reason() -> None:
    spec, table = spec_of(RATE, figures=[CURVE]), rows_of(lambda d: 1 / d, NS[:2], noise=0.01)
    assert "No law is drawn of rate: the claim is unmet." in draw(spec, 0, table, FIELDS).caption
    assert "the claim has no verdict yet." in draw(spec, 0, table, FIELDS, Material(verdicts=())).caption
    year = rows_of(lambda d: 2.0 ** (d - 2000), range(2000, 2010))
    spec = spec_of({**RATE, "fit": {**POWER, "law": "exponential"}, "expect": {"rate": {"at_least": 0}}}, figures=[CURVE])
    made = draw(spec, 0, year, FIELDS)
    assert not drawn(made) and "parameters too large or too small for a number" in made.caption


@pytest.fixture
def sweep(tmp_path: Path) -> tuple[Spec, Store]:
    spec = spec_of(
        {"id": "c", "fit": {"law": "exponential", "x": "d", "y": "y"}, "expect": {"rate": {"at_least": 0.5}}},
        figures=[{"kind": "curve", "x": "d", "y": "y", "log": ["y"]}, {"kind": "slopes", "x": "rate"}],
    )
    return spec, stored(tmp_path, spec, lambda d, seed: 2.0**d * (1 + 0.01 * seed))


def test_whoever_draws_from_a_store_takes_its_verdicts(sweep: tuple[Spec, Store], monkeypatch: pytest.MonkeyPatch) -> None:
    spec, store = sweep
    record = {
        "sweep": spec.name,
        "size": "base",
        "workload": spec.workload,
        "spec": spec.model_dump(mode="json", by_alias=True),
    }
    stored = StoredSweep(store=store, record=record, file_spec=spec)
    rows = stored.rows, stored.fields
    unjudged = drawn(of_sweep.drawings(stored)[0])
    verdicts = judging.judge(stored)
    monkeypatch.setattr(fits, "_solve", lambda *_: pytest.fail("a law was fitted a second time"))
    monkeypatch.setattr(stored_sweep, "saved_spec", lambda _: spec)
    again = of_sweep.redraw(store, record, 0, *rows)
    assert drawn(again) == drawn(of_sweep.drawings(stored, verdicts)[0]) == unjudged and unjudged
    assert drawn(of_sweep.explore(store, record, {"x": "d", "y": "y", "log": ["y"]}, *rows)) == unjudged
    assert drawn(of_sweep.redraw(store, record, 1, *rows), "estimate")
    page.write(stored, verdicts)
    export.write(stored, verdicts, store.path / "paper")


@pytest.mark.parametrize("name", laws.LAWS)
def test_reported_parameters_give_the_law_back(name: str) -> None:
    law = laws.law(name)
    theta: Array = np.array([0.3, -0.7, 1.2, 0.4, 0.9])[: law.size]
    reported = {p.name: p.outer(float(theta[p.index])) for p in law.parameters}
    assert law.internal(json.loads(json.dumps(reported))) == pytest.approx(theta, abs=1e-12)


SHIPPED = tuple(
    spec.name
    for spec in (read(path.stem) for path in sorted((Path(__file__).parents[2] / "sweeps").glob("*.yaml")))
    if spec.search is None
    and any(concerned(spec, figure) for figure in spec.figures if figure.kind not in ("slopes", "boundary"))
)
VALUES = {"int64": pl.Int64, "bool": pl.Boolean, "string": pl.String}


def planned(spec: Spec) -> tuple[pl.DataFrame, dict[str, Described]]:
    """Rows of a sweep's plan whose results fall as a power of the numbers among its params, with noise."""
    work = load(spec.workload)
    plan = expand(spec, work)
    table = pl.DataFrame({"point": plan.ids, "seed": plan.seeds, **plan.params}, strict=False)
    numbers = [pl.col(n).cast(pl.Float64).abs().fill_null(1.0) + 1 for n in plan.params if table[n].dtype.is_numeric()]
    noise = pl.Series(np.exp(0.01 * np.random.default_rng(0).normal(size=len(table))))
    value = pl.fold(pl.lit(1.0), lambda product, one: product * one, numbers) ** -0.5 * noise
    results = {f.name: value.cast(VALUES.get(f.kind, pl.Float64)) for f in work.results}
    # A result that says where a parameter is expected is the same in every row of a group.
    ends = {name for claim in spec.claims for bound in (claim.expect or {}).values() for name in bound.names}
    results |= {name: pl.lit(1.0) for name in ends & results.keys()}
    blank = {"status": pl.lit("ok"), "final": pl.lit(True), "step": pl.lit(0), "seconds": pl.lit(1.0)}
    table = table.with_columns(**results, **blank)
    fields = {f.name: Described(name=f.name, role="param") for f in work.params}
    fields |= {f.name: Described(name=f.name, role="result", aggregate=f.aggregate) for f in work.results}
    return pl.concat([table[indices].with_columns(arm=pl.lit(arm)) for arm, indices in plan.arms]), fields


def curves(verdict: Verdict) -> dict[str, JudgedLaw]:
    """The laws of a verdict by the name that a figure's curve has."""
    named = {}
    for law in (law for finding in verdict.findings for law in laws_of(finding)):
        values = (f"{name} = {text(law.constant[name])}" for name in law.by)
        named[f"{verdict.id} {', '.join(values)}"] = law
    return named


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_figure_draws_the_parameters_of_its_verdicts(name: str) -> None:
    spec = read(name)
    table, fields = planned(spec)
    for index, figure in enumerate(spec.figures):
        asked = spec.model_copy(update={"claims": concerned(spec, figure)})
        if figure.kind in ("slopes", "boundary") or not asked.claims:
            continue
        verdicts = saved(judge_rows(asked, table, fields))
        judged = {name: law for verdict in verdicts for name, law in curves(verdict).items()}
        made = draw(spec, index, table, fields, Material(verdicts=verdicts))
        assert judged or "No law is drawn" in made.caption
        for place in drawn(made):
            law = judged[place["curve"]]
            assert law.law.name == place["label"] and law.low * (1 - 1e-9) <= place["x"] <= law.high * (1 + 1e-9)
            assert place["y"] == pytest.approx(float(law.values(np.array([place["x"]]))[0]))


def test_every_claim_of_a_shipped_figure_has_its_law() -> None:
    spec = read("khm_capacity")
    table, fields = planned(spec)
    claims_drawn = [{p["curve"].split()[0] for p in drawn(draw(spec, i, table, fields))} for i in range(2)]
    assert claims_drawn == [
        {"exponential_at_fixed_angle", "rate_of_existence"},
        {"not_at_fixed_beta"},
    ]
