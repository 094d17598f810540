"""Turns a store into what the pages show of it, keeping what was read as long as the store has not changed."""

from __future__ import annotations

import socket
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

import polars as pl

from dashboards.index import Index, Standing
from orchestrator.results import frames
from orchestrator.results.described import Described
from orchestrator.results.query import Results
from orchestrator.store import counting_rule, durable, parts, point_ids, row_format
from orchestrator.store.counted_rows import table, view

if TYPE_CHECKING:
    from orchestrator.store import Store

KEPT = 4_000_000
"""Rows of sweeps that are kept in memory; of the longest unused, those above it are let go."""
MADE = 200
"""Figures that are kept."""
SILENCE = 30.0
"""Seconds without a new part after which a run on another machine counts as ended."""
LABELS = ("arm", "workload", "pack", "commit", "host", "device", "torch", "status")
Record = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """One sweep at one size: the record of its plan, how far it is, its verdicts, its runs, and its sizes.

    `standing` is None while the store is still being read for the first time.
    """

    record: Record
    standing: Standing | None
    verdicts: tuple[Record, ...]
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
class Rows:
    """The rows of a sweep with `arm` first, what its params and results are, and a name for what they were read from."""

    frame: pl.DataFrame
    fields: Mapping[str, Described]
    described: tuple[Mapping[str, str], ...]
    stamp: str


class Shelf:
    """A store as the pages read it; what is kept is named after the parts it was read from."""

    def __init__(self, results: Results) -> None:
        self.store: Store = results.store
        self.results = results
        self.index = Index(self.store.path / "rows")
        self.asked, self.ready = threading.Event(), threading.Event()
        self._rows: OrderedDict[tuple[str, ...], tuple[frozenset[str], Rows]] = OrderedDict()
        self._guard = threading.Lock()
        self._made: OrderedDict[tuple[str, ...], Any] = OrderedDict()

    def warm(self) -> None:
        """Read all points of the store once; pages before that say that they are being counted."""
        self.index.refresh()
        self.index.match(self.store.plan_path(record) for record in self._latest().values())
        self.ready.set()
        for workload in self.store.workloads():
            self.store.parts(workload)

    def sweeps(self, wait: float = 0.02) -> tuple[Sweep, ...]:
        """All sweeps at the size of their latest run, the latest change first."""
        counted = self.ready.wait(wait)
        if counted:
            self.index.refresh()
        plans, runs, held = self.store.plans(), self.store.runs(), _locks()
        latest = {record["sweep"]: record for record in plans}
        found = [self._sweep(record, plans, runs, held, counted) for record in latest.values()]
        return tuple(sorted(found, key=lambda s: s.changed, reverse=True))

    def sweep(self, name: str, size: str | None = None) -> Sweep:
        """One sweep, at a size or at that of its latest run; StoreError with the nearest name where there is none."""
        self.asked.set()
        self.ready.wait()
        self.index.refresh()
        return self._sweep(self.store.latest(name, size), self.store.plans(), self.store.runs(), _locks(), True)

    def rows(self, sweep: Sweep) -> Rows:
        """The rows of a sweep's points that count, read from the parts that hold them."""
        assert sweep.standing is not None
        key = (sweep.name, sweep.size, str(sweep.record.get("generation")))
        with self._guard:
            kept = self._rows.get(key)
            if kept is not None and kept[0] == sweep.standing.parts:
                self._rows.move_to_end(key)
                return kept[1]
            rows = parts.settled(lambda: self._read(sweep))
            self._rows[key] = (sweep.standing.parts, rows)
            while len(self._rows) > 1 and sum(len(r.frame) for _, r in self._rows.values()) > KEPT:
                self._rows.popitem(last=False)
            return rows

    def once(self, key: tuple[str, ...], make: Callable[[], Any]) -> Any:
        """What `make` gives, made once for a key; the key names what it was made of, as a `stamp` does."""
        if key not in self._made:
            self._made[key] = make()
            while len(self._made) > MADE:
                self._made.popitem(last=False)
        return self._made[key]

    def point(self, point: str) -> tuple[Record, ...]:
        """All rows ever written of a point, repeats too, the first written first; `counts` says which of them count."""
        self.asked.set()
        self.ready.wait()
        self.index.refresh()
        return parts.settled(lambda: self._point(point))

    def _point(self, point: str) -> tuple[Record, ...]:
        import pyarrow as pa
        import pyarrow.compute as pc

        paths = set(self.index.holding(point))
        found = [p for w in self.store.workloads() for p in self.store.parts(w) if str(p.path) in paths]
        if not found:
            return ()
        schema = parts.unify(found)
        rows = parts.read(found, schema, schema.names, pc.field("point") == point_ids.number(point))
        places = counting_rule.settle(rows.append_column("place", pa.array(range(rows.num_rows))))["place"].to_pylist()
        marked = [{**row, "counts": place in places} for place, row in enumerate(point_ids.readable(rows).to_pylist())]
        return tuple(sorted(marked, key=lambda r: (r["generation"], r["step"])))

    def describe(self, workload: str) -> tuple[Mapping[str, str], ...]:
        """Every column of a workload's rows; none where it has no rows."""
        return tuple(self.store.describe(workload)) if workload in self.store.workloads() else ()

    def _read(self, sweep: Sweep) -> Rows:
        assert sweep.standing is not None
        wanted = sweep.standing.parts
        found = [p for p in self.store.parts(sweep.record["workload"]) if str(p.path) in wanted]
        plan = _frame(self.store.planned(sweep.record, ["arm", "point"]))
        if not found:
            return Rows(
                _frame(point_ids.readable(row_format.engine_schema().empty_table())).with_columns(arm=pl.lit("")),
                {},
                (),
                "none",
            )
        seen = view(found)
        measured = _frame(table(seen, seen.schema.names))
        described = tuple(row_format.describe(seen.schema))
        params = [d["name"] for d in described if d["role"] == "param"]
        frame = frames.shown(plan.join(measured, on="point", how="inner").sort("arm", *params, "seed", "step").lazy()).collect()
        frame = frame.with_columns(pl.col(name).cast(pl.Categorical) for name in LABELS)
        fields = {d["name"]: Described(**_known(d)) for d in described if d["role"] != "engine"}
        return Rows(frame, fields, described, f"{len(wanted)}-{hash(wanted) & 0xFFFFFFFF:08x}")

    def planned_arms(self, sweep: Sweep, point: str) -> list[str]:
        """The arms of a sweep's plan that have the point."""
        plan = _frame(self.store.planned(sweep.record, ["arm", "point"]))
        return list(map(str, plan.filter(pl.col("point") == point_ids.number(point))["arm"]))

    def _latest(self) -> dict[str, Record]:
        return {record["sweep"]: record for record in self.store.plans()}

    def _sweep(self, record: Record, plans: list[Record], runs: list[Record], held: frozenset[int], counted: bool) -> Sweep:
        path = self.store.plan_path(record)
        standing = self.index.standing(path) if counted else None
        mine = tuple(run for run in runs if run.get("sweep") == record["sweep"])
        verdicts = self.store.path / "verdicts" / f"{record['sweep']}.json"
        changed = max(path.stat().st_mtime, standing.changed if standing else 0.0)
        sizes = dict.fromkeys(str(p["size"]) for p in plans if p["sweep"] == record["sweep"])
        return Sweep(
            record=record,
            standing=standing,
            verdicts=tuple(v for v in _listed(verdicts) if v.get("size", record["size"]) == record["size"]),
            judged=verdicts.stat().st_mtime if verdicts.exists() else 0.0,
            runs=mine,
            sizes=tuple(sizes),
            running=self._running(record, mine, held, changed),
            changed=datetime.fromtimestamp(changed, UTC),
        )

    def _running(self, record: Record, runs: tuple[Record, ...], held: frozenset[int], changed: float) -> bool:
        """Whether a process holds the sweep, or one elsewhere has not said that it ended and has just written."""
        if not runs or runs[-1].get("ended") or runs[-1]["generation"] != record.get("generation"):
            return False
        lock = self.store.path / "locks" / f"{record['sweep']}.lock"
        holder = durable.load(lock) if lock.exists() else {}
        if holder.get("host") == socket.gethostname():
            return lock.stat().st_ino in held
        return time() - changed < SILENCE


def _frame(found: Any) -> pl.DataFrame:
    frame = pl.from_arrow(found)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _known(described: Mapping[str, str]) -> dict[str, str]:
    return {key: described[key] for key in ("name", "role", "says", "unit", "aggregate", "bound") if key in described}


def _listed(path: Path) -> list[Record]:
    """The verdicts in a file; none where it is not there."""
    said = durable.load(path) if path.exists() else []
    found = said if isinstance(said, list) else said.get("verdicts", [])
    return [verdict for verdict in found if isinstance(verdict, dict)]


def _locks() -> frozenset[int]:
    """Inodes of the files that a process of this machine holds locked; none where the system does not tell."""
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(int(word.split(":")[-1]) for line in lines for word in line.split()[5:6] if word.count(":") == 2)
