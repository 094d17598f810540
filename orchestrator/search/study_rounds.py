"""Asks each study of a sweep that searches for its next round as soon as the points of the last one are final."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.plan.points import Builder
from orchestrator.search import boundary_table
from orchestrator.search.proposal import SearchResult, Seen, Value
from orchestrator.search.seen_rows import Readings
from orchestrator.search.studies import Study, studies
from orchestrator.spec import Spec
from orchestrator.store import Store
from orchestrator.worker.batch import Failure


@dataclass
class _Live:
    """A study while it goes on: its completed rounds, and the positions of the round that is open, by assignment."""

    study: Study
    rounds: list[tuple[Seen, ...]] = field(default_factory=list)
    asked: Sequence[Mapping[str, Value]] = ()
    open: list[list[int]] = field(default_factory=list)
    over: bool = False


class Searching:
    """The studies of a sweep that searches; a resumed run replays their rounds from the store."""

    def __init__(self, spec: Spec, builder: Builder, store: Store, retry: bool = False) -> None:
        self._spec, self._builder = spec, builder
        self._workload = builder.plan.workload
        self._live = [_Live(study) for study in studies(spec, self._workload)]
        self._results = [f.name for f in self._workload.results]
        self._readings = Readings(store, self._workload, self._columns(), retry)
        self._asked: set[int] = set()
        self.full = False  # whether limits.points has ended the search

    def more(self) -> dict[int | None, list[int]]:
        """The points of every round that can begin now and are not in the store."""
        self._readings.refresh()
        new = [position for live in self._live for position in self._advance(live)]
        return {None: new} if new else {}

    def stopped(self) -> Sequence[Failure]:
        """Nothing is stopped early."""
        return ()

    def forecast(self) -> tuple[int, int]:
        """How many points the plan usually comes to, and at most: points that studies share are counted for each."""
        each = [live.study.proposer.forecast() for live in self._live]
        seeds, limit = self._spec.seeds.count, self._spec.limits.points
        return min(sum(usual for usual, _ in each) * seeds, limit), min(sum(most for _, most in each) * seeds, limit)

    def save(self, store: Store) -> None:
        """Keep the boundaries found so far."""
        boundary_table.save(self._spec, self.concluded(), store)

    def note(self) -> dict[str, object]:
        """How many studies there are, their rounds, and whether the limit of points ended them."""
        return {"studies": len(self._live), "rounds": sum(len(live.rounds) for live in self._live), "full": self.full}

    def concluded(self) -> tuple[tuple[Study, SearchResult], ...]:
        """What each study has come to by its completed rounds; nothing of a search for best points."""
        findings = ((live.study, live.study.proposer.conclude(live.rounds)) for live in self._live)
        return tuple((study, conclusion) for study, conclusion in findings if conclusion is not None)

    def _columns(self) -> list[str]:
        """Results that the proposers' columns need, derived ones among them."""
        names = {
            name for live in self._live for column in live.study.proposer.columns for name in live.study.grid.needs(column)
        }
        return [name for name in self._results if name in names]

    def _advance(self, live: _Live) -> list[int]:
        """Take in the study's round if it is complete, and begin the next; the positions of it that are to be measured."""
        ids = self._builder.plan.ids
        while not live.over and all(self._readings.ended(ids[i]) for group in live.open for i in group):
            if live.open:
                live.rounds.append(tuple(self._assignment(live, at) for at in range(len(live.open))))
            live.asked = live.study.proposer.propose(live.rounds)
            live.over = not live.asked or self._overfull(len(live.asked))
            live.open = [] if live.over else [self._points(live.study, values) for values in live.asked]
            new = [i for group in live.open for i in group if i not in self._asked and not self._readings.ended(ids[i])]
            self._asked.update(new)
            if new:
                return new
        return []

    def _points(self, study: Study, values: Mapping[str, Value]) -> list[int]:
        return self._builder.add(study.arm, study.assignment(values), range(self._spec.seeds.count))

    def _overfull(self, assignments: int) -> bool:
        """Whether a round would take the plan above limits.points; the search ends with what it has."""
        total = len(self._builder.plan) + assignments * self._spec.seeds.count
        self.full = self.full or total > self._spec.limits.points
        return self.full

    def _assignment(self, live: _Live, at: int) -> Seen:
        """One assignment of the round as its proposer sees it."""
        plan = self._builder.plan
        rows = [(plan.point(i), self._readings.last(plan.ids[i])) for i in live.open[at]]
        results = {
            column: tuple(None if last is None else live.study.grid.value(column, {**params, **last}) for params, last in rows)
            for column in live.study.proposer.columns
        }
        return Seen(values=live.asked[at], results=results)
