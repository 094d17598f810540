"""Turns a sweep that searches into its studies: one for each combination of an arm's other axes, with a proposer each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator import kinds
from orchestrator.errors import SpecError
from orchestrator.plan.points import Cast
from orchestrator.results.described import fields, possible
from orchestrator.search.proposal import Proposer, SearchCurve
from orchestrator.spec import Spec
from orchestrator.spec.axes import AxisGroup
from orchestrator.spec.columns_used import OF_A_CURVE
from orchestrator.spec.expressions import Expression, Value
from orchestrator.spec.grids import Grid
from orchestrator.spec.search_model import Search
from orchestrator.store.row_format import describe, row_schema
from orchestrator.workload.describe import Workload

OWN = tuple(sorted(("arm", *OF_A_CURVE)))  # columns of the table of boundaries
PROPOSERS = "orchestrator.search.proposers"


@dataclass(frozen=True, kw_only=True)
class Study:
    """One curve of a search: what its arm and its axes fix, and what proposes its points."""

    grid: Grid
    row: Mapping[str, Any]  # what the axes give
    known: Mapping[str, Value]  # names that have a value whatever the search sets
    base: Mapping[str, Any]  # the workload's params as far as they are known: defaults, and what the arm fixes
    cast: Cast
    proposer: Proposer

    @property
    def arm(self) -> str:
        """The arm's label."""
        return self.grid.arm

    @property
    def name(self) -> str:
        """What tells the curve from others of its arm: `seq_len=64, dim=6`."""
        return ", ".join(
            f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in self.row.items()
        )

    def assignment(self, values: Mapping[str, Value]) -> dict[str, Any]:
        """All params of the workload at a proposal; SpecError where the workload refuses a value."""
        assigned = self.grid.assign({**self.row, **self.cast(values)})
        return {**self.base, **self.cast({name: value for name, value in assigned.items() if name in self.base})}


def studies(spec: Spec, workload: Workload) -> tuple[Study, ...]:
    """The studies of a sweep that searches, arm by arm in the order of the axes; none where it does not search.

    Raises SpecError for an interval that has no value, or runs the wrong way, on some curve, and for a param that has the name
    of a column of the table of boundaries.
    """
    if spec.search is None:
        return ()
    about = spec.search.model
    own = sorted({*OWN, *about.finds, *about.place_columns} - {*spec.search.names})
    reserved = [field.name for field in workload.params if field.name in own]
    if reserved:
        raise SpecError(
            f"{spec.where('search')}: what a search finds has columns of its own, so a param must not be called "
            f"'{reserved[0]}'; "
            f"rename it in workload '{workload.name}'. (They are {', '.join(own)}.)"
        )
    return tuple(study for grid in spec.grids() for study in _of_arm(spec.search, spec, grid, workload))


def _of_arm(search: Search, spec: Spec, grid: Grid, workload: Workload) -> Iterator[Study]:
    cast = Cast(spec, grid, workload)
    cast.check_names()
    base = {field.name: field.default for field in workload.params} | cast(grid.fixed)
    # A search that names no params takes the arm's axes as its space.
    fixed_axes, searched = (grid.axes, ()) if search.names else ((), grid.axes)
    for parts in itertools.product(*([dict(zip(a.names, r, strict=True)) for r in a.rows] for a in fixed_axes)):
        row = {name: value for part in parts for name, value in cast(part).items()}
        values = known_values(grid, row)
        row = {name: values[name] for name in row}
        try:
            proposer = _proposer(search, workload, values, searched)
        except SpecError as error:
            raise SpecError(f"{spec.where('search', search.kind)}.{error}") from error
        yield Study(grid=grid, row=row, known=values, base=base, cast=cast, proposer=proposer)


def known_values(grid: Grid, row: Mapping[str, Any]) -> dict[str, Value]:
    """Values of the names that need nothing a search sets."""
    cells: dict[str, Any] = {**grid.fixed, **grid.derive, **row}
    values = {name: cell for name, cell in cells.items() if not isinstance(cell, Expression)}
    for name in grid.order:
        if name not in values and name in cells and cells[name].names <= values.keys():
            values[name] = cells[name].evaluate(values)
    return values


def _proposer(search: Search, workload: Workload, values: Mapping[str, Value], searched: Sequence[AxisGroup]) -> Proposer:
    """What proposes the points of a curve where these names have values."""

    def value(cell: float | Expression) -> float:
        return float(cell.evaluate(values)) if isinstance(cell, Expression) else cell

    axes: dict[str, list[Any]] = {n: [row[at] for row in axis.rows] for axis in searched for at, n in enumerate(axis.names)}
    aggregates = {field.name: field.aggregate for field in workload.results}
    described = fields(describe(row_schema(workload)))
    ranges = {column: possible(described, column) for _, column in search.model.looks_at()}
    types = {field.name: field.kind for field in workload.params}
    curve = SearchCurve(value=value, aggregates=aggregates, ranges=ranges, kinds=types, axes=axes)
    proposer: Proposer = kinds.module_of(PROPOSERS, search.kind).proposer(search.model, curve)
    return proposer
