"""How far a run is, as a bar, as lines, as JSON, or not at all."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from dashboards.blocks import sweep_card
from orchestrator.driver import progress
from orchestrator.driver.progress import showing
from orchestrator.wording import Speed, duration, paced, to_go

SHOW = """
import sys
from orchestrator.driver import progress
progress.EVERY = 0.0
style, total = sys.argv[1], int(sys.argv[2])
with progress.showing("halves", style) as show:
    show(0, total, {})
    show(total // 4, total, {})
    import time; time.sleep(0.05)
    show(total // 2, total, {"error": 2, "oom": 1})
    show(total, total, {"error": 2})
"""


def shown(style: str, total: int = 2000) -> tuple[str, str]:
    """What a process that is no terminal says on its two streams."""
    done = subprocess.run([sys.executable, "-c", SHOW, style, str(total)], capture_output=True, text=True, check=True)
    return done.stdout, done.stderr


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (8.26, "8.3 s"),
        (10.4, "10 s"),
        (59.7, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599.6, "1 h 0 min"),
        (7500, "2 h 5 min"),
        (360000, "100 h 0 min"),
    ],
)
def test_a_duration_reads_as_people_write_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize("style", ["plain", "auto"])
def test_without_a_terminal_there_are_lines_on_the_error_stream(style: str) -> None:
    out, err = shown(style)
    start, first, last = err.splitlines()
    assert out == "" and start == "halves: 500 of 2,000 points, the time to go is not known yet"
    assert first.startswith("halves: 1,000 of 2,000 points, ") and first.endswith(" to go; failed: 2 error, 1 oom")
    assert last.startswith("halves: 2,000 of 2,000 points, ") and "0.0 s to go" in last


def test_quiet_says_nothing() -> None:
    assert shown("quiet") == ("", "")


def test_the_part_of_a_long_point_counts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter([0.0, 10.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with showing("long", "plain") as show:
        show(2.5, 12, {})
    assert capsys.readouterr().err.startswith("long: 2.5 of 12 points, ")


def test_json_lines_hold_the_figures(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter([0.0, 4.0, 4.5, 8.0])  # the first four seconds are the start, and say nothing of the pace
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with showing("halves", "json") as show:
        for done in (20, 25, 50):
            show(done, 100, {"error": 1})
    first, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {"sweep": "halves", "done": 20, "total": 100, "rate": None, "eta_seconds": None, "failures": {"error": 1}}
    assert (last["done"], last["rate"], last["eta_seconds"]) == (50, 7.5, 50 / 7.5)


def test_the_pace_is_that_of_the_last_minute_and_does_not_count_the_start() -> None:
    pace = Speed()
    assert pace.rate(0, 0) is None and pace.rate(100, 10) is None  # a hundred seconds until the first points
    assert pace.rate(110, 30) == 2
    for second in range(120, 400, 10):
        rate = pace.rate(second, 30 + (second - 110) * 5)
    assert rate == pytest.approx(5) and to_go(100, rate) == pytest.approx(20)
    assert paced(None, None) == "the time to go is not known yet" and paced(5.0, 20.0) == "5 points a second, 20 s to go"


def test_a_page_and_a_terminal_say_one_time_to_go() -> None:
    assert sweep_card.paced is progress.paced and sweep_card.Speed is progress.Speed


def test_on_a_terminal_there_is_a_bar(tmp_path: Path) -> None:
    main, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", SHOW, "auto", "2000"], stderr=terminal, stdout=terminal, env={**os.environ, "COLUMNS": "120"}
    ):
        pass
    os.close(terminal)
    text = b""
    while chunk := read(main):
        text += chunk
    assert b"2000/2000" in text and b"to go" in text and b"2 error" in text


def read(descriptor: int) -> bytes:
    """What is left to read; nothing at the end, which a terminal calls an error."""
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:
        return b""
