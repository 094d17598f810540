"""Shows how far a run is: a bar on a terminal, lines elsewhere, JSON for programs, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from orchestrator import answers
from orchestrator.wording import Speed, paced, to_go

EVERY = 10.0  # seconds between two plain lines
Show = Callable[[float, int, dict[str, int]], None]
"""Told points done (a part of one for a long point), points to do, and failures by status."""


@contextmanager
def showing(title: str, style: str = "auto") -> Iterator[Show]:
    """A function that is told points done and failures by kind, and shows them in the style while inside."""
    if style == "quiet":
        yield lambda done, total, failures: None
    elif style == "json":
        yield _lines(title, lambda event: answers.say(answers.json_text(event)), every=1.0)
    elif style == "auto" and sys.stderr.isatty():
        with _bar(title) as show:
            yield show
    else:
        yield _lines(title, lambda event: print(_sentence(event), file=sys.stderr, flush=True), every=EVERY)


def say(style: str, text: str) -> None:
    """Say what goes on where there is nothing to count yet; programs, which read JSON, hear of points alone."""
    if style not in ("quiet", "json"):
        with suppress(OSError, ValueError, AttributeError):
            print(text, file=sys.stderr, flush=True)


def _lines(title: str, say: Callable[[dict[str, Any]], None], every: float) -> Show:
    last, pace = time.monotonic(), Speed()

    def show(done: float, total: int, failures: dict[str, int]) -> None:
        nonlocal last
        now = time.monotonic()
        rate = pace.rate(now, done)
        if now - last >= every and done:
            last = now
            eta = to_go(total - done, rate)
            with suppress(OSError, ValueError):  # whoever listened has gone, or the stream was closed; the run goes on
                say(
                    {
                        "sweep": title,
                        "done": done if done % 1 else int(done),
                        "total": total,
                        "rate": rate,
                        "eta_seconds": eta,
                        "failures": failures,
                    }
                )

    return show


def _sentence(event: dict[str, Any]) -> str:
    failures = ", ".join(f"{number} {status}" for status, number in sorted(event["failures"].items()))
    return (
        f"{event['sweep']}: {_points(event['done'])} of {event['total']:,} points, "
        f"{paced(event['rate'], event['eta_seconds'])}" + (f"; failed: {failures}" if failures else "")
    )


def _points(done: float) -> str:
    """Whole points, and the part of long ones that is done."""
    return f"{done:,.0f}" if done == int(done) else f"{done:,.1f}"


@contextmanager
def _bar(title: str) -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
        TextColumn("[red]{task.fields[failed]}"),
    )
    pace = Speed()
    # What a workload prints goes its own way: the bar must not take the standard streams for itself.
    console = Console(file=getattr(sys.stderr, "direct", sys.stderr))
    plain = Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
    with plain as progress:
        task = progress.add_task(title, total=None, pace="", failed="")

        def show(done: float, total: int, failures: dict[str, int]) -> None:
            rate = pace.rate(time.monotonic(), done)
            text = paced(rate, to_go(total - done, rate)) if done else "the first pack is being measured"
            failed = ", ".join(f"{number} {status}" for status, number in sorted(failures.items()))
            progress.update(task, completed=done, total=total, pace=text, failed=failed)

        yield show
