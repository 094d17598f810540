"""A sweep on an existing cluster of two nodes that have the dependencies but none of this project's code."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import psutil
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


SECTION = re.compile(r"^## Clusters and GPUs\n+```console\n(.*?)^```$", re.S | re.M)
MARK = "LAWSWEEP_TEST_CLUSTER"


@pytest.fixture
def guarded() -> Iterator[dict[str, str]]:
    """The environment of a user with a home of its own; what was started in it is ended."""
    short = Path(tempfile.mkdtemp(prefix="ls", dir="/tmp"))  # the path of a socket has room for 107 letters
    taken = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    bin_first = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    own = {"HOME": str(short), "RAY_TMPDIR": str(short), "RAY_USAGE_STATS_ENABLED": "0", "PATH": bin_first, MARK: short.name}
    yield taken | own | {"RAY_worker_niceness": "0", "RAY_raylet_start_wait_time_s": "60"}
    end_all(short.name)
    shutil.rmtree(short, ignore_errors=True)


def end_all(mark: str) -> None:
    """End every process that was started with this mark in its environment."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mark:
                process.kill()


def typed(command: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What a command came to; a head that Ray gave up on, as its agent took 15 s to start on a busy machine, is tried again."""
    for _ in range(4):
        done = subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=400)
        if "--head" not in command or done.returncode == 0:
            return done
        end_all(environment[MARK])
    return done


@pytest.mark.timeout(900)
def test_the_readmes_commands_work_as_typed_with_a_token_and_a_relative_store(guarded: dict[str, str], tmp_path: Path) -> None:
    block = SECTION.search((Path(__file__).parents[2] / "README.md").read_text())
    assert block is not None
    folder, real = tmp_path / "a folder", tmp_path / "a real store"
    folder.mkdir()
    real.mkdir()
    (folder / "results").symlink_to(real)
    commands = [line.removeprefix("$ ") for line in block[1].splitlines()]
    assert len(commands) == 4
    for command in commands:
        done = typed(command, folder, guarded)
        assert done.returncode == 0 and "Traceback" not in done.stderr, done.stdout + done.stderr
    assert "with the token of" in done.stderr and "350 measured" in done.stdout
    assert frames.rows(open_store(real), "khm.recall").collect().height == 350
