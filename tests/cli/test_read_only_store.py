"""A store that may only be read is asked, judged and reported, and it is said where what is new lies."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import Any

import pytest

from orchestrator.driver import measure
from orchestrator.driver.measure import Where
from orchestrator.spec import read
from orchestrator.store import open_store
from tests.browser.driving import get, serving
from tests.cli.test_cli import Lawsweep, lawsweep
from tests.helpers.running import home

__all__ = ["lawsweep"]


@pytest.fixture(params=[errno.EROFS, errno.EACCES])
def shut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A store in which no file can be made: root may write whatever the modes say, so the system's calls refuse it here."""
    measure.run(read(home(tmp_path)), tmp_path / "store", Where(executor="inline", progress="quiet"))
    really_open, really_make = os.open, os.mkdir

    def refuse(path: Any) -> None:
        if Path(os.fspath(path)).absolute().is_relative_to(tmp_path / "store"):
            raise OSError(request.param, os.strerror(request.param), str(path))

    def opened(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR):
            refuse(path)
        return really_open(path, flags, *more, **named)

    def made(path: Any, *more: Any, **named: Any) -> None:
        refuse(path)
        really_make(path, *more, **named)

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "mkdir", made)
    return tmp_path / "store"


def everything(folder: Path) -> set[Path]:
    """All files below a folder."""
    return {path for path in folder.rglob("*") if path.is_file()}


def test_it_can_be_asked(lawsweep: Lawsweep, shut: Path) -> None:
    assert "halves" in lawsweep("status", "--store", shut).out
    assert lawsweep("query", "select count(*) as n from halves", "--format", "csv", "--store", shut).out.split()[-1] == "3"


@pytest.mark.parametrize("command", ["claims", "report"])
def test_it_is_judged_elsewhere_and_that_is_said(lawsweep: Lawsweep, shut: Path, command: str) -> None:
    before = everything(shut)
    said = lawsweep(command, "halves", "--store", shut)
    found = re.search(r"may only be read: what is new is written into (\S+);", said.err)
    assert said.code == 0 and found is not None
    assert everything(shut) == before
    there = open_store(found[1])
    assert there.load("verdicts", "halves") is not None and there.latest("halves")["workload"] == "halves"
    assert (there.path / "reports" / "halves" / "report.html").exists() == (command == "report")
    assert "halves" in lawsweep("status", "--store", found[1]).out


def test_its_report_is_written_where_it_is_wanted(lawsweep: Lawsweep, shut: Path, tmp_path: Path) -> None:
    said = lawsweep("report", "halves", "--store", shut, "--out", tmp_path / "page")
    assert said.code == 0 and (tmp_path / "page" / "report.html").exists() and str(tmp_path / "page") in said.out


def test_a_run_into_it_is_refused_in_a_sentence(lawsweep: Lawsweep, shut: Path) -> None:
    said = lawsweep("run", shut.parent / "halves.yaml", "--inline", "--no-mlflow", "--store", shut)
    assert said.code == 2 and "choose another '--store'" in said.err and "Traceback" not in said.err


def test_its_pages_are_served_and_nothing_is_written(shut: Path) -> None:
    before = everything(shut)
    with serving(shut) as url:
        (_, _, rows) = get(f"{url}/sweep/halves/rows.csv")
        point = re.search(r"[0-9a-f]{16}", rows.decode())
        assert point is not None
        for path in (
            "/",
            "/sweep/halves",
            f"/point/{point[0]}",
            "/sql?q=select+*+from+halves",
            "/sweep/halves/figure.svg?x=i&y=half",
        ):
            assert get(url + path)[0] == 200, path
    assert everything(shut) == before


def test_the_pages_of_where_it_was_judged_have_its_verdicts(lawsweep: Lawsweep, shut: Path) -> None:
    said = lawsweep("report", "halves", "--store", shut)
    stand_in = re.search(r"written into (\S+);", said.err)
    assert stand_in is not None
    with serving(Path(stand_in[1])) as url:
        page, report = get(f"{url}/sweep/halves"), get(f"{url}/sweep/halves/report")
    assert page[0] == report[0] == 200 and b"a half is no more than the whole" in page[2] and b"supported" in page[2]
