"""A long training whose worker is killed goes on from its checkpoint, and its rows are what they would have been."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import orchestrator

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]
FAULTS = Path(__file__).parent
SWEEP = """\
question: What do they come to?
workload: ./trained.py
fixed: {deadly: 64}
axes: {rate: {lin: [0.01, 0.3, 6]}}
seeds: 2
pack: {points: 12}
"""
RUN = [sys.executable, "-m", "orchestrator.cli", "run", "training.yaml", "--json", "--no-mlflow"]


def swept(folder: Path, *options: str, pause: float = 0.1) -> dict[str, object]:
    """What the run says at its end."""
    environment = {**os.environ, "PAUSE": str(pause)}
    done = subprocess.run([*RUN, *options], cwd=folder, env=environment, capture_output=True, text=True, timeout=180)
    summary: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return summary


def rows(folder: Path, store: str) -> list[tuple[object, ...]]:
    """Every row of the sweep, but for what tells of its run."""
    table = orchestrator.open(folder / store).sweep("training").select("point", "step", "final", "status", "weight")
    return sorted(table.collect().iter_rows())


def test_a_killed_worker_changes_no_row_of_a_training(tmp_path: Path) -> None:
    shutil.copy(FAULTS / "workloads" / "trained.py", tmp_path)
    (tmp_path / "training.yaml").write_text(SWEEP)
    killed = swept(tmp_path, "--store", "killed", "--cpus", "1")
    begins = [int(line.split()[0]) for line in (tmp_path / "trained.log").read_text().splitlines()]
    swept(tmp_path, "--store", "whole", "--inline", pause=0.0)
    assert (killed["measured"], killed["failures"]) == (12, {})
    assert begins[0] == 0 and begins[1] >= 40  # it went on from a checkpoint
    assert rows(tmp_path, "killed") == rows(tmp_path, "whole")
    assert not list((tmp_path / "killed" / "checkpoints").rglob("*.*"))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The process of a cluster whose two nodes with CPUs have the dependencies but none of this project's code."""
    environment = {**os.environ, "PYTHONPATH": sysconfig.get_paths()["purelib"]}
    environment |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    environment |= {"RAY_health_check_period_ms": "500", "RAY_health_check_failure_threshold": "4"}  # a dead node is soon known
    command = [getattr(sys, "_base_executable", sys.executable), str(FAULTS / "nodes.py"), "2"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, text=True, env=environment, cwd=tmp_path, **pipes)  # type: ignore[call-overload]
    yield process
    process.communicate("end\nend\n", timeout=60)


def test_a_training_goes_on_from_its_checkpoint_on_another_node(cluster: subprocess.Popen[str], tmp_path: Path) -> None:
    log = tmp_path / "trained.log"  # the nodes' workers stand in folders of their own
    text = (FAULTS / "workloads" / "trained.py").read_text().replace('Path("trained.log")', f"Path({str(log)!r})")
    (tmp_path / "trained.py").write_text(text)
    (tmp_path / "training.yaml").write_text(SWEEP.replace("deadly: 64", "steps: 100"))
    assert cluster.stdout is not None and cluster.stdin is not None
    command = [*RUN, "--store", "moved", "--address", cluster.stdout.readline().strip()]
    run = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while not list((tmp_path / "moved").rglob("checkpoints/**/*.pt")):
        assert run.poll() is None, run.communicate()[0]
        time.sleep(0.1)
    cluster.stdin.write(log.read_text().split()[1] + "\n")  # the node that trains goes
    cluster.stdin.flush()
    said, _ = run.communicate(timeout=200)
    swept(tmp_path, "--store", "whole", "--inline", pause=0.0)
    (begin, first), (again, second), *_ = [line.split() for line in log.read_text().splitlines()]
    assert int(begin) == 0 and int(again) >= 40 and first != second, said
    assert rows(tmp_path, "moved") == rows(tmp_path, "whole")
