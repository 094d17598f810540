"""Turns rows, plans and run records into files of one folder, and the folder into tables again."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestrator.columns import OK
from orchestrator.errors import StoreError, nearest
from orchestrator.store import counting_rule, durable, parts, point_ids, row_format
from orchestrator.store.counted_rows import View, view
from orchestrator.store.parts import Part, part_bytes
from orchestrator.store.row_format import FORMAT, row_schema
from orchestrator.workload.describe import Workload

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")
BASE = "base"
MARK = "store.json"
HIVE = "workload="
"""What older versions put before the names of folders of rows: readers of such folders add a column that the files have too."""


@dataclass(frozen=True)
class Store:
    """A folder with parts, plans, runs, claims, verdicts and reports; every path in it is relative."""

    path: Path

    def raise_format(self) -> None:
        """Let store.json name the newest format, before a file of it comes in: an older lawsweep refuses the store then."""
        mark = self.path / MARK
        if durable.load(mark).get("format", 0) < FORMAT:
            durable.write(mark, durable.json_bytes({"format": FORMAT}))

    # Rows

    def folder(self, workload: str) -> Path:
        """Where the parts of a workload lie: in a folder of its name, which no reader takes for a column."""
        return self.path / "rows" / _name(workload, "a workload")

    def folders(self, workload: str) -> tuple[Path, Path]:
        """The folder in which older versions wrote them, then that one: `compact` moves parts from the first to the second."""
        return self.path / "rows" / f"{HIVE}{_name(workload, 'a workload')}", self.folder(workload)

    def workloads(self) -> tuple[str, ...]:
        """Names of the workloads that have parts, sorted."""
        folders = (self.path / "rows").glob("[!.]*")
        return tuple(sorted({f.name.removeprefix(HIVE) for f in folders if parts.listing(f)}))

    def put(self, workload: str, name: str, data: bytes) -> None:
        """Make a part of rows durable under its name; the same part again changes nothing.

        Raises StoreError where the disk is full or may not be written; nothing is left of the part then.
        """
        self.raise_format()
        paths = [folder / f"{_name(name, 'a part')}.parquet" for folder in self.folders(workload)]
        durable.write(paths[0] if paths[0].exists() else paths[1], data)

    def parts(self, workload: str) -> tuple[Part, ...]:
        """The parts of a workload; none where it has no rows yet."""
        return parts.settled(lambda: self._footers(workload))

    def _footers(self, workload: str) -> tuple[Part, ...]:
        return tuple(part for folder in self.folders(workload) for part in parts.footers(folder))

    def check(self, workload: Workload) -> None:
        """Raise StoreError where stored rows of this VERSION hold a column as another type than the workload has."""
        parts.check(self.parts(workload.name), row_schema(workload), workload.version)

    def schema(self, workload: str) -> pa.Schema:
        """The columns of a workload's rows, over all its parts; StoreError where it has none or they disagree."""
        return parts.unify(self._some(workload))

    def view(self, workload: str) -> View:
        """The rows of a workload that count, as they are now; StoreError where it has none."""
        return parts.settled(lambda: view(self._some(workload)))

    def describe(self, workload: str) -> list[dict[str, str]]:
        """Name, type, role, unit and sentence of every column of a workload's rows."""
        return row_format.describe(self.schema(workload))

    def finals(self, workload: str, version: int | None = None) -> pa.Table:
        """Points with their status, one row each: those that have a final row, of one VERSION or of all."""
        return self._finals(workload, ["point", "status"], version)

    def seconds(self, workload: str) -> pa.Table:
        """What each ok point took: `point, seconds, threads, host, device` and the params."""
        members = self.parts(workload)
        params = [f.name for f in parts.unify(members) if row_format.role(f) == "param"] if members else []
        rows = self._finals(workload, ["point", "status", "seconds", "threads", "host", "device", *params], None)
        return rows.filter(pc.equal(rows["status"], OK)).drop_columns("status")

    def settings(self, workload: str, version: int, names: Sequence[str]) -> pa.Table:
        """Points of one VERSION that have a final row, and what those of the named params are that their rows have."""
        members = [part for part in self.parts(workload) if part.version == version]
        stored = set(parts.unify(members).names) if members else set()
        return self._finals(workload, ["point", *(name for name in names if name in stored)], version)

    def _finals(self, workload: str, columns: list[str], version: int | None) -> pa.Table:
        return parts.settled(lambda: self._read_finals(workload, columns, version))

    def _read_finals(self, workload: str, columns: list[str], version: int | None) -> pa.Table:
        members = [p for p in self._footers(workload) if version in (None, p.version)]
        if not members:
            return _no_rows(columns)
        schema = parts.unify(members)
        final = pc.field("final")
        rows = parts.read(members, schema, list(dict.fromkeys([*columns, *counting_rule.WATCHED])), final)
        if parts.alone(members) or counting_rule.distinct(rows):
            return rows.select(columns)
        wide = list(dict.fromkeys([*columns, *counting_rule.COLUMNS]))
        return counting_rule.finals(parts.read(members, schema, wide, final)).select(columns)

    def _some(self, workload: str) -> tuple[Part, ...]:
        members = self.parts(workload)
        if not members:
            names = self.workloads()
            raise StoreError(
                f"store {self.path}: it must hold rows of workload '{workload}', but it has none"
                f"{nearest(workload, names)} It holds {', '.join(names) or 'no rows yet'}."
            )
        return members

    # Plans

    def save_plan(self, plan: pa.Table, record: Mapping[str, Any]) -> None:
        """Keep a sweep's plan, `arm, point, seed` and params, and what is known of it: at least sweep, size, workload."""
        size = record.get("size") or BASE
        table = point_ids.numbered(plan)
        repeating = [name for name in table.schema.names if name != "point"]
        self.raise_format()
        file = self.path / "plans" / _name(record["sweep"], "a sweep") / _name(size, "a size")
        durable.write(file.with_suffix(".parquet"), part_bytes(table, repeating=repeating))
        durable.write(file.with_suffix(".json"), durable.json_bytes({"created": durable.now(), **record, "size": size}))

    def sweeps(self) -> tuple[str, ...]:
        """Names of all sweeps that have a plan, sorted."""
        return tuple(sorted({path.parent.name for path in (self.path / "plans").glob("*/*.json")}))

    def plans(self, sweep: str | None = None) -> list[dict[str, Any]]:
        """Records of all plans, or of those of one sweep alone, the earliest first."""
        if sweep is not None and not NAME.fullmatch(sweep):
            # No plan is saved under such a name, but somebody may have made its folder; a path would lead out of the store.
            return [record for record in self.plans() if record["sweep"] == sweep == Path(sweep).name]
        paths = sorted((self.path / "plans").glob(f"{sweep or '*'}/*.json"))
        records = [durable.load(path) for path in paths if not path.name.startswith(".")]
        return sorted(records, key=lambda r: (r.get("generation") or 0, r["created"]))

    def latest(self, sweep: str, size: str | None = None) -> dict[str, Any]:
        """Record of a sweep's plan, of that size or of the latest run; StoreError where the sweep has none."""
        records = self.plans(sweep)
        fits = [record for record in records if size in (None, record["size"])]
        if not fits:
            raise self._no_plan(sweep, size, [record["size"] for record in records])
        return fits[-1]

    def _no_plan(self, sweep: str, size: str | None, sizes: list[str]) -> StoreError:
        """What is wrong where a sweep has no plan of that size, but of `sizes`."""
        if sizes:
            return StoreError(
                f"store {self.path}: it must hold a plan of sweep '{sweep}' at size {size}, but it has only "
                f"{', '.join(sizes)}{nearest(str(size), sizes)} Run it at that size, or name another with --size."
            )
        sweeps = {record["sweep"] for record in self.plans()}
        return StoreError(
            f"store {self.path}: it must hold a plan of sweep '{sweep}', but has none"
            f"{nearest(sweep, sweeps)} It holds {', '.join(sorted(sweeps)) or 'no plan yet'}."
        )

    def plan_path(self, record: Mapping[str, Any]) -> Path:
        """Where the plan of that record lies."""
        return self.path / "plans" / str(record["sweep"]) / f"{record['size']}.parquet"

    def plan(self, sweep: str, size: str | None = None, columns: Sequence[str] | None = None) -> pa.Table:
        """A sweep's plan, `arm, point, seed` and params, or columns of it, of that size or of the latest run."""
        return self.planned(self.latest(sweep, size), columns)

    def planned(self, record: Mapping[str, Any], columns: Sequence[str] | None = None) -> pa.Table:
        """The plan of that record, or columns of it; one of format 1 has no params."""
        path = self.plan_path(record)
        try:
            return point_ids.numbered(
                pq.read_table(path, columns=None if columns is None else list(columns), partitioning=None)
            )
        except (pa.ArrowException, OSError, ValueError) as error:
            raise StoreError(
                f"plan {path}: it must be a whole Parquet file, but got '{error}'; run the sweep again."
            ) from error

    def save_boundaries(self, sweep: str, size: str | None, table: pa.Table) -> None:
        """Keep what a search has found, one row a boundary."""
        durable.write(self.boundaries_path(sweep, size), part_bytes(table))

    def save_fronts(self, sweep: str, size: str | None, table: pa.Table) -> None:
        """Keep the fronts of a search with several goals, one row a point that no other beats."""
        durable.write(self.fronts_path(sweep, size), part_bytes(table))

    def fronts_path(self, sweep: str, size: str | None) -> Path:
        """Where the fronts of a sweep at one size lie, if any were searched."""
        return self.path / "fronts" / _name(sweep, "a sweep") / f"{_name(size or BASE, 'a size')}.parquet"

    def boundaries_path(self, sweep: str, size: str | None) -> Path:
        """Where the boundaries of a sweep at one size lie, if any were searched."""
        return self.path / "boundaries" / _name(sweep, "a sweep") / f"{_name(size or BASE, 'a size')}.parquet"

    # Runs and what is said of sweeps

    def begin(self, record: Mapping[str, Any]) -> int:
        """The number of a new run, its generation: higher than all before it, given to one run alone."""
        number = max((int(p.stem) for p in self._run_files()), default=0) + 1
        started = durable.now()
        while not durable.create(
            self.run_path(number), durable.json_bytes({"started": started, **record, "generation": number})
        ):
            number += 1
        return number

    def finish(self, generation: int, record: Mapping[str, Any]) -> None:
        """Add what a run came to to its record."""
        path = self.run_path(generation)
        durable.write(
            path, durable.json_bytes({"ended": durable.now(), **durable.load(path), **record, "generation": generation})
        )

    def runs(self) -> list[dict[str, Any]]:
        """Records of all runs, the first one first."""
        return [{**durable.load(path), "generation": int(path.stem)} for path in sorted(self._run_files())]

    def run_path(self, generation: int) -> Path:
        """Where the record of that run lies."""
        return self.path / "runs" / f"{generation:06d}.json"

    def _run_files(self) -> Iterator[Path]:
        return (p for p in (self.path / "runs").glob("*.json") if p.stem.isdigit())

    def hold(self, sweep: str) -> contextlib.AbstractContextManager[None]:
        """A block in which this process alone runs the sweep; StoreError says who does where another one does."""
        return durable.lock(self.path / "locks" / f"{_name(sweep, 'a sweep')}.lock", f"sweep '{sweep}' of store {self.path}")

    def save(self, kind: str, sweep: str, value: Any) -> None:
        """Keep a JSON value about a sweep; `kind` is claims, verdicts, checks or audits."""
        durable.write(self.path / kind / f"{_name(sweep, 'a sweep')}.json", durable.json_bytes(value))

    def load(self, kind: str, sweep: str) -> Any:
        """The JSON value of that kind about a sweep; None where there is none."""
        path = self.path / kind / f"{_name(sweep, 'a sweep')}.json"
        return durable.load(path) if path.exists() else None

    def verdicts(self, sweep: str) -> tuple[dict[str, Any], ...]:
        """The verdicts on a sweep's claims at all sizes, as they were saved last; older versions wrote them in other forms."""
        saved = self.load("verdicts", sweep) or []
        verdicts = saved if isinstance(saved, list) else saved.get("verdicts", [])
        return tuple(verdict for verdict in verdicts if isinstance(verdict, dict))


def open_store(path: str | os.PathLike[str], create: bool = False) -> Store:
    """The store in that folder; with `create`, made where it is not there, and tried for writing.

    Raises StoreError where it is a file, no store, of a newer format, or (with `create`) not writable.
    """
    folder = Path(path).expanduser()
    mark = folder / MARK
    if not mark.exists():
        _may_be_made(folder, create)
    if create:
        durable.try_out(folder)
    if not mark.exists():
        durable.write(mark, durable.json_bytes({"format": FORMAT}))
    _check_format(mark)
    return Store(folder)


def _may_be_made(folder: Path, create: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise StoreError(f"store {folder}: it must be a folder, but it is a file; name another with '--store'.")
    if not create:
        came = "no store.json is in it" if folder.exists() else "nothing is there"
        raise StoreError(f"store {folder}: it must be a folder that 'lawsweep run' made, but {came}; name it with '--store'.")
    strangers = sorted(p.name for p in folder.glob("[!.]*")) if folder.exists() else []
    if strangers:
        raise StoreError(
            f"store {folder}: a new store must have a folder of its own, but this one holds {strangers[:3]}; "
            "name a new or an empty folder with '--store'."
        )


def _check_format(mark: Path) -> None:
    version = durable.load(mark).get("format")
    if not isinstance(version, int):
        raise StoreError(f"{mark}: 'format' must be a number, but got {version!r}; this is no store of lawsweep.")
    if version > FORMAT:
        raise StoreError(
            f"store {mark.parent}: it must have format {FORMAT} or older, but it has {version}: "
            "a newer lawsweep made it; upgrade with 'pip install -U lawsweep'."
        )


def _no_rows(columns: list[str]) -> pa.Table:
    return row_format.engine_schema().empty_table().select(columns)


def _name(name: str, what: str) -> str:
    """The name, if it can be a file's: letters, digits, dots, dashes, underscores."""
    if not NAME.fullmatch(name):
        raise StoreError(f"{what} must be named by letters, digits, '.', '-' and '_', but got {name!r}; rename it.")
    return name
