"""What a workload says of the columns of its rows: role, sentence, unit, aggregate, bound, and what its seeds change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from orchestrator.spec.expressions import Expression
from orchestrator.store import Store
from orchestrator.workload.describe import Workload

SEEDLESS = ("arm", "seed", "step")
"""Columns of the engine that are planned, not measured."""


@dataclass(frozen=True, kw_only=True)
class Described:
    """What a workload says of a column of its rows; `role` is param or result, or derived from them.

    `seedless` is an SQL condition over the params under which the seed changes nothing; empty where it may always.
    """

    name: str
    role: str
    says: str = ""
    unit: str = ""
    aggregate: str = "mean"
    bound: str = "exact"
    df: str = ""
    """Of a standard error: its degrees of freedom, a number or a formula over the row."""
    seedless: str = ""


Columns = Mapping[str, Described]


def aggregate(fields: Columns, column: str) -> str:
    """How seeds combine in a column: as its workload says, by the mean where it says nothing."""
    return fields[column].aggregate if column in fields else "mean"


def bound(fields: Columns, column: str) -> str:
    """Whether a column is exact, a lower or an upper bound of what it is named after; a formula is as its one bounded name."""
    bounds = {fields[name].bound for name in Expression(column).names if name in fields} - {"exact"}
    return bounds.pop() if len(bounds) == 1 else "exact"


def seedless(fields: Columns, column: str) -> str:
    """The SQL condition under which the seed changes nothing of a column or formula; `false` where nothing says so."""
    conditions = dict.fromkeys(_seedless(fields, name) for name in sorted(Expression(column).names))
    return " and ".join(f"({condition})" for condition in conditions) or "true"


def _seedless(fields: Columns, name: str) -> str:
    if name in SEEDLESS or (name in fields and fields[name].role == "param"):
        return "true"
    return (fields[name].seedless if name in fields else "") or "false"


def fields_of(store: Store, workload: str) -> dict[str, Described]:
    """Params and results of a workload as its stored rows describe them; nothing where it has no rows."""
    return fields(store.describe(workload)) if workload in store.workloads() else {}


def noted(known: Columns, workload: Workload) -> dict[str, Described]:
    """The columns with what their workload says by now of their seeds: rows that are stored may be older than its notes."""
    notes = {field.name: field.seedless_where for field in workload.results}
    return {name: replace(field, seedless=notes.get(name, field.seedless)) for name, field in known.items()}


def fields(columns: Iterable[Mapping[str, str]]) -> dict[str, Described]:
    """Params and results among described columns, as `Store.describe` gives them."""
    keys = tuple(Described.__dataclass_fields__)
    own = [column for column in columns if column.get("role") in ("param", "result")]
    return {column["name"]: Described(**{key: column[key] for key in keys if column.get(key)}) for column in own}
