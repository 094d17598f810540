"""An executor of processes on this machine, one for each pack: all that a third executor takes."""

import contextlib
import signal
import tempfile
from multiprocessing import connection, get_context
from typing import Any

from orchestrator.driver.executors.executor import Resources
from orchestrator.driver.executors.local_packs import LocalPacks
from orchestrator.driver.progress import Show
from orchestrator.driver.session import Session
from orchestrator.driver.signals import interruptible
from orchestrator.worker.batch import Batch, Terms
from orchestrator.worker.pack_worker import PackWorker


class ProcessPool(contextlib.AbstractContextManager["ProcessPool"]):
    """As many processes as `cpus`; their rows come through pipes to this process, which writes them."""

    light, remote = False, False

    def __init__(self, resources: Resources) -> None:
        self._slots, self._processes = resources.cpus or 2, get_context("forkserver")
        self._open: dict[Any, tuple[str, str, Any]] = {}  # pipe -> the pack, the folder and the process at its other end

    def begin(self, workloads: Any) -> None:
        self._processes.set_forkserver_preload([PackWorker.__module__])  # what each process needs is imported once

    def slots(self, needs: Any) -> int:
        return self._slots

    def run(self, session: Session, show: Show) -> None:
        packs = LocalPacks(session, show)
        with interruptible(session):
            while self._fill(session.terms, packs):
                for pipe in connection.wait(list(self._open), timeout=0.1):
                    self._hear(pipe, packs)
                for *_, process in self._open.values() if session.stopping() else ():
                    process.terminate()

    def _fill(self, terms: Terms, packs: LocalPacks) -> bool:
        """Start a process for each pack that there is room for; whether any runs."""
        while len(self._open) < self._slots and (batch := packs.next()) is not None:
            folder, (ours, theirs) = tempfile.mkdtemp(prefix="lawsweep-pool-"), self._processes.Pipe()
            process = self._processes.Process(target=_work, args=(terms, folder, batch, theirs))
            process.start()
            theirs.close()  # the pipe now ends with the process
            self._open[ours] = batch.pack, folder, process
        return bool(self._open)

    def _hear(self, pipe: Any, packs: LocalPacks) -> None:
        """Do what a process asks for, or take in that it is gone."""
        try:
            method, *arguments = pipe.recv()
            pipe.send(packs.finished(*arguments) if method == "finished" else packs.ask(method, *arguments))
        except (EOFError, ConnectionError):
            pack, folder, process = self._open.pop(pipe)
            process.join()
            packs.gone(pack, folder, f"its process ended with exit code {process.exitcode}")

    def close(self, *error: object) -> None:
        """End what still runs: nothing does, but where `run` has failed."""
        for *_, process in self._open.values():
            process.kill()

    __exit__ = close


def _work(terms: Terms, folder: str, batch: Batch, pipe: Any) -> None:
    """Measure one pack in this process; what it asks of the recorder goes through the pipe."""

    def ask(*call: Any) -> Any:
        pipe.send(call)
        return pipe.recv()

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker = PackWorker(terms, folder)
    signal.signal(signal.SIGTERM, lambda number, frame: worker.end())
    ask("finished", worker.measure(batch, ask))
