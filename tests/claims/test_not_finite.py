"""What is small, huge, infinite or none is judged as what it is: it supports nothing, and costs no other claim its verdict."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import polars as pl
import pytest

from orchestrator.claims import judging
from orchestrator.claims.case import Case, Region
from orchestrator.claims.kinds import fit as judge_of_fits
from orchestrator.claims.verdict import Finding, exit_code, faults
from orchestrator.driver.measure import Summary
from orchestrator.results.conditions import tolerant, truths
from orchestrator.results.described import Described
from orchestrator.sweep import Result
from tests.helpers.judging import FIELDS, judged, rows_of, spec_of

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("region", "low", "high", "word"),
    [
        (Region(low=0.0), -1.03e-9, -9.7e-10, "refuted"),
        (Region(low=0.0), 9.7e-10, 1.03e-9, "supported"),
        (Region(high=0.0), 1e-30, 2e-30, "refuted"),
        (Region(low=1e-12, high=2e-12), 3e-12, 4e-12, "refuted"),
        (Region(low=1e-12, high=2e-12), 1.1e-12, 1.9e-12, "supported"),
        (Region(low=0.5, high=0.5), 0.5 - 1e-10, 0.5 + 1e-10, "supported"),
        (Region(low=0.0, high=0.0), 0.0, 0.0, "supported"),
        (Region(low=0.0), NAN, NAN, "undecided"),
        (Region(high=2.0), 1.0, NAN, "undecided"),
        (Region(high=2.0), INF, INF, "refuted"),
        (Region(low=2.0), INF, INF, "undecided"),
        (Region(low=2.0), 3.0, INF, "supported"),
    ],
)
def test_a_region_compares_relatively_and_with_numbers(region: Region, low: float, high: float, word: str) -> None:
    assert region.place(low, high) == word


def arms(left: float, right: float, noise: float = 0.01) -> pl.DataFrame:
    """Two arms whose values are noise about two numbers, however small."""
    sides = [
        rows_of(lambda d, y=y: y, [1], noise=noise, arm=name, draw=i) for i, (name, y) in enumerate((("a", left), ("b", right)))
    ]
    return pl.concat(sides)


@pytest.mark.parametrize("size", [1.0, 1e-9, 1e-30, 1e-170, 1e160])
def test_the_sign_of_a_difference_is_told_at_every_size(size: float) -> None:
    claim = {"compare": {"y": "y", "arms": "a - b"}, "expect": {"at_least": 0}}
    both: dict[str, Any] = {"arms": {"a": {}, "b": {}}, "axes": {"d": [1]}}
    assert judged(claim, arms(size, 2 * size), **both).verdict == "refuted"
    assert judged(claim, arms(2 * size, size), **both).verdict == "supported"


@pytest.mark.parametrize("size", [1.0, 1e-12, 1e-30])
def test_the_sign_of_a_slope_is_told_at_every_size(size: float) -> None:
    rows = rows_of(lambda d: -size * d, range(2, 9))
    assert (
        judged({"fit": {"law": "linear", "x": "d", "y": "y"}, "expect": {"slope": {"at_least": 0}}}, rows).verdict == "refuted"
    )


@pytest.mark.parametrize("size", [1.0, 1e-170, 1e160])
def test_a_root_of_mean_squares_is_a_number_at_every_size(size: float) -> None:
    fields = FIELDS | {"y": Described(name="y", role="result", aggregate="rms")}
    rows = rows_of(lambda d: size * d**-0.5, range(2, 9), noise=0.01)
    claim = {"fit": {"law": "power", "x": "d", "y": "y"}, "expect": {"decay": {"between": [0.45, 0.55]}}}
    assert judged(claim, rows, fields).verdict == "supported"


CONDITIONS = [
    ("y <= 2", (True, False, False, None, None)),
    ("y < 2", (True, False, False, None, None)),
    ("y >= 2", (False, True, None, False, None)),
    ("y > 0", (True, True, None, False, None)),
    ("y = 2", (False, False, False, False, None)),
    ("y = y", (True, True, None, None, None)),
    ("y between 0 and 2", (True, False, False, False, None)),
    ("not (y > 2)", (True, False, False, None, None)),
    ("not (y <= 2)", (False, True, None, False, None)),
    ("arm = 'b' or y <= 2", (True, False, False, None, None)),
    ("arm = 'a' and y <= 2", (True, False, False, None, None)),
    ("arm <> 'b' and not y > 2", (True, False, False, None, None)),
    ("y is not null", (True, True, None, None, None)),
    ("least(y, 2) <= 2", (True, True, None, None, None)),
    ("1 / y >= 0", (True, True, None, None, None)),
    ("(y <= 2) = (y * d <= 2)", (True, True, None, None, None)),
    ("exp(400 * d) <= 1e300", (True, False, False, False, False)),
]


@pytest.mark.parametrize(("condition", "expected"), CONDITIONS)
def test_what_is_not_finite_breaks_a_bound_or_leaves_it_open(condition: str, expected: tuple[bool | None, ...]) -> None:
    rows = pl.DataFrame({"y": [1.0, 3.0, INF, -INF, NAN], "arm": ["a"] * 5, "d": [1, 3, 4, 5, 6]})
    assert tuple(truths(rows, tolerant(condition, 1e-9, rows), "here").to_list()) == expected


@pytest.mark.parametrize("condition", [text for text, _ in CONDITIONS])
def test_the_printed_sql_says_what_the_judge_says(condition: str) -> None:
    spec = spec_of({"id": "c", "holds": condition, "tolerance": 0.01})
    values = [1.0, 2.001, 3.0, INF, -INF, NAN, None]
    rows = pl.concat([rows_of(lambda d: d, [d], seeds=1) for d in range(1, 8)]).with_columns(
        y=pl.Series(values, dtype=pl.Float64)
    )
    for part in (rows, *(rows.filter(pl.col("d") == d) for d in range(1, 8))):
        found = judging.judge_rows(spec, part, FIELDS)[0]
        with duckdb.connect() as connection:
            connection.register("rows", part.with_columns(size=pl.lit("base")).to_arrow())
            said = [row[-1] for row in connection.execute(found.sql.replace("sweeps.toy_sweep", "rows")).fetchall()]
        assert said.count(False) == found.numbers["broken"] and said.count(None) == len(said) - found.numbers["rows"]
        assert found.verdict == ("refuted" if False in said else found.verdict)
        assert found.verdict != "supported" or False not in said


@pytest.mark.parametrize("bad", [INF, NAN, None, -1.0])
def test_an_error_that_is_no_number_leaves_its_row_open(bad: float | None) -> None:
    rows = rows_of(lambda d: 5.0 if d == 32 else 1.0, [2, 4, 8, 16, 32]).with_columns(
        top=pl.lit(2.0), beta=pl.when(pl.col("d") == 32).then(pl.lit(bad, dtype=pl.Float64)).otherwise(0.1)
    )
    found = judged({"holds": "y <= top", "se": "beta"}, rows)
    assert found.verdict == "undecided" and any("no number" in reason for reason in found.reasons)


@pytest.mark.parametrize(("y", "verdict"), [(INF, "refuted"), (-INF, "undecided"), (NAN, "undecided")])
def test_an_infinite_value_breaks_a_noisy_bound_or_leaves_it_open(y: float, verdict: str) -> None:
    rows = rows_of(lambda d: y if d == 8 else 1.0, [2, 4, 8]).with_columns(top=pl.lit(2.0), beta=pl.lit(0.1))
    assert judged({"holds": "y <= top", "se": "beta"}, rows).verdict == verdict
    assert judged({"holds": "y <= top"}, rows).verdict == verdict


def test_an_exact_row_of_a_noisy_claim_may_touch_its_bound_up_to_rounding() -> None:
    rows = rows_of(lambda d: 0.3, [2, 4, 8]).with_columns(top=pl.lit(0.1 + 0.2), beta=pl.lit(0.0))
    assert judged({"holds": "top <= y", "se": "beta"}, rows).verdict == "supported"


@pytest.mark.parametrize("value", [INF, NAN])
def test_an_entry_of_a_table_is_no_infinity(value: float) -> None:
    rows = rows_of(lambda d: d, [1, 2], noise=0.01).with_columns(
        y=pl.when((pl.col("d") == 1) & (pl.col("seed") == 0)).then(value).otherwise("y")
    )
    assert judged({"equals": {"y": "y", "table": [{"d": 1, "y": 1.0}], "tolerance": 0.5}}, rows).verdict in (
        "undecided",
        "refuted",
    )


def raising(error: Exception) -> Any:
    def judge(case: Case) -> list[Finding]:
        raise error

    return judge


@pytest.mark.parametrize("error", [ValueError("no place"), ZeroDivisionError("by zero"), RuntimeError("odd"), KeyError("y")])
def test_what_a_judge_raises_costs_its_claim_alone(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    module: ModuleType = judge_of_fits
    monkeypatch.setattr(module, "judge", raising(error))
    fitted = {"id": "f", "fit": {"law": "linear", "x": "d", "y": "y"}, "expect": {"slope": {"at_least": 0}}}
    first, second = judging.judge_rows(
        spec_of(fitted, {"id": "h", "holds": "y <= top"}), rows_of(lambda d: d, range(2, 8)), FIELDS
    )
    assert (first.verdict, second.verdict) == ("undecided", "supported")
    assert type(error).__name__ in first.fault and first.fault in first.reasons and type(error).__name__ in first.sentence
    records = [first.record(), second.record()]
    assert exit_code(records) == 3 and len(faults(records)) == 1 and exit_code(records[1:]) == 0


def test_a_run_whose_judge_raised_does_not_end_as_success() -> None:
    summary = Summary(sweep="s", store=Path("results"), generation=1, points=1, held=1)
    verdicts = (
        {"id": "f", "verdict": "undecided", "fault": "its judge raised ValueError: odd"},
        {"id": "h", "verdict": "supported"},
    )
    assert Result(summary=summary, report={}, verdicts=verdicts).exit_code() == 3
    assert Result(summary=summary, report={}, verdicts=verdicts[1:]).exit_code() == 0


def test_a_judge_that_counts_wrong_costs_its_claim_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_of_fits, "intervals", raising(TypeError("odd")))
    fitted = {"id": "f", "fit": {"law": "linear", "x": "d", "y": "y"}, "expect": {"slope": {"at_least": 0}}}
    verdicts = judging.judge_rows(spec_of(fitted, {"id": "h", "holds": "y <= top"}), rows_of(lambda d: d, range(2, 8)), FIELDS)
    assert verdicts[1].verdict == "supported"
