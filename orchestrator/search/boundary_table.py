"""Turns what the studies of a search came to into tables of the store: a row for each boundary, point of a curve or front.

The points of fronts have a table of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from orchestrator.search.proposal import SearchResult
from orchestrator.search.studies import Study
from orchestrator.spec import Spec
from orchestrator.store import Store

FRONT = "hypervolume"
"""What a study lies along that comes to a front."""
Concluded = Sequence[tuple[Study, SearchResult]]


def save(spec: Spec, concluded: Concluded, store: Store) -> None:
    """Keep what the studies of a search have come to."""
    if concluded:
        store.save_boundaries(spec.name, spec.size, table(concluded))
        fronts = front_table(concluded)
        if fronts.num_columns:
            store.save_fronts(spec.name, spec.size, fronts)


def table(concluded: Concluded) -> pa.Table:
    """The table: arm, curve, what the curve fixes and derives, the searched params with their brackets, and the status."""
    return _table([row for study, finding in concluded for row in _rows(study, finding)])


def front_table(concluded: Concluded) -> pa.Table:
    """The table of fronts: arm, curve, what the curve fixes, the params and the goals of each point that no other beats."""
    return _table([row for study, finding in concluded for row in _front_rows(study, finding)])


def _table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: _column([row.get(name) for row in rows]) for name in names})


def _column(values: list[Any]) -> pa.Array:
    """The values as Arrow; as floats where none is there."""
    return pa.array(values, pa.float64()) if all(value is None for value in values) else pa.array(values)


def _front_rows(study: Study, finding: SearchResult) -> Iterator[dict[str, Any]]:
    """The points of a study's front, with all that their params derive; none of a search for something else."""
    if FRONT not in {position.along for position in study.proposer.places(finding)}:
        return
    for point in finding.points:
        assigned = study.grid.assign({**study.row, **{n: v for n, v in point.items() if n not in study.proposer.columns}})
        yield {"arm": study.arm, "curve": study.name, **_constant(study), **assigned, **point}


def _constant(study: Study) -> dict[str, Any]:
    """What has one value on the whole curve: params that neither the search nor an expression sets, and what they derive."""
    searched = {*study.grid.searched, *(name for group in study.grid.axes for name in group.names)} - {*study.row}
    fixed = {n: v for n, v in study.base.items() if not hasattr(v, "evaluate") and n not in searched}
    return {**fixed, **study.known}


def _rows(study: Study, finding: SearchResult) -> Iterator[dict[str, Any]]:
    values = _constant(study)
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
