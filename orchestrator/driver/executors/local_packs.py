"""Hands out the packs of a session to this machine, with the recorder in the driver's own process."""

from __future__ import annotations

import pickle
import shutil
import tempfile
import weakref
from typing import Any

from orchestrator.driver.executors.deaths import death
from orchestrator.driver.progress import Show
from orchestrator.driver.recorder import Recorder
from orchestrator.driver.session import Session
from orchestrator.worker.batch import Batch, Outcome
from orchestrator.worker.watchdog import read_relic


class LocalPacks:
    """What an executor of one machine shares with the session: packs out, rows recorded and shown, outcomes and deaths in."""

    def __init__(self, session: Session, show: Show) -> None:
        self._session, self._show = session, show
        self._recorder = Recorder(str(session.store.path.absolute()))

    def next(self) -> Batch | None:
        """The next pack; None where none waits now."""
        batch = self._session.next()
        if batch is not None:
            self._recorder.offer({batch.pack: pickle.dumps(batch)})
        return batch

    def new_folder(self) -> str:
        """A folder for a worker's mark and trace, which is gone after the run."""
        folder = tempfile.mkdtemp(prefix="lawsweep-pack-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    def ask(self, method: str, *arguments: Any) -> Any:
        """Call the recorder for a worker, and show how far the run is."""
        answer = getattr(self._recorder, method)(*arguments)
        if method == "write":
            progress = self._recorder.progress()
            self._session.first = self._session.first or progress.first
            self._show(progress.points, self._session.total, progress.failures)
        return answer

    def finished(self, outcome: Outcome) -> None:
        """A pack came to its end."""
        self._recorder.close(outcome.pack)
        self._session.finished(outcome)

    def gone(self, pack: str, folder: str, error: str) -> None:
        """The process of a pack is gone; where that was not the pack's end, it died and left word in its folder.

        Nobody is to blame where the run is stopping, for then the process was ended.
        """
        relic = read_relic(folder)
        if pack in self._session.queue.open:
            recorded, _ = self._recorder.close(pack)
            self._session.died(pack, recorded, death(None if self._session.stopping() else relic, error))
