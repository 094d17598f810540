"""icl.trained is killed in the middle of its training, and its rows are those of a training that was not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import orchestrator

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]
SWEEP = """\
question: What is it worth?
workload: icl.trained
fixed: {context: 8, batch: 8, width: 8, heads: 2, prompts: 16, direct_width: 8, direct_steps: 10, steps: STEPS}
axes: {kind: [softmax]}
seeds: 2
pack: {points: 2}
"""
WORDS = ["run", "training.yaml", "--inline", "--json", "--no-mlflow", "--store"]
RUN = [sys.executable, "-m", "orchestrator.cli", *WORDS]
# Checkpoints five times a second: a quick machine has trained before the first of every five seconds.
OFTEN = "from orchestrator.worker import states; states.EVERY = 0.2; from orchestrator.cli import main; main()"


KEYS = ("point", "step", "final", "status")
RESULTS = ("loss", "r2_quarter", "r2_full", "r2_beyond", "direct_full", "gap_best_full", "ridge_full", "far_half", "weights_up")


def rows(folder: Path, store: str) -> list[tuple[object, ...]]:
    """Every row of the sweep, but for what tells of its run."""
    table = orchestrator.open(folder / store).sweep("training").select(*KEYS, *RESULTS)
    return sorted(table.collect().iter_rows(), key=lambda row: row[:2])


def test_a_killed_training_ends_with_the_rows_of_one_that_was_not(tmp_path: Path) -> None:
    (tmp_path / "training.yaml").write_text(SWEEP.replace("STEPS", "600"))
    run = subprocess.Popen(
        [sys.executable, "-c", OFTEN, *WORDS, "killed"],
        cwd=tmp_path,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    while not list((tmp_path / "killed").rglob("checkpoints/**/*.pt")):
        assert run.poll() is None, run.communicate()[1]
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    assert not any(row[2] for row in rows(tmp_path, "killed"))  # none is final
    for store in ("killed", "whole"):
        subprocess.run([*RUN, store], cwd=tmp_path, check=True, capture_output=True, timeout=200)
    whole = rows(tmp_path, "whole")
    assert len(whole) == 40 and rows(tmp_path, "killed") == whole
