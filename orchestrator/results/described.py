"""What a workload says of the columns of its rows: role, sentence, unit, aggregate, bound."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrator.spec.expressions import Expression
from orchestrator.store import Store


@dataclass(frozen=True, kw_only=True)
class Described:
    """What a workload says of a column of its rows; `role` is param or result."""

    name: str
    role: str
    says: str = ""
    unit: str = ""
    aggregate: str = "mean"
    bound: str = "exact"
    df: str = ""
    """Of a standard error: its degrees of freedom, a number or a formula over the row."""


Columns = Mapping[str, Described]


def aggregate(fields: Columns, column: str) -> str:
    """How seeds combine in a column: as its workload says, by the mean where it says nothing."""
    return fields[column].aggregate if column in fields else "mean"


def bound(fields: Columns, column: str) -> str:
    """Whether a column is exact, a lower or an upper bound of what it is named after; a formula is as its one bounded name."""
    bounds = {fields[name].bound for name in Expression(column).names if name in fields} - {"exact"}
    return bounds.pop() if len(bounds) == 1 else "exact"


def fields_of(store: Store, workload: str) -> dict[str, Described]:
    """Params and results of a workload as its stored rows describe them; nothing where it has no rows."""
    return fields(store.describe(workload)) if workload in store.workloads() else {}


def fields(columns: Iterable[Mapping[str, str]]) -> dict[str, Described]:
    """Params and results among described columns, as `Store.describe` gives them."""
    keys = tuple(Described.__dataclass_fields__)
    own = [column for column in columns if column.get("role") in ("param", "result")]
    return {column["name"]: Described(**{key: column[key] for key in keys if column.get(key)}) for column in own}
