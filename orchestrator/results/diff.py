"""Compares two sweeps, stores, commits or devices: paired differences of results, boundaries moved, verdicts changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import polars as pl

from orchestrator.columns import ENGINE_NAMES
from orchestrator.errors import QueryError, nearest
from orchestrator.results import frames
from orchestrator.results.paired_differences import Differences, paired
from orchestrator.results.stored_sweep import StoredSweep
from orchestrator.store import Store, open_store


@dataclass(frozen=True)
class Side:
    """One side of a comparison: a sweep of a store, perhaps only the rows whose engine columns have these values."""

    store: Store
    sweep: str
    size: str | None = None
    only: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """How the side is written."""
        return f"{self.store.path}:{self.sweep}" + "".join(f"@{key}={value}" for key, value in self.only)

    @cached_property
    def stored(self) -> StoredSweep:
        """The sweep at the size that is compared."""
        return StoredSweep(store=self.store, record=self.store.latest(self.sweep, self.size))


@dataclass(frozen=True, kw_only=True)
class Diff:
    """What tells two sides apart: a table of paired differences a result, boundaries moved, verdicts changed.

    `claims` are those that both sides have, `claims_apart` how many only one of them has.
    """

    left: str
    right: str
    columns: tuple[Differences, ...]
    boundaries: tuple[dict[str, Any], ...]
    verdicts: tuple[dict[str, Any], ...]
    claims: tuple[str, ...]
    claims_apart: int

    @property
    def shared(self) -> bool:
        """Whether there is anything to compare: pairs of a result, a boundary or a claim that both sides have."""
        return bool(any(column.settings for column in self.columns) or self.boundaries or self.claims)

    def as_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return asdict(self)

    def rows(self) -> list[dict[str, Any]]:
        """A line for each result: the mean difference, its interval, and in how many settings it leaves zero out."""
        return [_line(differences) for differences in self.columns]


def side(text: str, store: str, size: str | None = None) -> Side:
    """The side that `[STORE:]SWEEP[@COLUMN=VALUE…]` names: another store's sweep, or the rows of one commit, device or host.

    Raises QueryError for a filter that is none, StoreError for what is not there.
    """
    where, _, name = text.rpartition(":")
    sweep, *filters = name.split("@")
    only = []
    for condition in filters:
        column, equals, value = condition.partition("=")
        if not equals or column not in ENGINE_NAMES:
            raise QueryError(
                f"{text}: after '@' must stand COLUMN=VALUE with a column of the engine, but got '{condition}'"
                f"{nearest(column, ENGINE_NAMES)} For example {sweep}@device=cpu or {sweep}@commit=3f2a."
            )
        only.append((column, value))
    return Side(open_store(where or store), sweep, size, tuple(only))


def diff(left: Side, right: Side, columns: Sequence[str] = ()) -> Diff:
    """What tells the two sides apart, left minus right, in these results; without any, in all that both have."""
    tables = [_rows(chosen_side) for chosen_side in (left, right)]
    fields = left.stored.fields
    results = [name for name, f in fields.items() if f.role == "result" and all(name in t.columns for t in tables)]
    names_shown = list(columns) or [name for name in results if tables[0][name].dtype.is_numeric()]
    claims = [{verdict["id"] for verdict in compared_side.stored.verdicts} for compared_side in (left, right)]
    return Diff(
        left=left.name,
        right=right.name,
        columns=tuple(paired(tables[0], tables[1], column, fields) for column in names_shown),
        boundaries=_boundaries(left, right),
        verdicts=_verdicts(left, right),
        claims=tuple(sorted(claims[0] & claims[1])),
        claims_apart=len(claims[0] ^ claims[1]),
    )


def _rows(asked_side: Side) -> pl.DataFrame:
    """The sweep's final rows that the side asks for; a value that begins like the one given is taken."""
    rows = _all_rows(asked_side) if asked_side.only else frames.of_plan(asked_side.store, asked_side.stored.record)
    for column, value in asked_side.only:
        rows = rows.filter(pl.col(column).cast(pl.String).str.starts_with(value))
    finals = rows.filter(pl.col("final")).sort("generation").unique("point", keep="last", maintain_order=True).collect()
    if not len(finals):
        raise QueryError(f"{asked_side.name}: it must have rows, but has none; see what there is with 'lawsweep query'.")
    return finals


def _all_rows(asked_side: Side) -> pl.LazyFrame:
    """Every row of the sweep's points, also those that a later measurement has replaced."""
    return frames.every(asked_side.store, asked_side.stored.record)


def _boundaries(left: Side, right: Side) -> tuple[dict[str, Any], ...]:
    """Boundaries of both sides on the same curve: where they lie, how far they moved, and whether their brackets are apart."""
    tables = []
    for compared_side in (left, right):
        table = compared_side.stored.boundaries
        if table is None:
            return ()
        along = table["along"][0]
        if f"{along}_lower" not in table.columns:
            return ()
        names = {along: "position", f"{along}_lower": "lower", f"{along}_upper": "upper"}
        tables.append(table.select("arm", "curve", *(pl.col(name).alias(to) for name, to in names.items()), "status"))
    joined = tables[0].join(tables[1], on=["arm", "curve"], how="inner", suffix="_right")
    moved = pl.col("position") - pl.col("position_right")
    apart = (pl.col("lower") > pl.col("upper_right")) | (pl.col("upper") < pl.col("lower_right"))
    return tuple(joined.with_columns(moved=moved, apart=apart.fill_null(False)).sort("arm", "curve").to_dicts())


def _verdicts(left: Side, right: Side) -> tuple[dict[str, Any], ...]:
    """Claims of both sides with their verdicts, where those differ."""
    sides = [{v["id"]: v["verdict"] for v in compared_side.stored.verdicts} for compared_side in (left, right)]
    names = sorted(sides[0].keys() & sides[1].keys())
    changes = [{"claim": name, "left": sides[0].get(name), "right": sides[1].get(name)} for name in names]
    return tuple(row for row in changes if row["left"] != row["right"])


def _line(differences: Differences) -> dict[str, Any]:
    whole, settings = differences.whole, differences.settings
    interval = "" if whole is None or whole.low is None else f"{whole.low:.4g} to {whole.high:.4g}"
    return {
        "result": differences.column,
        "pairs": sum(setting.pairs for setting in settings),
        "left": None if whole is None else f"{whole.left:.6g}",
        "right": None if whole is None else f"{whole.right:.6g}",
        "difference": None if whole is None else f"{whole.estimate:.4g}",
        "interval": interval,
        "settings apart": f"{sum(setting.apart for setting in settings)} of {len(settings)}",
        "one side only": differences.only_left + differences.only_right,
    }
