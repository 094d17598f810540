"""A sweep from its file to rows, verdicts and a report, in this process: resumed, repaired, shared, stopped and interrupted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import orchestrator
from orchestrator.driver import measure
from orchestrator.driver.measure import Summary, Where
from orchestrator.errors import SpecError, StoreError, WorkloadError
from orchestrator.results import frames
from orchestrator.spec import parse, read
from orchestrator.store import open_store
from orchestrator.sweep import Result
from tests.helpers.running import HEAD, RUN, SWEEP, home, made

HERE = Where(executor="inline", progress="quiet")
COUNTED = "def run(params, ctx):\n    open('CALLS', 'a').write(f'{params.i} ')\n    yield 0, Result(half=params.i / 2)\n"
ODD = "def run(params, ctx):\n    assert params.i % 2 == 0\n    yield 0, Result(half=params.i / 2)\n"
SLOW = "def run(params, ctx):\n    time.sleep(0.05)\n    yield 0, Result(half=params.i / 2)\n"
# The first process that measures point 3 is interrupted there.
INTERRUPTED = """\
def run(params, ctx):
    import os, signal
    if params.i == 3 and not os.path.exists('MARKER'):
        open('MARKER', 'w').close()
        os.kill(os.getpid(), getattr(signal, params.label))
    yield 0, Result(half=params.i / 2)
"""
HEAVY = ("ray", "mlflow", "polars", "duckdb", "scipy", "sklearn", "torch", "altair")


def measured(folder: Path, run: str = RUN, sweep: str = SWEEP, size: str | None = None, retry: bool = False) -> Summary:
    """What measuring a sweep of the folder came to."""
    file = home(folder, run.replace("CALLS", f"{folder}/calls").replace("MARKER", f"{folder}/marker"), sweep)
    return measure.run(read(file, size=size), folder / "store", HERE, retry=retry)


def rows(folder: Path) -> list[dict[str, Any]]:
    """The rows that count."""
    return frames.rows(open_store(folder / "store"), "halves").sort("i").collect().to_dicts()


def calls(folder: Path) -> Counter[str]:
    """How often each point was measured."""
    return Counter((folder / "calls").read_text().split())


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What became of a command on the folder's store."""
    argv = [sys.executable, "-m", "orchestrator.cli", *words, "--store", str(folder / "store")]
    return subprocess.run(argv, capture_output=True, text=True, timeout=100, check=False)


# The whole way


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A sweep that went all the way."""
    folder = tmp_path_factory.mktemp("whole")
    return orchestrator.run(home(folder), store=folder / "store", inline=True, progress="quiet")


@pytest.mark.slow
def test_a_sweep_ends_with_rows(whole: Result) -> None:
    found = frames.sweep(open_store(whole.summary.store), "halves").sort("i").collect()
    assert found.select("sweep", "arm", "i", "half", "status").rows() == [("halves", "all", i, i / 2, "ok") for i in (1, 2, 3)]


@pytest.mark.slow
def test_a_sweep_ends_with_verdicts(whole: Result) -> None:
    (verdict,) = whole.verdicts
    assert (verdict["id"], verdict["verdict"], whole.exit_code(strict=True)) == ("half", "supported", 0)


@pytest.mark.slow
def test_a_sweep_ends_with_a_report(whole: Result) -> None:
    assert whole.report is not None and {"report", "markdown"} <= set(whole.report)
    assert all(Path(path).is_file() for path in whole.report.values() if path)
    assert "a half is no more than the whole" in Path(whole.report["markdown"]).read_text()


@pytest.mark.slow
def test_what_became_of_a_sweep_is_json(whole: Result) -> None:
    found = json.loads(json.dumps(whole.as_json()))
    assert (found["points"], found["measured"], found["missing"], found["failures"]) == (3, 3, 0, {})


@pytest.mark.slow
def test_the_run_is_recorded(whole: Result) -> None:
    (run,) = open_store(whole.summary.store).runs()
    wanted = {"sweep": "halves", "generation": 1, "todo": 3, "measured": 3, "failures": {}, "why": ""}
    assert wanted.items() <= run.items() and {"started", "ended", "host", "packages", "commit"} <= set(run)


@pytest.mark.slow
def test_a_refuted_claim_leaves_with_one_only_where_that_is_asked(tmp_path: Path) -> None:
    file = home(tmp_path, sweep=SWEEP.replace("half <= i", "half > i"))
    found = orchestrator.run(file, store=tmp_path / "store", inline=True, progress="quiet")
    assert [v["verdict"] for v in found.verdicts] == ["refuted"]
    assert (found.exit_code(), found.exit_code(strict=True)) == (0, 1)


@pytest.mark.slow
def test_a_notebook_hands_over_its_own_module(tmp_path: Path) -> None:
    spec = parse(SWEEP.replace("./halves.py", "halves"), "halves")
    found = orchestrator.run(spec, workload=made(RUN).module, store=tmp_path / "store", inline=True, progress="quiet")
    assert (found.summary.measured, found.warnings) == (3, ())
    assert [v["verdict"] for v in found.verdicts] == ["supported"]


@pytest.mark.slow
def test_an_inline_run_imports_only_what_its_workload_needs(tmp_path: Path) -> None:
    code = (
        "import sys, orchestrator\n"
        f"done = orchestrator.run({str(home(tmp_path))!r}, store={str(tmp_path / 'store')!r}, inline=True, progress='quiet')\n"
        f"print(len(done.verdicts), sorted(set(sys.modules) & set({HEAVY!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1 []\n"


def test_a_sweep_that_cannot_be_reported_is_measured_with_a_warning(tmp_path: Path) -> None:
    spec = read(home(tmp_path))
    (tmp_path / "halves.yaml").unlink()
    found = orchestrator.run(spec, store=tmp_path / "store", inline=True, progress="quiet")
    assert found.summary.measured == 3 and found.report is None and "halves.yaml" in found.warnings[0]
    assert found.exit_code() == 2


# Measured once


def test_the_same_command_again_measures_nothing(tmp_path: Path) -> None:
    first, again = measured(tmp_path, COUNTED), measured(tmp_path, COUNTED)
    assert (first.measured, again.measured, again.held, again.exit_code) == (3, 0, 3, 0)
    assert calls(tmp_path) == {"1": 1, "2": 1, "3": 1}


def test_a_longer_axis_measures_only_what_is_new(tmp_path: Path) -> None:
    measured(tmp_path, COUNTED)
    summary = measured(tmp_path, COUNTED, SWEEP.replace("[1, 2, 3]", "[0, 1, 2, 3, 4]"))
    assert (summary.measured, summary.held) == (2, 3)
    assert set(calls(tmp_path).values()) == {1}


def test_another_sweep_shares_the_points_there_are(tmp_path: Path) -> None:
    measured(tmp_path, COUNTED)
    (tmp_path / "others.yaml").write_text(SWEEP.replace("[1, 2, 3]", "[2, 3, 4]"))
    summary = measure.run(read(tmp_path / "others.yaml"), tmp_path / "store", HERE)
    assert (summary.sweep, summary.held, summary.measured) == ("others", 2, 1)
    assert frames.sweep(open_store(tmp_path / "store"), "others").collect()["half"].sum() == 4.5


def test_a_point_of_two_arms_is_measured_once(tmp_path: Path) -> None:
    arms = SWEEP.replace("axes: {i: [1, 2, 3]}", "arms: {low: {axes: {i: [1, 2]}}, high: {axes: {i: [2, 3]}}}")
    summary = measured(tmp_path, COUNTED, arms)
    assert (summary.points, calls(tmp_path)) == (3, {"1": 1, "2": 1, "3": 1})
    found = frames.sweep(open_store(tmp_path / "store"), "halves").select("arm", "i").collect()
    assert sorted(found.rows()) == [("high", 2), ("high", 3), ("low", 1), ("low", 2)]


def test_a_raised_version_measures_again(tmp_path: Path) -> None:
    measured(tmp_path)
    (tmp_path / "halves.py").write_text(HEAD.replace("VERSION = 1", "VERSION = 2") + RUN)
    summary = measure.run(read(tmp_path / "halves.yaml"), tmp_path / "store", HERE)
    assert (summary.held, summary.measured) == (0, 3)


def test_a_new_param_with_a_default_measures_nothing_again(tmp_path: Path) -> None:
    measured(tmp_path)
    grown = HEAD.replace(
        '"a name for it"] = None\n', '"a name for it"] = None\n    noise: Annotated[float, "noise"] = 0.0\n', 1
    )
    (tmp_path / "halves.py").write_text(grown + RUN)
    assert measure.run(read(tmp_path / "halves.yaml"), tmp_path / "store", HERE).measured == 0


def test_a_column_of_another_type_is_refused_before_the_first_trial(tmp_path: Path) -> None:
    measured(tmp_path)
    (tmp_path / "halves.py").write_text(HEAD.replace("half: Annotated[float", "half: Annotated[str") + RUN)
    with pytest.raises(StoreError, match="VERSION of 'halves' was not raised"):
        measure.run(read(tmp_path / "halves.yaml"), tmp_path / "store", HERE)


def test_failed_points_are_done_until_a_retry(tmp_path: Path) -> None:
    first, again = measured(tmp_path, ODD), measured(tmp_path, RUN)
    assert (first.failures, first.exit_code, again.measured) == ({"error": 2}, 3, 0)
    assert measured(tmp_path, RUN, retry=True).measured == 2
    assert [(row["i"], row["status"], row["half"]) for row in rows(tmp_path)] == [(i, "ok", i / 2) for i in (1, 2, 3)]


def test_a_retry_that_fails_again_keeps_one_row_a_point(tmp_path: Path) -> None:
    for retry in (False, True):
        measured(tmp_path, ODD, retry=retry)
    assert [(row["i"], row["status"], row["generation"]) for row in rows(tmp_path)] == [
        (1, "error", 2),
        (2, "ok", 1),
        (3, "error", 2),
    ]


# Stopped


def test_a_deadline_stops_a_run_and_the_next_one_finishes_it(tmp_path: Path) -> None:
    many = SWEEP.replace("[1, 2, 3]", "{range: [1, 12, 1]}")
    stopped = measured(tmp_path, SLOW, many + "limits: {deadline: 0.2}\n")
    assert (stopped.why, stopped.exit_code) == ("limits.deadline was reached", 3)
    assert 0 < stopped.measured < 12 and stopped.missing == 12 - stopped.measured == 12 - len(rows(tmp_path))
    finished = measured(tmp_path, SLOW, many)
    assert (finished.held, finished.missing, finished.exit_code) == (stopped.measured, 0, 0)


def test_gpu_hours_stop_a_run(tmp_path: Path) -> None:
    many = SWEEP.replace("[1, 2, 3]", "{range: [1, 60, 1]}")
    stopped = measured(tmp_path, SLOW, many + "needs: {gpu: 1}\npack: {seconds: 0.2}\nlimits: {gpu_hours: 0.00001}\n")
    assert stopped.why == "limits.gpu_hours was reached" and 0 < stopped.missing < 60


def interrupted(folder: Path, name: str = "SIGINT") -> Path:
    """A sweep of five points, the largest first, whose first run gets that signal while it measures the third."""
    sweep = SWEEP.replace("[1, 2, 3]", "[1, 2, 3, 4, 5]") + f"fixed: {{label: {name}}}\n"
    return home(folder, INTERRUPTED.replace("MARKER", f"{folder}/marker"), sweep)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupted_run_keeps_its_rows(tmp_path: Path, name: str) -> None:
    stopped = command(tmp_path, "run", str(interrupted(tmp_path, name)), "--inline", "--quiet")
    assert (stopped.returncode, stopped.stderr) == (130, "")
    assert [row["i"] for row in rows(tmp_path)] == [3, 4, 5]


@pytest.mark.slow
def test_the_command_that_was_interrupted_finishes_when_given_again(tmp_path: Path) -> None:
    again = ["run", str(interrupted(tmp_path)), "--inline", "--json"]
    assert [command(tmp_path, *again).returncode for _ in range(2)] == [130, 0]
    assert [(row["i"], row["status"]) for row in rows(tmp_path)] == [(i, "ok") for i in (1, 2, 3, 4, 5)]


def test_an_interrupt_ends_the_sweeps_that_would_follow(tmp_path: Path) -> None:
    file = interrupted(tmp_path)
    (tmp_path / "others.yaml").write_text(SWEEP)
    done = command(tmp_path, "run", str(file), str(tmp_path / "others.yaml"), "--inline", "--json")
    assert done.returncode == 130
    assert [json.loads(line)["sweep"] for line in done.stdout.splitlines()] == ["halves"]


def test_a_second_run_at_once_is_told_who_holds_the_sweep(tmp_path: Path) -> None:
    file = home(tmp_path)
    with open_store(tmp_path / "store", create=True).hold("halves"):
        done = command(tmp_path, "run", str(file), "--inline")
    assert done.returncode == 2
    assert f"sweep 'halves' of store {tmp_path}/store must be run by one process at a time" in done.stderr
    assert f"but process {os.getpid()} on " in done.stderr


def test_a_store_that_fills_up_ends_the_run_and_keeps_its_rows(tmp_path: Path) -> None:
    blocked = (
        "def run(params, ctx):\n    import os, shutil\n    rows = 'STORE/rows'\n    shutil.rmtree(rows, ignore_errors=True)\n"
    )
    blocked += "    open(rows, 'w').close()\n    yield 0, Result(half=0.0)\n"
    with pytest.raises(StoreError, match=r"rows"):
        measured(tmp_path, blocked.replace("STORE", f"{tmp_path}/store"))


# Refused before the first trial


@pytest.mark.parametrize(
    ("line", "error", "told"),
    [
        ("stop: {metric: half, grace: 1}\n", SpecError, "stop"),
        ("seeds: {min: 1, max: 3, until: {metric: hlf, rel_halfwidth: 0.1}}\n", SpecError, r"seeds\.until.*'hlf'"),
        ("figures: [{kind: curve, x: i, y: hlf}]\n", SpecError, r"but got 'hlf'; did you mean 'half'\?"),
        ("fixed: {scael: 2}\n", SpecError, r"no param 'scael'; did you mean 'scale'\?"),
    ],
)
def test_what_cannot_run_is_refused_and_no_store_is_made(tmp_path: Path, line: str, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        measured(tmp_path, sweep=SWEEP + line)
    assert not (tmp_path / "store").exists()


def test_a_workload_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"workload '\./halfs\.py' must be a file, but .* is none"):
        measured(tmp_path, sweep=SWEEP.replace("./halves.py", "./halfs.py"))


def test_of_several_sweeps_a_wrong_one_is_told_before_the_first_begins_and_the_others_run(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(SWEEP + "fixed: {scael: 2}\n")
    done = command(tmp_path, "run", str(home(tmp_path)), str(tmp_path / "wrong.yaml"), "--inline")
    assert done.returncode == 2
    assert 0 < done.stderr.index("no param 'scael'") < done.stderr.index("measuring")
    assert (tmp_path / "store" / "verdicts").exists()
