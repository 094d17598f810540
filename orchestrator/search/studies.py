"""Turns a sweep that searches into its studies: one for each combination of an arm's other axes, with a proposer each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from orchestrator.errors import SpecError
from orchestrator.plan.points import Cast
from orchestrator.search.proposal import Found, Proposal, Rounds
from orchestrator.spec import Spec
from orchestrator.spec.axes import AxisGroup
from orchestrator.spec.expressions import Expression, Value
from orchestrator.spec.grids import Grid
from orchestrator.workload.describe import Workload

OWN = ("along", "arm", "curve", "evaluations", "level", "of", "status")  # columns of the table of boundaries
PROPOSERS = {
    "boundary": "boundary",
    "level_set": "level_set",
    "optuna": "optuna_sampler",
}  # modules of orchestrator.search.proposers


@dataclass(frozen=True, kw_only=True)
class Study:
    """One curve of a search: what its arm and its axes fix, and the task of its proposer."""

    grid: Grid
    row: Mapping[str, Any]  # what the axes give
    known: Mapping[str, Value]  # names that have a value whatever the search sets
    base: Mapping[str, Any]  # the workload's params as far as they are known: defaults, and what the arm fixes
    cast: Cast
    proposer: Any  # the module that proposes
    task: Any  # what it is told of the curve

    @property
    def arm(self) -> str:
        """The arm's label."""
        return self.grid.arm

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns the proposer looks at."""
        columns: tuple[str, ...] = self.proposer.columns(self.task)
        return columns

    @property
    def name(self) -> str:
        """What tells the curve from others of its arm: `seq_len=64, dim=6`."""
        return ", ".join(
            f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in self.row.items()
        )

    def assignment(self, values: Mapping[str, Value]) -> dict[str, Any]:
        """All params of the workload at a proposal; SpecError where the workload refuses a value."""
        found = self.grid.assign({**self.row, **self.cast(values)})
        return {**self.base, **self.cast({name: value for name, value in found.items() if name in self.base})}

    def propose(self, rounds: Rounds) -> Proposal:
        """The next round; empty where the study is finished."""
        proposal: Proposal = self.proposer.propose(self.task, rounds)
        return proposal

    def forecast(self) -> tuple[int, int]:
        """How many assignments the study usually takes, and at most."""
        usual, most = self.proposer.forecast(self.task)
        return usual, most

    def conclude(self, rounds: Rounds) -> Found | None:
        """What the study came to; None where it looks for best points, which the rows tell, and not for a level."""
        return self.proposer.conclude(self.task, rounds) if hasattr(self.task, "level") else None


def studies(spec: Spec, workload: Workload) -> tuple[Study, ...]:
    """The studies of a sweep that searches, arm by arm in the order of the axes; none where it does not search.

    Raises SpecError for an interval that has no value, or runs the wrong way, on some curve, and for a param that has the name
    of a column of the table of boundaries.
    """
    taken = [field.name for field in workload.params if field.name in OWN] if spec.search else []
    if taken:
        raise SpecError(
            f"{spec.where('search')}: what a search finds has columns of its own, so a param must not be called '{taken[0]}'; "
            f"rename it in workload '{workload.name}'. (They are {', '.join(OWN)}.)"
        )
    return tuple(study for grid in spec.grids() for study in _of_arm(spec, grid, workload)) if spec.search else ()


def _of_arm(spec: Spec, grid: Grid, workload: Workload) -> Iterator[Study]:
    cast = Cast(spec, grid, workload)
    cast.check_names()
    searched = _axes_searched(spec, grid)
    base = {field.name: field.default for field in workload.params} | cast(grid.fixed)
    fixed_axes = [axis for axis in grid.axes if axis not in searched]
    for parts in itertools.product(*([dict(zip(a.names, r, strict=True)) for r in a.rows] for a in fixed_axes)):
        row = {name: value for part in parts for name, value in cast(part).items()}
        known = known_values(grid, row)
        row = {name: known[name] for name in row}
        proposer, task = _task(spec, workload, known, searched)
        yield Study(grid=grid, row=row, known=known, base=base, cast=cast, proposer=proposer, task=task)


def _axes_searched(spec: Spec, grid: Grid) -> Sequence[AxisGroup]:
    """The axes that an Optuna search without a region of its own takes as its search space."""
    optuna = spec.search.optuna if spec.search else None
    return grid.axes if optuna is not None and not optuna.names else ()


def known_values(grid: Grid, row: Mapping[str, Any]) -> dict[str, Value]:
    """Values of the names that need nothing a search sets."""
    cells: dict[str, Any] = {**grid.fixed, **grid.derive, **row}
    values = {name: cell for name, cell in cells.items() if not isinstance(cell, Expression)}
    for name in grid.order:
        if name not in values and name in cells and cells[name].names <= values.keys():
            values[name] = cells[name].evaluate(values)
    return values


def _task(spec: Spec, workload: Workload, known: Mapping[str, Value], searched: Sequence[AxisGroup]) -> tuple[Any, Any]:
    """The proposer that the search names, and its task on a curve where these names have values."""
    kind, model = _search(spec)
    proposer = import_module(f"orchestrator.search.proposers.{PROPOSERS[kind]}")

    def value(cell: float | Expression) -> float:
        return float(cell.evaluate(known)) if isinstance(cell, Expression) else cell

    aggregates = {field.name: field.aggregate for field in workload.results}
    if kind == "optuna":
        return proposer, proposer.task(model, value, _choices(searched), aggregates)
    return proposer, proposer.task(model, value, aggregates.get(model.of, "mean"))


def _choices(searched: Sequence[AxisGroup]) -> dict[str, list[Any]]:
    """The values of the axes that are searched, by name."""
    return {name: [row[at] for row in axis.rows] for axis in searched for at, name in enumerate(axis.names)}


def _search(spec: Spec) -> tuple[str, Any]:
    """How the sweep searches, and the model that says so."""
    return next((name, model) for name in PROPOSERS if (model := getattr(spec.search, name)) is not None)
