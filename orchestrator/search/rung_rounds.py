"""Measures points rung by rung and stops those that fall behind, so that long points are paid for where they matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from orchestrator import kinds
from orchestrator.fitting.aggregates import combine
from orchestrator.plan import Plan
from orchestrator.search.rungs import StopRule
from orchestrator.search.seen_rows import Readings
from orchestrator.spec import Spec
from orchestrator.spec.grids import Grid
from orchestrator.store import Store
from orchestrator.worker.batch import Failure

RULES = "orchestrator.search.stop_rules"


@dataclass
class _Race:
    """The assignments of one arm that compete: positions of their points, seed by seed, and the rung they are on."""

    grid: Grid
    alive: dict[str, list[int]]  # by the id of the first seed's point
    rung: int = 0
    asked: set[tuple[int, int | None]] = field(default_factory=set)  # position and step
    over: bool = False


class Stopping:
    """The rungs of a sweep that stops points early; a resumed run replays them from the store.

    Assignments compete within their arm, by their seeds at the rung's step, combined as the column says.
    """

    def __init__(self, spec: Spec, plan: Plan, store: Store, retry: bool = False) -> None:
        assert spec.stop is not None
        self._plan = plan
        self._rule: StopRule = kinds.module_of(RULES, spec.stop.kind).rule(spec.stop.model)
        grids = {grid.arm: grid for grid in spec.grids()}
        names = frozenset().union(*(grid.needs(self._rule.of) for grid in grids.values()))
        columns = [f.name for f in plan.workload.results if f.name in names]
        aggregates = {f.name: f.aggregate for f in plan.workload.results}
        self._aggregate = aggregates.get(self._rule.of, "mean")
        self._readings = Readings(store, plan.workload, columns, retry)
        self._races = [_Race(grids[arm], self._assignments(members)) for arm, members in plan.arms]
        self._stopped: list[Failure] = []

    def more(self) -> dict[int | None, list[int]]:
        """The points to be measured, by the step of the rung they are on."""
        self._readings.refresh()
        waves: dict[int | None, list[int]] = {}
        for race in self._races:
            step, index = self._advance(race)
            if index:
                waves.setdefault(step, []).extend(i for i in index if i not in waves[step])
        return waves

    def stopped(self) -> Sequence[Failure]:
        """The points that were stopped since this was asked last."""
        stopped, self._stopped = self._stopped, []
        return stopped

    def forecast(self) -> tuple[int, int]:
        """The points of the plan; most of them are stopped early."""
        return len(self._plan), len(self._plan)

    def save(self, store: Store) -> None:
        """Nothing beside the plan: the rows tell who was stopped."""

    def note(self) -> dict[str, object]:
        """How many assignments began, and how many were measured to their end."""
        self._readings.refresh()
        began = [index for _, members in self._plan.arms for index in self._assignments(members).values()]
        ended = [index for index in began if all(self._readings.last(self._plan.ids[i]) is not None for i in index)]
        return {"assignments": len(began), "finished": len(ended)}

    def _assignments(self, members: Sequence[int]) -> dict[str, list[int]]:
        """Positions of an arm's points by assignment."""
        columns = list(self._plan.params.values())
        by_params: dict[tuple[object, ...], list[int]] = {}
        for i in members:
            by_params.setdefault(tuple(column[i] for column in columns), []).append(i)
        return {self._plan.ids[index[0]]: index for index in by_params.values()}

    def _advance(self, race: _Race) -> tuple[int | None, list[int]]:
        """Decide the rungs that are complete; the next step, and the points that are yet to come to it."""
        ids = self._plan.ids
        while not race.over:
            step = self._step(race)
            running = [i for index in race.alive.values() for i in index if not self._readings.ended(ids[i])]
            behind = [i for i in running if step is None or self._readings.furthest(ids[i]) < step]
            if behind:
                new = [i for i in behind if (i, step) not in race.asked]
                race.asked.update((i, step) for i in new)
                return step, new
            race.over = step is None or not running
            if step is not None and running:
                self._decide(race, step)
        return None, []

    def _decide(self, race: _Race, step: int) -> None:
        """Keep the survivors of a rung; points of the others that still run are stopped."""
        survivors = self._rule.survivors({name: self._value(race, index, step) for name, index in race.alive.items()})
        for name in sorted(race.alive.keys() - set(survivors)):
            for i in race.alive[name]:
                if not self._readings.ended(self._plan.ids[i]):
                    error = f"stopped at step {step}: others of arm '{race.grid.arm}' were ahead in {self._rule.of}."
                    self._stopped.append(Failure(index=i, status="stopped", error=error))
        race.alive = {name: race.alive[name] for name in race.alive if name in set(survivors)}
        race.rung += 1

    def _step(self, race: _Race) -> int | None:
        """The step of the rung that the race is on; None where nobody is left to compare with."""
        return next(islice(self._rule.rungs(), race.rung, None)) if len(race.alive) > 1 else None

    def _value(self, race: _Race, index: Sequence[int], step: int) -> float | None:
        """What the points came to at the step, their seeds combined; None where one of them failed."""
        reached = [self._reached(race, i, step) for i in index]
        return None if None in reached else float(combine(np.array(reached, dtype=float), self._aggregate))

    def _reached(self, race: _Race, i: int, step: int) -> float | None:
        """What a point came to at a step, or at the last one before it that has a row."""
        params, curve = self._plan.point(i), self._readings.upto(self._plan.ids[i], step)
        values = {at: race.grid.value(self._rule.of, {**params, **row}) for at, row in curve.items()}
        return self._rule.best(values, max(values)) if values else None
