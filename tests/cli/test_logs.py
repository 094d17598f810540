"""What a workload prints and logs is kept with its points, shown by a command, on the point's page, and streamed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dashboards.data.cache import Cache
from dashboards.pages.point import point as page_of
from orchestrator.results.query import results
from orchestrator.store import logs, open_store
from orchestrator.worker.output import LIMIT, Output
from tests.helpers.running import HEAD, SWEEP

CHATTY = """import ctypes
import logging
import multiprocessing
import os
import sys

C = ctypes.CDLL(None)

logging.basicConfig(level=logging.INFO)
print("imported")

def run(params, ctx):
    print("point", params.i, "\\ud800")
    print("to stderr", params.i, file=sys.stderr)
    logging.info("logged %s", params.i)
    sys.stdout.buffer.write(b"bytes %d\\n" % params.i)
    C.puts(b"C %d, in its buffer" % params.i)
    os.system(f"echo a shell {params.i}; echo its error {params.i} >&2")
    if params.i == 3:
        with multiprocessing.get_context("fork").Pool(1) as pool:
            pool.map(print, ["a forked child"])
    yield 0, Result(half=params.i / 2)
"""


def lawsweep(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "orchestrator.cli", *arguments, "--store", "store"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=250)


@pytest.fixture(scope="module", params=["inline", pytest.param("ray", marks=[pytest.mark.slow, pytest.mark.timeout(280)])])
def swept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A folder with a sweep that was run, and what that printed."""
    folder = tmp_path_factory.mktemp("chatty")
    (folder / "halves.py").write_text(HEAD + CHATTY)
    (folder / "halves.yaml").write_text(SWEEP)
    where = ["--inline"] if request.param == "inline" else ["--logs", "--cpus", "1"]
    return folder, lawsweep(folder, "run", "halves.yaml", "--no-mlflow", "--json", *where)


def ids(folder: Path) -> list[str]:
    rows = results(folder / "store").sql("select point from halves order by i")
    return [str(point) for point in rows["point"].to_list()]


def test_prints_and_logs_are_kept_with_their_point(swept: tuple[Path, Any]) -> None:
    folder, _ = swept
    for i, point in enumerate(ids(folder), 1):
        ((_, text),) = logs.of_point(open_store(folder / "store"), "halves", point)
        python = f"point {i} \\ud800\nto stderr {i}\nINFO:root:logged {i}\nbytes {i}\n"
        assert text.startswith(python)
        others = [f"C {i}, in its buffer", f"a shell {i}", f"its error {i}", *(["a forked child"] if i == 3 else [])]
        assert sorted(text.removeprefix(python).splitlines()) == sorted(others)


def test_the_command_shows_all_or_those_of_one_point(swept: tuple[Path, Any]) -> None:
    folder, _ = swept
    point = ids(folder)[1]
    whole = lawsweep(folder, "logs", "halves").stdout
    assert all(f"logged {i}" in whole for i in (1, 2, 3))
    alone = lawsweep(folder, "logs", "halves", point).stdout
    assert f"point {point}\n" in alone and "logged 2" in alone and "logged 1" not in alone
    wrong = lawsweep(folder, "logs", "halves", "0" * 16)
    assert wrong.returncode == 2 and "must be a point of sweep 'halves'" in wrong.stderr
    lines = [json.loads(line) for line in lawsweep(folder, "logs", "halves", point, "--json").stdout.splitlines()]
    assert [line["points"] for line in lines] == [[point]]


def test_the_page_of_a_point_has_them(swept: tuple[Path, Any]) -> None:
    folder, _ = swept
    cache = Cache(results(folder / "store"))
    cache.warm()
    view = page_of(cache, ids(folder)[2])
    assert [text.splitlines()[0] for _, text in view["logs"]] == ["point 3 \\ud800"]


def test_they_are_shown_as_they_come_and_json_stays_json(swept: tuple[Path, Any]) -> None:
    _, done = swept
    assert done.returncode == 0 and "logged 3" in done.stderr and "point 3" in done.stderr
    assert "point 3" not in done.stdout


def test_of_a_pack_the_last_letters_stay(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store", create=True)
    for i in range(3):
        logs.keep(store, "w", "000001-0", [{"points": [str(i)], "text": str(i) * 40_000}])
    (record,) = logs.of_workload(store, "w")
    assert record["total"] == 120_000 and sum(len(e["text"]) for e in record["entries"]) == logs.KEPT == LIMIT
    assert [e["points"] for e in record["entries"]] == [["1"], ["2"]]


def test_what_the_driver_prints_meanwhile_is_not_the_workloads() -> None:
    output = Output(lambda: (0, 1), aside=True)
    output.open()
    try:
        with output.listening():
            print("theirs")
            with output.listening(False):
                print("ours")
        print("ours")
    finally:
        output.close()
    assert [text for _, text in output._texts] == ["theirs", "\n"] and not hasattr(sys.stdout, "_under")
