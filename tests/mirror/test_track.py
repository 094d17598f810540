"""What MLflow holds after a mirror, on a real SQLite database in a temporary folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from mlflow.tracking import MlflowClient

from orchestrator.errors import StoreError
from orchestrator.mirror.mlflow_server import TrackError, address, import_store, masked, mirror, prepare, sync
from orchestrator.mirror.process import Background
from orchestrator.results import frames
from orchestrator.store import Store, open_store
from orchestrator.store.parts import part_bytes
from tests.helpers.toy_store import add, grid, plan, toy_rows

SWEEP = "toy_capacity"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new MLflow database: made once, for its migrations take seconds."""
    made = open_store(tmp_path_factory.mktemp("blank") / "store", create=True)
    prepare(made)
    with contextlib.closing(sqlite3.connect(made.path / "mlflow.db")) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    return made.path / "mlflow.db"


@pytest.fixture
def ready(store: Store, blank: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store of 18 points with a database that needs no migration."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copyfile(blank, store.path / "mlflow.db")
    return store


def client(store: Store) -> MlflowClient:
    """MLflow's own client on the store's database."""
    return MlflowClient(tracking_uri=address(store))


def runs(store: Store, kind: str, sweep: str = SWEEP) -> list[Any]:
    """The runs of one kind that are not deleted, by name."""
    experiment = client(store).get_experiment_by_name(sweep)
    found = client(store).search_runs([experiment.experiment_id], f"tags.`lawsweep.kind` = '{kind}'")
    return sorted(found, key=lambda run: run.info.run_name)


def history(store: Store, run: Any, key: str) -> list[tuple[int, float]]:
    """Steps and values of a metric."""
    return sorted((m.step, m.value) for m in client(store).get_metric_history(run.info.run_id, key))


def test_the_database_is_in_wal(ready: Store) -> None:
    mirror(ready, SWEEP)
    with contextlib.closing(sqlite3.connect(ready.path / "mlflow.db")) as connection:
        assert connection.execute("pragma journal_mode").fetchone() == ("wal",)


def test_a_curve_is_a_run(ready: Store) -> None:
    mirror(ready, SWEEP)
    assert [run.info.run_name for run in runs(ready, "curve")] == ["all, beta=1.0", "all, beta=2.0"]


def test_a_curve_has_its_mean_at_each_x(ready: Store) -> None:
    mirror(ready, SWEEP)
    assert history(ready, runs(ready, "curve")[0], "capacity") == [(2, 5.0), (3, 9.0), (4, 17.0)]


def test_the_x_is_logged_too(ready: Store) -> None:
    mirror(ready, SWEEP)
    assert history(ready, runs(ready, "curve")[0], "d") == [(2, 2.0), (3, 3.0), (4, 4.0)]


def test_the_mean_lies_in_its_interval(ready: Store) -> None:
    mirror(ready, SWEEP)
    last = runs(ready, "curve")[0].data.metrics
    assert last["capacity_lo"] == pytest.approx(17 - 2.4841, abs=1e-3) and last["capacity_hi"] == pytest.approx(
        17 + 2.4841, abs=1e-3
    )


def test_params_of_a_curve_are_all_but_x_and_seed(ready: Store) -> None:
    mirror(ready, SWEEP)
    assert runs(ready, "curve")[1].data.params == {"beta": "2.0"}


def test_curves_hang_under_the_invocation_that_measured_them(ready: Store) -> None:
    mirror(ready, SWEEP)
    (parent,) = runs(ready, "invocation")
    assert {run.data.tags["mlflow.parentRunId"] for run in runs(ready, "curve")} == {parent.info.run_id}


def test_verdicts_are_tags_of_the_invocation(ready: Store) -> None:
    mirror(ready, SWEEP)
    assert runs(ready, "invocation")[0].data.tags["lawsweep.verdict.grows"] == "supported"


def test_the_invocation_says_the_question(ready: Store) -> None:
    mirror(ready, SWEEP)
    assert "Does it grow?" in runs(ready, "invocation")[0].data.tags["mlflow.note.content"]


def test_figures_and_reports_are_artifacts(ready: Store) -> None:
    (ready.path / "reports" / SWEEP).mkdir(parents=True)
    (ready.path / "reports" / SWEEP / "report.md").write_text("# Report")
    mirror(ready, SWEEP)
    (run,) = runs(ready, "invocation")
    assert (
        ready.path / "mlartifacts" / SWEEP / run.info.run_id / "artifacts" / "report" / "report.md"
    ).read_text() == "# Report"


def test_results_parquet_holds_every_row_with_its_descriptions(ready: Store) -> None:
    mirror(ready, SWEEP)
    (file,) = (ready.path / "mlartifacts").rglob("results.parquet")
    table = pq.read_table(file)
    assert (table.num_rows, table.schema.field("capacity").metadata[b"says"]) == (18, b"number of memories")


def test_a_second_mirror_writes_nothing(ready: Store) -> None:
    mirror(ready, SWEEP)
    before = {run.info.run_id: run.info.end_time for kind in ("curve", "invocation") for run in runs(ready, kind)}
    again = mirror(ready, SWEEP)
    after = {run.info.run_id: run.info.end_time for kind in ("curve", "invocation") for run in runs(ready, kind)}
    assert (again.written, again.kept, again.removed, after) == (0, 2, 0, before)


def test_only_a_curve_that_changed_is_written_anew(ready: Store) -> None:
    mirror(ready, SWEEP)
    more = toy_rows([{"d": 5, "beta": 2.0, "seed": seed} for seed in range(3)], generation=2)
    add(ready, more)
    plan(ready, toy_rows([*grid(), *more.select(["d", "beta", "seed"]).to_pylist()]), generation=2)
    done = mirror(ready, SWEEP)
    assert (done.written, done.kept, done.removed) == (1, 1, 1)


def test_a_curve_that_gained_rows_hangs_under_the_later_invocation(ready: Store) -> None:
    test_only_a_curve_that_changed_is_written_anew(ready)
    parents = {run.info.run_id: run.data.tags["lawsweep.generation"] for run in runs(ready, "invocation")}
    assert [parents[run.data.tags["mlflow.parentRunId"]] for run in runs(ready, "curve")] == ["1", "2"]


def test_a_new_verdict_is_written_into_the_same_invocation(ready: Store) -> None:
    mirror(ready, SWEEP)
    before = runs(ready, "invocation")[0].info.run_id
    ready.save("verdicts", SWEEP, [{"id": "grows", "says": "capacity grows", "verdict": "refuted"}])
    mirror(ready, SWEEP)
    (run,) = runs(ready, "invocation")
    assert (run.info.run_id, run.data.tags["lawsweep.verdict.grows"]) == (before, "refuted")


def test_a_curve_that_was_cut_off_is_written_anew(ready: Store) -> None:
    mirror(ready, SWEEP)
    half = runs(ready, "curve")[0].info.run_id
    client(ready).update_run(half, status="RUNNING")
    mirror(ready, SWEEP)
    found = runs(ready, "curve")
    assert len(found) == 2 and half not in {run.info.run_id for run in found}


def test_a_curve_that_stands_twice_stands_once_afterwards(ready: Store) -> None:
    mirror(ready, SWEEP)
    first = runs(ready, "curve")[0]
    twin = client(ready).create_run(first.info.experiment_id, tags=first.data.tags)
    client(ready).set_terminated(twin.info.run_id)
    assert (mirror(ready, SWEEP).removed, len(runs(ready, "curve"))) == (1, 2)


def test_an_experiment_that_was_deleted_comes_back(ready: Store) -> None:
    mirror(ready, SWEEP)
    client(ready).delete_experiment(runs(ready, "curve")[0].info.experiment_id)
    mirror(ready, SWEEP)
    assert len(runs(ready, "curve")) == 2


def test_a_curve_without_any_result_is_a_failed_run(ready: Store) -> None:
    rows = toy_rows([{"d": 9, "seed": 0, "status": "error", "capacity": None, "distance": None, "ok_code": None}])
    add(ready, rows)
    plan(ready, rows, sweep="broken")
    mirror(ready, "broken")
    assert [run.info.status for run in runs(ready, "curve", "broken")] == ["FAILED"]


def test_more_metrics_than_a_batch_takes_all_arrive(ready: Store) -> None:
    rows = toy_rows([{"d": d, "seed": seed, "capacity": float(d + seed)} for d in range(200) for seed in range(2)])
    add(ready, rows)
    plan(ready, rows, sweep="long")
    mirror(ready, "long")
    assert len(history(ready, runs(ready, "curve", "long")[0], "capacity_hi")) == 200


def test_a_run_for_each_point_where_the_spec_asks_for_it(ready: Store) -> None:
    plan(ready, toy_rows(grid()), spec={"track": {"points": True}})
    mirror(ready, SWEEP)
    assert len(runs(ready, "point")) == 18


def test_a_sweep_without_rows_is_an_invocation(tmp_path: Path, ready: Store) -> None:
    plan(ready, toy_rows(grid((9,))), sweep="empty")
    mirror(ready, "empty")
    assert (len(runs(ready, "invocation", "empty")), len(runs(ready, "curve", "empty"))) == (1, 0)


def test_sync_mirrors_every_sweep_at_every_size(ready: Store) -> None:
    plan(ready, toy_rows(grid((2, 3))), size="paper")
    plan(ready, toy_rows(grid((2,))), sweep="other")
    assert sorted((done.sweep, done.size) for done in sync(ready)) == [("other", "smoke"), (SWEEP, "paper"), (SWEEP, "smoke")]


def test_a_store_comes_back_from_its_artifacts(ready: Store, tmp_path: Path) -> None:
    mirror(ready, SWEEP)
    assert import_store(address(ready), tmp_path / "copy") == (SWEEP,)
    mine, theirs = (frames.sweep(s, SWEEP).collect().sort("point") for s in (ready, open_store(tmp_path / "copy")))
    assert mine.equals(theirs)


def test_an_imported_store_knows_verdicts_runs_and_units(ready: Store, tmp_path: Path) -> None:
    mirror(ready, SWEEP)
    import_store(address(ready), tmp_path / "copy")
    copy = open_store(tmp_path / "copy")
    assert copy.load("verdicts", SWEEP) == ready.load("verdicts", SWEEP)
    assert (len(copy.runs()), copy.describe("toy.capacity")) == (1, ready.describe("toy.capacity"))


def test_importing_twice_changes_nothing(ready: Store, tmp_path: Path) -> None:
    mirror(ready, SWEEP)
    for _ in range(2):
        import_store(address(ready), tmp_path / "copy")
    assert frames.sweep(open_store(tmp_path / "copy"), SWEEP).collect().height == 18


def test_a_store_that_was_moved_keeps_its_artifacts(ready: Store, tmp_path: Path) -> None:
    mirror(ready, SWEEP)
    moved = open_store(shutil.move(ready.path, tmp_path / "moved"))
    assert (mirror(moved, SWEEP).written, import_store(address(moved), tmp_path / "copy")) == (0, (SWEEP,))


def test_a_server_without_our_tables_is_told_apart(ready: Store, tmp_path: Path) -> None:
    with pytest.raises(TrackError, match=r"no run carries results.parquet; give 'lawsweep sync'"):
        import_store(address(ready), tmp_path / "copy")


def test_a_damaged_artifact_is_named(ready: Store, tmp_path: Path) -> None:
    mirror(ready, SWEEP)
    (file,) = (ready.path / "mlartifacts").rglob("results.parquet")
    file.write_bytes(part_bytes(toy_rows(grid()))[:200])
    with pytest.raises(
        StoreError, match=r"must hold results.parquet, plan.parquet, sweep.json as lawsweep wrote them, but got"
    ):
        import_store(address(ready), tmp_path / "copy")


def free_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_missing_server_is_said_within_seconds(ready: Store) -> None:
    with pytest.raises(TrackError, match=r"got '.*refused'; the store has every row: give 'lawsweep sync'"):
        mirror(ready, SWEEP, uri=f"http://127.0.0.1:{free_port()}")


def test_a_file_store_is_refused_with_its_reason(ready: Store, tmp_path: Path) -> None:
    with pytest.raises(TrackError, match=r"must take what it is sent, but got"):
        mirror(ready, SWEEP, uri=f"file://{tmp_path / 'mlruns'}")


def test_a_password_is_never_shown() -> None:
    assert masked("https://me:secret@host/x") == "https://host/x"


def test_a_missing_servers_password_is_not_in_the_message(ready: Store) -> None:
    with pytest.raises(TrackError, match=r"^tracking server http://127") as raised:
        mirror(ready, SWEEP, uri=f"http://me:secret@127.0.0.1:{free_port()}")
    assert "secret" not in str(raised.value)


def test_the_address_may_come_from_the_environment(ready: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://there:5000")
    assert (address(ready), address(ready, "http://here")) == ("http://there:5000", "http://here")


def test_a_second_process_mirrors_what_it_is_asked(ready: Store) -> None:
    background = Background()
    background.begin(ready)
    background.ask(SWEEP, "smoke")
    assert [(done.sweep, done.written) for done in background.finish()] == [(SWEEP, 2)]


def test_a_second_process_says_that_no_server_is_there(ready: Store) -> None:
    background = Background(f"http://127.0.0.1:{free_port()}")
    background.begin(ready)
    background.ask(SWEEP)
    with pytest.raises(TrackError, match=r"refused"):
        background.finish()


def test_a_second_process_that_was_killed_is_told_of(ready: Store) -> None:
    background = Background()
    background.begin(ready)
    os.kill(background._process.pid, 9)
    background.ask(SWEEP)
    with pytest.raises(TrackError, match=r"gave exit code -9; the store has every row"):
        background.finish()


def test_a_second_process_that_hangs_is_ended(ready: Store) -> None:
    background = Background()
    background.begin(ready)
    background.ask(SWEEP)
    with pytest.raises(TrackError, match=r"must end within 0 s"):
        background.finish(timeout=0.01)
