"""The guide to a proposer of one's own is typed into a copy of the engine: two files more, none changed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "adding-a-proposer.md").read_text()
FILE = re.compile(r"^```(?:python|yaml)\n# (\S+)\n(.*?)^```$", re.S | re.M)


def typed(command: str, folder: Path) -> str:
    """What a command prints in that folder, with the engine that is there."""
    paths = os.pathsep.join((str(folder), str(ROOT)))
    line = command.replace("lawsweep", f"{sys.executable} -m orchestrator.cli", 1)
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    environment.pop("LAWSWEEP_STORE", None)
    done = subprocess.run(
        ["bash", "-ec", line], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.slow
def test_two_files_are_a_proposer(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "orchestrator", tmp_path / "orchestrator", ignore=shutil.ignore_patterns("__pycache__"))
    for name, body in FILE.findall(GUIDE):
        assert not (tmp_path / name).exists(), f"{name} would be edited"
        (tmp_path / name).write_text(body)
    *_, rows = [typed(command, tmp_path) for command in re.findall(r"^\$ (lawsweep .+)$", GUIDE, re.M)]
    boundaries = {row["a"]: row for row in json.loads(rows)}
    assert {a: row["status"] for a, row in boundaries.items()} == {1: "found", 4: "found", 16: "found"}
    assert all(row["x_lower"] <= a**-0.5 <= row["x_upper"] and row["evaluations"] == 14 for a, row in boundaries.items())
    verdicts = typed('lawsweep query "select verdict from claims" --format json', tmp_path)
    assert [row["verdict"] for row in json.loads(verdicts)] == ["supported"]
