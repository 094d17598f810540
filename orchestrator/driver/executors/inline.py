"""Runs packs in the driver's own process: for a debugger, a notebook, or a machine with one GPU."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from orchestrator.driver.executors.executor import Resources
from orchestrator.driver.executors.local_packs import LocalPacks
from orchestrator.driver.progress import Show
from orchestrator.driver.session import Session
from orchestrator.driver.signals import interruptible
from orchestrator.spec.sweep_model import Needs
from orchestrator.worker.desk import PackDesk
from orchestrator.worker.execute import execute
from orchestrator.worker.output import Output
from orchestrator.worker.pace import Pace
from orchestrator.worker.watchdog import Watchdog
from orchestrator.workload.describe import Workload


class Inline:
    """This process, which measures one pack after the other with what it has."""

    light, remote = True, False

    def __init__(self, resources: Resources) -> None:
        """Nothing is reserved: the process has the resources it has."""
        self._here: tuple[int, int] | None = None
        self._output = Output(lambda: self._here, aside=True)

    def begin(self, workloads: Sequence[Workload]) -> None:
        """Nothing: this process is up."""

    def slots(self, needs: Needs) -> int:
        """One pack at a time; what it needs is used if it is there."""
        return 1

    def run(self, session: Session, show: Show) -> None:
        """Measure every pack of the session here."""
        workload, terms, packs = session.plan.workload, session.terms.here(), LocalPacks(session, show)
        watchdog, pace = Watchdog(terms.limit), Pace()
        with interruptible(session):
            while (batch := packs.next()) is not None:
                desk = PackDesk(packs.ask, workload, batch, self._mark, session.stopping, self._output)
                with self._output.listening():
                    outcome = execute(workload, batch, terms, desk, watchdog, pace)
                desk.tell()
                packs.finished(outcome)
        watchdog.close()

    def close(self) -> None:
        """Nothing was started."""

    def __enter__(self) -> Self:
        self._output.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing is left to wait for."""
        self._output.close()

    def _mark(self, start: int, stop: int) -> None:
        """Whose prints come next. No mark on disk: a process that dies takes the driver with it."""
        self._here = start, stop
