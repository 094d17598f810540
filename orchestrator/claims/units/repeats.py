"""Turns the rows of one group into the values of each setting and unit, with what is missing of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from orchestrator.claims.case import Case
from orchestrator.claims.evidence import lower, settled, upper
from orchestrator.fitting.aggregates import expression
from orchestrator.fitting.intervals import Array
from orchestrator.results.described import aggregate
from orchestrator.wording import count

SAME = 1e-12
"""Relative distance below which the values of two units are one value."""


@dataclass(frozen=True, kw_only=True)
class Repeats:
    """Values `(settings, units)` of one quantity; NaN where a unit has none, `lost` `(settings, units)` where it should have.

    `names` are the columns in which the `settings` differ. `low` and `high` are the ends of what a search bracketed or left
    open, else the values themselves. `hollow` counts rows of settings in which the quantity is null for all units.
    """

    values: Array
    lost: Any
    units: tuple[Any, ...]
    names: tuple[str, ...]
    settings: tuple[tuple[Any, ...], ...]
    aggregate: str
    low: Array
    high: Array
    hollow: int = 0

    @property
    def present(self) -> Any:
        """Which values are there, or known to be lost `(settings, units)`."""
        return ~np.isnan(self.values) | self.lost

    @property
    def searched(self) -> bool:
        """Whether a search says where a value lies that it did not find."""
        return bool((self.lost & ~(np.isnan(self.low) & np.isnan(self.high))).any())

    @property
    def noisy(self) -> bool:
        """Whether units differ in any setting by more than rounding."""
        return spread(self.values)

    @property
    def binary(self) -> bool:
        """Whether all values are two numbers, as zeros and ones are, so that their mean is known by the share of each."""
        distinct = np.unique(self.values[~np.isnan(self.values)])
        if self.aggregate == "proportion":
            return len(distinct) > 0 and bool(np.isin(distinct, (0.0, 1.0)).all())
        return self.aggregate == "mean" and len(distinct) == len((0, 1)) and len(self.units) > len(distinct) and self.noisy

    def filled(self, end: float) -> Repeats:
        """The values with that end where one is lost."""
        return replace(self, lost=np.zeros_like(self.lost), values=np.where(self.lost, end, self.values))

    def about(self) -> str:
        """What it rests on: `8 seeds`, with how many settings there are of what."""
        settings = f" and {len(self.values)} settings of {', '.join(self.names)}" if self.names else ""
        return f"{len(self.units)} unit{'s' * (len(self.units) != 1)}{settings}"

    def missing(self) -> tuple[str, ...]:
        """What is missing, as sentences."""
        gone_points = count(int(self.lost.sum()), "point") + " no result" if self.lost.any() else ""
        hollow = count(self.hollow, "row") + " a null result and no part in it" if self.hollow else ""
        return tuple(text for text in (gone_points, hollow) if text)


def spread(values: Array) -> bool:
    """Whether values in one line differ anywhere by more than rounding."""
    filled = values[~np.isnan(values).all(axis=1)]
    if not len(filled):
        return False
    top, bottom = np.nanmax(filled, axis=1), np.nanmin(filled, axis=1)
    with np.errstate(invalid="ignore"):
        return bool((top - bottom > SAME * np.maximum(np.abs(top), np.abs(bottom))).any())


def repeats(case: Case, y: str, rows: pl.DataFrame, names: Sequence[str] | None = None) -> Repeats:
    """The values of y in these rows: a setting for each assignment of `names`, those params that differ unless told.

    Rows of one setting and unit are combined as the workload says. A null result is lost where another unit of its setting
    has one, and belongs to no setting where none has.
    """
    unit, how = case.claim.unit or "seed", aggregate(case.fields, y)
    names = list(differing(case, y, rows) if names is None else names)
    table = _table(y, rows)
    value, bad = pl.col("_value"), pl.col("_bad")
    ends = {"_low": lower(y), "_high": upper(y)}
    parts = [expression(value, how).alias("values"), bad.any().alias("lost"), (value.is_null() & ~bad).sum().alias("null")]
    parts += [expression(pl.col(key), how).alias(key) for key, column in ends.items() if column in rows.columns]
    combined = table.group_by([*names, unit]).agg(parts).sort([*names, unit], nulls_last=True)
    return _matrix(combined, names, unit, how)


def differing(case: Case, y: str, rows: pl.DataFrame, skipped: Sequence[str] = ()) -> tuple[str, ...]:
    """The arm and the params that differ among the rows, but the unit and what is skipped."""
    params = [name for name, field in case.fields.items() if field.role == "param"]
    left_out = {case.claim.unit or "seed", "seed", y, *skipped}
    names = [name for name in dict.fromkeys(("arm", *params)) if name in rows.columns and name not in left_out]
    return tuple(name for name in names if rows[name].n_unique() > 1)


def _table(y: str, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with what they say of y: its number, whether it is lost, and the ends of its bracket."""
    number = pl.col(y).cast(pl.Float64)
    ok = pl.lit(settled(rows))
    columns = [number.is_finite().fill_null(False).alias("_finite"), ok.alias("_ok"), number.alias("_number")]
    table = rows.with_columns(columns).with_columns(
        pl.when(pl.col("_ok") & pl.col("_finite")).then("_number").alias("_value"),
        (~pl.col("_ok") | (pl.col("_number").is_not_null() & ~pl.col("_finite"))).alias("_bad"),
    )
    for key, column in (("_low", lower(y)), ("_high", upper(y))):
        if column in rows.columns:
            table = table.with_columns(pl.coalesce(pl.col(column).cast(pl.Float64), "_value").alias(key))
    return table


def _matrix(combined: pl.DataFrame, names: list[str], unit: str, how: str) -> Repeats:
    """Settings by units."""
    settings = combined.select(names).unique(maintain_order=True) if names else pl.DataFrame({"one": [0]})
    units = combined[unit].unique().sort()
    rows = np.zeros(len(combined), dtype=int)
    if names:
        numbered = settings.with_row_index("_at")
        rows = combined.join(numbered, on=names, how="left", nulls_equal=True, maintain_order="left")["_at"].to_numpy()
    columns = np.searchsorted(units.to_numpy(), combined[unit].to_numpy())
    shape = (len(settings), len(units))
    grids: dict[str, Array] = {}
    for key, column in {"values": "values", "low": "_low", "high": "_high"}.items():
        grid = np.full(shape, np.nan)
        grid[rows, columns] = combined[column if column in combined.columns else "values"].cast(pl.Float64).to_numpy()
        grids[key] = grid
    lost, null = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=int)
    lost[rows, columns], null[rows, columns] = combined["lost"].to_numpy(), combined["null"].to_numpy()
    hollow = (null > 0).any(axis=1) & np.isnan(grids["values"]).all(axis=1) & ~lost.any(axis=1)
    empty = np.isnan(grids["values"])
    lost |= (null > 0) & empty  # null at this unit, a number at another
    grids["values"] = np.where(lost, np.nan, grids["values"])
    remaining = np.flatnonzero(~hollow)
    return Repeats(
        **{name: grid[remaining] for name, grid in grids.items()},
        lost=lost[remaining],
        units=tuple(units.to_list()),
        names=tuple(names),
        settings=tuple(settings.row(int(index)) for index in remaining),
        aggregate=how,
        hollow=int(null[hollow].sum()),
    )
