"""What a workload says of the columns of its rows: role, sentence, unit, aggregate, bound, range, what its seeds change."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from orchestrator.errors import SpecError
from orchestrator.spec.expressions import Expression
from orchestrator.store import Store
from orchestrator.workload.describe import Workload

SEEDLESS = ("arm", "seed", "step")
"""Columns of the engine that are planned, not measured."""

ANYTHING = (-math.inf, math.inf)
"""The range of a column of which nothing is said."""
READINGS = 65
"""Numbers of a range at which a formula of the column is worked out."""


@dataclass(frozen=True, kw_only=True)
class Described:
    """What a workload says of a column of its rows; `role` is param or result, or derived from them.

    `range` is what its values can be at all. `seedless` is an SQL condition over the params under which the seed changes
    nothing; empty where it may always.
    """

    name: str
    role: str
    says: str = ""
    unit: str = ""
    aggregate: str = "mean"
    bound: str = "exact"
    range: tuple[float, float] = ANYTHING
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


def possible(fields: Columns, column: str) -> tuple[float, float]:
    """What values of a column can be at all: its declared range, [0, 1] for a proportion; infinite where nobody says.

    A formula of one column with a range is worked out over that range.
    """
    if column in fields:
        return (0.0, 1.0) if fields[column].aggregate == "proportion" else fields[column].range
    names = list(Expression(column).names)
    if len(names) != 1 or names[0] not in fields:
        return ANYTHING
    low, high = possible(fields, names[0])
    if not math.isfinite(high - low):
        return ANYTHING
    readings = [low + (high - low) * i / (READINGS - 1) for i in range(READINGS)]
    try:
        values = [Expression(column).evaluate({names[0]: value}) for value in readings]
    except SpecError:  # it has no value somewhere in the range
        return ANYTHING
    numbers = [float(value) for value in values if isinstance(value, (int, float)) and math.isfinite(value)]
    return (min(numbers), max(numbers)) if len(numbers) == READINGS else ANYTHING


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


def with_notes(columns: Columns, workload: Workload) -> dict[str, Described]:
    """The columns with what their workload says by now of their seeds: rows that are stored may be older than its notes."""
    notes = {field.name: field.seedless_where for field in workload.results}
    return {name: replace(field, seedless=notes.get(name, field.seedless)) for name, field in columns.items()}


def fields(columns: Iterable[Mapping[str, str]]) -> dict[str, Described]:
    """Params and results among described columns, as `Store.describe` gives them."""
    own = [column for column in columns if column.get("role") in ("param", "result")]
    return {column["name"]: _described(column) for column in own}


def _described(column: Mapping[str, str]) -> Described:
    texts = ("name", "role", "says", "unit", "aggregate", "bound", "df", "seedless")
    low, high = json.loads(column.get("range", "[null, null]"))
    return Described(
        **{key: column[key] for key in texts if column.get(key)},
        range=(-math.inf if low is None else low, math.inf if high is None else high),
    )
