"""Conditions over rows with noise keep their level: errors from few repeats by Student's t, random rows by their chance."""

from __future__ import annotations

import dataclasses
import types
from typing import Annotated, Any

import numpy as np
import polars as pl
import pytest

from orchestrator.claims import judging
from orchestrator.errors import SpecError, WorkloadError
from orchestrator.results.described import Described
from orchestrator.workload.describe import describe
from tests.helpers.judging import FIELDS, judged, rows_of, spec_of

PLAIN = {"holds": "y <= top", "se": "beta"}


def off(by: float, rows: int = 5) -> pl.DataFrame:
    """Rows that are that many standard errors over their bound."""
    plain = rows_of(lambda d: 1.0, range(1, rows + 1), seeds=1)
    return plain.with_columns(y=pl.lit(1.0 + by * 0.1), top=pl.lit(1.0), beta=pl.lit(0.1), n=pl.lit(4))


def test_few_repeats_judge_by_students_t() -> None:
    assert judged(PLAIN, off(4)).verdict == "refuted" and judged(PLAIN, off(-4)).verdict == "supported"
    few = {**PLAIN, "se": {"column": "beta", "df": 3}}
    assert judged(few, off(4)).verdict == "undecided" and judged(few, off(-3)).verdict == "undecided"
    assert judged(few, off(12)).verdict == "refuted" and judged(few, off(-12)).verdict == "supported"


@pytest.mark.parametrize("df", ["n - 1", "=n - 1", "d + 2 - d + 1"])
def test_degrees_of_freedom_may_be_a_formula(df: str) -> None:
    assert judged({**PLAIN, "se": {"column": "beta", "df": df}}, off(4)).verdict == "undecided"


def test_the_sentence_says_by_which_quantile() -> None:
    assert "by the normal quantile" in judged(PLAIN, off(4)).sentence
    assert "by Student's t with 3 degrees of freedom" in judged({**PLAIN, "se": {"column": "beta", "df": 3}}, off(4)).sentence
    assert "by Student's t with 1 to 5 degrees" in judged({**PLAIN, "se": {"column": "beta", "df": "d"}}, off(4)).sentence


@pytest.mark.parametrize("df", ["3", "n - 1"])
def test_a_workload_may_declare_them(df: str) -> None:
    fields = FIELDS | {"beta": Described(name="beta", role="result", df=df)}
    assert judged(PLAIN, off(4), fields).verdict == "undecided"


def test_degrees_of_freedom_that_are_none_leave_their_rows_open() -> None:
    found = judged({**PLAIN, "se": {"column": "beta", "df": "n - 4"}}, off(-12))
    assert found.verdict == "undecided" and "no number" in " ".join(found.reasons)


@pytest.mark.parametrize("repeats", [4, 8, 16])
def test_a_bound_that_is_true_is_seldom_refuted_at_few_repeats(repeats: int) -> None:
    rng, against = np.random.default_rng(repeats), 0
    for _ in range(120):
        draws = rng.normal(size=(48, repeats))
        mean, se = draws.mean(axis=1), draws.std(axis=1, ddof=1) / np.sqrt(repeats)
        rows = off(0, 48).with_columns(y=pl.Series(mean), top=pl.lit(0.0), beta=pl.Series(se))
        claim = {**PLAIN, "se": {"column": "beta", "df": repeats - 1}}
        against += judged(claim, rows).verdict == "refuted"
    assert against / 120 <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 120)


def workload(df: Any) -> types.ModuleType:
    """A module whose one result is a standard error with that note."""
    module = types.ModuleType("noted")
    note = Annotated[float, "its standard error", {"df": df}]
    params = dataclasses.make_dataclass("Params", [("d", Annotated[int, "size"])], frozen=True)
    result = dataclasses.make_dataclass("Result", [("se", note)], frozen=True)
    vars(module).update(VERSION=1, MEASURES="value", Params=params, Result=result, run=lambda params, ctx: iter(()))
    return module


def test_notes_of_a_column_may_hold_degrees_of_freedom() -> None:
    for df in (3, 7.5, "trials - 1"):
        assert describe(workload(df), "noted").results[0].df == df
    with pytest.raises(WorkloadError, match="'df' must be a int or float or str, but got"):
        describe(workload(None), "noted")


def random_rows(broken: dict[int, int], seeds: int = 8, ds: int = 72) -> pl.DataFrame:
    """Rows of numbers that differ between seeds; `broken` rows of a seed are over the bound."""
    return rows_of(lambda d: 1.0, range(1, ds + 1), seeds=seeds, noise=0.01).with_columns(
        top=pl.lit(2.0),
        y=pl.when(pl.any_horizontal([(pl.col("seed") == s) & (pl.col("d") <= n) for s, n in broken.items()] or [pl.lit(False)]))
        .then(3.0)
        .otherwise("y"),
    )


CHANCE = {"holds": "y <= top", "chance": 1e-4}


@pytest.mark.parametrize(
    ("broken", "verdict"), [({}, "supported"), ({0: 1}, "undecided"), ({0: 9}, "undecided"), ({0: 1, 3: 1}, "refuted")]
)
def test_random_rows_break_a_condition_as_often_as_chance_lets_them(broken: dict[int, int], verdict: str) -> None:
    found = judged(CHANCE, random_rows(broken))
    assert found.verdict == verdict
    assert "1e-04" in found.sentence or "0.0001" in found.sentence


def test_a_claim_of_chance_takes_its_share_of_the_level() -> None:
    rows = random_rows({0: 1, 3: 1})
    lonely = judging.judge_rows(spec_of({"id": "a", **CHANCE}), rows, FIELDS)[0]
    shared = judging.judge_rows(spec_of(*({"id": f"c{i}", **CHANCE} for i in range(50))), rows, FIELDS)[0]
    assert (lonely.verdict, shared.verdict) == ("refuted", "undecided") and shared.level > lonely.level
    assert f"{100 * shared.level:g} %" in shared.sentence and "of 8 seeds" in shared.sentence


def test_without_a_chance_a_row_refutes_and_its_being_random_is_told() -> None:
    found = judged({"holds": "y <= top"}, random_rows({0: 1}))
    assert found.verdict == "refuted" and "each of 576 rows is a chance to break it" in " ".join(found.reasons)
    exact = rows_of(lambda d: d, range(1, 9)).with_columns(top=pl.lit(7.5))
    assert judged({"holds": "y <= top"}, exact).reasons == ()


def test_chance_stands_beside_an_exact_condition() -> None:
    with pytest.raises(SpecError, match="'chance' must stand beside 'holds'"):
        spec_of({"id": "a", "trend": {"of": "y", "along": "d", "is": "increasing"}, "chance": 0.1})
    with pytest.raises(SpecError, match="'chance' and 'se'"):
        spec_of({"id": "a", **PLAIN, "chance": 0.1})
