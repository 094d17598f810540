"""An executor of processes on this machine: all that a third executor takes."""

import contextlib
from multiprocessing import connection, get_context
from typing import Any

from orchestrator.driver.executors.executor import Resources
from orchestrator.driver.executors.local_packs import LocalPacks
from orchestrator.driver.progress import Show
from orchestrator.driver.session import Session
from orchestrator.driver.signals import interruptible
from orchestrator.worker.pack_worker import PackWorker


class ProcessPool(contextlib.AbstractContextManager["ProcessPool"]):
    """As many processes as `cpus`; their rows come through pipes to this process, which writes them."""

    light, remote = False, False

    def __init__(self, resources: Resources) -> None:
        self._slots, self._processes = resources.cpus or 2, get_context("forkserver")
        self._workers: dict[Any, tuple[str, Any]] = {}  # pipe -> folder and process at its other end
        self._busy: dict[Any, str] = {}  # pipe -> pack that is measured there

    def begin(self, workloads: Any) -> None:
        self._processes.set_forkserver_preload([PackWorker.__module__, "pandas"])  # Arrow imports pandas for its first row

    def slots(self, needs: Any) -> int:
        return self._slots

    def run(self, session: Session, show: Show) -> None:
        packs = LocalPacks(session, show)
        with interruptible(session), contextlib.closing(self):
            while self._hand_out(session, packs):
                for pipe in connection.wait(list(self._busy), timeout=0.1):
                    self._hear(pipe, packs)
                for pipe in self._busy if session.stopping() else ():
                    self._workers[pipe][1].terminate()

    def _hand_out(self, session: Session, packs: LocalPacks) -> bool:
        """Give each process that is idle, or can be started, a pack while there are packs; whether any process is busy."""
        while len(self._busy) < self._slots and (batch := packs.next()) is not None:
            if not (idle := self._workers.keys() - self._busy):
                folder, (ours, theirs) = packs.new_folder(), self._processes.Pipe()
                process = self._processes.Process(target=_work, args=(session.terms, folder, theirs), daemon=True)
                process.start()
                theirs.close()  # the pipe now ends with the process
                self._workers[ours], idle = (folder, process), {ours}
            pipe = idle.pop()
            self._busy[pipe] = batch.pack
            with contextlib.suppress(ConnectionError):  # it is gone: that is heard at once
                pipe.send(batch)
        return bool(self._busy)

    def _hear(self, pipe: Any, packs: LocalPacks) -> None:
        """Do what a process asks for, or take in that its pack has ended, or that it is gone."""
        try:
            method, *arguments = pipe.recv()
            if method != "finished":
                return pipe.send(packs.ask(method, *arguments))
            packs.finished(*arguments)
        except (EOFError, ConnectionError):
            folder, process = self._workers.pop(pipe)
            process.join()
            packs.gone(self._busy[pipe], folder, f"its process ended with exit code {process.exitcode}")
        del self._busy[pipe]

    def close(self, *error: object) -> None:
        while self._workers:
            self._workers.popitem()[1][1].kill()

    __exit__ = close


def _work(terms: Any, folder: str, pipe: Any) -> None:
    """Measure pack after pack in this process; what it asks of the recorder goes through the pipe."""
    worker = PackWorker(terms, folder)
    worker.obey_signals()
    while True:
        pipe.send(("finished", worker.measure(pipe.recv(), lambda *call: pipe.send(call) or pipe.recv())))
