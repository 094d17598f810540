"""A store keeps files of one name apart: rows and plans of another file are refused before the first trial."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli import cli
from orchestrator.errors import StoreError
from tests.helpers.running import HEAD, RUN, SWEEP


def ran(*sweeps: str) -> Result:
    return CliRunner().invoke(cli, ["run", *sweeps, "--inline", "--no-mlflow"])


def placed(folder: Path, run: str = RUN, sweep: str = SWEEP, name: str = "halves") -> str:
    folder.mkdir(exist_ok=True)
    (folder / "halves.py").write_text(HEAD + run)
    (folder / f"{name}.yaml").write_text(sweep)
    return f"{folder.name}/{name}.yaml"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_two_workload_files_of_one_stem_are_refused_by_both_names(here: Path) -> None:
    first = placed(here / "a")
    second = placed(here / "b", RUN.replace("/ 2", "/ 4"), name="other")
    assert ran(first).exit_code == 0
    refused = ran(second)
    assert isinstance(refused.exception, StoreError) and not (here / "results/plans/other").exists()
    assert all(str(here / folder / "halves.py") in str(refused.exception) for folder in "ab")


def test_two_sweeps_of_one_file_name_are_refused_by_both_names(here: Path) -> None:
    first, second = placed(here / "a"), placed(here / "b", sweep=SWEEP.replace("1, 2, 3", "5, 6"))
    assert ran(first).exit_code == 0
    refused = ran(second)
    assert isinstance(refused.exception, StoreError)
    assert all(f"{folder}/halves.yaml" in str(refused.exception) for folder in "ab")


def test_so_they_are_in_one_command_before_the_first_is_measured(here: Path) -> None:
    refused = ran(placed(here / "a"), placed(here / "b", sweep=SWEEP.replace("1, 2, 3", "5, 6")))
    assert isinstance(refused.exception, StoreError) and not (here / "results/rows").exists()


def test_a_copy_and_a_folder_that_moved_are_the_same(here: Path) -> None:
    assert ran(placed(here / "a")).exit_code == 0
    assert "3 were there already" in ran(placed(here / "b")).output
    shutil.move(here / "a", here / "c")
    placed(here / "b", sweep=SWEEP.replace("1, 2, 3", "1, 2"))
    shutil.rmtree(here / "c")
    assert ran("b/halves.yaml").exit_code == 0
