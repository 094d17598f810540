"""Puts the points that a growing sweep proposes into the queue, and keeps its plan in the store."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.driver import stored_plan
from orchestrator.driver.session import Session, record
from orchestrator.plan import Plan, shape_groups
from orchestrator.search.growth import Growth
from orchestrator.spec import Spec
from orchestrator.store import Store
from orchestrator.worker.batch import Terms

EVERY = 2.0  # seconds between two writes of a plan that grows


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
    origins: Mapping[str, Any] = field(default_factory=dict)

    def waves(self) -> list[tuple[int | None, list[list[int]]]]:
        """The next points in groups of equal shape."""
        return [(until, shape_groups.groups(self.plan, index)) for until, index in self.growth.more().items()]

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
        about = stored_plan.record(self.spec, self.plan, self.terms.generation, self.origins)
        self.store.save_plan(stored_plan.table(self.plan), about)
        self.growth.save(self.store)
