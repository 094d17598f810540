"""Turns the rows of a sweep into curves: each result's mean and 95 % interval over seeds at every x."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from orchestrator.columns import NO_FAILURES, OK

if TYPE_CHECKING:
    import polars as pl

LEVEL = 0.95
DEVIATION, UNITS = " deviation", " units"  # a blank is in no result's name
LO, HI = "_lo", "_hi"  # endings of the columns beside a result's own; left out where a result has that name itself
EXACT = 2.0**53  # whole numbers below it are exact as floats


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One arm's results along x, all params but x held: `table` has `x_index`, x and `y, y_lo, y_hi` of every result y.

    `x_index` is x itself where every x of the sweep is a whole number, else the place of x among all of them.
    `seeds` and `failed` count points behind the curve; `generation` is the last invocation that gave it a row.
    """

    arm: str
    params: dict[str, Any]
    table: pl.DataFrame
    seeds: int
    failed: int
    generation: int

    @property
    def name(self) -> str:
        """The arm and the params, as one line."""
        return ", ".join([self.arm, *(f"{key}={value}" for key, value in self.params.items() if value is not None)])


def labels(drawn_curves: Sequence[Curve]) -> list[str]:
    """A short name of each curve: its arm, and the params in which the curves of that arm differ."""
    values: dict[tuple[str, str], set[Any]] = {}
    for curve in drawn_curves:
        for name, value in curve.params.items():
            values.setdefault((curve.arm, name), set()).add(value)
    return [
        replace(curve, params={k: v for k, v in curve.params.items() if len(values[curve.arm, k]) > 1}).name
        for curve in drawn_curves
    ]


def axis(rows: pl.LazyFrame, params: Sequence[str]) -> str | None:
    """The numeric param with the most values in these rows, the first of several; None where no param varies."""
    import polars as pl

    kinds = rows.select(params).collect_schema()
    numbers = [name for name in params if kinds[name].is_numeric()]
    if not numbers:
        return None
    counts = rows.select(pl.col(name).n_unique() for name in numbers).collect().row(0)
    best = max(counts)
    return numbers[counts.index(best)] if best > 1 else None


def curves(
    rows: pl.LazyFrame, x: str | None, params: Sequence[str], results: Mapping[str, str], keep: Sequence[str] = ()
) -> list[Curve]:
    """Every curve of the rows of a sweep, sorted by arm and params; `results` gives how each result combines over seeds.

    Along `step` or a coordinate among the results all rows count; along any other x the final ones do. Rows that
    are not ok give no number; failures are counted. `keep` names columns to hold fixed beside the params (`seed`: no mean).
    """
    import polars as pl

    constant = ["arm", *keep, *(name for name in params if name != x)]
    names = [name for name in results if name != x]
    ok, failed = pl.col("status") == OK, ~pl.col("status").is_in(NO_FAILURES)
    source = rows if x == "step" or x in results else rows.filter("final")
    groups = [*constant, *([x] if x is not None else [])]
    sums = [part for name in names for part in _sums(name, results[name], ok)]
    counts = [ok.sum().alias("_ok"), failed.sum().alias("_failed"), pl.col("generation").max().alias("_generation")]
    grouped = source.group_by(groups).agg(*sums, *counts)
    table = grouped.sort(groups, nulls_last=True).collect(engine="in-memory")
    table = _with_intervals(table, {name: results[name] for name in names})
    index: pl.Expr = pl.when(pl.col("_ok") > 0).then(pl.lit(0) if x is None else pl.col(x))
    if x is None or not whole(table[x]):
        index = index.rank("dense") - 1
    # Where an arm leaves x out, its points stand behind those that have one.
    index = index.fill_null(index.max().fill_null(-1) + 1)
    table = table.with_columns(pl.when(pl.col("_ok") > 0).then(index).cast(pl.Int64).alias("x_index"))
    return [
        _curve(key, constant, part) for key, part in table.partition_by(constant, as_dict=True, maintain_order=True).items()
    ]


def whole(x: pl.Series) -> bool:
    """Whether these are whole numbers all, exact as floats, so that each can stand for itself on an axis of integers."""
    present = x.drop_nulls()
    return x.dtype.is_numeric() and bool(((present % 1 == 0) & (present.abs() < EXACT)).all())


def _curve(key: tuple[Any, ...], constant: Sequence[str], part: pl.DataFrame) -> Curve:
    counts = ["_ok", "_failed", "_generation"]
    return Curve(
        arm=str(key[0]),
        params=dict(zip(constant[1:], key[1:], strict=True)),
        table=part.filter(part["_ok"] > 0).drop([*constant, *counts]),
        seeds=int(part["_ok"].max() or 0),  # type: ignore[arg-type]
        failed=int(part["_failed"].sum()),
        generation=int(part["_generation"].max() or 0),  # type: ignore[arg-type]
    )


def _sums(name: str, aggregate: str, ok: pl.Expr) -> list[pl.Expr]:
    """What one result leaves behind of a group of seeds: mean, deviation and count, or the values themselves."""
    import polars as pl

    from orchestrator.fitting.aggregates import expression

    # Sums depend on their order: of sorted values, the same rows give the same bits however they lie.
    value = pl.col(name).filter(ok).cast(pl.Float64).drop_nulls().drop_nans().sort()
    if aggregate != "mean":
        return [value.alias(name)]
    return [expression(value, aggregate).alias(name), value.std().alias(name + DEVIATION), value.len().alias(name + UNITS)]


def _with_intervals(table: pl.DataFrame, results: Mapping[str, str]) -> pl.DataFrame:
    """Estimate, lower and upper end of every result in place of its sums; no ends where there is no spread to see."""
    import polars as pl

    columns: dict[str, pl.Series] = {}
    for name, aggregate in results.items():
        ends: Sequence[Any] = _of_means(table, name) if aggregate == "mean" else _of_values(table[name].to_list(), aggregate)
        for column, end in zip((name, name + LO, name + HI), ends, strict=True):
            if column == name or column not in results:
                columns[column] = pl.Series(column, end, pl.Float64).fill_nan(None)
    sums = [name + ending for name in results for ending in ("", DEVIATION, UNITS) if name + ending in table.columns]
    return table.drop(sums).with_columns(columns.values())


def _of_means(table: pl.DataFrame, name: str) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Student's t interval of all groups at once; the same as `intervals.interval` of each."""
    import polars as pl

    from orchestrator.fitting.intervals import quantile

    count = table[name + UNITS]
    factors = {n: quantile(LEVEL, n) / math.sqrt(n) for n in count.unique().to_list() if n > 1}
    half = count.replace_strict(factors, default=None, return_dtype=pl.Float64) * table[name + DEVIATION]
    return table[name], table[name] - half, table[name] + half


def _of_values(groups: Sequence[list[float]], aggregate: str) -> tuple[list[float], list[float], list[float]]:
    """Estimates and ends of groups of values, by the way their result combines."""
    import numpy as np

    from orchestrator.fitting.aggregates import named
    from orchestrator.fitting.intervals import interval

    intervals = [interval(np.asarray(values, dtype=float), aggregate, LEVEL) for values in groups]
    lone = [f.units < 2 or named(aggregate).extreme for f in intervals]
    low = [math.nan if alone else f.low for f, alone in zip(intervals, lone, strict=True)]
    high = [math.nan if alone else f.high for f, alone in zip(intervals, lone, strict=True)]
    return [f.estimate for f in intervals], low, high
