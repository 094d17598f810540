"""Runs the packs of one sweep as trials of one Ray Tune run, and hears of workers that die."""

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
import types
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune import CheckpointConfig, FailureConfig, RunConfig, TuneConfig, Tuner
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.driver.executors.deaths import Relic, death
from orchestrator.driver.executors.ray_cluster import alive, local_servers
from orchestrator.driver.executors.ray_worker import PackTrial
from orchestrator.driver.progress import Show
from orchestrator.driver.recorder import Progress, Recorder, Whereabouts
from orchestrator.driver.session import Session
from orchestrator.driver.signals import FAREWELLS, INTERRUPTED, interruptible
from orchestrator.store import point_ids
from orchestrator.worker.batch import Batch, Outcome
from orchestrator.worker.watchdog import read_relic

# Ray reads these when it is imported or started. Tune's own loggers, snapshots and signal handler cost time or rows.
os.environ.update(
    RAY_USAGE_STATS_ENABLED="0",
    RAY_AIR_NEW_OUTPUT="0",
    RAY_CHDIR_TO_TRIAL_DIR="0",
    RAY_DEDUP_LOGS="0",
    RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",
    TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1",
    TUNE_DISABLE_SIGINT_HANDLER="1",
    TUNE_GLOBAL_CHECKPOINT_S="1000000000",
    TUNE_WARN_THRESHOLD_S="60",
)
POLL = 0.25  # seconds between two looks at the recorder
LAST = 10.0  # seconds after which a driver that is stopping leaves without its workers
SILENT = 15.0  # seconds without the recorder or the raylet after which a driver leaves
MEMORY = ("running low on memory", "OutOfMemoryError")  # how Ray says that its memory monitor ended a worker


def run_packs(session: Session, show: Show) -> None:
    """Measure every pack of the session on the connected cluster; `show` is told points done and new failures."""
    if isinstance(session.terms.workload, types.ModuleType):
        with suppress(ValueError):  # a module made by hand is pickled by value anyway
            ray.cloudpickle.register_pickle_by_value(session.terms.workload)
    recorder = _recorder(str(session.store.path.resolve()))  # an actor's folder is another one
    driver = _Driver(session, recorder, show)
    _DRIVERS[driver.key] = driver
    monitor = threading.Thread(target=driver.watch, name="lawsweep-monitor", daemon=True)
    folder = tempfile.mkdtemp(prefix="lawsweep-tune-")
    needs = session.spec.needs
    resources = tune.PlacementGroupFactory([{"CPU": needs.cpu, "GPU": needs.gpu} if needs.gpu else {"CPU": needs.cpu}])
    trainable = tune.with_resources(tune.with_parameters(PackTrial, recorder=recorder, terms=session.terms), resources)
    tuner = Tuner(
        trainable,
        tune_config=TuneConfig(
            search_alg=_Feed(driver.key),
            scheduler=_Ledger(driver.key),
            num_samples=-1,
            max_concurrent_trials=session.queue.workers + 1,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=RunConfig(
            name="packs",
            storage_path=folder,
            verbose=0,
            failure_config=FailureConfig(max_failures=0),
            checkpoint_config=CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    gc.freeze()  # the collection below then walks through what came of this run, not through all of torch and the plan
    try:
        with interruptible(session):
            monitor.start()
            tuner.fit()
    finally:
        driver.over.set()
        monitor.join(timeout=LAST)
        del _DRIVERS[driver.key]
        ray.kill(recorder)
        shutil.rmtree(folder, ignore_errors=True)
        # Drop every actor handle now: releasing one after `ray.shutdown` kills the process.
        del tuner, trainable, recorder, driver, monitor
        gc.collect()
        gc.unfreeze()


def _remote(code: Any, **options: Any) -> Any:
    """The class or function as an actor or a task; Ray's own types know only its decorator with literal options."""
    return ray.remote(**options)(code)


def _recorder(store: str) -> Any:
    """The recorder as an actor on the driver's node; Ray restarts it as often as it dies, and repeats its calls."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "max_concurrency": 8, "scheduling_strategy": here}
    return _remote(Recorder, **options).remote(store)


class _Driver:
    """What Tune's callbacks and the monitor thread share."""

    def __init__(self, session: Session, recorder: Any, show: Show) -> None:
        self.key = f"{os.getpid()}-{id(self)}"
        self.session, self.recorder, self.show = session, recorder, show
        self.over = threading.Event()
        self._offered: dict[str, tuple[Batch, str]] = {}  # open packs and the recorder's life they were offered in
        self._seen = Progress(life=ray.get(recorder.progress.remote()).life)
        self._before = 0.0  # points that earlier lives of the recorder counted
        self._raylet = local_servers()

    # Tune's side, in the main thread

    def hand_out(self) -> str | dict[str, str] | None:
        """The config of the next trial; FINISHED at the end, None while other packs may still hand points back."""
        batch = self.session.next()
        if batch is not None:
            self._offered[batch.pack] = (batch, self._seen.life)
            self.recorder.offer.remote(_packed([batch]))
            return {"pack": batch.pack}
        done = self.session.queue.exhausted or self.session.stopping()
        return str(Searcher.FINISHED) if done else None

    def finished(self, outcome: Outcome) -> None:
        """A trial came to its end."""
        self._offered.pop(outcome.pack, None)
        self.recorder.close.remote(outcome.pack)
        self.session.finished(outcome)

    def died(self, pack: str, error: str) -> None:
        """A trial's process died, or its step raised; `error` is what Ray says of it."""
        batch, life = self._offered.pop(pack)
        recorded, where = ray.get(self.recorder.close.remote(pack), timeout=60)
        if life != ray.get(self.recorder.progress.remote(), timeout=60).life:
            ended = self.session.store.finals(self.session.plan.workload.name)["point"]
            finals = set(point_ids.letters(ended).to_pylist())
            recorded = [i for i, point in zip(batch.index, batch.ids, strict=True) if point in finals]
        relic = _relic(where) if where is not None else None
        self.session.died(pack, recorded, death(relic, error, memory=any(word in error for word in MEMORY)))

    # The monitor's side, in its own thread

    def watch(self) -> None:
        """Until the run is over: show progress, pass on the stop, and leave where Ray has died."""
        heard = stopped = time.monotonic()
        while not self.over.wait(POLL):
            now = time.monotonic()
            if self._look():
                heard = now
            if not self.session.stopping():
                stopped = now
            elif now - stopped > LAST:
                self._leave("a worker did not stop in time")
            if now - heard > SILENT or not alive(self._raylet):
                self._leave("Ray has died under this run")

    def _look(self) -> bool:
        """Ask the recorder how far it is, and tell it to stop where that is due; whether it answered."""
        try:
            progress = ray.get(self.recorder.progress.remote(), timeout=POLL * 4)
            if progress.life != self._seen.life:
                self._before += self._seen.points
                self.recorder.offer.remote(_packed([batch for batch, _ in self._offered.values()]))
            if self.session.stopping():
                self.recorder.stop.remote()
        except ray.exceptions.RayError:
            return False
        self._seen = progress
        self.session.first = self.session.first or progress.first
        self.show(min(self._before + progress.points, self.session.total), self.session.total, progress.failures)
        return True

    def _leave(self, why: str) -> None:
        """End this process at once: what was acknowledged is on disk, and nothing here can be waited for."""
        hint = f"{why}; every recorded row is kept: run the same command again and it finishes the rest."
        print(f"\nlawsweep: {hint}", file=sys.stderr, flush=True)
        code = 130 if self.session.why == INTERRUPTED else 3
        for farewell in FAREWELLS:
            with suppress(Exception):
                farewell(hint, code)
        os._exit(code)


# Tune pickles its searcher and scheduler; the driver holds locks and actors, so they carry only its key.
_DRIVERS: dict[str, _Driver] = {}


class _Feed(Searcher):
    """Hands pack ids to Tune as workers ask for them."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self._key = key

    def suggest(self, trial_id: str) -> Any:
        """The config of a trial: the id of its pack."""
        return _DRIVERS[self._key].hand_out()

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Take in the outcome of a pack; the death of its process comes to the ledger, with its cause."""
        if result and not error:
            _DRIVERS[self._key].finished(Outcome(**json.loads(result["outcome"])))

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the store knows what is done."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the store knows what is done."""


class _Ledger(FIFOScheduler):
    """Hears of trials that ended without a result. A callback would too, but Tune imports MLflow where it is given one."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self._key = key

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Take in the death of a pack's process."""
        file = Path(trial.error_file or "")
        _DRIVERS[self._key].died(trial.config["pack"], file.read_text() if file.is_file() else "")


def _packed(batches: Sequence[Batch]) -> dict[str, bytes]:
    """Batches as bytes by the pack's name: the recorder passes them on without a look."""
    return {batch.pack: pickle.dumps(batch) for batch in batches}


def _relic(where: Whereabouts) -> Relic | None:
    """Mark and trace of a dead worker, read on its node; None where the node does not answer."""
    on_its_node = NodeAffinitySchedulingStrategy(where.node, soft=False)
    if where.node == ray.get_runtime_context().get_node_id():
        return read_relic(where.folder)
    read = _remote(read_relic, num_cpus=0, max_retries=0, scheduling_strategy=on_its_node)
    try:
        relic: Relic = ray.get(read.remote(where.folder), timeout=15)
        return relic
    except ray.exceptions.RayError:
        return None
