"""Where rows say they come from: commit, changes since, host and versions."""

from __future__ import annotations

import platform
import socket
import subprocess
from pathlib import Path

import pytest

from orchestrator.driver.provenance import PACKAGES, Origin, origin, surroundings


def git(folder: Path, *words: str) -> str:
    """What git says."""
    settings = ("-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", "-C", str(folder), *settings, *words], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture
def committed(tmp_path: Path) -> Path:
    """A file that a repository holds."""
    file = tmp_path / "mine.py"
    file.write_text("x = 1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "mine.py")
    git(tmp_path, "commit", "-q", "-m", "first")
    return file


def test_a_committed_file_has_its_commit(committed: Path) -> None:
    assert origin(str(committed)) == Origin(git(committed.parent, "rev-parse", "HEAD"), dirty=False)


def test_a_changed_tree_is_dirty(committed: Path) -> None:
    committed.write_text("x = 2\n")
    assert origin(str(committed)).dirty


def test_files_that_git_does_not_know_do_not_make_it_dirty(committed: Path) -> None:
    (committed.parent / "results").mkdir()
    (committed.parent / "results" / "rows.parquet").write_text("x")
    assert not origin(str(committed)).dirty


def test_outside_of_git_the_commit_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert origin(str(tmp_path / "mine.py")) == Origin("none", dirty=False)


def test_where_git_is_missing_the_commit_is_none(committed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert origin(str(committed)) == Origin("none", dirty=False)


def test_code_without_a_file_comes_from_the_working_folder(committed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(committed.parent)
    assert origin(None) == origin(str(committed))


def test_surroundings_name_host_and_versions() -> None:
    found = surroundings()
    assert (found["host"], found["machine"]) == (socket.gethostname(), platform.machine())
    assert set(found["packages"]) == set(PACKAGES) and found["packages"]["numpy"][0].isdigit()
