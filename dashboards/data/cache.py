"""Turns a store into what the pages show of it, keeping what was read as long as the store has not changed."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from orchestrator.results import described, frames, status
from orchestrator.results.described import Described
from orchestrator.results.query import Results
from orchestrator.results.standing import Standing, StandingIndex

ROWS = 4_000_000
"""Rows of sweeps that are kept in memory; of the longest unused, those above it are let go."""
FIGURES = 200
"""Figures that are kept."""
FILE_NAME = re.compile(r"[\w.-]+")
Record = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class SweepState:
    """One sweep at one size: the record of its plan, how far it is, its verdicts, its runs, and its sizes.

    `standing` is None while the store is still being read for the first time.
    """

    record: Record
    standing: Standing | None
    verdicts: tuple[Record, ...]
    checks: tuple[Record, ...]
    runs: tuple[Record, ...]
    sizes: tuple[str, ...]
    running: bool
    changed: datetime
    judged: float

    @property
    def name(self) -> str:
        """The sweep's name."""
        return str(self.record["sweep"])

    @property
    def size(self) -> str:
        """The size that is shown."""
        return str(self.record["size"])

    @property
    def state(self) -> str:
        """running, complete, stopped (points are missing and nothing runs) or counting."""
        if self.running:
            return "running"
        if self.standing is None:
            return "counting"
        return "complete" if self.standing.done >= self.standing.points else "stopped"


@dataclass(frozen=True)
class SweepRows:
    """The rows of a sweep with `arm` first, what its params and results are, and a name for what they were read from."""

    frame: pl.DataFrame
    fields: Mapping[str, Described]
    described: tuple[Mapping[str, str], ...]
    stamp: str


class Cache:
    """A store as the pages read it; what it keeps is named after the parts that it was read from."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.store = results.store
        self.index = StandingIndex(self.store)
        self.asked, self.ready = threading.Event(), threading.Event()
        self._rows: OrderedDict[tuple[str, ...], tuple[frozenset[str], SweepRows]] = OrderedDict()
        self._guard = threading.Lock()
        self._figures: OrderedDict[tuple[str, ...], Any] = OrderedDict()

    def warm(self) -> None:
        """Read all points of the store once; pages before that say that they are being counted."""
        self.index.refresh()
        self.index.match(self.store.plan_path(record) for record in self._latest().values())
        self.ready.set()
        for workload in self.store.workloads():
            self.store.parts(workload)

    def sweeps(self, wait: float = 0.02) -> tuple[SweepState, ...]:
        """All sweeps at the size of their latest run, the latest change first."""
        counted = self.ready.wait(wait)
        if counted:
            self.index.refresh()
        plans, runs, locks = self.store.plans(), self.store.runs(), status.held_locks()
        latest = {record["sweep"]: record for record in plans}
        sweeps = [self._sweep(record, plans, runs, locks, counted) for record in latest.values()]
        return tuple(sorted(sweeps, key=lambda s: s.changed, reverse=True))

    def sweep(self, name: str, size: str | None = None) -> SweepState:
        """One sweep, at a size or at that of its latest run; StoreError with the nearest name where there is none."""
        self.asked.set()
        self.ready.wait()
        self.index.refresh()
        return self._sweep(self.store.latest(name, size), self.store.plans(), self.store.runs(), status.held_locks(), True)

    def rows(self, sweep: SweepState) -> SweepRows:
        """The rows of a sweep's points that count, read from the parts that hold them."""
        assert sweep.standing is not None
        key = (sweep.name, sweep.size, str(sweep.record.get("generation")))
        with self._guard:
            entry = self._rows.get(key)
            if entry is not None and entry[0] == sweep.standing.parts:
                self._rows.move_to_end(key)
                return entry[1]
            rows = self._read(sweep)
            self._rows[key] = (sweep.standing.parts, rows)
            while len(self._rows) > 1 and sum(len(r.frame) for _, r in self._rows.values()) > ROWS:
                self._rows.popitem(last=False)
            return rows

    def once(self, key: tuple[str, ...], make: Callable[[], Any]) -> Any:
        """What `make` gives, made once for a key; the key names what it was made of, as a `stamp` does."""
        if key not in self._figures:
            self._figures[key] = make()
            while len(self._figures) > FIGURES:
                self._figures.popitem(last=False)
        return self._figures[key]

    def point(self, point: str) -> tuple[Record, ...]:
        """All rows ever written of a point, repeats too, the first written first; `counts` says which of them count."""
        self.asked.set()
        self.ready.wait()
        self.index.refresh()
        return frames.every_row(self.store, point, set(self.index.holders(point)))

    def document(self, kind: str, sweep: str) -> Any:
        """What is saved of a sweep, of kind verdicts or audits; None where there is nothing, or no file could bear its name."""
        return self.store.load(kind, sweep) if FILE_NAME.fullmatch(sweep) else None

    def describe(self, workload: str) -> tuple[Mapping[str, str], ...]:
        """Every column of a workload's rows; none where it has no rows."""
        return tuple(self.store.describe(workload)) if workload in self.store.workloads() else ()

    def _read(self, sweep: SweepState) -> SweepRows:
        assert sweep.standing is not None
        parts = sweep.standing.parts
        frame, columns = frames.planned_rows(self.store, sweep.record, parts)
        stamp = f"{len(parts)}-{hash(parts) & 0xFFFFFFFF:08x}" if columns else "none"
        return SweepRows(frame, described.fields(columns), columns, stamp)

    def _latest(self) -> dict[str, Record]:
        return {record["sweep"]: record for record in self.store.plans()}

    def _sweep(
        self, record: Record, plans: list[Record], runs: list[Record], locks: frozenset[int], counted: bool
    ) -> SweepState:
        path = self.store.plan_path(record)
        standing = self.index.standing(path) if counted else None
        mine = tuple(run for run in runs if run.get("sweep") == record["sweep"])
        verdicts = self.store.path / "verdicts" / f"{record['sweep']}.json"
        changed = max(path.stat().st_mtime, standing.changed if standing else 0.0)
        sizes = dict.fromkeys(str(p["size"]) for p in plans if p["sweep"] == record["sweep"])
        return SweepState(
            record=record,
            standing=standing,
            verdicts=self._verdicts(record),
            checks=self._checks(record),
            judged=verdicts.stat().st_mtime if verdicts.exists() else 0.0,
            runs=mine,
            sizes=tuple(sizes),
            running=status.is_running(self.store, record, mine, locks, changed),
            changed=datetime.fromtimestamp(changed, UTC),
        )

    def _checks(self, record: Record) -> tuple[Record, ...]:
        """What came of a sweep's checks at its plan's size."""
        saved = self.document("checks", record["sweep"]) or []
        return tuple(check for check in saved if isinstance(check, dict) and check.get("size") == record["size"])

    def _verdicts(self, record: Record) -> tuple[Record, ...]:
        """The verdicts on a sweep at its plan's size; those that an older version saved lie below `verdicts`."""
        saved = self.document("verdicts", record["sweep"]) or []
        verdicts = saved if isinstance(saved, list) else saved.get("verdicts", [])
        return tuple(v for v in verdicts if isinstance(v, dict) and v.get("size", record["size"]) == record["size"])
