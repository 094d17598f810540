"""Adds the columns that a sweep derives from others by formulas to its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.errors import SpecError, nearest
from orchestrator.results.formulas.over_rows import Inexact, vectorised
from orchestrator.spec.expressions import Expression

if TYPE_CHECKING:
    import polars as pl

    from orchestrator.spec import Spec

ABSENT = "absent"
"""Status of a planned point that has no row yet."""


def measured(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows without those that stand for planned points which have none."""
    import polars as pl

    return only(rows, rows["status"].cast(pl.String) != ABSENT)


def only(rows: pl.DataFrame, wanted: pl.Series) -> pl.DataFrame:
    """The rows that are wanted; where all are, no copy is made of them."""
    return rows if wanted.all(ignore_nulls=False) else rows.filter(wanted)


def derived(spec: Spec, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with a column for each name that the spec or an arm derives, null where an arm has no such name."""
    import polars as pl

    if not any(grid.derive for grid in spec.grids()):
        return rows
    parts = []
    for grid in spec.grids():
        part = rows.filter(pl.col("arm") == grid.arm)
        for name, formula in grid.derive.items():
            if name not in part.columns:
                part = _derive(part, name, formula, grid.derive)
        parts.append(part)
    parts.append(rows.filter(~pl.col("arm").is_in([grid.arm for grid in spec.grids()])))
    return pl.concat(parts, how="diagonal_relaxed")


def _derive(rows: pl.DataFrame, name: str, formula: Expression, formulas: Mapping[str, Expression]) -> pl.DataFrame:
    for needed in sorted(formula.names & formulas.keys()):
        if needed not in rows.columns:
            rows = _derive(rows, needed, formulas[needed], formulas)
    return rows.with_columns(computed(rows, formula, f"derive.{name}").alias(name))


def computed(rows: pl.DataFrame, formula: Expression, where: str) -> pl.Series:
    """The formula over the rows; null where a value that it needs is null, or where it has none."""
    names = sorted(formula.names)
    for name in names:
        if name not in rows.columns:
            raise SpecError(
                f"{where}: '{formula.text}' must name columns of the rows, but got '{name}'{nearest(name, rows.columns)}"
            )
    try:
        return vectorised(formula, rows)
    except Inexact:
        return _one_by_one(formula, rows, names)


def _one_by_one(formula: Expression, rows: pl.DataFrame, names: Sequence[str]) -> pl.Series:
    """The formula worked out in Python once for each set of values."""
    import polars as pl

    values: dict[tuple[Any, ...], Any] = {}
    if not names:
        return pl.Series(formula.text, [_value(formula, {})] * len(rows), strict=False)
    keys = list(zip(*(rows[name].to_list() for name in names), strict=True))
    for key in set(keys):
        values[key] = None if None in key else _value(formula, dict(zip(names, key, strict=True)))
    return pl.Series(formula.text, [values[key] for key in keys], strict=False)


def _value(formula: Expression, values: dict[str, Any]) -> Any:
    """The formula's value at measured numbers; a division by a measured zero is an absence, not the user's mistake."""
    try:
        return formula.evaluate(values)
    except SpecError:
        return None


def with_column(rows: pl.DataFrame, text: str, where: str) -> pl.DataFrame:
    """The rows with a column of that name: one they have, or a formula over theirs."""
    if text in rows.columns:
        return rows
    return rows.with_columns(computed(rows, Expression(text), where).alias(text))
