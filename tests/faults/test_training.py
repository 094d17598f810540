"""A long training whose worker is killed goes on from its checkpoint, and its rows are what they would have been."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import orchestrator

pytestmark = pytest.mark.slow
SWEEP = """\
question: What do they come to?
workload: ./trained.py
fixed: {deadly: 64}
axes: {rate: {lin: [0.01, 0.3, 6]}}
seeds: 2
pack: {points: 12}
"""
RUN = [sys.executable, "-m", "orchestrator.cli", "run", "training.yaml", "--json", "--no-mlflow"]


def swept(folder: Path, *options: str) -> dict[str, object]:
    """What the run says at its end."""
    done = subprocess.run([*RUN, *options], cwd=folder, capture_output=True, text=True, timeout=180)
    summary: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return summary


def rows(folder: Path, store: str) -> list[tuple[object, ...]]:
    """Every row of the sweep, but for what tells of its run."""
    table = orchestrator.open(folder / store).sweep("training").select("point", "step", "final", "status", "weight")
    return sorted(table.collect().iter_rows())


def test_a_killed_worker_changes_no_row_of_a_training(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).parent / "workloads" / "trained.py", tmp_path)
    (tmp_path / "training.yaml").write_text(SWEEP)
    killed = swept(tmp_path, "--store", "killed", "--cpus", "1")
    begins = [int(line) for line in (tmp_path / "trained.log").read_text().split()]
    swept(tmp_path, "--store", "whole", "--inline")
    assert (killed["measured"], killed["failures"]) == (12, {})
    assert begins[0] == 0 and begins[1] >= 40  # it went on from a checkpoint
    assert rows(tmp_path, "killed") == rows(tmp_path, "whole")
    assert not list((tmp_path / "killed" / "checkpoints").rglob("*.*"))
