"""Turns a sweep's rows into what one claim is judged on: the rows that `where` keeps, derived columns and formulas computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from orchestrator.claims.queries import condition, searched, select
from orchestrator.columns import OK
from orchestrator.results import conditions
from orchestrator.results.derived_columns import ABSENT, only, with_column
from orchestrator.spec import Spec
from orchestrator.spec.claim_model import Claim
from orchestrator.spec.expressions import Expression

SETTLED = "has a result"
"""Column of a boundary table: whether the row can be judged. No workload has such a name."""
UNFOUND = "was not found"
"""Column of a boundary table: whether a condition needs what the search did not find. No workload has such a name."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The rows of one claim, one a point (all steps where the claim speaks of `step`), and the SQL that gives them.

    `condition` is the SQL over the rows that says what the judge of a condition sees in each. `censored` counts by status the
    rows that `where` leaves out for want of a result. `floor` are the rows of the arm that measures what remains; `limited`
    those that `unmet_if` keeps from being judged.
    """

    rows: pl.DataFrame
    sql: str
    condition: str = ""
    censored: Mapping[str, int] = field(default_factory=dict)
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


def settled(rows: pl.DataFrame) -> pl.Series:
    """Whether each row has a result."""
    return rows[SETTLED] if SETTLED in rows.columns else rows["status"] == OK


def lower(y: str) -> str:
    """The column of a boundary table that holds the lower end of a column's bracket; no workload has such a name."""
    return f"{y} from"


def upper(y: str) -> str:
    """The column of a boundary table that holds the upper end of a column's bracket; no workload has such a name."""
    return f"{y} to"


def gather(spec: Spec, claim: Claim, rows: pl.DataFrame, columns: Sequence[str], table: str | None = None) -> Evidence:
    """The evidence for a claim of rows that hold derived columns; `columns` are the names and formulas it speaks of.

    `table` is what SQL calls the rows, the sweep's own unless told. The arm that a floor is measured in stands apart.
    """

    where = f"{spec.name}: claims.{claim.id}"
    judged, floor, censored = rows, None, {}
    if "step" not in " ".join(columns).split():
        judged = only(judged, judged["final"])
    if claim.floor is not None:
        apart = pl.col("arm").cast(pl.String) == claim.floor.arm
        judged, floor = judged.filter(~apart), judged.filter(apart)
    whole = judged
    if claim.where is not None:
        # A point without a row may be one of the claim's, where its params are not known: it counts as absent.
        truths = conditions.truths(judged, claim.where, f"{where}.where")
        kept_rows = truths.fill_null(False) | (truths.is_null() & (judged["status"] == ABSENT))
        censored = _censored(whole.filter(~kept_rows), whole, claim.where, f"{where}.where")
        judged = judged.filter(kept_rows)
    if SETTLED in judged.columns and claim.judged_by.rowwise:
        needed = bool(conditions.columns(claim.condition or "") & searched(spec, claim))
        # that nothing was found can be the claim
        judged = judged.with_columns((~judged[SETTLED] & needed).alias(UNFOUND), pl.lit(True).alias(SETTLED))
    for column in columns:
        judged = bracketed(judged, column, where)
        floor = None if floor is None else with_column(floor, column, where)
    meant = condition(spec, claim, rows) if claim.condition is not None else ""
    sql = select(spec, claim, columns, table, rows)
    return Evidence(rows=judged, sql=sql, condition=meant, censored=censored, floor=floor)


def _censored(dropped: pl.DataFrame, rows: pl.DataFrame, where: str, path: str) -> dict[str, int]:
    """How many rows without a result, by status, are left out for that: with one that others have `where` would keep them."""
    ok = settled(rows)
    lost = dropped.filter(~settled(dropped))
    hollow = [
        name for name in conditions.columns(where) if name in rows.columns and (name == "status" or lost[name].is_null().any())
    ]
    if not len(lost) or not hollow or not ok.any():
        return {}
    meant = pl.Series([False] * len(lost))
    for end in (pl.Expr.min, pl.Expr.max):
        usual = rows.filter(ok).select(
            end(pl.col(name).cast(pl.String) if name == "status" else pl.col(name)) for name in hollow
        )
        values = [pl.lit(usual[name][0]) if name == "status" else pl.col(name).fill_null(usual[name][0]) for name in hollow]
        filled = lost.with_columns(value.alias(name) for name, value in zip(hollow, values, strict=True))
        meant |= conditions.truths(filled, where, path).fill_null(False)
    return dict(sorted(lost.filter(meant)["status"].cast(pl.String).value_counts().iter_rows()))


def bracketed(rows: pl.DataFrame, text: str, where: str) -> pl.DataFrame:
    """The rows with a column of that name; a formula of what a search found has its bracket beside it."""
    searched = [name for name in rows.columns if lower(name) in rows.columns and name in Expression(text).names]
    rows = with_column(rows, text, where)
    if not searched or lower(text) in rows.columns:
        return rows
    ends = []
    for end in (lower, upper):
        moved = rows.drop(text).with_columns(pl.col(end(name)).alias(name) for name in searched)
        ends.append(with_column(moved, text, where)[text].cast(pl.Float64))
    turned = (ends[0] > ends[1]).fill_null(False) | _falling(rows, text, searched[0], where)
    low, high = (
        pl.select(pl.when(turned).then(ends[1]).otherwise(ends[0])),
        pl.select(pl.when(turned).then(ends[0]).otherwise(ends[1])),
    )
    return rows.with_columns(low.to_series().alias(lower(text)), high.to_series().alias(upper(text)))


def _falling(rows: pl.DataFrame, text: str, name: str, where: str) -> pl.Series:
    """Whether the formula falls along what was searched, at the one edge that a row has."""
    edge = pl.coalesce(pl.col(lower(name)), pl.col(upper(name)))
    steps = [
        with_column(rows.drop(text).with_columns((edge * k).alias(name)), text, where)[text].cast(pl.Float64)
        for k in (1.0, 1.01)
    ]
    return (steps[1] < steps[0]).fill_null(False)
