"""Rows measured by other code than the workload has now are told of, wherever rows are, until somebody settles it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli import cli
from orchestrator.errors import WorkloadError
from orchestrator.workload.own_files import OwnFiles, own_files
from tests.helpers.running import HEAD, RUN, home

TELLS = "code has changed since 3 of these rows were measured, VERSION is still 1"


def asked(*words: str) -> Result:
    return CliRunner().invoke(cli, [*words, "--store", "results"], standalone_mode=False)


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep whose workload was mended after it was measured."""
    monkeypatch.chdir(tmp_path)
    home(tmp_path)
    assert ran("halves.yaml").exit_code == 0
    (tmp_path / "halves.py").write_text(HEAD + RUN.replace("/ 2", "/ 4"))
    return tmp_path


def ran(*words: str) -> Result:
    return asked("run", *words, "--inline", "--no-mlflow")


def test_a_second_run_says_that_the_code_is_another_one(changed: Path) -> None:
    done = ran("halves.yaml", "--strict")
    assert TELLS in done.output and done.return_value == 1


@pytest.mark.parametrize("words", [("claims", "halves"), ("report", "halves"), ("status",), ("status", "halves")])
def test_so_says_whoever_looks(changed: Path, words: tuple[str, ...]) -> None:
    assert TELLS in asked(*words).output


def test_it_is_a_limitation_and_strict_claims_fail_on_it(changed: Path) -> None:
    asked("report", "halves")
    page = (changed / "results/reports/halves/report.md").read_text()
    assert TELLS in page.split("## Limitations")[1].split("##")[0]
    assert asked("claims", "halves", "--strict").return_value == 1


def test_json_says_it_and_stays_json(changed: Path) -> None:
    assert TELLS in json.loads(asked("status", "--json").stdout)[0]["code_change"]
    assert json.loads(asked("claims", "halves", "--json").stdout)


def test_same_code_settles_it_once(changed: Path) -> None:
    assert TELLS not in ran("halves.yaml", "--same-code").output
    assert asked("claims", "halves", "--strict").return_value == 0
    (changed / "halves.py").write_text(HEAD + RUN.replace("/ 2", "/ 8"))
    assert TELLS in asked("claims", "halves").output


def test_an_audit_settles_it_where_nothing_differs(changed: Path) -> None:
    assert asked("audit", "halves.yaml", "--fraction", "1").return_value == 1 and TELLS in asked("status").output
    (changed / "halves.py").write_text(HEAD + RUN.replace("/ 2", "* 0.5"))
    assert asked("audit", "halves.yaml", "--fraction", "1").return_value == 0 and TELLS not in asked("status").output


def test_a_raised_version_measures_again_and_nothing_is_left_to_say(changed: Path) -> None:
    (changed / "halves.py").write_text(HEAD.replace("VERSION = 1", "VERSION = 2") + RUN.replace("/ 2", "/ 4"))
    assert "3 measured" in ran("halves.yaml").output and "has changed" not in asked("status").output


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A workload in a package, with modules and data."""
    lab = tmp_path / "lab"
    (lab / "deep").mkdir(parents=True)
    for name in ("__init__", "one", "two", "deep/__init__", "deep/three", "never"):
        (lab / f"{name}.py").write_text("")
    (lab / "numbers.csv").write_text("1\n")
    (lab / "w.py").write_text(
        "from __future__ import annotations\nimport os, numpy\nfrom . import one\nfrom typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from . import never\nVERSION = 3\nDATA_FILES = ('numbers.csv',)\n"
        "def run(params, ctx):\n    from .two import x\n"
    )
    (lab / "two.py").write_text("from lab.deep import three\n")
    return lab


def of(path: Path) -> OwnFiles:
    own = own_files(str(path))
    assert own is not None
    return own


def test_own_files_are_what_runs_and_data(package: Path) -> None:
    own = of(package / "w.py")
    names = {"__init__.py", "one.py", "two.py", "deep/__init__.py", "deep/three.py", "w.py", "numbers.csv"}
    assert set(own.paths) == {f"lab/{name}" for name in names} and (own.file, own.version) == ("lab/w.py", 3)


@pytest.mark.parametrize("name", ["__init__.py", "one.py", "two.py", "deep/three.py", "numbers.csv"])
def test_a_byte_of_any_of_them_is_another_code(package: Path, name: str) -> None:
    before = of(package / "w.py").code
    with (package / name).open("a") as file:
        file.write("# another\n")
    assert of(package / "w.py").code != before


def test_what_does_not_run_is_no_code(package: Path) -> None:
    before = of(package / "w.py").code
    (package / "never.py").write_text("x = 1\n")
    (package / "beside.py").write_text("x = 1\n")
    assert of(package / "w.py").code == before


def test_a_module_beside_a_file_is_code(tmp_path: Path) -> None:
    (tmp_path / "w.py").write_text("import helper\n")
    (tmp_path / "helper.py").write_text("import importlib\nimportlib.import_module('late')\n")
    (tmp_path / "late.py").write_text("")
    assert set(of(tmp_path / "w.py").paths) == {"w.py", "helper.py", "late.py"}


def test_a_shipped_workload_has_what_papers_share() -> None:
    own = own_files("khm.capacity")
    assert own is not None and "workloads/khm/capacity.py" in own.paths
    assert all(place.startswith("workloads/") for place in own.paths) and not own.ours


def test_data_that_is_not_there_is_told_before_the_first_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    home(tmp_path)
    (tmp_path / "halves.py").write_text(HEAD + "DATA_FILES = ('none.csv',)\n\n\n" + RUN)
    with pytest.raises(WorkloadError, match=r"DATA_FILES must list files or folders .* 'none.csv'"):
        cli.main(["run", "halves.yaml", "--inline", "--no-mlflow"], standalone_mode=False)
