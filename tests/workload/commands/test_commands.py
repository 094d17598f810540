"""A program is a workload: what a sweep file may say of it, how its answers become rows, and that nothing of it is left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.driver import measure
from orchestrator.driver.measure import Where, prepare
from orchestrator.errors import SpecError, SweepError, WorkloadError
from orchestrator.spec import Spec, parse
from orchestrator.sweep import run
from orchestrator.workload import describe
from orchestrator.workload.describe import Workload
from tests.helpers.running import Basket, batch_of, measured

COMMAND = '[python, train.py, --lr, "{lr}", --width, "{width}"]'
SWEEP = (
    f"""\
question: Does the loss fall?
command: {COMMAND}
"""
    + """\
params:
  lr: {type: float, says: learning rate, default: 0.5}
  width: {type: int, says: width of the net, at_least: 1}
results:
  loss: {type: float, says: loss at the end}
  accuracy: {type: float, unit: "%", optional: true, match: '(?P<accuracy>[0-9.]+)%'}
axes: {width: [1, 2, 4]}
"""
)
TRAIN = """\
import argparse, json
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--width", type=int)
given = parser.parse_args()
print(f"accuracy {12.5 * given.width}%")
print(json.dumps({"loss": given.lr / given.width, "note": "more"}))
"""


def home(folder: Path, sweep: str = SWEEP, script: str = TRAIN) -> Spec:
    (folder / "train.py").write_text(script)
    (folder / "net.yaml").write_text(sweep)
    return parse(sweep, "net", path=folder / "net.yaml")


def workload(folder: Path, script: str, sweep: str = SWEEP) -> Workload:
    home(folder, sweep, script)
    return describe.load("./net.yaml", folder)


def answers(folder: Path, script: str, sweep: str = SWEEP, limit: float | None = None) -> list[dict[str, Any]]:
    """The rows of one point of a script."""
    program = workload(folder, script, sweep)
    return measured(program, batch_of(program, 1, lr=[0.5], width=[2]), Basket(), limit=limit)[1]


def test_an_untouched_script_gets_rows_from_one_file(tmp_path: Path) -> None:
    summary = measure.run(home(tmp_path), tmp_path / "store", Where(executor="inline", progress="quiet"))
    assert (summary.measured, summary.failures) == (3, {})
    again = measure.run(home(tmp_path), tmp_path / "store", Where(executor="inline", progress="quiet"))
    assert (again.measured, again.held) == (0, 3)


def test_json_lines_and_patterns_are_read(tmp_path: Path) -> None:
    (row,) = answers(tmp_path, TRAIN)
    assert (row["loss"], row["accuracy"], row["status"], row["final"]) == (0.25, 25.0, "ok", True)


def test_lines_of_the_results_file_are_rows_with_steps(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom lawsweep import report\n"
        "for step in (1, 3, 5): report(step=step, loss=1 / step)\nprint('90%')\nprint('{\"loss\": 7}')\n"
    )
    rows = answers(tmp_path, script)
    assert [(row["step"], row["loss"], row["accuracy"]) for row in rows] == [(1, 1.0, None), (3, 1 / 3, None), (5, 0.2, 90.0)]


def test_report_prints_where_no_sweep_runs(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "import numpy; from lawsweep import report; report(loss=numpy.float64(0.5), step=2)"]
    clean = {name: text for name, text in os.environ.items() if name != "LAWSWEEP_RESULTS"}
    assert subprocess.run(words, capture_output=True, text=True, check=True, env=clean).stdout == '{"step": 2, "loss": 0.5}\n'


def test_params_come_by_environment_and_standard_input_too(tmp_path: Path) -> None:
    sweep = SWEEP.replace('--lr, "{lr}", --width, "{width}"]', "]\nstdin: params.json\nenv: {WIDTH: '{width}', SEED: '{seed}'}")
    script = (
        "import json, os, sys\ngiven = json.load(sys.stdin)\n"
        "assert os.environ['SEED'] == os.environ['LAWSWEEP_SEED'] == '0' and os.environ['LAWSWEEP_DEVICE'] == 'cpu'\n"
        "print(json.dumps({'loss': given['lr'] * int(os.environ['WIDTH']) + given['seed']}))\n"
    )
    (row,) = answers(tmp_path, script, sweep)
    assert (row["status"], row["loss"]) == ("ok", 1.0)


def test_a_text_is_split_as_a_shell_does_and_no_shell_runs_it(tmp_path: Path) -> None:
    sweep = SWEEP.replace(
        '[python, train.py, --lr, "{lr}", --width, "{width}"]', "python 'train.py' --lr {lr} --width {width} '$HOME;'"
    )
    script = "import json, sys\nassert sys.argv[-1] == '$HOME;'\nprint(json.dumps({'loss': 1.0}))\n"
    assert answers(tmp_path, script, sweep)[0]["status"] == "ok"


FAILS = {
    "a code": ("import sys; print('why', file=sys.stderr); sys.exit(3)", "error", "ended with 3.\n  why"),
    "a signal": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "error", "SIGKILL ended it; SIGKILL is also"),
    "a segfault": ("import ctypes; ctypes.string_at(0)", "error", "SIGSEGV ended it"),
    "an exception": ("raise ValueError('no such width')", "error", "ValueError: no such width"),
    "no result": ("print('done')", "error", "must give every result, but loss came by no line"),
    "text for a number": ("print('{\"loss\": \"low\"}')", "error", "must be of type float, but got 'low'"),
    "nan": ("print('{\"loss\": NaN}')", "diverged", ""),
    "no json": (
        "import os; open(os.environ['LAWSWEEP_RESULTS'], 'w').write('loss 3\\n')", "error", "must be JSON, but got 'loss 3'",
    ),
    "a misspelt result": ("from lawsweep import report; report(los=1.0)", "error", "must hold results alone, but got ['los']"),
    "children that stay": (
        "import subprocess; subprocess.Popen(['sleep', '60']); print('{\"loss\": 1}')", "error", "it left processes behind",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("script", "status", "text"), FAILS.values(), ids=FAILS)
def test_a_program_that_goes_wrong_is_a_row(tmp_path: Path, script: str, status: str, text: str) -> None:
    row = answers(tmp_path, script)[-1]
    assert row["status"] == status and text in (row["error"] or "")


def test_a_hundred_megabytes_of_output_cost_no_memory_and_hide_no_result(tmp_path: Path) -> None:
    script = (
        "import sys\nfor _ in range(100):\n    sys.stdout.write('x' * 2**20)\n    sys.stderr.write('e' * 1000 + '\\n')\n"
        "print()\nprint('{\"loss\": 4}')\n"
    )
    (row,) = answers(tmp_path, script)
    assert (row["status"], row["loss"]) == ("ok", 4.0)


def running(mark: str) -> list[str]:
    """Processes that have the mark in their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if mark in words and "pytest" not in words:
            found.append(words)
    return found


def gone(mark: str, seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while running(mark) and time.monotonic() < until:
        time.sleep(0.05)
    return not running(mark)


SLEEPS = "import subprocess, sys\nsubprocess.run(['sleep', '{mark}'])\n"


def test_a_time_out_ends_the_whole_group(tmp_path: Path) -> None:
    mark = "61.618"
    row = answers(tmp_path, SLEEPS.replace("{mark}", mark), limit=0.8)[-1]
    assert row["status"] == "timeout" and gone(mark)


def test_a_killed_driver_leaves_no_child_and_repeats_no_point(tmp_path: Path) -> None:
    mark = "62.718"
    script = TRAIN.replace("given = parser.parse_args()", "given = parser.parse_args()\nimport os, subprocess\n"
                           f"if given.width == 4 and not os.path.exists('go'): subprocess.run(['sleep', '{mark}'])\n"
                           "open('calls', 'a').write(f'{given.width}\\n')")  # fmt: skip
    spec = home(tmp_path, script=script)
    words = [sys.executable, "-m", "orchestrator.cli", "run", "net.yaml", "--inline", "--no-mlflow", "--store", "store"]
    driver = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not running(mark) and time.monotonic() < until:
        time.sleep(0.05)
    assert running(mark)
    time.sleep(1.2)  # rows of the points before are handed over
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    assert gone(mark)
    (tmp_path / "go").touch()
    assert measure.run(spec, tmp_path / "store", Where(executor="inline", progress="quiet")).missing == 0
    assert (tmp_path / "calls").read_text().split().count("4") == 1


def test_a_changed_script_is_measured_anew_and_a_reworded_claim_is_not(tmp_path: Path) -> None:
    where = Where(executor="inline", progress="quiet")
    measure.run(home(tmp_path), tmp_path / "store", where)
    reworded = home(tmp_path, SWEEP.replace("fall?", "fall as it should?"))
    assert measure.run(reworded, tmp_path / "store", where).measured == 0
    changed = home(tmp_path, script=TRAIN.replace("given.lr /", "2 * given.lr /"))
    assert measure.run(changed, tmp_path / "store", where).measured == 3


def test_a_version_of_ones_own_stands(tmp_path: Path) -> None:
    assert workload(tmp_path, TRAIN, f"{SWEEP}version: 5\n").version == 5


def test_a_program_that_is_not_there_is_told_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match="must be a program, but 'pyhton' is none"):
        prepare(home(tmp_path, SWEEP.replace("[python,", "[pyhton,")))


def test_a_folder_to_run_in_that_is_not_there_is_told_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match="'cwd' must be a folder"):
        prepare(home(tmp_path, f"{SWEEP}cwd: nowhere\n"))


def test_a_param_out_of_its_bounds_is_told_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(SweepError, match="width must be at least 1, but got 0"):
        prepare(home(tmp_path, SWEEP.replace("[1, 2, 4]", "[0, 2]")))


WRONG = {
    "a placeholder that is no param": ('"{lr}"', '"{lrr}"', r"net.yaml:2: command\[3\]: .*but got \{lrr\}; did you mean 'lr'"),
    "a param that is nowhere": (', --width, "{width}"', "", r"net.yaml:5: params.width: .*must reach the command"),
    "a pattern without groups": (
        "(?P<accuracy>[0-9.]+)%", "[0-9.]+%", r"net.yaml:8: results.accuracy.match: .*write \(\?P<acc",
    ),
    "a pattern of an unknown group": (
        "[0-9.]+)%", "[0-9.]+)(?P<los>%)", r"a group must be a result, but got 'los'; did you mean 'loss'",
    ),
    "no regular expression": ("[0-9.]+)%", "[0-9.+)%", r"must be a regular expression"),
    "a type that no column has": ("type: int", "type: integer", r"net.yaml:5: params.width.type: .*but got 'integer'"),
    "open quotes": (COMMAND, '"python \'train.py {lr} {width}"', "quotes must be closed"),
    "no results": (SWEEP[SWEEP.index("results") : SWEEP.index("axes")], "", "a command must have results"),
    "a workload beside it": ("command:", "workload: khm.capacity\ncommand:", "must measure one thing"),
    "no command": (f"command: {COMMAND}", "workload: khm.capacity", "must stand beside 'command'"),
    "another stdin": ("axes:", "stdin: params.yaml\naxes:", "stdin must be params.json"),
    "an unknown key": ("says: learning rate", "say: learning rate", r"net.yaml:4: params.lr"),
    "braces": ('"{lr}"', '"{lr"', "braces must hold a param"),
    "a size that changes it": ("axes:", "sizes: {small: {env: {A: b}}}\naxes:", "a size must not change 'env'"),
}  # fmt: skip


@pytest.mark.parametrize(("was", "becomes", "text"), WRONG.values(), ids=WRONG)
def test_a_wrong_command_is_told_where_it_stands(was: str, becomes: str, text: str) -> None:
    assert SWEEP.count(was) == 1
    with pytest.raises(SpecError, match=text):
        parse(SWEEP.replace(was, becomes), "net", path=Path("net.yaml"))


GUIDE = Path(__file__).parents[3] / "docs" / "measuring-a-program.md"


def test_the_guides_blocks_end_in_a_verdict(tmp_path: Path) -> None:
    for name, text in re.findall(r"```\w+\n# (\S+)\n(.*?)```", GUIDE.read_text(), re.DOTALL):
        (tmp_path / name).write_text(text)
    result = run(tmp_path / "train.yaml", store=tmp_path / "store", inline=True, mlflow=False, progress="quiet")
    assert [(verdict["id"], verdict["verdict"]) for verdict in result.verdicts] == [("falls", "supported")]


def test_what_is_resolved_parses_to_itself(tmp_path: Path) -> None:
    spec = home(tmp_path)
    resolved = spec.resolved()
    assert parse(yaml.safe_dump(resolved), "net", path=tmp_path / "net.yaml").resolved() == resolved
