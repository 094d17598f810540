"""Whatever a point does to its process, it has one row and the other points theirs: in this process and on Ray alike."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-P", "-c", "from orchestrator.cli import main; main()"]
HARM = '''
"""Points that harm their process; what the harm leaves behind is seen by the point after it."""
import asyncio, concurrent.futures, ctypes, locale, multiprocessing, os, signal, sys, tempfile, time

BEFORE = os.getcwd(), dict(os.environ)


class Dumb(BaseException):
    def __str__(self):
        raise SystemExit("no words")


def twice(x):
    return 2 * x


def harm(kind):
    if kind == "base": raise Dumb()
    if kind == "exit": sys.exit(0)
    if kind == "interrupt": raise KeyboardInterrupt
    if kind == "generator": raise GeneratorExit("enough")
    if kind == "cancelled": raise asyncio.CancelledError("stop")
    if kind == "surrogate": raise ValueError("a \\ud800 b \\x00 \\x1b[2J c")
    if kind == "megabytes": raise ValueError("x" * 5_000_000)
    if kind == "group": raise ExceptionGroup("many", [ValueError("one"), TypeError("two")])
    if kind == "recursion": harm(kind)
    if kind == "slow_alarm":
        signal.alarm(0)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        while True: pass
    if kind == "slow_swallow":
        while True:
            try:
                while True: pass
            except Exception: pass
    if kind == "folder": os.chdir(tempfile.mkdtemp())
    if kind == "gone": os.chdir(tempfile.mkdtemp()); os.rmdir(os.getcwd())
    if kind == "environment": os.environ["LAWSWEEP_STORE"] = "/nowhere"; os.environ.pop("HOME", None)
    if kind == "handlers": [signal.signal(n, signal.SIG_IGN) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    if kind == "alarm": signal.signal(signal.SIGALRM, lambda *_: None); signal.alarm(1)
    if kind == "locale": locale.setlocale(locale.LC_ALL, "C.UTF-8")
    if kind == "streams": sys.stdout = sys.stderr = None
    if kind == "close": sys.stdout.close(); sys.stderr.close()
    if kind == "descriptors": os.close(1); os.close(2)
    if kind == "prints":
        print("{not json", flush=True); os.system("echo neither is this"); ctypes.CDLL(None).puts(b"nor this")
        ctypes.CDLL(None).fflush(None)
    if kind == "fork" and os.fork() == 0: return "child"
    if kind == "fork_exit" and os.fork() == 0: sys.exit(3)
    if kind == "fork_raise" and os.fork() == 0: raise ValueError("child")
    for way in ("fork", "spawn"):
        if kind == f"pool_{way}":
            with multiprocessing.get_context(way).Pool(2) as pool: assert pool.map(twice, [1, 2]) == [2, 4]
        if kind == f"executor_{way}":
            with concurrent.futures.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(way)) as pool:
                assert list(pool.map(twice, [1, 2])) == [2, 4]
    return kind


def measure(kind: str, calm: bool, seed: int) -> str:
    if not calm: return harm(kind)
    assert os.getcwd() == BEFORE[0] and dict(os.environ) == BEFORE[1]
    assert sys.stdout is not None and not sys.stdout.closed and os.fstat(1) and os.fstat(2)
    return kind
'''
RAISE = ["base", "exit", "interrupt", "generator", "cancelled", "surrogate", "megabytes", "group", "recursion"]
SLOW = ["slow_alarm", "slow_swallow"]
HARMLESS = [
    *("folder", "gone", "environment", "handlers", "alarm", "locale", "streams", "close", "descriptors", "prints"),
    *("fork", "fork_exit", "fork_raise", "pool_fork", "pool_spawn", "executor_spawn"),
]


def lawsweep(folder: Path, *words: str, **options: object) -> subprocess.CompletedProcess[str]:
    about = {"cwd": folder, "text": True, "timeout": 240, "capture_output": True, **options}
    return subprocess.run([*COMMAND, *words], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False, **about)  # type: ignore[call-overload,no-any-return]


def home(folder: Path, kinds: list[str], limit: str = "") -> Path:
    (folder / "harm.py").write_text(HARM)
    zipped = f"kind: {json.dumps([kind for kind in kinds for _ in range(2)])}, calm: {json.dumps([False, True] * len(kinds))}"
    (folder / "s.yaml").write_text(f"question: Whatever?\nworkload: ./harm.py\naxes: {{zip: {{{zipped}}}}}\n{limit}")
    return folder


def rows(folder: Path) -> dict[tuple[str, bool], tuple[str, str]]:
    done = lawsweep(folder, "query", "select kind, calm, status, error from s", "--format", "json")
    assert done.returncode == 0, done.stderr
    records = json.loads(done.stdout)
    found_rows = {(r["kind"], r["calm"]): (r["status"], r["error"] or "") for r in records}
    assert len(found_rows) == len(records)  # one row a point
    return found_rows


HOW = pytest.mark.parametrize("how", [["--inline"], pytest.param(["--cpus", "2"], marks=pytest.mark.slow)])


@HOW
def test_a_point_that_raises_anything_has_one_row(tmp_path: Path, how: list[str]) -> None:
    done = lawsweep(home(tmp_path, RAISE), "run", "s.yaml", "--no-mlflow", *how)
    assert done.returncode == 3, done.stdout + done.stderr
    measured = rows(tmp_path)
    assert {kind: measured[kind, True][0] for kind in RAISE} == dict.fromkeys(RAISE, "ok")
    assert {kind: measured[kind, False][0] for kind in RAISE} == dict.fromkeys(RAISE, "error")
    texts = {kind: measured[kind, False][1] for kind in RAISE}
    assert max(map(len, texts.values())) < 20_000 and not any(set(text) & {"\x00", "\x1b"} for text in texts.values())
    assert "orchestrator/" not in texts["cancelled"]
    assert texts["cancelled"].splitlines()[-2:] == [
        '    if kind == "cancelled": raise asyncio.CancelledError("stop")',
        "asyncio.exceptions.CancelledError: stop",
    ]


@HOW
def test_a_point_that_changes_its_process_harms_no_other(tmp_path: Path, how: list[str]) -> None:
    done = lawsweep(home(tmp_path, HARMLESS), "run", "s.yaml", "--no-mlflow", "--json", *how)
    measured = rows(tmp_path)
    assert {key: value for key, value in measured.items() if value[0] != "ok"} == {}
    assert len(measured) == 2 * len(HARMLESS)
    assert done.returncode == 0, done.stdout + done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert answers[-1]["measured"] == 2 * len(HARMLESS)


@HOW
def test_a_limit_is_in_force_whatever_the_point_does_with_signals(tmp_path: Path, how: list[str]) -> None:
    done = lawsweep(home(tmp_path, SLOW, "limits: {seconds: 1}\n"), "run", "s.yaml", "--no-mlflow", *how)
    assert done.returncode == 3, done.stdout + done.stderr
    measured = rows(tmp_path)
    assert {key: value[0] for key, value in measured.items()} == {
        (kind, calm): "ok" if calm else "timeout" for kind in SLOW for calm in (False, True)
    }


def test_it_runs_with_every_stream_closed(tmp_path: Path) -> None:
    home(tmp_path, ["prints"])
    line = " ".join(map(repr, [*COMMAND, "run", "s.yaml", "--no-mlflow", "--inline"]))
    done = subprocess.run(
        ["bash", "-c", f"{line} <&- >&- 2>&-"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=240,
        check=False,
    )
    assert done.returncode == 0
    assert {value[0] for value in rows(tmp_path).values()} == {"ok"}


@pytest.mark.parametrize("command", [["plan", "s.yaml", "--pilot", "--json"], ["audit", "s.yaml", "--json"]])
def test_other_answers_stay_json_too(tmp_path: Path, command: list[str]) -> None:
    lawsweep(home(tmp_path, ["prints"]), "run", "s.yaml", "--no-mlflow", "--inline")
    if command[0] == "plan":
        command = [*command, "--store", "other"]
    done = lawsweep(tmp_path, *command)
    assert done.returncode == 0 and json.loads(done.stdout) and "neither is this" not in done.stdout, done.stderr
