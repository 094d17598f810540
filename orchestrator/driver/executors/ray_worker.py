"""A Ray worker: one process that measures pack after pack, each as one trial of Ray Tune."""

from __future__ import annotations

import json
import pickle
import shutil
import tempfile
import threading
import time
from typing import Any

import ray
from ray import tune

from orchestrator.driver.recorder import Whereabouts
from orchestrator.worker.batch import Batch
from orchestrator.worker.pack_worker import PackWorker

BEAT = 1.0  # seconds between a worker's two questions whether to stop


class PackTrial(tune.Trainable):
    """A worker: one process that measures pack after pack and reports each as one trial."""

    def setup(self, config: dict[str, Any], **parameters: Any) -> None:
        """Import the workload once for all packs to come; a failure is kept for the first step to tell."""
        self._recorder, self._pack = parameters["recorder"], config["pack"]
        self._folder = tempfile.mkdtemp(prefix="lawsweep-pack-")
        self._worker = PackWorker(parameters["terms"], self._folder)
        threading.Thread(target=self._beat, name="lawsweep-beat", daemon=True).start()

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next pack into this process."""
        self._pack = new_config["pack"]
        return True

    def step(self) -> dict[str, Any]:
        """Measure the pack; its outcome is Tune's result, which ends the trial: as text, for Tune flattens what is nested."""
        outcome = self._worker.measure(self._fetch(), self._ask)
        return {"outcome": json.dumps(vars(outcome)), "done": True}

    def _ask(self, method: str, *arguments: Any) -> Any:
        """Call the recorder and wait for its answer, which may be that the run stops."""
        answer = ray.get(getattr(self._recorder, method).remote(*arguments))
        if answer is True:
            self._worker.end()
        return answer

    def _fetch(self) -> Batch:
        """The points of the pack; a recorder that was born a moment ago may have to be told of it first."""
        where = Whereabouts(ray.get_runtime_context().get_node_id(), self._folder)
        for _ in range(600):
            offer = ray.get(self._recorder.fetch.remote(self._pack, where))
            if offer is not None:
                batch: Batch = pickle.loads(offer)
                return batch
            time.sleep(0.1)
        raise RuntimeError(f"pack {self._pack} was not offered within a minute; is the driver alive?")

    def _beat(self) -> None:
        """Ask now and then whether to stop, so that a long point does not hide it."""
        while not self._worker.ending.wait(BEAT):
            try:
                if ray.get(self._recorder.beat.remote(), timeout=30):
                    self._worker.end()
            except ray.exceptions.RayError:
                continue

    def cleanup(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self._folder, ignore_errors=True)
