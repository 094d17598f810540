"""A command says what it is at from its first second on."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchestrator.cli import cli
from tests.helpers.running import home


def test_a_run_says_its_first_word_within_a_second(tmp_path: Path) -> None:
    file = home(tmp_path)
    command = [
        sys.executable,
        "-m",
        "orchestrator.cli",
        "run",
        str(file),
        "--no-mlflow",
        "--inline",
        "--store",
        str(tmp_path / "s"),
    ]
    idle = time.monotonic()
    subprocess.run([sys.executable, "-c", "import click"], check=True)
    idle = time.monotonic() - idle
    begun = time.monotonic()
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as run:
        assert run.stderr is not None
        first = run.stderr.readline()
        passed = time.monotonic() - begun
        rest = run.stderr.read()
    assert first == f"{file}: reading the sweep and its workload\n" and passed < 1 + 5 * idle  # of a machine that is busy
    words = [line.split(": ", 1)[1] for line in rest.splitlines() if line.startswith("halves: ")]
    assert words[0] == "measuring 3 points, 1 packs at once" and words[-1] == "judging 1 claims, writing the report"


@pytest.mark.parametrize("command", [["compact"], ["export", "halves"], ["audit", "halves"]])
def test_a_long_command_says_what_it_is_at(command: list[str], tmp_path: Path) -> None:
    file, store = home(tmp_path), str(tmp_path / "store")
    runner = CliRunner()
    runner.invoke(cli, ["run", str(file), "--no-mlflow", "--inline", "--store", store])
    said = runner.invoke(cli, [*command, "--store", store]).stderr.splitlines()
    assert len(said) >= 2 and all(line.startswith(f"{command[0]}: ") for line in said)
