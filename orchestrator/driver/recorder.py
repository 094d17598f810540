"""Keeps what workers hand over: writes parts durably, answers with the stop flag, and counts for the progress line."""

from __future__ import annotations

import pickle
import threading
import uuid
from dataclasses import dataclass, field
from typing import Any

from orchestrator.store import logs, open_store
from orchestrator.store.checkpoints import Checkpoints
from orchestrator.store.shared import SharedStates
from orchestrator.worker.batch import Batch
from orchestrator.worker.states import HERE, MAKE, WAIT


@dataclass(frozen=True)
class Whereabouts:
    """The process that measures a pack: enough to find its mark after its death."""

    node: str
    folder: str


@dataclass
class Progress:
    """What the recorder has seen since it began: counters, and when the first row came."""

    life: str
    points: float = 0.0  # final ones, and the parts of long ones
    failures: dict[str, int] = field(default_factory=dict)
    first: float | None = None


class Recorder:
    """The one writer of rows in a run; every answer of `write` means that the rows are on disk.

    It may die at any time: writing again is idempotent by the part's name, and the driver offers open packs again when it
    sees a new `life`.
    """

    def __init__(self, store: str) -> None:
        self._store = open_store(store)
        self._progress = Progress(life=uuid.uuid4().hex)
        self._recorded: dict[str, list[int]] = {}
        self._where: dict[str, Whereabouts] = {}
        self._offers: dict[str, bytes] = {}
        self._checkpoints: dict[tuple[str, int], Checkpoints] = {}
        self._shared = SharedStates(self._store)
        self._makers: dict[str, str] = {}  # packs by the shared state that each makes
        self._underway: dict[int, float] = {}
        self._stop = False
        self._lock = threading.Lock()

    def write(self, workload: str, name: str, data: bytes, pack: str, index: list[int], tally: dict[str, Any]) -> bool:
        """Keep a part durably; `index` are the plan's positions that it finishes. True when the worker should stop.

        Raises StoreError where the part cannot be written: then its rows are not acknowledged.
        """
        self._store.put(workload, name, data)
        with self._lock:
            self._recorded.setdefault(pack, []).extend(index)
            self._count(tally, len(index))
            self._underway |= tally["underway"]
            for i in index:
                self._underway.pop(i, None)
            for checkpoints in self._checkpoints.values():
                checkpoints.drop(self._ids(pack, index))
        return self._stop

    def _ids(self, pack: str, index: list[int]) -> list[str]:
        offer = self._offers.get(pack)
        batch: Batch | None = pickle.loads(offer) if offer is not None else None
        ids = dict(zip(batch.index, batch.ids, strict=True)) if batch is not None else {}
        return [ids[i] for i in index if i in ids]

    def keep(self, workload: str, version: int, points: list[str], data: bytes) -> bool:
        """Keep one checkpoint of these points durably. True when the worker should stop."""
        with self._lock:
            self._kept_of(workload, version).keep(points, data)
        return self._stop

    def kept(self, workload: str, version: int, point: str) -> bytes | None:
        """The latest checkpoint that holds the point; None where there is none."""
        with self._lock:
            return self._kept_of(workload, version).kept(point)

    def borrow(self, workload: str, name: str, pack: str) -> tuple[str, bytes | None]:
        """A shared state, or whether this pack is to make it or waits for the one that does; a pack that ended makes none."""
        with self._lock:
            data = self._shared.read(name, workload)
            if data is not None:
                return HERE, data
            return (MAKE if self._makers.setdefault(name, pack) == pack else WAIT), None

    def lend(self, workload: str, name: str, pack: str, data: bytes | None) -> bool:
        """Keep a shared state durably, or let another pack try where there is none. True when the worker should stop."""
        with self._lock:
            if data is not None:
                self._shared.write(name, workload, data)
            self._makers.pop(name, None)
        return self._stop

    def log(self, workload: str, pack: str, entries: list[dict[str, Any]]) -> bool:
        """Keep what a pack has printed. True when the worker should stop."""
        with self._lock:
            logs.keep(self._store, workload, pack, entries)
        return self._stop

    def _kept_of(self, workload: str, version: int) -> Checkpoints:
        key = (workload, version)
        if key not in self._checkpoints:
            self._checkpoints[key] = Checkpoints(self._store, workload, version)
        return self._checkpoints[key]

    def _count(self, tally: dict[str, Any], points: int) -> None:
        import time

        progress = self._progress
        progress.first = progress.first or time.time()
        progress.points += points
        for status, number in tally["failures"].items():
            progress.failures[status] = progress.failures.get(status, 0) + number

    def offer(self, packs: dict[str, bytes]) -> None:
        """Hold these packs, each a pickled batch, ready for whoever asks."""
        with self._lock:
            self._offers.update(packs)

    def fetch(self, pack: str, where: Whereabouts) -> bytes | None:
        """The pickled batch of a pack, now measured at `where`; None when this recorder has not been told of it."""
        with self._lock:
            self._where[pack] = where
            return self._offers.get(pack)

    def close(self, pack: str) -> tuple[list[int], Whereabouts | None]:
        """Forget a pack; what it recorded and where it ran."""
        with self._lock:
            self._offers.pop(pack, None)
            self._makers = {name: maker for name, maker in self._makers.items() if maker != pack}
            return self._recorded.pop(pack, []), self._where.pop(pack, None)

    def beat(self) -> bool:
        """True when the worker should stop."""
        return self._stop

    def stop(self) -> None:
        """Tell every worker to stop at its next point."""
        self._stop = True

    def progress(self) -> Progress:
        """The counters as they are now."""
        with self._lock:
            progress = Progress(**vars(self._progress))
            progress.points += sum(self._underway.values())
            return progress
