"""Turns a sweep's rows into what one claim is judged on: the rows that `where` keeps, derived columns and formulas computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.claims import sql
from orchestrator.claims.queries import select
from orchestrator.columns import OK
from orchestrator.errors import SpecError, nearest
from orchestrator.expression_rows import Inexact, vectorised
from orchestrator.expressions import Expression

if TYPE_CHECKING:
    import polars as pl

    from orchestrator.spec import Spec
    from orchestrator.spec_claims import Claim

ABSENT = "absent"
"""Status of a planned point that has no row yet."""
SETTLED = "has a result"
"""Column of a boundary table: whether the row can be judged. No workload has such a name."""


@dataclass(frozen=True, kw_only=True)
class Described:
    """What a workload says of a column of its rows; `role` is param or result."""

    name: str
    role: str
    says: str = ""
    unit: str = ""
    aggregate: str = "mean"
    bound: str = "exact"


Columns = Mapping[str, Described]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The rows of one claim, one a point (all steps where the claim speaks of `step`), and the SQL that gives them.

    `floor` are the rows of the arm that measures what remains; `limited` those that `unmet_if` keeps from being judged.
    """

    rows: pl.DataFrame
    sql: str
    floor: pl.DataFrame | None = None
    limited: pl.DataFrame | None = None

    @property
    def failed(self) -> dict[str, int]:
        """How many points have no result, by status."""
        lost = self.rows.filter(~settled(self.rows))["status"]
        return dict(sorted(lost.value_counts().iter_rows()))

    @property
    def seeds(self) -> int:
        """How many seeds gave a result."""
        return int(self.rows["seed"].filter(settled(self.rows)).n_unique())

    def count(self, by: Sequence[str]) -> int:
        """How many groups the values of those columns make."""
        return self.rows.select(list(by)).n_unique() if by else 1

    def groups(self, by: Sequence[str]) -> Iterator[tuple[dict[str, Any], pl.DataFrame]]:
        """The rows by the values of those columns, in order; one group of all where there is none."""
        if not by:
            yield {}, self.rows
            return
        whole = self.rows.sort(list(by))
        for key, rows in whole.group_by(list(by), maintain_order=True):
            yield dict(zip(by, key, strict=True)), rows


def measured(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows without those that stand for planned points which have none."""
    import polars as pl

    return only(rows, rows["status"].cast(pl.String) != ABSENT)


def only(rows: pl.DataFrame, wanted: pl.Series) -> pl.DataFrame:
    """The rows that are wanted; where all are, no copy is made of them."""
    return rows if wanted.all(ignore_nulls=False) else rows.filter(wanted)


def settled(rows: pl.DataFrame) -> pl.Series:
    """Whether each row has a result."""
    return rows[SETTLED] if SETTLED in rows.columns else rows["status"] == OK


def lower(y: str) -> str:
    """The column of a boundary table that holds the lower end of a column's bracket; no workload has such a name."""
    return f"{y} from"


def upper(y: str) -> str:
    """The column of a boundary table that holds the upper end of a column's bracket; no workload has such a name."""
    return f"{y} to"


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


def _derive(rows: pl.DataFrame, name: str, formula: Expression, others: Mapping[str, Expression]) -> pl.DataFrame:
    for needed in sorted(formula.names & others.keys()):
        if needed not in rows.columns:
            rows = _derive(rows, needed, others[needed], others)
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


def gather(spec: Spec, claim: Claim, rows: pl.DataFrame, columns: Sequence[str], table: str | None = None) -> Evidence:
    """The evidence for a claim of rows that hold derived columns; `columns` are the names and formulas it speaks of.

    `table` is what SQL calls the rows, the sweep's own unless told. The arm that a floor is measured in stands apart.
    """
    import polars as pl

    place = f"{spec.name}: claims.{claim.id}"
    kept, floor = rows, None
    if "step" not in " ".join(columns).split():
        kept = only(kept, kept["final"])
    if claim.floor is not None:
        apart = pl.col("arm").cast(pl.String) == claim.floor.arm
        kept, floor = kept.filter(~apart), kept.filter(apart)
    if claim.where is not None:
        # A point without a row may be one of the claim's, where its params are not known: it counts as absent.
        truths = sql.truths(kept, claim.where, f"{place}.where")
        kept = kept.filter(truths.fill_null(False) | (truths.is_null() & (kept["status"] == ABSENT)))
    if SETTLED in kept.columns and (claim.holds is not None or claim.equals is not None):
        kept = kept.with_columns(pl.lit(True).alias(SETTLED))  # that nothing was found can be the claim
    for column in columns:
        kept = bracketed(kept, column, place)
        floor = None if floor is None else with_column(floor, column, place)
    return Evidence(rows=kept, sql=select(spec, claim, columns, table, rows), floor=floor)


def bracketed(rows: pl.DataFrame, text: str, where: str) -> pl.DataFrame:
    """The rows with a column of that name; a formula of what a search found has its bracket beside it."""
    import polars as pl

    found = [name for name in rows.columns if lower(name) in rows.columns and name in Expression(text).names]
    rows = with_column(rows, text, where)
    if not found or lower(text) in rows.columns:
        return rows
    ends = []
    for end in (lower, upper):
        moved = rows.drop(text).with_columns(pl.col(end(name)).alias(name) for name in found)
        ends.append(with_column(moved, text, where)[text].cast(pl.Float64))
    turned = (ends[0] > ends[1]).fill_null(False) | _falling(rows, text, found[0], where)
    low, high = (
        pl.select(pl.when(turned).then(ends[1]).otherwise(ends[0])),
        pl.select(pl.when(turned).then(ends[0]).otherwise(ends[1])),
    )
    return rows.with_columns(low.to_series().alias(lower(text)), high.to_series().alias(upper(text)))


def _falling(rows: pl.DataFrame, text: str, name: str, where: str) -> pl.Series:
    """Whether the formula falls along what was searched, at the one edge that a row has."""
    import polars as pl

    edge = pl.coalesce(pl.col(lower(name)), pl.col(upper(name)))
    steps = [
        with_column(rows.drop(text).with_columns((edge * k).alias(name)), text, where)[text].cast(pl.Float64)
        for k in (1.0, 1.01)
    ]
    return (steps[1] < steps[0]).fill_null(False)


def aggregate(fields: Columns, column: str) -> str:
    """How seeds combine in a column: as its workload says, by the mean where it says nothing."""
    return fields[column].aggregate if column in fields else "mean"


def bound(fields: Columns, column: str) -> str:
    """Whether a column is exact, a lower or an upper bound of what it is named after; a formula is as its one bounded name."""
    found = {fields[name].bound for name in Expression(column).names if name in fields} - {"exact"}
    return found.pop() if len(found) == 1 else "exact"
