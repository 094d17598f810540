"""Seeds are combined by one rule, the column's: in numpy, Polars and SQL, in searches, in early stopping, in a comparison."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import orchestrator
from orchestrator.driver import measure
from orchestrator.driver.measure import Where
from orchestrator.errors import SweepError, WorkloadError
from orchestrator.fitting import aggregates
from orchestrator.fitting.aggregates import AGGREGATES, Aggregate
from orchestrator.fitting.intervals import interval, without_each
from orchestrator.results import paired_differences
from orchestrator.results.described import Described
from orchestrator.search.proposal import SearchCurve, Seen
from orchestrator.search.proposers import optuna
from orchestrator.search.proposers.boundary import BoundarySearch
from orchestrator.search.studies import studies
from orchestrator.spec import read
from orchestrator.spec.search_kinds.optuna import Optuna
from orchestrator.workload import describe
from tests.helpers.judging import FIELDS, judged
from tests.helpers.running import HEAD

LARGE = 1e150  # squares of larger numbers are no floats any more
NUMBERS = st.floats(min_value=-LARGE, max_value=LARGE, allow_nan=False) | st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-150, LARGE])
CELLS = st.none() | st.just(float("nan")) | NUMBERS
KNOWN = [
    ([5.0], {"mean": 5, "rms": 5, "proportion": 5, "median": 5, "max": 5}),
    ([1.0, 2.0, 6.0], {"mean": 3, "rms": (41 / 3) ** 0.5, "proportion": 3, "median": 2, "max": 6}),
    ([-3.0, -1.0], {"mean": -2, "rms": 5**0.5, "proportion": -2, "median": -2, "max": -1}),
    ([4.0, 1.0, 1.0, 2.0], {"mean": 2, "rms": 5.5**0.5, "proportion": 2, "median": 1.5, "max": 4}),
    ([None, 7.0, float("nan"), 1.0], {"mean": 4, "rms": 5, "proportion": 4, "median": 4, "max": 7}),
]


@cache
def connection() -> duckdb.DuckDBPyConnection:
    """A DuckDB of these tests; to make one for each example takes ten times as long as to ask it."""
    return duckdb.connect(config={"threads": "1"})


def asked(seeds: pl.DataFrame, query: str) -> list[tuple[Any, ...]]:
    """What DuckDB answers over a table named seeds."""
    return connection().register("seeds", seeds.to_arrow()).sql(query).fetchall()


def forms(values: list[float | None], aggregate: str) -> list[float | None]:
    """What the three forms give for these seeds; None for no number."""
    table = pl.DataFrame({"value": values}, schema={"value": pl.Float64})
    by_numpy = float(aggregates.combine(np.array(values, dtype=float), aggregate))
    [(by_sql,)] = asked(table, f"SELECT {aggregates.sql('value', aggregate)} FROM seeds")
    return [
        None if np.isnan(by_numpy) else by_numpy,
        table.select(aggregates.expression(pl.col("value"), aggregate)).item(),
        by_sql,
    ]


@pytest.mark.parametrize("aggregate", AGGREGATES)
@settings(max_examples=60, deadline=None)
@given(values=st.lists(CELLS, max_size=9))
@example(values=[1.0, 2.0, 6.0])
@example(values=[None, float("nan")])
@example(values=[])
def test_the_three_forms_agree(aggregate: str, values: list[float | None]) -> None:
    found = forms(values, aggregate)
    numbers = [v for v in values if v is not None and not np.isnan(v)]
    if not numbers:
        assert found == [None, None, None]
        return
    # Sums cancel, so a result is as exact as the largest of its terms; what is below 1e-150 has a square below all floats.
    room = max(1e-12 * max(map(abs, numbers)), 1e-150)
    assert found[1:] == [pytest.approx(found[0], rel=1e-12, abs=room)] * 2


@pytest.mark.parametrize(("values", "results"), KNOWN)
def test_each_form_gives_what_the_name_says(values: list[float | None], results: dict[str, float]) -> None:
    assert results.keys() == AGGREGATES.keys()
    for aggregate, result in results.items():
        assert forms(values, aggregate) == [pytest.approx(result)] * 3, aggregate


def test_each_group_is_combined_by_itself() -> None:
    table = pl.DataFrame({"d": [1, 1, 2, 2], "seed": [0, 1, 0, 1], "value": [3, 4, 6, 8]})  # whole numbers
    by_polars = table.group_by("d").agg(aggregates.expression(pl.col("value"), "rms")).sort("d")
    over = aggregates.sql("value", "rms", "FILTER (WHERE seed < 2) OVER (PARTITION BY d)")
    windows = [value for _, value in asked(table, f"SELECT DISTINCT d, {over} FROM seeds ORDER BY d")]
    by_numpy = aggregates.combine(np.array([[3.0, 4.0], [6.0, 8.0]]), "rms")
    assert by_polars["value"].to_list() == pytest.approx(by_numpy)
    assert windows == pytest.approx(by_numpy)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_a_line_without_a_number_is_nan_and_no_warning(aggregate: str) -> None:
    lines = np.array([[np.nan, np.nan], [1.0, np.nan]])
    assert np.array_equal(aggregates.combine(lines, aggregate), [np.nan, 1.0], equal_nan=True)
    assert np.array_equal(aggregates.combine(lines.T, aggregate, axis=0), [np.nan, 1.0], equal_nan=True)
    assert np.isnan(aggregates.combine(np.empty((2, 0)), aggregate)).tolist() == [True, True]


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_leaving_one_out_is_the_aggregate_of_the_rest(aggregate: str) -> None:
    y = np.array([[1.0, -2.0, 6.0, 6.0], [3.0, np.nan, 5.0, 0.5]])
    rest = [aggregates.combine(np.delete(y, i, axis=1), aggregate) for i in range(4)]
    assert without_each(y, aggregate) == pytest.approx(np.array(rest))


def test_an_unknown_aggregate_is_named_with_the_nearest() -> None:
    with pytest.raises(SweepError, match=r"must be one of mean, rms, .* but got 'medain'; did you mean 'median'"):
        aggregates.combine(np.ones(2), "medain")


RESULT = 'half: Annotated[float, "half of it"{}]'


def declaring(aggregate: str) -> str:
    """The head of a workload whose result combines so."""
    declared = HEAD.replace(RESULT.format(""), RESULT.format(f', {{"aggregate": "{aggregate}"}}'))
    assert declared != HEAD
    return declared


def test_a_new_aggregate_is_one_entry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "halves.py").write_text(declaring("least") + "def run(params, ctx):\n    yield 0, Result(half=1.0)\n")
    with pytest.raises(WorkloadError, match="'aggregate' must be one of"):
        describe.load("halves.py", tmp_path)
    least = Aggregate(
        numbers=lambda values, axis: np.nanmin(values, axis=axis),
        expression=lambda value: value.min(),
        sql="min({value}) {rows}",
        extreme=True,
    )
    monkeypatch.setattr(aggregates, "AGGREGATES", {**AGGREGATES, "least": least})
    monkeypatch.setattr(describe.fields, "AGGREGATES", aggregates.AGGREGATES)
    assert [f.aggregate for f in describe.load("halves.py", tmp_path).results] == ["least", "mean"]
    assert forms([4.0, 2.0, None], "least") == [2.0, 2.0, 2.0]
    assert without_each(np.array([[4.0, 2.0, 3.0]]), "least")[:, 0].tolist() == [2.0, 3.0, 2.0]
    assert interval(np.array([4.0, 2.0]), "least").method == "best of all"


STEADY, WILD = (2.0, 2.0), (0.0, 3.0)  # the mean is less where it is wild, and so is the median; the maximum is not


@pytest.mark.parametrize(("aggregate", "best"), [("mean", "wild"), ("rms", "steady"), ("max", "steady")])
@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_a_search_combines_seeds_as_the_column_says(aggregate: str, best: str, goal: str) -> None:
    model = Optuna(trials=2, choices={"kind": ["steady", "wild"]}, **{goal: "loss"})
    task = optuna.proposer(model, SearchCurve(value=float, aggregates={"loss": aggregate, "other": "median"}))
    sign = 1 if goal == "minimize" else -1
    points = [
        Seen(values={"kind": kind}, results={"loss": tuple(sign * y for y in ys)})
        for kind, ys in (("steady", STEADY), ("wild", WILD))
    ]
    if goal == "maximize" and aggregate in ("rms", "max"):
        best = {"rms": "wild", "max": "wild"}[aggregate]  # squares of negative numbers, and the maximum of them: 0 above -2
    assert min(points, key=lambda point: optuna._scores(task, point) or ()).values["kind"] == best


def test_the_studies_of_a_sweep_are_told_the_aggregates(tmp_path: Path) -> None:
    (tmp_path / "halves.py").write_text(declaring("rms") + "def run(params, ctx):\n    yield 0, Result(half=1.0)\n")
    goals = "minimize: [half, ratio], maximize: [whole]"
    text = f"""\
question: Which is best?
workload: ./halves.py
derive: {{ratio: half/2}}
search: {{optuna: {{sampler: random, trials: 2, {goals}, over: {{i: {{int: [1, 8]}}}}}}}}
"""
    (tmp_path / "best.yaml").write_text(text)
    (study,) = studies(read(tmp_path / "best.yaml"), describe.load("halves.py", tmp_path))
    assert study.proposer.aggregates == {"half": "rms", "whole": "mean"}


RACE = """
STEPS = "i"

def run(params, ctx):
    for step in range(params.i):
        yield step, Result(half=(2.0, 2.0, 2.0)[ctx.seed] if params.label == "steady" else (0.0, 1.0, 4.0)[ctx.seed])
"""


@pytest.mark.parametrize(
    ("aggregate", "rule", "ahead"),
    [
        ("mean", "halving: {of: half, first: 3, factor: 2}", "wild"),
        ("max", "halving: {of: half, first: 3, factor: 2}", "steady"),
        ("rms", "median: {of: half, after: 3}", "steady"),
        ("median", "median: {of: half, after: 3}", "wild"),
    ],
)
def test_stopping_combines_seeds_as_the_column_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aggregate: str, rule: str, ahead: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "halves.py").write_text(declaring(aggregate) + RACE)
    (tmp_path / "race.yaml").write_text(
        "question: Which is less?\nworkload: ./halves.py\nfixed: {i: 9}\nseeds: 3\n"
        f"axes: {{label: [steady, wild]}}\nstop: {{{rule}}}\n"
    )
    measure.run(read("race.yaml"), "store", Where(executor="inline", progress="quiet"))
    final = orchestrator.open("store").sweep("race").filter(pl.col("final"), status="ok").collect()
    assert set(final["label"]) == {ahead} and len(final) == 3


def test_a_boundary_search_goes_where_the_aggregate_comes_nearer() -> None:
    # Both means are 0: only the roots of the mean squares tell that the right end is nearer to the level.
    beyond = {}
    for aggregate in ("mean", "rms"):
        search = BoundarySearch(along="b", of="y", level=9.0, low=1.0, high=2.0, least=-8.0, most=16.0, aggregate=aggregate)
        places = [float(values["b"]) for values in search.propose([])]
        measured = [Seen(values={"b": b}, results={"y": (-b, b)}) for b in places]
        beyond[aggregate] = {float(values["b"]) > 2 for values in search.propose([measured])}
    assert beyond == {"mean": {True, False}, "rms": {True}}


def test_points_of_one_seed_in_one_setting_are_combined_so_too() -> None:
    rows = pl.DataFrame(
        {"d": [2] * 3, "beta": [1.0, 2.0, 3.0], "seed": [0] * 3, "final": True, "status": "ok", "y": [1.0, 2.0, 6.0]}
    )
    for aggregate, result in (("rms", (41 / 3) ** 0.5), ("median", 2.0), ("max", 6.0)):
        fields = {**FIELDS, "y": Described(name="y", role="result", aggregate=aggregate)}
        (setting,) = paired_differences.paired(rows, rows, "y", fields, on=["d"]).settings
        assert setting.left == pytest.approx(result), aggregate


def arms(left: list[float], right: list[float], column: str) -> pl.DataFrame:
    """Two arms of eight seeds, three rows a seed that differ in beta: their values in the column, alike for every seed."""
    blank = {"d": 2, "final": True, "status": "ok", "error": None, "step": 0, "y": 1.0, "top": 1.0}
    return pl.DataFrame(
        [
            {**blank, "arm": arm, "beta": float(beta), "seed": seed, column: value}
            for arm, values in (("a", left), ("b", right))
            for beta, value in enumerate(values)
            for seed in range(8)
        ]
    )


@pytest.mark.parametrize(
    ("aggregate", "estimate"), [("mean", 0.0), ("rms", (41 / 3) ** 0.5 - 3.0), ("max", 3.0), ("median", -1.0)]
)
def test_rows_of_one_pair_are_combined_so_in_a_comparison(aggregate: str, estimate: float) -> None:
    fields = {**FIELDS, "y": Described(name="y", role="result", aggregate=aggregate)}
    claim = {"compare": {"y": "y", "arms": "a - b", "pair": ["seed"]}, "expect": {"at_least": -9}}
    verdict = judged(claim, arms([1.0, 2.0, 6.0], [3.0, 3.0, 3.0], "y"), fields, arms={"a": {}, "b": {}})
    assert verdict.findings[0].numbers["difference"]["estimate"] == pytest.approx(estimate)


@pytest.mark.parametrize(("aggregate", "word"), [("mean", "supported"), ("max", "unmet")])
def test_what_must_match_is_combined_so_too(aggregate: str, word: str) -> None:
    fields = {**FIELDS, "top": Described(name="top", role="result", aggregate=aggregate)}
    claim = {"compare": {"y": "y", "arms": "a - b", "pair": ["seed"]}, "expect": {"at_least": -9}}
    rows = arms([1.0, 2.0, 6.0], [3.0, 3.0, 3.0], "top")
    assert judged({**claim, "require": {"matched": {"top": 0.1}}}, rows, fields, arms={"a": {}, "b": {}}).verdict == word
