"""Turns what a store says of its sweeps into runs on an MLflow server, and such runs into a store again."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import socket
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from orchestrator.errors import SweepError
from orchestrator.mirror import compare_page, notes, sweep_files
from orchestrator.mirror.entries import DrawnCurves, Entries, Entry, entries
from orchestrator.mirror.quiet import DEAF, QUIET
from orchestrator.results.stored_sweep import StoredSweep
from orchestrator.store import Store, open_store
from orchestrator.wording import Tell, untold

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient


BATCH = 1000  # metrics, and entities altogether, that MLflow takes in one log_batch
PAGE = 5000  # runs asked for in one search
THREADS = 6  # requests under way at once over HTTP; SQLite takes one writer
PATIENCE = 5.0  # seconds in which a server must take a connection
PREFIX = "lawsweep."
DONE = ("FINISHED", "FAILED")  # a run of any other status was left half written
NOTE, NAME, KIND = "mlflow.note.content", "mlflow.runName", "mlflow.experimentKind"
SCHEME = "mlflow-artifacts:/"


class TrackError(SweepError):
    """An MLflow server cannot be reached, or refuses what it is asked; the store is whole without it."""


@dataclass(frozen=True, kw_only=True)
class Mirrored:
    """What mirroring one sweep did: curves written, kept as they were and removed, and how long it took."""

    uri: str
    sweep: str
    size: str
    written: int
    kept: int
    removed: int
    seconds: float


def address(store: Store, uri: str | None = None) -> str:
    """The tracking URI: the given one, else MLFLOW_TRACKING_URI, else the SQLite database in the store."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or _sqlite(store.path.resolve() / "mlflow.db")


def imported() -> None:
    """Import MLflow, which takes seconds, and keep it quiet."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    importlib.import_module("mlflow.tracking")


def prepare(store: Store, uri: str | None = None) -> None:
    """Make MLflow's database where it is new, which takes a second; TrackError where nobody answers."""
    where = address(store, uri)
    with _errors_explained(where):
        _connect(where)


def mirror(
    store: Store,
    sweep: str,
    size: str | None = None,
    uri: str | None = None,
    files: bool = True,
    ready: Path | None = None,
) -> Mirrored:
    """Make MLflow say of a sweep what the store says: what is there stays, what changed is written anew, nothing stands twice.

    Without `files` only the curves: for a first call while the claims are still being judged. `ready` is a folder with what
    was made of the rows already: the curves as `DrawnCurves.write` puts them, and with `files` those of `sweep_files.tables`.
    Raises TrackError where the server cannot be reached; the same call later, or `sync`, makes up for it.
    """
    where, start = address(store, uri), time.monotonic()
    stored = StoredSweep(store=store, record=store.latest(sweep, size))
    expected = entries(stored, DrawnCurves.read(ready / sweep_files.CURVES) if ready else None)
    with _errors_explained(where):
        client = _connect(where)
        new, unchanged, removed = _reconcile(client, expected, files, ready)
    return Mirrored(
        uri=masked(where), sweep=sweep, size=stored.size, written=new, kept=unchanged, removed=removed,
        seconds=time.monotonic() - start,
    )  # fmt: skip


def sync(store: Store, uri: str | None = None, tell: Tell = untold) -> tuple[Mirrored, ...]:
    """Mirror every sweep of the store, each at all of its sizes; `tell` hears which is next."""
    records = store.plans()
    done = []
    for i, record in enumerate(records, 1):
        tell(f"{i} of {len(records)}: {record['sweep']} at size {record['size']}")
        done.append(mirror(store, record["sweep"], record["size"], uri))
    return tuple(done)


def import_store(uri: str, target: Path) -> tuple[str, ...]:
    """Build or extend a store from the tables that earlier mirrors left on a tracking server; the sweeps it took, sorted.

    Raises TrackError where nobody answers or no experiment holds such tables, StoreError where the target is no store.
    """

    store = open_store(target, create=True)
    with tempfile.TemporaryDirectory() as folder:
        with _errors_explained(uri):
            client = _connect(uri)
            downloads = [_fetch(client, run, Path(folder) / run.info.run_id) for run in _holders(client)]
        sweeps = [sweep_files.unpack(files, store) for files in downloads]
    if not sweeps:
        raise TrackError(
            f"tracking server {masked(uri)}: it must hold a sweep that lawsweep mirrored, but no run carries "
            f"{sweep_files.ROWS}; give 'lawsweep sync' where the store is."
        )
    return tuple(sorted(set(sweeps)))


def ui(store: Store, port: int = 5000, uri: str | None = None) -> tuple[list[str], dict[str, str]]:
    """Command line and environment of MLflow's own server on loopback, on the store's database and files."""
    folder = store.path.resolve()
    argv = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    argv += ["--backend-store-uri", uri or _sqlite(folder / "mlflow.db")]
    argv += ["--artifacts-destination", str(_files_beside(uri) if uri else folder / "mlartifacts")]
    heard = os.environ.get("PYTHONWARNINGS", "")
    return argv, {**os.environ, **QUIET, "PYTHONWARNINGS": f"{heard},{DEAF}".strip(",")}


def masked(uri: str) -> str:
    """The URI without the password that may stand in it."""
    secret = urlsplit(uri).netloc.rpartition("@")[0]
    return uri.replace(f"{secret}@", "") if secret else uri


@contextlib.contextmanager
def _errors_explained(uri: str) -> Iterator[None]:
    """Turn what MLflow raises into a TrackError that says which server and what to do."""
    imported()
    import mlflow.exceptions
    import sqlalchemy.exc

    try:
        yield
    except (mlflow.exceptions.MlflowException, sqlalchemy.exc.SQLAlchemyError, sqlite3.Error, OSError) as error:
        secret = urlsplit(uri).netloc.rpartition("@")[0]
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        message = message.replace(f"{secret}@", "") if secret else message
        raise TrackError(
            f"tracking server {masked(uri)}: it must take what it is sent, but got '{message}'; "
            "the store has every row: give 'lawsweep sync' when the server is there."
        ) from error


def _connect(uri: str) -> MlflowClient:
    """A client of the server, which is there; a SQLite database is made, and put in WAL, where it is new."""
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https"):
        port = parts.port or (443 if parts.scheme == "https" else 80)
        # MLflow itself takes a minute to say that nobody listens.
        socket.create_connection((parts.hostname or "", port), timeout=PATIENCE).close()
    from mlflow.tracking import MlflowClient

    file = _database(uri)
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
    client = MlflowClient(tracking_uri=uri)
    client.search_experiments(max_results=1)
    if file:
        # Three times as fast as the default journal, and readers do not wait; the file remembers it.
        with contextlib.closing(sqlite3.connect(file)) as connection:
            connection.execute("pragma journal_mode=wal")
    return client


def _sqlite(file: Path) -> str:
    """The SQLite URI of a file, its name quoted where a URI means something else by a letter."""
    return f"sqlite:///{quote(str(file))}"


def _database(uri: str) -> Path | None:
    """The file of a SQLite URI."""
    return Path(unquote(uri.removeprefix("sqlite:///"))) if uri.startswith("sqlite:///") else None


def _files_beside(uri: str) -> Path | None:
    """Where artifacts of a SQLite URI lie: in `mlartifacts` beside the file, as MLflow's server would put them."""
    file = _database(uri)
    return file.parent / "mlartifacts" if file else None


def _experiment(client: MlflowClient, sweep: str) -> str:
    """The id of the sweep's experiment, made where it is not there.

    Its files get an address relative to the server's folder, so a store that was moved finds them.
    """
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(sweep)
    if experiment is None:
        local = _files_beside(client.tracking_uri)
        try:
            return str(client.create_experiment(sweep, artifact_location=f"{SCHEME}{sweep}" if local else None))
        except MlflowException:
            # Another mirror may have made it in between.
            experiment = client.get_experiment_by_name(sweep)
            if experiment is None:
                raise
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    return str(experiment.experiment_id)


def _describe(client: MlflowClient, experiment: str, expected: Entries) -> None:
    """Let the experiment say its question, and have MLflow show its pages for curves, not those for language models."""
    tags = client.get_experiment(experiment).tags
    size = expected.sweep.size
    note = f"{notes.headline(expected.sweep)} · {compare_page.link(experiment, size)}"
    page = {compare_page.STATE + compare_page.key(size): compare_page.state(size, expected.curves)}
    for key, value in {NOTE: note, KIND: "custom_model_development", **page}.items():
        if tags.get(key) != value:
            client.set_experiment_tag(experiment, key, value)


def _search(client: MlflowClient, experiments: Sequence[str], condition: str) -> list[Run]:
    runs: list[Run] = []
    token = None
    while True:
        page = client.search_runs(list(experiments), condition, max_results=PAGE, page_token=token)
        runs += page
        token = page.token
        if not token:
            return runs


def _reconcile(client: MlflowClient, expected: Entries, files: bool, ready: Path | None) -> tuple[int, int, int]:
    """Write, keep and remove runs until the experiment holds what is wanted; how many curves of each."""
    experiment = _experiment(client, expected.sweep.name)
    _describe(client, experiment, expected)
    curve_runs = _search(client, [experiment], f"tags.`{PREFIX}size` = '{expected.sweep.size}'")
    invocations = {
        r.data.tags[PREFIX + "generation"]: r for r in curve_runs if r.data.tags.get(PREFIX + "kind") == "invocation"
    }
    runs = {e.generation: invocations.get(str(e.generation)) or _begin(client, experiment, e) for e in expected.invocations}
    unchanged, stale = _compare(expected.curves, [r for r in curve_runs if r.data.tags.get(PREFIX + "kind") != "invocation"])
    new = [entry for entry in expected.curves if entry.digest not in unchanged]
    _all(client, [lambda run=run: client.delete_run(run) for run in stale])
    _all(client, [lambda e=e: _curve(client, experiment, e, runs[e.generation].info.run_id) for e in new])
    for entry in expected.invocations if files else ():
        run = runs[entry.generation]
        if entry.generation == expected.whole and run.data.tags.get(PREFIX + "rows") != expected.digest:
            _carry(client, expected, run, ready)
        if run.data.tags.get(PREFIX + "digest") != entry.digest or run.info.status not in DONE:
            _invocation(client, expected, entry, run)
    return len(new), len(unchanged), len(stale)


def _compare(expected: Iterable[Entry], runs: Iterable[Run]) -> tuple[set[str], list[str]]:
    """Digests of the curves that stand there once and whole, and ids of the runs that must go."""
    digests = {entry.digest for entry in expected}
    unchanged: set[str] = set()
    stale = []
    for run in runs:
        digest = run.data.tags.get(PREFIX + "digest", "")
        if digest in digests and digest not in unchanged and run.info.status in DONE:
            unchanged.add(digest)
        else:
            stale.append(run.info.run_id)
    return unchanged, stale


def _all(client: MlflowClient, calls: Sequence[Any]) -> None:
    """Make the calls: several at once over HTTP, where each waits for its answer."""
    if _database(client.tracking_uri) or len(calls) < 2:
        for call in calls:
            call()
        return
    with ThreadPoolExecutor(THREADS) as pool:
        for future in [pool.submit(call) for call in calls]:
            future.result()


def _tags(entry: Entry) -> dict[str, str]:
    own = {"kind": entry.kind, "generation": str(entry.generation), **entry.tags}
    return {PREFIX + key: value[:5000] for key, value in own.items()}


def _curve(client: MlflowClient, experiment: str, entry: Entry, parent: str) -> None:
    """Write one curve; its status comes last, so one that was cut off is seen as such."""
    from mlflow.entities import Metric, Param
    from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

    now = int(time.time() * 1000)
    tags = {**_tags(entry), PREFIX + "digest": entry.digest, MLFLOW_PARENT_RUN_ID: parent, NOTE: entry.note}
    run = client.create_run(experiment, start_time=now, tags=tags, run_name=entry.name[:250]).info.run_id
    params = [Param(key, value) for key, value in entry.params.items()]
    metrics = [Metric(key, value, now, step) for key, value, step in entry.metrics]
    first = BATCH - len(params)
    client.log_batch(run, metrics=metrics[:first], params=params)
    for start in range(first, len(metrics), BATCH):
        client.log_batch(run, metrics=metrics[start : start + BATCH])
    client.set_terminated(run, "FAILED" if entry.failed else "FINISHED")


def _begin(client: MlflowClient, experiment: str, entry: Entry) -> Run:
    """A new run for an invocation, which does not say all it should yet."""
    return client.create_run(experiment, start_time=int(time.time() * 1000), tags=_tags(entry), run_name=entry.name)


def _carry(client: MlflowClient, expected: Entries, run: Run, ready: Path | None) -> None:
    """Put the sweep's rows and plan among the files of a run."""
    with tempfile.TemporaryDirectory() as folder:
        if ready is None:
            sweep_files.tables(expected.sweep, Path(folder))
        _attach(client, run, {name: (ready or Path(folder)) / name for name in sweep_files.TABLES})
    _tag(client, run.info.run_id, {PREFIX + "rows": expected.digest})


def _invocation(client: MlflowClient, expected: Entries, entry: Entry, run: Run) -> None:
    """Make an invocation's run say what the entry says; written in place, for curves hang under it."""
    whole = {PREFIX + "carries": sweep_files.ROWS} if entry.generation == expected.whole else {}
    if whole:
        with tempfile.TemporaryDirectory() as folder:
            _attach(client, run, sweep_files.told(expected.sweep, Path(folder)))
    note = notes.note(expected.sweep, compare_page.link(run.info.experiment_id, expected.sweep.size))
    _tag(client, run.info.run_id, {**_tags(entry), **whole, NAME: entry.name, NOTE: note})
    _tag(client, run.info.run_id, {PREFIX + "digest": entry.digest})
    client.set_terminated(run.info.run_id)


def _tag(client: MlflowClient, run: str, tags: Mapping[str, str]) -> None:
    from mlflow.entities import RunTag

    pairs = [RunTag(key, value) for key, value in tags.items()]
    for start in range(0, len(pairs), 100):
        client.log_batch(run, tags=pairs[start : start + 100])


def _attach(client: MlflowClient, run: Run, files: Mapping[str, Path]) -> None:
    """Put files among a run's artifacts, beside the database itself where no server is between."""
    local = _folder(client, run)
    for name, path in files.items():
        if local is None:
            client.log_artifact(run.info.run_id, str(path), str(Path(name).parent) if "/" in name else None)
        else:
            (local / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, local / name)


def _folder(client: MlflowClient, run: Run) -> Path | None:
    """Where a run's artifacts lie on this disk; None where a server keeps them."""
    beside, where = _files_beside(client.tracking_uri), str(run.info.artifact_uri)
    return beside / where.removeprefix(SCHEME) if beside and where.startswith(SCHEME) else None


def _holders(client: MlflowClient) -> list[Run]:
    """The runs that carry a sweep's tables: of every experiment and size the latest."""
    experiments = [e.experiment_id for e in client.search_experiments()]
    runs = _search(client, experiments, f"tags.`{PREFIX}carries` = '{sweep_files.ROWS}'")
    latest: dict[tuple[str, str], Run] = {}
    for run in sorted(runs, key=lambda r: int(r.data.tags[PREFIX + "generation"])):
        latest[run.info.experiment_id, run.data.tags[PREFIX + "size"]] = run
    return list(latest.values())


def _fetch(client: MlflowClient, run: Run, folder: Path) -> Path:
    """The folder with the files of a run that a store is made of."""
    local = _folder(client, run)
    if local is not None:
        return local
    folder.mkdir()
    paths = {item.path for item in client.list_artifacts(run.info.run_id)}
    for name in sweep_files.FILES:
        if name in paths:
            client.download_artifacts(run.info.run_id, name, str(folder))
    return folder
