"""Turns what the studies of a search came to into a table of the store: one row for each boundary, or point of a curve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from orchestrator.search.proposal import Found
from orchestrator.search.studies import Study
from orchestrator.spec import Spec
from orchestrator.store import Store

ENDS = ("lower", "upper")
Concluded = Sequence[tuple[Study, Found]]


def save(spec: Spec, concluded: Concluded, store: Store) -> None:
    """Keep what the studies of a search have come to."""
    if concluded:
        store.save_boundaries(spec.name, spec.size, table(concluded))


def table(concluded: Concluded) -> pa.Table:
    """The table: arm, curve, what the curve fixes and derives, the searched params with their brackets, and the status."""
    rows = [row for study, found in concluded for row in _rows(study, found)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: _column([row.get(name) for row in rows]) for name in names})


def _column(values: list[Any]) -> pa.Array:
    """The values as Arrow; as floats where none is there."""
    return pa.array(values, pa.float64()) if all(value is None for value in values) else pa.array(values)


def _rows(study: Study, found: Found) -> Iterator[dict[str, Any]]:
    known = {**{n: v for n, v in study.base.items() if not hasattr(v, "evaluate")}, **study.known}
    task = study.task
    about = {"arm": study.arm, "curve": study.name, **known}
    ends = {"of": task.of, "level": float(task.level), "evaluations": found.evaluations, "status": found.status}
    along = getattr(task, "along", None)
    if along is not None:
        bracket = {along: found.position, f"{along}_lower": found.lower, f"{along}_upper": found.upper}
        yield {**about, **{name: _float(value) for name, value in bracket.items()}, "along": along, **ends}
    else:
        for point, sides in zip(found.points, found.brackets, strict=True):
            between = {f"{n}_{end}": float(at) for n, both in sides.items() for end, at in zip(ENDS, both, strict=True)}
            yield {**about, **_derived(study, point), **between, "along": ", ".join(task.over), **ends}


def _derived(study: Study, point: Mapping[str, Any]) -> dict[str, Any]:
    """The point of a curve, and the derived names that it gives a value."""
    values = study.grid.assign({**study.row, **point})
    return {name: value for name, value in values.items() if name in point or name in study.grid.derive}


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
