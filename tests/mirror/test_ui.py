"""MLflow's own server on a store: its pages' API, mirroring to it and importing from it over HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.mirror.mlflow_server import import_store, mirror, ui
from orchestrator.results import frames
from orchestrator.store import Store, open_store
from tests.helpers.toy_store import add, grid, plan, toy_rows

pytestmark = pytest.mark.slow
SWEEP = "toy_capacity"


def free_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def call(url: str, body: dict[str, Any] | None = None) -> Any:
    """The JSON that an address answers with."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read().decode()
    return json.loads(text) if text.startswith("{") else text


def await_health(url: str, process: subprocess.Popen[bytes], seconds: float = 150.0) -> None:
    """Return when the server answers; fail where it died or takes too long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        try:
            call(f"{url}/health")
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise AssertionError(f"no answer from {url} in {seconds} s")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, str]]:
    """A mirrored store and the address of the real server on it; the server's whole process group ends with the tests."""
    store = open_store(tmp_path_factory.mktemp("ui") / "store", create=True)
    rows = toy_rows(grid())
    add(store, rows)
    plan(store, rows, generation=store.begin({"sweep": SWEEP, "size": "smoke"}))
    mirror(store, SWEEP, uri=f"sqlite:///{store.path / 'mlflow.db'}")
    port = free_port()
    argv, surroundings = ui(store, port)
    process = subprocess.Popen(
        argv, env=surroundings, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )  # fmt: skip
    try:
        await_health(f"http://127.0.0.1:{port}", process)
        yield store, f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def curves(url: str, sweep: str = SWEEP) -> list[Any]:
    """The curves that the server tells of, by name."""
    api = f"{url}/api/2.0/mlflow"
    experiment = call(f"{api}/experiments/get-by-name?experiment_name={sweep}")["experiment"]["experiment_id"]
    body = {"experiment_ids": [experiment], "filter": "tags.`lawsweep.kind` = 'curve'"}
    found = call(f"{api}/runs/search", body)["runs"]
    return sorted(found, key=lambda run: str(run["info"]["run_name"]))


def test_the_server_shows_the_curve_that_the_store_holds(served: tuple[Store, str]) -> None:
    _, url = served
    run = curves(url)[0]["info"]["run_id"]
    points = call(f"{url}/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=capacity")["metrics"]
    assert sorted((p["step"], p["value"]) for p in points) == [(2, 5.0), (3, 9.0), (4, 17.0)]


def test_the_server_serves_the_files_of_the_store(served: tuple[Store, str]) -> None:
    store, url = served
    (file,) = (store.path / "mlartifacts").rglob("sweep.json")
    served_file = f"{url}/api/2.0/mlflow-artifacts/artifacts/{file.relative_to(store.path / 'mlartifacts')}"
    assert call(served_file)["plan"]["sweep"] == SWEEP


def test_a_sweep_is_mirrored_over_http_once(served: tuple[Store, str]) -> None:
    store, url = served
    plan(store, toy_rows(grid((2, 3))), sweep="over_http")
    assert [mirror(store, "over_http", uri=url).written for _ in range(2)] == [2, 0]
    assert [run["info"]["run_name"] for run in curves(url, "over_http")] == ["all, beta=1.0", "all, beta=2.0"]


def test_mirroring_over_http_says_nothing(served: tuple[Store, str], capfd: pytest.CaptureFixture[str]) -> None:
    store, url = served
    plan(store, toy_rows(grid((2, 4))), sweep="silent")
    mirror(store, "silent", uri=url)
    assert capfd.readouterr() == ("", "")


def test_a_store_is_imported_over_http(served: tuple[Store, str], tmp_path: Path) -> None:
    store, url = served
    plan(store, toy_rows(grid((2,))), sweep="from_http")
    mirror(store, "from_http", uri=url)
    assert {"from_http", SWEEP} <= set(import_store(url, tmp_path / "copy"))
    assert frames.sweep(open_store(tmp_path / "copy"), "from_http").collect().height == 6


def test_the_server_listens_on_loopback_alone(store: Store) -> None:
    argv, _ = ui(store, 5000)
    assert argv[argv.index("--host") + 1] == "127.0.0.1"
