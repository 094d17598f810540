"""`lawsweep new` writes a workload, a sweep and a test that pass as they are, and nothing over what is there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import shipped
from orchestrator.cli import main


def new(name: str, folder: Path) -> int:
    with pytest.raises(SystemExit) as left:
        main(["new", name, "--folder", str(folder)])
    return int(str(left.value.code))


def test_what_it_writes_passes(tmp_path: Path) -> None:
    assert new("walk", tmp_path) == 0
    command = shipped.command("orchestrator.cli")
    check = subprocess.run([*command, "check", "walk.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stderr
    words = [*command, "run", "walk.yaml", "--size", "smoke", "--inline", "--no-mlflow", "--json", "--strict"]
    ran = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    verdicts = json.loads(ran.stdout.splitlines()[-1])["verdicts"]
    assert [verdict["verdict"] for verdict in verdicts] == ["supported", "supported"]
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_walk.py"]
    tests = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert tests.returncode == 0, tests.stdout


@pytest.mark.parametrize("name", ["two words", "class", "random", "../up", "1st"])
def test_a_name_that_cannot_be_imported_is_refused(tmp_path: Path, name: str) -> None:
    assert new(name, tmp_path) == 2 and not list(tmp_path.iterdir())


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "walk.yaml").write_text("mine")
    assert new("walk", tmp_path) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["walk.yaml"] and (tmp_path / "walk.yaml").read_text() == "mine"
