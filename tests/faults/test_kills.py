"""Whatever is killed in the middle of a run, the same command again ends with every point final exactly once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.slow
POINTS = 300
SWEEP = f"""\
question: Does every point end?
workload: ./slow.py
fixed: {{pause: 0.03}}
axes: {{i: {{range: [0, {POINTS - 1}, 1]}}}}
"""
RUN = [sys.executable, "-m", "orchestrator.cli", "run", "slow.yaml", "--store", "store", "--cpus", "2", "--json", "--no-mlflow"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a sweep of 300 slow points and its workload."""
    shutil.copy(Path(__file__).parent / "workloads" / "slow.py", tmp_path)
    (tmp_path / "slow.yaml").write_text(SWEEP)
    return tmp_path


@contextmanager
def halfway(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that has recorded its first points; ended, with all its processes, afterwards."""
    process = subprocess.Popen(RUN, cwd=folder, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    members: list[psutil.Process] = []
    try:
        while not json.loads(process.stdout.readline()).get("done"):
            pass
        members += family(process)
        yield process
        process.stdout.read()
        process.wait(timeout=120)
    finally:
        # Those that outlive their driver or raylet for a moment may still write rows, which the next run would measure again.
        members += family(process)
        for one in members:
            with suppress(psutil.Error):
                one.kill()
        psutil.wait_procs(members, timeout=20)


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The driver, if it still lives, and all that it started."""
    try:
        driver = psutil.Process(process.pid)
        return [*driver.children(recursive=True), driver]
    except psutil.NoSuchProcess:
        return []


def actor(process: subprocess.Popen[str], name: str) -> int:
    """The process of an actor of that class, as soon as Ray has named it."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for one in family(process):
            with suppress(psutil.Error):
                if f"ray::{name}" in " ".join(one.cmdline()):
                    return one.pid
    raise AssertionError(f"no process of this run is named {name}")


def again(folder: Path) -> dict[str, Any]:
    """What the same command says at its end."""
    done = subprocess.run(RUN, cwd=folder, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def finals(folder: Path) -> Counter[str]:
    """How often each point is final, over all parts."""
    tables = [pq.read_table(part) for part in (folder / "store" / "rows").rglob("*.parquet")]
    rows = pa.concat_tables(tables)
    return Counter(rows.filter(rows["final"])["point"].to_pylist())


def check(folder: Path) -> None:
    found = finals(folder)
    assert (len(found), set(found.values())) == (POINTS, {1})


def test_a_killed_driver_is_resumed(folder: Path) -> None:
    with halfway(folder) as process:
        process.kill()
    said = again(folder)
    assert said["held"] > 0
    check(folder)


def test_a_killed_worker_costs_nothing(folder: Path) -> None:
    with halfway(folder) as process:
        os.kill(actor(process, "PackTrial"), signal.SIGKILL)
    assert process.returncode == 0
    check(folder)


def test_a_killed_recorder_costs_nothing(folder: Path) -> None:
    with halfway(folder) as process:
        os.kill(actor(process, "Recorder"), signal.SIGKILL)
    assert process.returncode == 0
    check(folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_its_rows_and_is_resumed(folder: Path, number: int) -> None:
    with halfway(folder) as process:
        process.send_signal(number)
    assert process.returncode == 130
    assert again(folder)["held"] > 0
    check(folder)


def test_a_killed_raylet_ends_the_run_with_a_hint(folder: Path) -> None:
    with halfway(folder) as process:
        raylet = next(p for p in family(process) if p.name() == "raylet")
        raylet.kill()
    assert process.returncode not in (0, None)
    again(folder)
    check(folder)


def test_a_second_run_of_the_sweep_is_told_who_holds_it(folder: Path) -> None:
    with halfway(folder) as process:
        second = subprocess.run(RUN, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert (second.returncode, f"{process.pid}" in second.stderr) == (2, True), second.stderr


CROSSING = """\
question: Where does it cross?
workload: ./crossing.py
axes: {floor: {lin: [0.1, 0.9, 8]}}
search: {boundary: {along: at, of: height, level: 0, between: [0, 1], tolerance: 0.001, round: 4}}
"""
CLIMB = '''"""How high a point lies above a level; every measurement is written down."""
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

VERSION = 1
MEASURES = "value"


@dataclass(frozen=True)
class Params:
    floor: Annotated[float, "what is subtracted"]
    at: Annotated[float, "where it is measured"]


@dataclass(frozen=True)
class Result:
    height: Annotated[float, "place less level"]


def run(params, ctx):
    time.sleep(0.05)
    with Path("measured.log").open("a") as log:
        log.write(f"{params.floor} {params.at}\\n")
    yield 0, Result(height=params.at - params.floor)
'''


def test_a_killed_search_goes_on_and_repeats_no_recorded_point(tmp_path: Path) -> None:
    (tmp_path / "crossing.py").write_text(CLIMB)
    (tmp_path / "slow.yaml").write_text(CROSSING)
    with halfway(tmp_path) as process:
        workers = [one for one in family(process) if "Trainable" in " ".join(one.cmdline())]
        process.kill()
    # Its workers outlive a driver by a moment, and measure on: what they did is counted once they are gone.
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert workers and not alive
    recorded = len(finals(tmp_path))
    before = len((tmp_path / "measured.log").read_text().splitlines())
    done = again(tmp_path)
    after = len((tmp_path / "measured.log").read_text().splitlines())
    found = pq.read_table(tmp_path / "store" / "boundaries" / "slow" / "base.parquet").to_pylist()
    assert done["held"] == recorded > 0 and done["measured"] == after - before == done["points"] - done["held"] > 0
    assert [row["status"] for row in found] == ["found"] * 8
    assert all(abs(row["at"] - row["floor"]) < 0.002 for row in found)
