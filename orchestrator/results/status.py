"""Tells of each sweep in a store how far it is, why points failed, and whether a run goes on."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any

import polars as pl

from orchestrator.columns import NO_FAILURES, failures, unfinished
from orchestrator.results import frames
from orchestrator.results.sources import code_changes
from orchestrator.results.standing import Standing, StandingIndex
from orchestrator.store import Store, durable, logs
from orchestrator.store.shared import SharedState, SharedStates

SILENCE = 30.0
"""Seconds without a new part after which a run on another machine counts as ended."""


@dataclass(frozen=True, kw_only=True)
class SweepStatus:
    """One sweep at one size: points of its plan, those with a final row, and failures by status and error text."""

    sweep: str
    size: str
    workload: str
    points: int
    done: int
    statuses: dict[str, int]
    failures: tuple[dict[str, Any], ...]
    changed: str
    code_change: str = ""

    def row(self) -> dict[str, Any]:
        """The status as a line of a table."""
        failed = ", ".join(f"{number} {status}" for status, number in sorted(failures(self.statuses).items()))
        state = "complete" if self.done == self.points else f"{self.points - self.done:,} missing"
        early = "".join(f", {number:,} {status}" for status, number in unfinished(self.statuses).items())
        return {
            "sweep": self.sweep,
            "size": self.size,
            "points": self.points,
            "done": self.done,
            "state": state + early,
            "failed": failed or "none",
            "last run": self.changed,
        }


def status(store: Store, sweep: str | None = None) -> tuple[SweepStatus, ...]:
    """The status of every plan in the store, or of one sweep's; StoreError where it has none."""
    records = store.plans(sweep)
    if not records and sweep is not None:
        store.latest(sweep)
    indexes = {only: StandingIndex(store, only) for only in map(_measured_by, records)}
    for only, index in indexes.items():
        index.refresh()
        index.match(store.plan_path(record) for record in records if _measured_by(record) == only)
    standings = [indexes[_measured_by(record)].standing(store.plan_path(record)) for record in records]
    return tuple(
        _status(store, record, standing, _failures(store, record) if sweep is not None else ())
        for record, standing in zip(records, standings, strict=True)
    )


def unneeded(store: Store) -> tuple[SharedState, ...]:
    """Shared states that no workload has asked for of which a plan has unfinished points."""
    open_workloads = {state.workload for state in status(store) if state.done < state.points}
    return tuple(shared for shared in SharedStates(store).all() if not open_workloads & {*shared.workloads})


def _measured_by(record: Mapping[str, Any]) -> tuple[str, int]:
    """The workload and the VERSION of it that a plan is for."""
    return str(record["workload"]), int(record["version"])


def _status(store: Store, record: Mapping[str, Any], standing: Standing, failures: tuple[dict[str, Any], ...]) -> SweepStatus:
    change = code_changes.code_change(store, record, standing.generations)
    return SweepStatus(
        sweep=record["sweep"],
        size=record["size"],
        workload=record["workload"],
        points=standing.points,
        done=standing.done,
        statuses=dict(standing.statuses),
        failures=failures,
        changed=str(record["created"])[:19].replace("T", " "),
        code_change=change.sentence if change else "",
    )


def _failures(store: Store, record: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Each kind of failure with how often it came, one point and its text."""
    rows = frames.of_plan(store, record).filter(pl.col("final") & ~pl.col("status").is_in(NO_FAILURES)).collect()
    kinds = rows.group_by("status").agg(
        pl.col("point").n_unique().alias("points"), pl.col("point").first().alias("example"), pl.col("error").first()
    )
    return tuple(kinds.sort("status").to_dicts())


def printed(store: Store, workload: str, point: str) -> list[tuple[str, str]]:
    """What was printed and logged while a point was measured: a pack's name and the text, for each pack that printed any."""
    return logs.of_point(store, workload, point)


def is_running(
    store: Store, record: Mapping[str, Any], runs: Sequence[Mapping[str, Any]], locks: frozenset[int], changed: float
) -> bool:
    """Whether a process holds the sweep, or one elsewhere has not said that it ended and has just written.

    `runs` are those of the sweep, `locks` is what `held_locks` gives, `changed` is when the last row came.
    """
    if not runs or runs[-1].get("ended") or runs[-1]["generation"] != record.get("generation"):
        return False
    lock = store.path / "locks" / f"{record['sweep']}.lock"
    holder = durable.load(lock) if lock.exists() else {}
    if holder.get("host") == socket.gethostname():
        return lock.stat().st_ino in locks
    return time() - changed < SILENCE


def held_locks() -> frozenset[int]:
    """Inodes of the files that a process of this machine holds locked; none where the system does not tell."""
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(int(word.split(":")[-1]) for line in lines for word in line.split()[5:6] if word.count(":") == 2)
