"""Gives the runs of another store numbers of their own in this one, and rows, packs and plans that follow them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestrator.store import durable, parts, point_ids, row_format
from orchestrator.store.parts import Part
from orchestrator.store.store import Store

WHAT = ("started", "host", "sweep", "size")  # what a run is told by, in whichever store its record lies
FILES = ("code_file", "spec_file")


@dataclass(frozen=True)
class Numbers:
    """The number that each run of another store has in this one."""

    of_run: Mapping[int, int]

    def run(self, old: int) -> int:
        """The number of that run here."""
        return self.of_run.get(old, old)

    def pack(self, name: str) -> str:
        """The name of a pack here: it begins with the number of its run."""
        number, dash, tail = name.partition("-")
        return f"{self.run(int(number)):06d}-{tail}" if dash and number.isdigit() else name

    def part(self, part: Part) -> tuple[str, bytes]:
        """Name and bytes of a part whose rows point to their runs here; the very file where no number is another."""
        table = pq.read_table(part.path, partitioning=None)
        here = {old: self.run(old) for old in pc.unique(table["generation"]).to_pylist()}
        if all(old == new for old, new in here.items()):
            return part.name, part.path.read_bytes()
        table = _replaced(point_ids.numbered(table), "generation", here)
        table = _replaced(table, "pack", {name: self.pack(name) for name in pc.unique(table["pack"]).to_pylist()})
        metadata = table.schema.metadata
        about = {**json.loads(metadata[row_format.KEY]), "format": row_format.FORMAT}
        table = table.replace_schema_metadata({**metadata, row_format.KEY: json.dumps(about).encode()})
        return parts.part_name(table), parts.part_bytes(table)


def renumbered(store: Store, other: Store) -> Numbers:
    """Take the other's runs into the store, each under a number that follows all that were there; a run that is there stays.

    So a run of one store is never older or newer than one of the other because of what either had counted before.
    """
    mine = {_key(run): run for run in store.runs()}
    numbers: dict[int, int] = {}
    last = max((run["generation"] for run in mine.values()), default=0)
    theirs = [*other.runs(), *(_unrecorded(other) if mine else ())]
    for run in sorted(theirs, key=lambda each: int(each["generation"])):
        old, known_run = run["generation"], mine.get(_key(run))
        last = max(last + 1, old) if known_run is None else last
        new = last if known_run is None else known_run["generation"]
        numbers[old] = new
        if known_run is None or (run.get("ended") and not known_run.get("ended")):
            origin = {"merged": {"generation": old, "when": durable.now()}}
            durable.write(store.run_path(new), durable.json_bytes({**moved(run, store, other), **origin, "generation": new}))
    return Numbers(numbers)


def moved(record: Mapping[str, Any], store: Store, other: Store) -> dict[str, Any]:
    """A record of the other store whose paths, which are relative to its folder, lead to the same files from this one."""
    here, origin = store.path.resolve(), other.path.resolve()
    paths = {key: os.path.relpath(os.path.normpath(origin / str(record[key])), here) for key in FILES if record.get(key)}
    return {**record, **paths}


def _key(run: Mapping[str, Any]) -> str:
    if run.get("started"):
        return durable.text([run.get(name) for name in WHAT])
    origin = run.get("merged")
    number = origin.get("generation") if isinstance(origin, dict) else run["generation"]
    return durable.text([number, {k: v for k, v in run.items() if k not in ("generation", "merged", *FILES)}])


def _unrecorded(store: Store) -> Iterator[dict[str, Any]]:
    """A record for each run that rows name and that has none: when it began, and where."""
    recorded = {run["generation"] for run in store.runs()}
    begun: dict[int, tuple[str, str]] = {}
    for name in store.workloads():
        for part in store.parts(name):
            for generation, when, host in _beginnings(part.path):
                if generation not in recorded:
                    begun[generation] = min(begun.get(generation, (when, host)), (when, host))
    for generation, (when, host) in sorted(begun.items()):
        yield {"generation": generation, "started": when, "host": host, "why": "its record is not there; rows name it"}


def _beginnings(path: Path) -> Iterator[tuple[int, str, str]]:
    table = pq.read_table(path, columns=["generation", "started", "host"], partitioning=None)
    first = table.group_by("generation").aggregate([("started", "min"), ("host", "min")])
    for each in first.to_pylist():
        yield each["generation"], each["started_min"].isoformat(), str(each["host_min"])


def _replaced(table: pa.Table, name: str, values: Mapping[Any, Any]) -> pa.Table:
    """The table with each value of a column as the mapping says."""
    position, field = table.schema.get_field_index(name), table.schema.field(name)
    before, after = pa.array(list(values), field.type), pa.array(list(values.values()), field.type)
    column = after.take(pc.index_in(table[name], before).combine_chunks())
    return table.set_column(position, field, column)
