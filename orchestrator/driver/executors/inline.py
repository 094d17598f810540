"""Runs packs in this process, without Ray: for a debugger, a notebook, or a machine with one GPU."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.driver.progress import Show
from orchestrator.driver.session import Session
from orchestrator.driver.signals import interruptible
from orchestrator.store import point_ids
from orchestrator.store.checkpoints import Checkpoints
from orchestrator.store.parts import part_bytes, part_name
from orchestrator.worker.batch import Batch
from orchestrator.worker.execute import execute
from orchestrator.worker.pace import Pace
from orchestrator.worker.row_table import underway
from orchestrator.worker.watchdog import Watchdog


@dataclass
class _Desk:
    """Writes rows straight into the store."""

    session: Session
    show: Show
    checkpoints: Checkpoints
    batch: Batch | None = None  # what is being measured
    seen: int = 0
    underway: dict[int, float] = field(default_factory=dict)  # the part done of long points, by place in the plan
    failures: Counter[str] = field(default_factory=Counter)

    def mark(self, start: int, stop: int) -> None:
        """Nothing: a process that dies takes the driver with it, and the next run starts where the rows end."""

    def deliver(self, table: Any, places: list[int], failures: dict[str, int]) -> None:
        """Write the rows and show how far the run is."""
        self.session.store.put(self.session.plan.workload.name, part_name(table), part_bytes(table))
        self.session.first = self.session.first or time.time()
        self.checkpoints.drop(point_ids.letters(table["point"].filter(table["final"])).to_pylist())
        assert self.batch is not None
        self.seen += len(places)
        self.underway |= underway(table, self.batch, self.session.plan.workload)
        for at in places:
            self.underway.pop(self.batch.index[at], None)
        self.failures.update(failures)
        self.show(self.seen + sum(self.underway.values()), self.session.total, dict(self.failures))

    def stopping(self) -> bool:
        """Whether the session ends."""
        return self.session.stopping()

    def keep(self, points: Sequence[str], data: bytes) -> None:
        """Write the states straight into the store."""
        self.checkpoints.keep(points, data)

    def kept(self, point: str) -> bytes | None:
        """The latest states that hold the point's."""
        return self.checkpoints.kept(point)


def run_inline(session: Session, show: Show) -> None:
    """Measure every pack of the session here; `show` is told the points done and the failures so far."""
    workload, terms = session.plan.workload, session.terms.here()
    checkpoints = Checkpoints(session.store, workload.name, workload.version)
    desk, watchdog, pace = _Desk(session, show, checkpoints), Watchdog(terms.limit), Pace()
    with interruptible(session):
        while (batch := session.next()) is not None:
            desk.batch = batch
            session.finished(execute(workload, batch, terms, desk, watchdog, pace))
    watchdog.close()
