"""One run of one sweep while it goes on: hands out packs, takes in what became of them, and knows when to end."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence

from orchestrator.driver.pack_queue import Death, Queue
from orchestrator.plan import Plan
from orchestrator.spec import Spec
from orchestrator.store import Store
from orchestrator.store.parts import part_bytes, part_name
from orchestrator.worker.batch import Batch, Failure, Outcome, Terms
from orchestrator.worker.row_table import NO_RESULT, Block, to_table


def gather(
    plan: Plan, pack: str, index: Sequence[int], seconds: float, until: int | None = None, together: int | None = None
) -> Batch:
    """The batch that holds these positions of the plan."""
    return Batch(
        pack=pack,
        index=list(index),
        ids=[plan.ids[i] for i in index],
        seeds=[plan.seeds[i] for i in index],
        params={name: [column[i] for i in index] for name, column in plan.params.items()},
        seconds=seconds,
        until=until,
        together=together,
    )


STILLBORN = 10  # workers in a row that died before they began a point: no point's fault, and the next would die too
Grow = Callable[["Session"], int]


class Session:
    """The state that an executor shares with the sweep it runs.

    `total` points are to do; `why` is empty until something ends the run before they are done. Where the plan grows,
    `grow` puts further points into the queue as soon as nothing waits, and says how many are new.
    """

    def __init__(self, spec: Spec, plan: Plan, queue: Queue, store: Store, terms: Terms, grow: Grow | None = None) -> None:
        self.spec, self.plan, self.queue, self.store, self.terms = spec, plan, queue, store, terms
        self._grow = grow
        self.total = queue.waiting
        self.done = 0
        self.failures: Counter[str] = Counter()
        self.busy = 0.0
        self.why = ""
        self.halted = ""
        self.first: float | None = None  # when the first row was recorded, as a clock time
        self._stop = threading.Event()
        self._begun = time.monotonic()
        self._stillborn = 0
        self._news = False  # whether points have become final since further ones were asked for

    def next(self) -> Batch | None:
        """The next pack; None where none waits now."""
        if self.stopping():
            return None
        pack = self.queue.take()
        if pack is None and self._grow is not None and self._news:
            self._news = False
            self.total += self._grow(self)
            pack = self.queue.take()
        return gather(self.plan, pack.id, pack.index, pack.seconds, pack.until, self.spec.pack.points) if pack else None

    def finished(self, outcome: Outcome) -> None:
        """Take in a pack whose worker came to its end."""
        self.queue.finished(outcome.pack, outcome.done - outcome.startup, outcome.seconds, outcome.left)
        self.done += outcome.done - len(outcome.paused)
        self._stillborn = 0
        self._news = True
        self.busy += outcome.seconds
        self.failures.update(outcome.failures)
        if outcome.halt:
            self.halt(outcome.halt)
        self._check_cost()

    def died(self, pack: str, recorded: Collection[int], death: Death) -> None:
        """Take in a pack whose worker died: what is beyond doubt at fault becomes a failure row."""
        failures = self.queue.died(pack, recorded, death)
        self._news = True
        self.done += len(recorded) + len(failures)
        if failures:
            record(self.plan, self.store, self.terms, pack, failures)
            self.failures.update(failure.status for failure in failures)
        self._stillborn = self._stillborn + 1 if death.suspects is None and not recorded else 0
        if self._stillborn >= STILLBORN:
            self.halt(
                f"a worker must live to begin its first point, but {STILLBORN} in a row died before it, the last with "
                f"'{death.error}'; see whether they can import the workload with the code and memory that they have."
            )

    def end(self, why: str) -> None:
        """Let workers stop at their next point; the first reason counts."""
        self.why = self.why or why
        self._stop.set()

    def halt(self, error: str) -> None:
        """End the run because it cannot go on; `error` is for the user."""
        self.halted = self.halted or error
        self.end("halted")

    def stopping(self) -> bool:
        """Whether the run is being ended; also notices that its deadline has passed."""
        deadline = self.spec.limits.deadline
        if deadline is not None and time.monotonic() - self._begun > deadline:
            self.end("limits.deadline was reached")
        return self._stop.is_set()

    def _check_cost(self) -> None:
        allowed = self.spec.limits.gpu_hours
        spent = self.busy * self.spec.needs.gpu / 3600
        if allowed is not None and spent >= allowed:
            self.end("limits.gpu_hours was reached")


def record(plan: Plan, store: Store, terms: Terms, pack: str, failures: Sequence[Failure]) -> None:
    """Write the rows of points that no worker reports: those whose processes died, and those that were stopped."""
    n = len(failures)
    block = Block(
        started=time.time(),
        at=list(range(n)),
        step=[NO_RESULT] * n,
        final=[True] * n,
        status=[f.status for f in failures],
        error=[f.error for f in failures],
        seconds=[0.0] * n,
        values=[[None] * n for _ in plan.workload.results],
    )
    batch = gather(plan, pack, [f.index for f in failures], 0.0)
    table = to_table([block], batch, plan.workload, terms)
    store.put(plan.workload.name, part_name(table), part_bytes(table))
