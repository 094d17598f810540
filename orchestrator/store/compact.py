"""Turns a store's many parts into one for each workload and version, of the newest format."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.store import counting_rule, durable, parts, row_format
from orchestrator.store.parts import Part
from orchestrator.store.row_format import KEY
from orchestrator.store.store import Store
from orchestrator.wording import Tell, untold

STALE = 3600.0  # seconds after which a half-written file has no writer any more


@dataclass(frozen=True, kw_only=True)
class Compacted:
    """What compacting did to the parts of one workload and version."""

    workload: str
    version: int
    parts_before: int
    rows_before: int
    rows: int


def compact(store: Store, workload: str | None = None, tell: Tell = untold) -> tuple[Compacted, ...]:
    """Write one part for each workload and version, sorted and without repeats, and drop the parts it was made of.

    `tell` hears which workload is next.
    What an older lawsweep wrote is of the newest format then; plans become so at their next run.

    Readers and writers may go on meanwhile: the new part is durable before an old one goes, and only parts it was made of go.
    Raises StoreError where a part is damaged or the disk is full; nothing is lost then.
    """
    if workload is not None:
        store.schema(workload)  # a workload without rows is a slip of the pen: this names the nearest
    names = store.workloads() if workload is None else (workload,)
    done: list[Compacted] = []
    for i, name in enumerate(names, 1):
        tell(f"{i} of {len(names)}: {name}, {len(parts.listing(store.folder(name))):,} parts")
        done.extend(parts.settled(partial(_workload, store, name)))
        for folder in store.folders(name):
            _sweep_out(folder)
    store.raise_format()
    return tuple(done)


def _workload(store: Store, name: str) -> list[Compacted]:
    groups = parts.by_version(store.parts(name))
    return [_version(store, name, group) for group in groups]


def _version(store: Store, workload: str, members: Sequence[Part]) -> Compacted:
    """The parts of one version made one."""
    before = sum(p.rows for p in members)
    report = partial(Compacted, workload=workload, version=members[0].version, parts_before=len(members), rows_before=before)
    schema = parts.unify(members)
    if parts.alone(members) and not members[0].lettered and members[0].path.parent == store.folder(workload):
        return report(rows=before)
    rows = counting_rule.once(parts.read(members, schema, schema.names), counting_rule.survivors)
    deduplicated = len(counting_rule.contested(rows)) == 0
    rows = _sorted(rows).replace_schema_metadata(_about(schema, deduplicated))
    name = parts.part_name(rows)
    store.raise_format()
    durable.write(store.folder(workload) / f"{name}.parquet", parts.part_bytes(rows))
    for part in members:
        if part.path != store.folder(workload) / f"{name}.parquet":
            part.path.unlink(missing_ok=True)
    durable.sync(store.folder(workload))
    return report(rows=rows.num_rows)


def _sorted(rows: pa.Table) -> pa.Table:
    """By params, seed, point and step: equal values lie together, so the part is small and a filter reads little of it."""
    params = [f.name for f in rows.schema if row_format.role(f) == "param"]
    keys = [(name, "ascending") for name in (*params, "seed", "point", "step", "final")]
    return rows.take(pc.sort_indices(rows, sort_keys=keys))


def _about(schema: pa.Schema, deduplicated: bool) -> dict[bytes, bytes]:
    about = json.loads(schema.metadata[KEY])
    return {KEY: json.dumps({**about, "format": row_format.FORMAT, "deduplicated": deduplicated}).encode()}


def _sweep_out(folder: Path) -> None:
    """Remove what killed writers left."""
    for path in folder.glob(".*.tmp"):
        try:
            if time.time() - path.stat().st_mtime > STALE:
                path.unlink()
        except FileNotFoundError:
            continue
