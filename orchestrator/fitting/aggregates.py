"""Combines the seeds of a column into one number, in numpy, in Polars and in SQL: each way is one entry of `AGGREGATES`.

All three leave out a value that is missing: null or NaN. Where no value is left, numpy gives NaN, Polars and SQL give null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.errors import SweepError, nearest

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """One way to combine seeds, written three times; `tests/test_aggregates.py` holds the three equal.

    `numbers` combines an array over an axis and leaves NaN out; it is never given a line without any number.
    `expression` combines a Polars column of floats that has no NaN. `sql` has `{value}` for the column and `{rows}` for a
    clause behind the function, `FILTER` or `OVER`. `power` is p where the aggregate is the p-th root of the mean of p-th
    powers, and None where it is no such mean. `extreme`: one seed decides, so more seeds give a better bound, no interval.
    """

    numbers: Callable[[Array, int], Any]
    expression: Callable[[pl.Expr], pl.Expr]
    sql: str
    power: int | None = None
    extreme: bool = False


FAR = 2.0**500
"""Beyond it, and below its inverse, a square is no number any more: such values are combined in units of it."""


def units(values: Array, axis: int) -> Array:
    """What values along an axis are divided by, so that their squares are numbers: 1 but for the huge and the tiny."""
    largest = np.nanmax(np.abs(values), axis=axis, keepdims=True)
    return np.asarray(np.where(largest > FAR, FAR, np.where(largest < 1 / FAR, 1 / FAR, 1.0)))


def _rms(values: Array, axis: int) -> Any:
    unit = units(values, axis)
    return np.squeeze(unit, axis) * np.sqrt(np.nanmean(np.square(values / unit), axis=axis))


def _rms_expression(value: pl.Expr) -> pl.Expr:
    import polars as pl

    largest = value.abs().max()
    unit = pl.when(largest > FAR).then(FAR).when(largest < 1 / FAR).then(1 / FAR).otherwise(1.0)
    return (value / unit).pow(2).mean().sqrt() * unit


def _rms_sql() -> str:
    far, near = (f"{unit!r} * sqrt(avg(({{value}} / {unit!r}) ** 2) {{rows}})" for unit in (FAR, 1 / FAR))
    largest = "max(abs({value})) {rows}"
    return (
        f"CASE WHEN {largest} > {FAR!r} THEN {far} WHEN {largest} < {1 / FAR!r} THEN {near} "
        "ELSE sqrt(avg({value} ** 2) {rows}) END"
    )


MEAN = Aggregate(
    numbers=lambda values, axis: np.nanmean(values, axis=axis),
    expression=lambda value: value.mean(),
    sql="avg({value}) {rows}",
    power=1,
)
AGGREGATES: Mapping[str, Aggregate] = {
    "mean": MEAN,
    "rms": Aggregate(
        numbers=_rms,
        expression=_rms_expression,
        sql=_rms_sql(),
        power=2,
    ),
    "proportion": MEAN,  # of zeros and ones; only its interval differs
    "median": Aggregate(
        numbers=lambda values, axis: np.nanmedian(values, axis=axis),
        expression=lambda value: value.median(),
        sql="median({value}) {rows}",
    ),
    "max": Aggregate(
        numbers=lambda values, axis: np.nanmax(values, axis=axis),
        expression=lambda value: value.max(),
        sql="max({value}) {rows}",
        extreme=True,
    ),
}
"""Every aggregate that a workload may declare for a result, by its name."""


def named(name: str) -> Aggregate:
    """The aggregate of that name; SweepError where there is none, as in a store that a later version wrote."""
    if name not in AGGREGATES:
        raise SweepError(f"an aggregate must be one of {', '.join(AGGREGATES)}, but got '{name}'{nearest(name, AGGREGATES)}")
    return AGGREGATES[name]


def combine(values: Array, aggregate: str, axis: int = -1) -> Array:
    """The values combined over one axis; NaN where a line of them has no number."""
    numbers, empty = named(aggregate).numbers, np.isnan(values).all(axis=axis)
    if not empty.any():
        return np.asarray(numbers(values, axis))
    if values.shape[axis] == 0:
        return np.full(empty.shape, np.nan)
    # numpy warns of lines without a number, and there is nothing to warn of: they are given one, and their result is dropped.
    filled = np.where(np.expand_dims(empty, axis), 0.0, values)
    return np.where(empty, np.nan, numbers(filled, axis))


def expression(value: pl.Expr, aggregate: str) -> pl.Expr:
    """The column combined, over the table or over each group; null where it has no number."""
    import polars as pl

    return named(aggregate).expression(value.cast(pl.Float64).fill_nan(None))


def sql(value: str, aggregate: str, rows: str = "") -> str:
    """The column, or the term over columns, combined in SQL; `rows` is a `FILTER (…)`, an `OVER (…)` or both."""
    return named(aggregate).sql.format(value=f"nullif(CAST({value} AS DOUBLE), 'NaN')", rows=rows).strip()
