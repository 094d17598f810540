"""One formula has one value: worked out for a point, over rows, and by the SQL that a report prints."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from orchestrator.errors import SpecError
from orchestrator.results.derived_columns import computed
from orchestrator.results.formulas.as_sql import bare, written
from orchestrator.results.formulas.over_rows import Inexact, vectorised
from orchestrator.results.formulas.sql_parts import SqlPart, column
from orchestrator.spec.expressions import Expression
from tests.helpers.formulas import FORMULAS, rows

TABLE = pl.DataFrame(
    {
        "n": [7, -7, 0, 12],
        "d": [2, 5, 4, 8],
        "x": [2.5, -0.125, 1000.0, 0.0],
        "end": [1.0, 2.0, None, 4.0],
        "code": ["a", "it's", "a", "b"],
        "fresh": [True, False, True, True],
    }
)
FORMS = [
    ("x if n > 0 else d", "CASE WHEN n > 0 THEN x ELSE d END"),
    ("max(d, 4)", "greatest(d, 4)"),
    ("min(x, 4)", "least(x, 4)"),
    ("n // d", "(n // d - CASE WHEN sign(n % d) = -sign(d) THEN 1 ELSE 0 END)"),
    ("n % 4", "(n % 4 + CASE WHEN sign(n % 4) = -sign(4) THEN 4 ELSE 0 END)"),
    ("d // 3 + d % 3", "d // 3 + d % 3"),
    ("d**2", "CAST(d ** 2 AS BIGINT)"),
    ("sqrt(x)", "list_transform([0], lambda _t: TRY(list_filter([sqrt(x)], lambda _v: isfinite(_v))[1]))[1]"),
    ("ln(d) + log2(d) + log10(d)", "ln(d) + log2(d) + log10(d)"),
    ("ceil(x) + floor(x) + round(x)", "CAST(ceil(x) AS BIGINT) + CAST(floor(x) AS BIGINT) + CAST(round_even(x, 0) AS BIGINT)"),
    ("abs(x)", "abs(x)"),
    ("0 < n <= d and not fresh", "0 < n AND n <= d AND NOT fresh"),
    ("code == 'a' or code == \"it's\"", "code = 'a' OR code = 'it''s'"),
    ("n/d", "n/d"),
    ("d/n", "d/NULLIF(n, 0)"),
    ("0.1*n", "0.1e0*n"),
    ("end*2", '"end"*2'),
    ("-n**2", None),
    ("round(x, 1)", None),
    ("x // 0.3 + x % 0.3", None),
    ("1/n if n != 0 and 7/n > 0 else True", None),
]


def printed(formula: Expression, names: Callable[[str], SqlPart]) -> str:
    return bare(written(formula, names))


def queried(text: str, table: pl.DataFrame) -> list[Any]:
    with duckdb.connect() as connection:
        connection.register("rows", table.with_row_index("place").to_arrow())
        return [value for (value,) in connection.execute(f"SELECT {text} FROM rows ORDER BY place").fetchall()]


def one_by_one(formula: Expression, table: pl.DataFrame) -> list[Any]:
    """The formula's value at each row by `evaluate`, None where it has none or needs one that is null."""
    values = []
    for row in table.select(sorted(formula.names)).iter_rows(named=True) if formula.names else [{}] * len(table):
        try:
            values.append(None if None in row.values() else formula.evaluate(row))
        except SpecError:
            values.append(None)
    return values


def same(left: Any, right: Any) -> bool:
    if left is None or right is None or isinstance(left, str):
        return bool(left == right)
    return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9)


@pytest.mark.parametrize(("text", "sql"), FORMS)
def test_a_form_has_one_value_in_all_three(text: str, sql: str | None) -> None:
    formula = Expression(text)
    wanted, found = one_by_one(formula, TABLE), printed(formula, lambda name: column(name, TABLE[name]))
    assert computed(TABLE, formula, "here").to_list() == wanted
    assert all(map(same, queried(found, TABLE), wanted)) and sql in (None, found)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(FORMULAS, st.booleans().flatmap(rows))
def test_rows_have_the_values_of_points(text: str, table: pl.DataFrame) -> None:
    formula = Expression(text)
    try:
        found = vectorised(formula, table)
    except Inexact:
        assume(False)
    assert found.to_list() == one_by_one(formula, table)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(FORMULAS, st.booleans().flatmap(rows), st.booleans())
def test_sql_has_the_values_of_points(text: str, table: pl.DataFrame, seen: bool) -> None:
    """Rows may be known or only their types; whole numbers that floats round are rounded, and NaN has no largest."""
    formula = Expression(text)
    assume(not _looser(text, table))
    found = printed(formula, lambda name: column(name, table[name] if seen else table[name].clear()))
    assert all(map(same, queried(found, table), one_by_one(formula, table))), found


def _looser(text: str, table: pl.DataFrame) -> bool:
    """Whether one of the rules applies that SQL is looser by."""
    large = any(abs(value) > 2**26 for name in ("n", "m") for value in table[name] if value is not None)
    hollow = any(table[name].is_nan().any() for name in ("x", "y"))
    return large or "4611686018427387904" in text or "**" in text or (hollow and ("max" in text or "min" in text))


def test_an_error_that_stands_twice_is_still_null() -> None:
    table = pl.DataFrame({"n": [9 * 10**12, 2]})
    sql = printed(Expression("n*n + abs(n*n)"), lambda name: column(name, table[name]))
    assert queried(sql, table) == [None, 8] and queried(f"coalesce({sql}, {sql} + 1, 7)", table) == [7, 8]


def test_few_different_rows_among_many_are_worked_out_once() -> None:
    table = pl.DataFrame({"x": [float("nan"), None, 0.0, 2.0] * 500})
    assert computed(table, Expression("ln(x + 1)"), "here").to_list() == [None, None, 0.0, math.log(3)] * 500


def test_whole_numbers_past_64_bits_have_no_value() -> None:
    table = pl.DataFrame({"n": [2**62, 3, -(2**63)]})
    for text, wanted in {"n*2": [None, 6, None], "-n": [-(2**62), -3, None], "n//-1": [-(2**62), -3, None]}.items():
        formula = Expression(text)
        assert (
            computed(table, formula, "here").to_list()
            == wanted
            == queried(printed(formula, lambda n: column(n, table[n])), table)
        )
