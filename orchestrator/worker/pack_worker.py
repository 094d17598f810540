"""A process that measures pack after pack: it imports the workload once, and leaves a mark of what it is measuring."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from orchestrator.errors import StoreError, WorkloadError
from orchestrator.worker.batch import Batch, Outcome, Terms
from orchestrator.worker.desk import Ask, PackDesk
from orchestrator.worker.execute import execute
from orchestrator.worker.output import Output
from orchestrator.worker.pace import Pace
from orchestrator.worker.watchdog import MARK_FILE, TRACE_FILE, Mark, Watchdog

WAIT = 5.0  # seconds that a worker which is to end gives the point it is measuring


class PackWorker:
    """What an executor starts in a process of its own; after its death `read_relic` of the folder tells where it stood."""

    def __init__(self, terms: Terms, folder: str) -> None:
        self.ending, self._ended = threading.Event(), False
        self._pace = Pace()
        self._mark = Mark(Path(folder) / MARK_FILE)
        self._watchdog = Watchdog(terms.limit, Path(folder) / TRACE_FILE)
        self._broken = ""
        self._output = Output(self._mark.places)
        self._output.open()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, _not_for_us)
        # Read by the linear algebra when the workload imports it; whoever began this run may have set another number.
        os.environ.update(OMP_NUM_THREADS=str(terms.threads), MKL_NUM_THREADS=str(terms.threads))
        try:
            sys.path += [entry for entry in terms.path if entry not in sys.path]
            with self._output.listening():
                self._workload = terms.load()
            self._terms = terms.here()
        except WorkloadError as error:
            self._broken = str(error)
        # What was imported stays, and rows are no cycles: a collector that looks at them often costs a tenth of cheap points.
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)

    def measure(self, batch: Batch, ask: Ask) -> Outcome:
        """Measure a pack, whose rows go through `ask`; what keeps the whole run from going on is the outcome's `halt`."""
        if self._broken:
            return Outcome(pack=batch.pack, halt=self._broken)
        self._mark.clear()
        desk = PackDesk(ask, self._workload, batch, self._mark.set, self.ending.is_set, self._output)
        try:
            with self._output.listening():
                outcome = execute(self._workload, batch, self._terms, desk, self._watchdog, self._pace)
            desk.tell()
        except StoreError as error:
            outcome = Outcome(pack=batch.pack, left=batch.index, halt=str(getattr(error, "cause", error)))
        self._mark.clear()
        return outcome

    def end(self) -> None:
        """Stop at the next point, or in the middle of this one if it takes too long: the run is over."""
        if not self._ended:
            self._ended = True  # before anything else: a signal may call this in the middle of itself
            self.ending.set()
            timer = threading.Timer(WAIT, self._watchdog.abandon)
            timer.daemon = True
            timer.start()

    def obey_signals(self) -> None:
        """End at SIGTERM."""
        signal.signal(signal.SIGTERM, lambda number, frame: self.end())


def _not_for_us(number: int, frame: FrameType | None) -> None:
    """SIGINT, which a terminal sends to every process of a run, is for the driver alone."""
