"""Tells of each sweep in a store how far it is, and why points failed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from orchestrator.columns import NO_FAILURES, failures, unfinished
from orchestrator.store import Store


@dataclass(frozen=True, kw_only=True)
class Status:
    """One sweep at one size: points of its plan, those with a final row, and failures by status and error text."""

    sweep: str
    size: str
    workload: str
    points: int
    done: int
    statuses: dict[str, int]
    failures: tuple[dict[str, Any], ...]
    changed: str

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


def status(store: Store, sweep: str | None = None) -> tuple[Status, ...]:
    """The status of every plan in the store, or of one sweep's; StoreError where it has none."""
    records = [record for record in store.plans() if sweep in (None, record["sweep"])]
    if not records and sweep is not None:
        store.latest(sweep)
    return tuple(_one(store, record, errors=sweep is not None) for record in records)


def _one(store: Store, record: dict[str, Any], errors: bool) -> Status:
    points = pc.unique(store.planned(record, ["point"])["point"])
    finals = store.finals(record["workload"], record["version"])
    mine = finals.filter(pc.is_in(finals["point"], value_set=points))
    return Status(
        sweep=record["sweep"],
        size=record["size"],
        workload=record["workload"],
        points=len(points),
        done=mine.num_rows,
        statuses=dict(Counter(mine["status"].to_pylist())),
        failures=_failures(store, record) if errors else (),
        changed=str(record["created"])[:19].replace("T", " "),
    )


def _failures(store: Store, record: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Each kind of failure with how often it came, one point and its text."""
    import polars as pl

    from orchestrator.results import frames

    rows = (
        frames.sweep(store, record["sweep"], record["size"])
        .filter(pl.col("final") & ~pl.col("status").is_in(NO_FAILURES))
        .collect()
    )
    kinds = rows.group_by("status").agg(
        pl.col("point").n_unique().alias("points"), pl.col("point").first().alias("example"), pl.col("error").first()
    )
    return tuple(kinds.sort("status").to_dicts())
