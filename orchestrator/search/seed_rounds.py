"""Adds seeds to the assignments whose interval is still too wide, until it is narrow or the seeds are used up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.plan.points import Builder
from orchestrator.search.proposers import replicate
from orchestrator.search.seen_rows import Readings
from orchestrator.spec import Spec
from orchestrator.spec.grids import Grid
from orchestrator.store import Store
from orchestrator.worker.batch import Failure


@dataclass
class _Cell:
    """One assignment of an arm: the positions of its seeds, in order, and whether it has enough of them."""

    grid: Grid
    index: list[int]
    enough: bool = False


class Replicating:
    """The assignments of a sweep whose seeds go on until an interval is narrow; a resumed run replays them from the store."""

    def __init__(self, spec: Spec, builder: Builder, store: Store, retry: bool = False) -> None:
        assert spec.seeds.until is not None
        self._builder, self._metric = builder, spec.seeds.until.metric
        workload = builder.plan.workload
        grids = {grid.arm: grid for grid in spec.grids()}
        names = frozenset().union(*(grid.needs(self._metric) for grid in grids.values()))
        columns = [f.name for f in workload.results if f.name in names]
        aggregates = {f.name: f.aggregate for f in workload.results}
        steady = {f.name for f in workload.results if f.seedless is True} | {f.name for f in workload.params}
        task = replicate.task(spec.seeds, aggregates.get(self._metric, "mean"), steady=names <= steady)
        assert task is not None
        self._task = task
        self._readings = Readings(store, workload, columns, retry)
        self._cells = [_Cell(grids[arm], cell) for arm, members in builder.plan.arms for cell in _cells(builder, members)]
        self._asked: set[int] = set()

    def more(self) -> dict[int | None, list[int]]:
        """The points that the plan begins with and are not in the store, and the seeds that are wanted beside them."""
        self._readings.refresh()
        new = [i for cell in self._cells if not cell.enough for i in self._advance(cell)]
        return {None: new} if new else {}

    def stopped(self) -> Sequence[Failure]:
        """Nothing is stopped early."""
        return ()

    def forecast(self) -> tuple[int, int]:
        """What the plan has now, and what it comes to where every assignment takes all its seeds."""
        return len(self._builder.plan), len(self._cells) * self._task.max

    def save(self, store: Store) -> None:
        """Nothing beside the plan: the rows tell what was found."""

    def note(self) -> dict[str, object]:
        """How many seeds were spent, on how many assignments they did not suffice, and what a fixed number would have spent.

        Assignments whose seeds are all alike are told apart: no spread seen is no proof that there is none.
        """
        spent, values = [len(cell.index) for cell in self._cells], [self._values(cell) for cell in self._cells]
        wide = sum(1 for sample in values if self._wide(sample))
        counts = {"assignments": len(spent), "seeds": sum(spent), "least": min(spent), "most": max(spent), "too_wide": wide}
        counts["no_spread_seen"] = sum(1 for sample in values if replicate.unspread(self._task, sample))
        fixed = replicate.fixed(self._task, values) * len(spent)
        return {**counts, "fixed": fixed, "fixed_ratio": round(fixed / sum(spent), 2)}

    def _values(self, cell: _Cell) -> list[float | None]:
        """The metric of each seed of an assignment; None where the point failed."""
        plan = self._builder.plan
        rows = [(plan.point(i), self._readings.last(plan.ids[i])) for i in cell.index]
        return [None if last is None else cell.grid.value(self._metric, {**params, **last}) for params, last in rows]

    def _advance(self, cell: _Cell) -> list[int]:
        """The points of the assignment that are to be measured next."""
        ids = self._builder.plan.ids
        while True:
            open_ = [i for i in cell.index if not self._readings.ended(ids[i])]
            if open_:
                new = [i for i in open_ if i not in self._asked]
                self._asked.update(new)
                return new
            further = replicate.more(self._task, self._values(cell))
            if not further:
                cell.enough = True
                return []
            seeds = range(len(cell.index), len(cell.index) + further)
            cell.index += self._builder.add(cell.grid.arm, self._builder.plan.point(cell.index[0]), seeds)

    def _wide(self, values: Sequence[float | None]) -> bool:
        """Whether the interval is wider than asked, for want of seeds or of rows."""
        lower, estimate, upper = replicate.interval(self._task, values)
        return not (upper - lower) / 2 <= self._task.rel_halfwidth * abs(estimate)


def _cells(builder: Builder, members: Sequence[int]) -> list[list[int]]:
    """The positions of each assignment of an arm, seed by seed."""
    plan = builder.plan
    by_params: dict[tuple[object, ...], list[int]] = {}
    columns = list(plan.params.values())
    for i in members:
        by_params.setdefault(tuple(column[i] for column in columns), []).append(i)
    return list(by_params.values())
