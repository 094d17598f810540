"""Shows how far a run is: a bar on a terminal, lines elsewhere, JSON for programs, or nothing."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from orchestrator import answers
from orchestrator.wording import duration

EVERY = 10.0  # seconds between two plain lines
Show = Callable[[float, int, dict[str, int]], None]
"""Told points done (a part of one for a long point), points to do, and failures by status."""


@contextmanager
def showing(title: str, style: str = "auto") -> Iterator[Show]:
    """A function that is told points done and failures by kind, and shows them in the style while inside."""
    if style == "quiet":
        yield lambda done, total, failures: None
    elif style == "json":
        yield _lines(title, lambda event: answers.say(json.dumps(event)), every=1.0)
    elif style == "auto" and sys.stderr.isatty():
        with _bar(title) as show:
            yield show
    else:
        yield _lines(title, lambda event: print(_sentence(event), file=sys.stderr, flush=True), every=EVERY)


def _lines(title: str, say: Callable[[dict[str, Any]], None], every: float) -> Show:
    begun = time.monotonic()
    last = begun

    def show(done: float, total: int, failures: dict[str, int]) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= every and done:
            last = now
            rate = done / (now - begun)
            eta = (total - done) / rate
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
        f"{event['sweep']}: {_points(event['done'])} of {event['total']:,} points, {event['rate']:,.1f} a second, "
        f"{duration(event['eta_seconds'])} to go" + (f"; failed: {failures}" if failures else "")
    )


def _points(done: float) -> str:
    """Whole points, and the part of long ones that is done."""
    return f"{done:,.0f}" if done == int(done) else f"{done:,.1f}"


@contextmanager
def _bar(title: str) -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("[red]{task.fields[failed]}"),
    )
    begun = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None, rate="", failed="")

        def show(done: float, total: int, failures: dict[str, int]) -> None:
            rate = done / max(time.monotonic() - begun, 1e-3)
            failed = ", ".join(f"{number} {status}" for status, number in sorted(failures.items()))
            progress.update(task, completed=done, total=total, rate=f"{rate:,.0f}/s", failed=failed)

        yield show
