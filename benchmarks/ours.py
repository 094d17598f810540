"""Measures the grid with the command `lawsweep`, from outside: its clock, its memory, its rows."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.grid import WORKERS, Timing

HERE = Path(__file__).parent
COMMAND = [sys.executable, "-m", "orchestrator.cli"]
QUERY = "select d, m, avg(distance) as distance from {table} group by d, m order by d, m"
LOOKS = 0.1  # seconds between two looks at the driver's memory


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of the command: when it was started and ended (epoch seconds), the driver's peak memory, its last JSON line."""

    begun: float
    ended: float
    peak_bytes: int
    said: dict[str, Any]


def lawsweep(*arguments: str) -> Run:
    """The command run to its end."""
    with tempfile.TemporaryFile("w+") as output:
        begun = time.time()
        process = subprocess.Popen([*COMMAND, *arguments], stdout=output, cwd=HERE.parent)
        peaks = [0]
        watch = threading.Thread(target=_watch, args=(process, peaks))
        watch.start()
        process.wait()
        ended = time.time()
        watch.join()
        output.seek(0)
        lines = output.read().splitlines()
    if process.returncode:
        raise SystemExit(f"lawsweep {' '.join(arguments)} left with {process.returncode}; it said {lines[-3:]}")
    return Run(begun=begun, ended=ended, peak_bytes=max(peaks), said=json.loads(lines[-1]))


def _watch(process: subprocess.Popen[str], peaks: list[int]) -> None:
    """Note the driver's memory now and then, until it is gone."""
    while process.returncode is None:
        peaks.append(_peak(process.pid))
        time.sleep(LOOKS)


def _peak(pid: int) -> int:
    """The most resident memory that the process ever had, in bytes; 0 once it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")), 0)


def measure(name: str, sweep: str, store: Path, size: Sequence[str] = ()) -> tuple[Timing, Run]:
    """A sweep of this folder run into a new store.

    Start-up is exec to first recorded row; everything after counts: rows, verdict, report, MLflow, exit. Rows that the first
    parts hold were measured before, so they are taken off the points as well.
    """
    spec = str(HERE / f"{sweep}.yaml")
    run = lawsweep("run", spec, *size, "--store", str(store), "--cpus", str(WORKERS), "--json")
    first, points = run.said["first"], run.said["points"]
    before = _rows(part for part in (store / "rows").rglob("*.parquet") if part.stat().st_mtime <= first)
    timing = Timing(
        name=name,
        points=points - before,
        seconds=run.ended - first,
        total=total(store, sweep),
        startup=first - run.begun,
        note=f"{points:,} points, {before:,} by the first row",
    )
    return timing, run


def _rows(parts: Iterable[Path]) -> int:
    import pyarrow.parquet as pq

    return sum(pq.read_metadata(part).num_rows for part in parts)


def total(store: Path, table: str) -> float:
    """The sum of all distances in the store, repeated rows left out."""
    import polars as pl

    import orchestrator

    rows = orchestrator.open(store).table(table).select(pl.col("distance").sum()).collect()
    return float(rows.item())


def query_seconds(store: Path, table: str) -> float:
    """Seconds of a grouped query over all rows, the store read anew; the best of three, imports not counted."""
    from orchestrator.results import query
    from orchestrator.store import open_store

    query.run(open_store(store), "select 1 as one")
    spans = []
    for _ in range(3):
        begin = time.monotonic()
        query.run(open_store(store), QUERY.format(table=table))
        spans.append(time.monotonic() - begin)
    return min(spans)


def help_seconds() -> float:
    """Seconds that `lawsweep --help` takes; the best of three, the first of which warms the disk."""
    return min(_spent([*COMMAND, "--help"]) for _ in range(3))


def _spent(command: list[str]) -> float:
    begin = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, cwd=HERE.parent)
    return time.monotonic() - begin
