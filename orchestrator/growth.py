"""Makes a running sweep's plan grow: whoever proposes points is asked again as soon as none waits."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator import schedule
from orchestrator.batch import Terms
from orchestrator.dispatch import Failure
from orchestrator.plan import Builder, Plan
from orchestrator.session import Session, record
from orchestrator.spec import Spec
from orchestrator.store import Store

EVERY = 2.0  # seconds between two writes of a plan that grows

Waves = Mapping[int | None, Sequence[int]]
"""Positions of the plan to be measured, by the step at which they pause; None: at their end."""


class Growth(Protocol):
    """What proposes points; its answers depend on the plan and on the rows in the store alone."""

    def more(self) -> Waves:
        """What can be measured next; empty while rounds are open, and at the end."""

    def stopped(self) -> Sequence[Failure]:
        """The points that were stopped since this was asked last; each is to get its final row."""

    def save(self, store: Store) -> None:
        """Keep what was found so far."""

    def forecast(self) -> tuple[int, int]:
        """How many points the plan usually comes to, and at most."""

    def note(self) -> dict[str, object]:
        """What the run record says of it at the end: rounds, points spent."""


def grows(spec: Spec) -> bool:
    """Whether the points of a sweep depend on what others of it gave."""
    return bool(spec.search or spec.seeds.until or spec.stop)


def growing(spec: Spec, plan: Plan, store: Store, retry: bool, machine: str) -> Growth | None:
    """What proposes further points of the plan; None where the plan is whole."""
    # Imported here: a sweep whose plan is whole needs none of it.
    if spec.search is not None:
        from orchestrator.searching import Searching

        return Searching(spec, Builder.of(spec, plan, machine), store, retry)
    if spec.seeds.until is not None:
        from orchestrator.replicating import Replicating

        return Replicating(spec, Builder.of(spec, plan, machine), store, retry)
    if spec.stop is not None:
        from orchestrator.stopping import Stopping

        return Stopping(spec, plan, store, retry)
    return None


@dataclass
class Grower:
    """Puts into a session's queue what its growth proposes, and keeps the plan in the store as it grows."""

    growth: Growth
    spec: Spec
    plan: Plan
    store: Store
    terms: Terms
    known: set[int] = field(default_factory=set)
    saved: float = 0.0

    def waves(self) -> list[tuple[int | None, list[list[int]]]]:
        """The next points in groups of equal shape."""
        return [(until, schedule.groups(self.plan, index)) for until, index in self.growth.more().items()]

    def __call__(self, session: Session) -> int:
        """Let further points wait; how many of them are new."""
        before = len(self.known)
        for until, groups in self.waves():
            session.queue.add(groups, until=until)
            self.known.update(i for group in groups for i in group)
        session.done += self.stop()
        if time.monotonic() - self.saved > EVERY:
            self.save()
        return len(self.known) - before

    def stop(self) -> int:
        """Give the points that were stopped their final rows; how many there are."""
        stopped = self.growth.stopped()
        if stopped:
            record(self.plan, self.store, self.terms, f"{self.terms.generation:06d}-stopped", stopped)
        return len(stopped)

    def save(self) -> None:
        """Keep the plan as it is now, and what was found."""
        self.saved = time.monotonic()
        for _, members in self.plan.arms:
            members[:] = dict.fromkeys(members)
        self.store.save_plan(schedule.table(self.plan), schedule.record(self.spec, self.plan, self.terms.generation))
        self.growth.save(self.store)
