"""Turns what the studies of a search came to into a table of the store: one row for each boundary, or point of a curve."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from orchestrator.search.proposal import Found
from orchestrator.search.studies import Study
from orchestrator.spec import Spec
from orchestrator.store import Store

Concluded = Sequence[tuple[Study, Found]]


def save(spec: Spec, concluded: Concluded, store: Store) -> None:
    """Keep what the studies of a search have come to."""
    if concluded:
        store.save_boundaries(spec.name, spec.size, table(concluded))


def table(concluded: Concluded) -> pa.Table:
    """The table: arm, curve, what the curve fixes and derives, the searched params with their brackets, and the status."""
    rows = [row for study, finding in concluded for row in _rows(study, finding)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: _column([row.get(name) for row in rows]) for name in names})


def _column(values: list[Any]) -> pa.Array:
    """The values as Arrow; as floats where none is there."""
    return pa.array(values, pa.float64()) if all(value is None for value in values) else pa.array(values)


def _rows(study: Study, finding: Found) -> Iterator[dict[str, Any]]:
    values = {**{n: v for n, v in study.base.items() if not hasattr(v, "evaluate")}, **study.known}
    for position in study.proposer.places(finding):
        where = {"arm": study.arm, "curve": study.name, **values, **_derived(study, position.point), **position.columns}
        what = {"along": position.along, "of": position.of, "level": position.level}
        yield {**where, **what, "evaluations": finding.evaluations, "status": finding.status}


def _derived(study: Study, point: Mapping[str, Any]) -> dict[str, Any]:
    """The point of a curve, and the derived names that it gives a value; nothing without a point."""
    if not point:
        return {}
    values = study.grid.assign({**study.row, **point})
    return {name: value for name, value in values.items() if name in point or name in study.grid.derive}
