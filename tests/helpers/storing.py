"""Rows, parts and stores made by hand, and the rule of repeated rows said once more, plainly, to compare with."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.store import Store, open_store
from orchestrator.store.parts import part_bytes, part_name
from orchestrator.store.row_format import row_schema
from orchestrator.workload.describe import Workload, describe
from tests.helpers.points import id_of, named, number_of

VERSION, MEASURES, NAME = 1, "value", "echo.sound"
Row = dict[str, Any]


@dataclass(frozen=True)
class Params:
    """Params of the echo."""

    d: Annotated[int, "depth of the well", {"unit": "m"}]
    loud: Annotated[bool, "whether it is shouted"] = True


@dataclass(frozen=True)
class Result:
    """Results of the echo."""

    delay: Annotated[float, "time until the echo", {"unit": "s", "aggregate": "rms", "bound": "lower"}]
    word: Annotated[str | None, "what came back"] = None


def run(params: Params, ctx: Any) -> Any:
    """The echo's measurement."""
    yield 0, Result(delay=float(params.d))


def echo() -> Workload:
    """The echo, described."""
    return describe(sys.modules[__name__], NAME)


def row(point: str, **given: Any) -> Row:
    """One ok final row of the echo; any column may be given."""
    code = {"commit": "none", "dirty": False, "torch": "none", "started": datetime(2026, 1, 1, tzinfo=UTC)}
    place = {"pack": "p", "host": "here", "device": "cpu", "threads": 1, "seconds": 0.5, "generation": 1}
    what = {"workload": NAME, "version": 1, "seed": 0, "step": 0, "final": True, "status": "ok", "error": None}
    return {"point": point, **what, **place, **code, "d": 2, "loud": True, "delay": 1.0, "word": "ho", **given}


def as_table(rows: Iterable[Row], schema: pa.Schema | None = None) -> pa.Table:
    """The rows in the echo's schema or another; their points are names."""
    wanted = schema or row_schema(echo())
    listed = [{**r, "point": number_of(r["point"])} for r in rows]
    return pa.table({f.name: pa.array([r.get(f.name) for r in listed], f.type) for f in wanted}, schema=wanted)


def changed(version: int = 1, drop: Iterable[str] = (), **kinds: pa.DataType) -> pa.Schema:
    """The echo's schema with columns dropped, added or of another type, of another VERSION."""
    schema = row_schema(echo())
    fields = [f.with_type(kinds.pop(f.name, f.type)) for f in schema if f.name not in drop]
    fields += [pa.field(name, kind, metadata={"role": "result", "says": "new", "unit": ""}) for name, kind in kinds.items()]
    about = {**json.loads(schema.metadata[b"lawsweep"]), "version": version}
    return pa.schema(fields, metadata={b"lawsweep": json.dumps(about).encode()})


def put(store: Store, *rows: Row, schema: pa.Schema | None = None, name: str | None = None) -> Path:
    """A part of these rows in the store; its path."""
    table = as_table(rows, schema)
    name = name or part_name(table)
    store.put(NAME, name, part_bytes(table))
    return store.folder(NAME) / f"{name}.parquet"


def new(path: Path, *rows: Row) -> Store:
    """A store in that folder, with one part where there are rows."""
    store = open_store(path, create=True)
    if rows:
        put(store, *rows)
    return store


def plan(store: Store, points: Mapping[str, Iterable[str]], sweep: str = "well", **record: Any) -> None:
    """A plan of the store: points by arm."""
    arms = [(arm, point) for arm, found in points.items() for point in found]
    table = pa.table(
        {"arm": [a for a, _ in arms], "point": [id_of(p) for _, p in arms], "seed": pa.array([0] * len(arms), pa.int64())}
    )
    store.save_plan(table, {"sweep": sweep, "size": "smoke", "workload": NAME, "generation": 1, **record})


def counting(rows: Iterable[Row]) -> list[Row]:
    """The rows that count, by the rule said plainly: nested loops, no sorting."""
    listed = list(rows)
    finals = [r for r in listed if r["final"]]
    chosen = [r for r in finals if all(_merit(r) >= _merit(o) for o in finals if o["point"] == r["point"])]
    left = [r for r in listed if not r["final"]] + _once(chosen)
    best = [r for r in left if all(_rank(r) >= _rank(o) for o in left if (o["point"], o["step"]) == (r["point"], r["step"]))]
    return sorted(_once(best), key=lambda r: (r["point"], r["step"]))


def _merit(r: Row) -> tuple[Any, ...]:
    return (r["status"] == "ok", r["generation"], r["started"], r["pack"], r["host"], r["step"])


def _rank(r: Row) -> tuple[Any, ...]:
    return (r["final"], *_merit(r))


def _once(rows: list[Row]) -> list[Row]:
    """Rows that are there twice, once."""
    return [r for i, r in enumerate(rows) if r not in rows[:i]]


def seen(rows: list[Row]) -> list[Row]:
    """The rows in one order, with the names of their points, to compare."""
    return sorted(named(rows), key=lambda r: (r["point"], r["step"]))


def read(store: Store) -> list[Row]:
    """The echo's rows that count, as Polars reads them."""
    from orchestrator.results import frames

    return seen(frames.rows(store, NAME).collect().to_dicts())


def footers(store: Store) -> list[pa.Schema]:
    """Schemas of the parts of the echo."""
    return [pq.read_schema(part.path) for part in store.parts(NAME)]
