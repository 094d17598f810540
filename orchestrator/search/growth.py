"""Makes a running sweep's plan grow: whoever proposes points is asked again as soon as none waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from orchestrator.plan import Plan
from orchestrator.plan.points import Builder
from orchestrator.spec import Spec
from orchestrator.store import Store
from orchestrator.worker.batch import Failure

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
        from orchestrator.search.study_rounds import Searching

        return Searching(spec, Builder.of(spec, plan, machine), store, retry)
    if spec.seeds.until is not None:
        from orchestrator.search.seed_rounds import Replicating

        return Replicating(spec, Builder.of(spec, plan, machine), store, retry)
    if spec.stop is not None:
        from orchestrator.search.rung_rounds import Stopping

        return Stopping(spec, plan, store, retry)
    return None
