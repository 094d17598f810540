"""Turns a sweep's rows into what one claim is judged on: the rows that `where` keeps, derived columns and formulas computed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.claims import sql
from orchestrator.errors import SpecError, nearest
from orchestrator.expressions import Expression
from orchestrator.workload import table_name

if TYPE_CHECKING:
    import polars as pl

    from orchestrator.spec import Spec
    from orchestrator.spec_claims import Claim

ABSENT = "absent"
"""Status of a planned point that has no row yet."""


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
    """The rows of one claim, one a point (all steps where the claim speaks of `step`), and the SQL that gives them."""

    rows: pl.DataFrame
    sql: str

    @property
    def failed(self) -> dict[str, int]:
        """How many points have no result, by status."""
        lost = self.rows.filter(self.rows["status"] != "ok")["status"]
        return dict(sorted(lost.value_counts().iter_rows()))

    @property
    def seeds(self) -> int:
        """How many seeds gave a result."""
        return int(self.rows.filter(self.rows["status"] == "ok")["seed"].n_unique())

    def groups(self, by: Sequence[str]) -> Iterator[tuple[dict[str, Any], pl.DataFrame]]:
        """The rows by the values of those columns, in order; one group of all where there is none."""
        if not by:
            yield {}, self.rows
            return
        whole = self.rows.sort(list(by))
        for key, rows in whole.group_by(list(by), maintain_order=True):
            yield dict(zip(by, key, strict=True)), rows


def derived(spec: Spec, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with a column for each name that the spec or an arm derives, null where an arm has no such name."""
    import polars as pl

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
    """The formula over the rows, worked out once for each set of values; null where one is null or it has no value."""
    import polars as pl

    names = sorted(formula.names)
    for name in names:
        if name not in rows.columns:
            raise SpecError(
                f"{where}: '{formula.text}' must name columns of the rows, but got '{name}'{nearest(name, rows.columns)}"
            )
    known: dict[tuple[Any, ...], Any] = {}
    values = []
    for key in zip(*(rows[name].to_list() for name in names), strict=True):
        if key not in known:
            known[key] = None if None in key else _value(formula, dict(zip(names, key, strict=True)))
        values.append(known[key])
    return pl.Series(formula.text, values, strict=False)


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


def gather(spec: Spec, claim: Claim, rows: pl.DataFrame, columns: Sequence[str]) -> Evidence:
    """The evidence for a claim of rows that hold derived columns; `columns` are the names and formulas it speaks of."""
    import polars as pl

    place = f"{spec.name}: claims.{claim.id}"
    kept = rows
    if "step" not in " ".join(columns).split():
        kept = kept.filter(pl.col("final"))
    if claim.where is not None:
        # A point without a row may be one of the claim's, where its params are not known: it counts as absent.
        truths = pl.Series(sql.truths(kept, claim.where, f"{place}.where"), dtype=pl.Boolean)
        kept = kept.filter(truths.fill_null(False) | (truths.is_null() & (kept["status"] == ABSENT)))
    for column in columns:
        kept = with_column(kept, column, place)
    return Evidence(rows=kept, sql=select(spec, claim, columns))


def select(spec: Spec, claim: Claim, columns: Sequence[str]) -> str:
    """The query that gives a claim's rows from a store, derived names written out."""
    formulas: dict[str, Expression] = {}
    for grid in spec.grids():
        formulas = {**grid.derive, **formulas}
    chosen = [_aliased(column, formulas) for column in dict.fromkeys(("arm", "seed", "status", *columns))]
    conditions = ["final"] if "step" not in columns else []
    if claim.where is not None:
        conditions.append(f"({_inlined(claim.where, formulas)})")
    if claim.holds is not None:
        chosen.insert(3, "point")
        chosen.append(f"({_inlined(claim.holds, formulas)}) AS holds")
    ordered = f" ORDER BY {', '.join(str(i + 1) for i in range(len(chosen)))}"
    condition = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {', '.join(chosen)} FROM sweeps.{table_name(spec.name)}{condition}{ordered}"


def _aliased(column: str, formulas: Mapping[str, Expression]) -> str:
    text = _inlined(column, formulas)
    return text if text.isidentifier() else f'{text} AS "{column}"'


def _inlined(text: str, formulas: Mapping[str, Expression]) -> str:
    """The text with each derived name replaced by its formula, again and again, outside quotes."""
    for _ in range(len(formulas) + 1):
        parts = re.split(r"('[^']*')", text)
        swapped = [p if p.startswith("'") else _swap(p, formulas) for p in parts]
        if "".join(swapped) == text:
            break
        text = "".join(swapped)
    return text


def _swap(text: str, formulas: Mapping[str, Expression]) -> str:
    return re.sub(r"[A-Za-z_]\w*", lambda m: f"({formulas[m[0]].text})" if m[0] in formulas else m[0], text)


def aggregate(fields: Columns, column: str) -> str:
    """How seeds combine in a column: as its workload says, by the mean where it says nothing."""
    return fields[column].aggregate if column in fields else "mean"


def bound(fields: Columns, column: str) -> str:
    """Whether a column is exact, a lower or an upper bound of what it is named after; a formula is as its one bounded name."""
    found = {fields[name].bound for name in Expression(column).names if name in fields} - {"exact"}
    return found.pop() if len(found) == 1 else "exact"
