"""A sweep on an existing cluster of two nodes that have the dependencies but none of this project's code."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from orchestrator.results import frames
from orchestrator.store import open_store

pytestmark = [pytest.mark.slow, pytest.mark.timed, pytest.mark.timeout(280)]
NODES = Path(__file__).parent / "nodes.py"
WORKLOAD = '''"""Which node measured the point."""
import os
import time
from dataclasses import dataclass
from typing import Annotated

VERSION = 1
MEASURES = "value"


@dataclass(frozen=True)
class Params:
    i: Annotated[int, "a number"]


@dataclass(frozen=True)
class Result:
    node: Annotated[str, "the node that measured it"]
    code: Annotated[str, "where the engine's code lay"]


def run(params, ctx):
    import orchestrator
    import ray

    time.sleep(0.4)
    yield 0, Result(node=ray.get_runtime_context().get_node_id(), code=orchestrator.__file__)
'''
SWEEP = "question: q\nworkload: ./nodes.py\naxes: {i: {range: [1, 80, 1]}}\npack: {seconds: 2}\n"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The cluster's process; its interpreter finds the dependencies, but reads no .pth file that leads to this project."""
    environment = {**os.environ, "PYTHONPATH": sysconfig.get_paths()["purelib"]}
    environment |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    python = getattr(sys, "_base_executable", sys.executable)
    arguments = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([python, str(NODES)], text=True, env=environment, cwd=tmp_path, **arguments)  # type: ignore[call-overload]
    yield process
    process.communicate("end\nend\n", timeout=60)


def start(cluster: subprocess.Popen[str], folder: Path) -> subprocess.Popen[str]:
    """The sweep, begun on the cluster."""
    assert cluster.stdout is not None
    address = cluster.stdout.readline().strip()
    (folder / "nodes.py").write_text(WORKLOAD)
    (folder / "nodes.yaml").write_text(SWEEP)
    command = [sys.executable, "-m", "orchestrator.cli", "run", str(folder / "nodes.yaml"), "--address", address]
    command += ["--store", str(folder / "store"), "--no-mlflow", "--json"]
    # Ray lets workers import from the driver's folder, so the driver must not stand in this project's.
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def rows(folder: Path) -> pl.DataFrame:
    """What the store holds."""
    return frames.rows(open_store(folder / "store"), "nodes").collect()


def test_nodes_get_the_code_from_the_driver_and_share_the_points(cluster: subprocess.Popen[str], tmp_path: Path) -> None:
    said, _ = start(cluster, tmp_path).communicate(timeout=200)
    measured = rows(tmp_path)
    assert measured.height == 80, said
    assert measured["node"].n_unique() == 2
    assert "py_modules" in measured["code"][0]


def test_a_node_that_goes_takes_no_point_with_it_and_is_nobodys_fault(cluster: subprocess.Popen[str], tmp_path: Path) -> None:
    run = start(cluster, tmp_path)
    assert run.stdout is not None and cluster.stdin is not None
    first = run.stdout.readline()  # some points are done: both nodes are at work
    cluster.stdin.write("remove\n")
    cluster.stdin.flush()
    said, _ = run.communicate(timeout=200)
    measured = rows(tmp_path)
    assert measured.height == measured["point"].n_unique() == 80, first + said
    assert measured["status"].unique().to_list() == ["ok"]
