"""The command that shows what workloads printed, and the option that shows it while they run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from orchestrator import answers
from orchestrator.cli.options import size_option, store_option, sweep_names

if TYPE_CHECKING:
    from pathlib import Path

EVERY = 0.5
"""Seconds between two looks for something new."""


@click.command("logs")
@click.argument("sweep", shell_complete=sweep_names)
@click.argument("point", required=False)
@size_option
@store_option
@click.option("--json", "as_json", is_flag=True, help="As JSON lines: pack, points, text.")
def logs_command(sweep: str, point: str | None, size: str | None, store: str, as_json: bool) -> None:
    """Show what the workload of SWEEP printed and logged: all of it, or what belongs to one POINT.

    Of each pack the last 64 kB are kept.

    \b
    lawsweep logs khm_codes
    lawsweep logs khm_codes 161cc55a958990ca
    """

    from orchestrator.errors import QueryError, nearest
    from orchestrator.results.stored_sweep import open_sweep
    from orchestrator.store import logs, point_ids

    stored = open_sweep(sweep, size, store)
    planned = set(point_ids.letters(stored.store.planned(stored.record, ["point"])["point"]).to_pylist())
    if point is not None and point not in planned:
        raise QueryError(f"{point}: it must be a point of sweep '{sweep}', but is none{nearest(point, planned)}")
    asked_for = planned if point is None else {point}
    printed = 0
    for record in logs.of_workload(stored.store, str(stored.record["workload"])):
        for entry in record["entries"]:
            if entry["points"] and not asked_for & {*entry["points"]}:
                continue
            if point is not None and not entry["points"]:
                continue
            printed += 1
            if as_json:
                answers.say(answers.json_text({"pack": record["pack"], **entry}))
            else:
                click.echo(_entry_text(record["pack"], entry))
    if not printed and not as_json:
        click.echo(f"{point or sweep}: nothing was printed or logged")


def _entry_text(pack: str, entry: dict[str, Any]) -> str:
    """A line that says whose it is, and the text."""
    points = entry["points"]
    whose = "the import" if not points else f"point {points[0]}" + (f" and {len(points) - 1} more" if len(points) > 1 else "")
    return f"-- pack {pack}, {whose}\n{readable(entry['text']).rstrip()}"


def readable(text: str) -> str:
    """The text without the control characters that could redraw a terminal."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else " " for letter in text)


@contextmanager
def streaming(store: str, enabled: bool) -> Iterator[None]:
    """While inside, what is added to the logs of a store is visible on the error stream."""
    if not enabled:
        yield
        return
    from pathlib import Path

    folder, over = Path(store) / "logs", threading.Event()
    printed_so_far = {path: _read(path)["total"] for path in folder.glob("*/[!.]*.json")}

    def follow() -> None:
        last = False
        while not last:
            last = over.wait(EVERY)
            for path in sorted(folder.glob("*/[!.]*.json")):
                record = _read(path)
                new = record["total"] - printed_so_far.get(path, 0)
                printed_so_far[path] = record["total"]
                text = "".join(entry["text"] for entry in record["entries"])[-new:] if new > 0 else ""
                if text:
                    click.echo(readable(text), err=True, nl=not text.endswith("\n"))

    thread = threading.Thread(target=follow, name="lawsweep-logs", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _read(path: Path) -> dict[str, Any]:
    """What a pack has printed so far; nothing where the file is just being replaced."""
    import json

    try:
        record: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {"total": 0, "entries": []}
    return record
