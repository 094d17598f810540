"""Every command that a report prints works for a user's own sweep from another folder, and a bundle's from the bundle alone."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli import cli
from orchestrator.results.sources import kept_sweeps
from orchestrator.store import open_store
from tests.helpers.running import home

STORE = "a store"


def asked(words: list[str]) -> Result:
    more = ["--inline", "--no-mlflow"] if words[0] == "run" else []
    return CliRunner().invoke(cli, [*words, *more], standalone_mode=False)


def printed(page: str) -> list[list[str]]:
    import shlex

    return [shlex.split(line)[1:] for line in re.findall(r"^ *(lawsweep .*)$", page, re.M)]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder beside a store whose sweep's own files are gone."""
    folder = tmp_path_factory.mktemp("elsewhere")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        home(folder)
        assert asked(["run", "halves.yaml", "--store", STORE]).return_value == 0
    (folder / "halves.yaml").unlink()
    (folder / "halves.py").unlink()
    (folder / "empty").mkdir()
    return folder


def test_the_commands_of_a_report_work_from_another_folder(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(elsewhere / "empty")
    page = (elsewhere / STORE / "reports/halves/report.md").read_text()
    commands = printed(page.split("## How to reproduce")[1])
    assert [words[0] for words in commands] == ["run", "claims", "report", "export"]
    for words in commands:
        done = asked(words)
        assert (done.return_value or 0, done.exception) == (0, None), (words, done.output)
    assert asked(["audit", "halves", "--fraction", "1", "--store", f"../{STORE}"]).return_value == 0


def test_a_bundle_is_measured_again_from_the_bundle_alone(
    elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "bundle"
    assert asked(["export", "halves", "--bundle", "--store", str(elsewhere / STORE), "--out", str(bundle)]).exception is None
    monkeypatch.chdir(bundle)
    monkeypatch.delitem(sys.modules, "lawsweep_user_halves", raising=False)
    (words,) = printed((bundle / "README.md").read_text())
    done = asked(words)
    assert done.return_value == 0 and "3 measured" in done.output
    assert re.search(r"^lawsweep==\S+$", (bundle / "requirements.lock").read_text(), re.M)


def test_a_point_is_measured_again_by_the_kept_code(elsewhere: Path) -> None:
    store = open_store(elsewhere / STORE)
    path = Path(kept_sweeps.workload_of(store, store.latest("halves")))
    assert path.name == "halves.py" and path.is_relative_to(elsewhere / STORE / "sources")


def test_a_store_that_moved_still_has_its_texts(elsewhere: Path, tmp_path: Path) -> None:
    shutil.copytree(elsewhere / STORE, tmp_path / "moved")
    spec = kept_sweeps.spec_of("halves", None, tmp_path / "moved")
    assert spec.question == "Is a half a half?" and Path(spec.workload).is_relative_to(tmp_path)
