"""What the driver asks of a place where packs are measured, and what such a place may use."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from orchestrator.driver.progress import Show
from orchestrator.driver.session import Session
from orchestrator.spec.sweep_model import Needs
from orchestrator.workload.describe import Workload

STARTER = "lawsweep-executor"  # the name of a thread in which an executor comes up and goes down


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What may be used: the cluster at `address`, or so many CPUs and GPUs of this machine (None: what is there)."""

    address: str | None = None
    cpus: int | None = None
    gpus: int | None = None


class Executor(AbstractContextManager["Executor"], Protocol):
    """A place where packs are measured. It is begun once, runs sweep after sweep, and is closed after the last.

    Leaving it as a context waits until everything it has started is gone.
    """

    @property
    def light(self) -> bool:
        """Whether it measures in the driver's own process.

        Then nothing is started, nothing is imported but what the workload needs, and the run does not outlive a point
        that ends its process.
        """

    @property
    def remote(self) -> bool:
        """Whether it may measure on other machines: there no path of this one holds, and code must be brought along."""

    def begin(self, workloads: Sequence[Workload]) -> None:
        """Start what takes time to start, and return at once; a remote one brings the code of these workloads along."""

    def slots(self, needs: Needs) -> int:
        """How many packs with these needs it measures at once, as soon as it is up; SweepError where it cannot run one."""

    def run(self, session: Session, show: Show) -> None:
        """Measure until the session has no pack left and none is open, or stops; `show` is told points and failures.

        Every pack of `session.next()` ends with `session.finished(outcome)`, or with `session.died(...)` where the process
        that measured it is gone. Rows are durable before they count, and SIGINT ends the session in order.
        """

    def close(self) -> None:
        """Let go of what `begin` has started, and return at once: the driver judges meanwhile."""


def under_way() -> bool:
    """Whether an executor is still coming up or going down, and nobody waits for it."""
    return any(thread.name == STARTER for thread in threading.enumerate())
