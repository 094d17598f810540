"""A Ray worker: one process that measures pack after pack, each as one trial of Ray Tune."""

from __future__ import annotations

import gc
import json
import os
import pickle
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune

from orchestrator.driver.recorder import Where
from orchestrator.errors import StoreError, WorkloadError
from orchestrator.store.parts import part_bytes, part_name
from orchestrator.worker.batch import Batch, Outcome, Terms
from orchestrator.worker.execute import execute
from orchestrator.worker.pace import Pace
from orchestrator.worker.row_table import underway
from orchestrator.worker.watchdog import MARK_FILE, TRACE_FILE, Mark, Watchdog
from orchestrator.workload.describe import Workload

BEAT = 1.0  # seconds between a worker's two questions whether to stop
WAIT = 5.0  # seconds a stopping worker gives the point it is measuring


class PackTrial(tune.Trainable):
    """A worker: one process that measures pack after pack and reports each as one trial."""

    def setup(self, config: dict[str, Any], **given: Any) -> None:
        """Import the workload once for all packs to come; a failure is kept for the first step to tell."""
        terms: Terms = given["terms"]
        self._recorder, self._pack, self._pace = given["recorder"], config["pack"], Pace()
        self._folder = Path(tempfile.mkdtemp(prefix="lawsweep-pack-"))
        self._mark = Mark(self._folder / MARK_FILE)
        self._watchdog = Watchdog(terms.limit, self._folder / TRACE_FILE)
        self._broken = ""
        # Read by the linear algebra when the workload imports it; whoever began this run may have set another number.
        os.environ.update(OMP_NUM_THREADS=str(terms.threads), MKL_NUM_THREADS=str(terms.threads))
        try:
            sys.path += [entry for entry in terms.path if entry not in sys.path]
            self._workload = terms.load()
            self._terms = terms.here()
        except WorkloadError as error:
            self._broken = str(error)
        # What was imported stays, and rows are no cycles: a collector that looks at them often costs a tenth of cheap points.
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        self._stop = threading.Event()
        threading.Thread(target=self._beat, name="lawsweep-beat", daemon=True).start()

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next pack into this process."""
        self._pack = new_config["pack"]
        return True

    def step(self) -> dict[str, Any]:
        """Measure the pack."""
        if self._broken:
            return _told(Outcome(pack=self._pack, halt=self._broken))
        self._mark.clear()
        batch = self._fetch()
        desk = _Desk(self._recorder, self._workload, batch, self._mark, self._stop)
        try:
            outcome = execute(self._workload, batch, self._terms, desk, self._watchdog, self._pace)
        except StoreError as error:
            outcome = Outcome(pack=batch.pack, left=batch.index, halt=str(getattr(error, "cause", error)))
        self._mark.clear()
        return _told(outcome)

    def _fetch(self) -> Batch:
        """The points of the pack; a recorder that was born a moment ago may have to be told of it first."""
        where = Where(ray.get_runtime_context().get_node_id(), str(self._folder))
        for _ in range(600):
            offer = ray.get(self._recorder.fetch.remote(self._pack, where))
            if offer is not None:
                batch: Batch = pickle.loads(offer)
                return batch
            time.sleep(0.1)
        raise RuntimeError(f"pack {self._pack} was not offered within a minute; is the driver alive?")

    def _beat(self) -> None:
        """Ask now and then whether to stop, so that a long point does not hide it; then end the point."""
        while not self._stop.wait(BEAT):
            try:
                if ray.get(self._recorder.beat.remote(), timeout=30):
                    self._stop.set()
            except ray.exceptions.RayError:
                continue
        time.sleep(WAIT)
        self._watchdog.abandon()

    def cleanup(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self._folder, ignore_errors=True)


@dataclass
class _Desk:
    """A worker's way to the recorder."""

    recorder: Any
    workload: Workload
    batch: Batch
    marks: Mark
    stop: threading.Event

    def mark(self, start: int, stop: int) -> None:
        """Write down what is measured next."""
        self.marks.set(start, stop)

    def deliver(self, table: Any, places: list[int], failures: dict[str, int]) -> None:
        """Hand rows over and wait until they are on disk."""
        long = underway(table, self.batch, self.workload)
        tally = {"failures": failures, "underway": long}
        index = [self.batch.index[at] for at in places]
        written = self.recorder.write.remote(
            self.workload.name, part_name(table), part_bytes(table), self.batch.pack, index, tally
        )  # fmt: skip
        if ray.get(written):
            self.stop.set()

    def keep(self, points: Sequence[str], data: bytes) -> None:
        """Hand states over and wait until they are on disk."""
        if ray.get(self.recorder.keep.remote(self.workload.name, self.workload.version, list(points), data)):
            self.stop.set()

    def kept(self, point: str) -> bytes | None:
        """The latest states that hold the point's, from whichever node."""
        found: bytes | None = ray.get(self.recorder.kept.remote(self.workload.name, self.workload.version, point))
        return found

    def stopping(self) -> bool:
        """Whether the recorder has said stop."""
        return self.stop.is_set()


def _told(outcome: Outcome) -> dict[str, Any]:
    """The outcome as Tune's result, which ends the trial; as text, for Tune flattens what is nested."""
    return {"outcome": json.dumps(vars(outcome)), "done": True}
