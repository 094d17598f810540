"""Runs packs as trials of one Ray Tune run: the only file that knows Ray."""

from __future__ import annotations

import gc
import json
import logging
import os
import pickle
import shutil
import sys
import tempfile
import threading
import time
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
# Ray adds this to the niceness of its workers and of the recorder. Its own 15 starves them beside anything else that runs.
os.environ.setdefault("RAY_worker_niceness", "0")

import ray
from ray import tune
from ray.tune import CheckpointConfig, FailureConfig, RunConfig, TuneConfig, Tuner
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.batch import Batch, Outcome, Terms
from orchestrator.connection import Cluster
from orchestrator.dispatch import Death
from orchestrator.errors import StoreError, SweepError, WorkloadError
from orchestrator.execute import Pace, execute
from orchestrator.parts import part_bytes, part_name
from orchestrator.progress import Show
from orchestrator.record import Progress, Recorder, Where
from orchestrator.rows import underway
from orchestrator.session import INTERRUPTED, Session, interruptible
from orchestrator.watch import MARK_FILE, TRACE_FILE, Mark, Watchdog, read_relic
from orchestrator.workload import Workload

POLL = 0.25  # seconds between two looks at the recorder
BEAT = 1.0  # seconds between a worker's two questions whether to stop
WAIT = 5.0  # seconds a stopping worker gives the point it is measuring
LAST = 10.0  # seconds after which a driver that is stopping leaves without its workers
SILENT = 15.0  # seconds without the recorder or the raylet after which a driver leaves
SAID = 1000  # characters kept of what Ray says of a dead worker
MEMORY = ("running low on memory", "OutOfMemoryError")  # how Ray says that its memory monitor ended a worker


@contextmanager
def connected(cluster: Cluster) -> Iterator[None]:
    """While inside, Ray is there; a local one is started for it and ended after it, an existing one is only left."""
    if ray.is_initialized():
        yield
        return
    try:
        with _bare():
            ray.init(**_settings(cluster))
    except ConnectionError as error:
        raise SweepError(
            f"--address: a Ray cluster must answer at '{cluster.address}', but {error}; begin one with 'ray start --head', or "
            "leave --address out for a Ray of this machine."
        ) from error
    _hush()
    try:
        yield
    finally:
        ray.shutdown()


def _hush() -> None:
    """Keep Tune's tables and tracebacks off the terminal: a dead worker is our business, and told in our words."""
    for name in ("ray.tune", "ray.air", "ray"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # Ray prints what its raylet complains of to stdout, whatever the logging settings, and --json writes there.
    ray._private.worker.print_to_stdstream = lambda *args, **kwargs: None


@contextmanager
def _bare() -> Iterator[None]:
    """While inside, Ray starts without what serves clusters and lookers-on: it imports for seconds, and is slow to leave."""
    node, names = ray._private.node.Node, ("start_monitor", "start_log_monitor", "start_api_server")
    held = {name: getattr(node, name) for name in names if hasattr(node, name)}
    for name in held:
        setattr(node, name, lambda *args, **kwargs: None)
    try:
        yield
    finally:
        for name, method in held.items():
            setattr(node, name, method)


def _settings(cluster: Cluster) -> dict[str, Any]:
    quiet = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    if cluster.address:
        return {**quiet, "address": cluster.address, "runtime_env": {"py_modules": list(cluster.code)}}
    local = {"include_dashboard": False, "object_store_memory": 500_000_000}
    return {**quiet, **local, "address": "local", "num_cpus": cluster.cpus, "num_gpus": cluster.gpus}


def slots(cpu: float, gpu: float) -> int:
    """How many packs the cluster can measure at once; SweepError where it cannot measure one."""
    have: dict[str, float] = ray.cluster_resources()
    for name, need in (("CPU", cpu), ("GPU", gpu)):
        if need > have.get(name, 0):
            raise SweepError(
                f"needs.{name.lower()}: a pack needs {need:g} {name}, but the cluster has {have.get(name, 0):g}; "
                f"choose another --size or cluster (--address), or declare it with --{name.lower()}s N to try the schedule."
            )
    return max(1, int(min(have["CPU"] / cpu if cpu else 10**6, have.get("GPU", 0) / gpu if gpu else 10**6)))


def run_packs(session: Session, show: Show) -> None:
    """Measure every pack of the session on the connected cluster; `show` is told points done and new failures."""
    if isinstance(session.terms.workload, types.ModuleType):
        with suppress(ValueError):  # a module made by hand is pickled by value anyway
            ray.cloudpickle.register_pickle_by_value(session.terms.workload)
    recorder = _recorder(str(session.store.path))
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
        # Ray ends the process where a handle is let go after its shutdown, which may come any moment now.
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
        self._raylet = _local_servers()

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
            finals = set(self.session.store.finals(self.session.plan.workload.name)["point"].to_pylist())
            recorded = [i for i, point in zip(batch.index, batch.ids, strict=True) if point in finals]
        self.session.died(pack, recorded, _death(where, error))

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
            if now - heard > SILENT or not _alive(self._raylet):
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
        os._exit(130 if self.session.why == INTERRUPTED else 3)


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


def _packed(batches: Sequence[Batch]) -> dict[str, bytes]:
    """Batches as bytes by the pack's name: the recorder passes them on without a look."""
    return {batch.pack: pickle.dumps(batch) for batch in batches}


def _told(outcome: Outcome) -> dict[str, Any]:
    """The outcome as Tune's result, which ends the trial; as text, for Tune flattens what is nested."""
    return {"outcome": json.dumps(vars(outcome)), "done": True}


def _death(where: Where | None, error: str) -> Death:
    """What a dead worker left behind on its node; nobody is blamed where the node is gone too."""
    text = "\n".join(line for line in error.splitlines() if line.strip())[:SAID] or "the worker died and left no word"
    relic = _relic(where) if where is not None else None
    if relic is None:
        return Death(status="lost", error=text, blame=False)
    mark, trace = relic
    if trace:
        main = trace.strip().split("\n\n")[-1]  # faulthandler writes the main thread last
        return Death(status="timeout", error=f"the point took longer than limits.seconds and held on:\n{main}", suspects=mark)
    return Death(status="oom" if any(word in error for word in MEMORY) else "lost", error=text, suspects=mark)


def _relic(where: Where) -> tuple[tuple[int, int] | None, str] | None:
    """Mark and trace of a dead worker, read on its node; None where the node does not answer."""
    there = NodeAffinitySchedulingStrategy(where.node, soft=False)
    if where.node == ray.get_runtime_context().get_node_id():
        return read_relic(where.folder)
    read = _remote(read_relic, num_cpus=0, max_retries=0, scheduling_strategy=there)
    try:
        found: tuple[tuple[int, int] | None, str] = ray.get(read.remote(where.folder), timeout=15)
        return found
    except ray.exceptions.RayError:
        return None


def _local_servers() -> list[Any]:
    """Ray's own processes that this driver started."""
    import psutil

    return [p for p in psutil.Process().children() if p.name() in ("raylet", "gcs_server")]


def _alive(servers: list[Any]) -> bool:
    import psutil

    return all(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in servers)
