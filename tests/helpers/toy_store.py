"""A toy workload and rows of it, made by hand."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import pyarrow as pa

from orchestrator.columns import ENGINE_COLUMNS
from orchestrator.store import Store
from orchestrator.store.parts import part_bytes, part_name
from orchestrator.store.row_format import row_schema
from orchestrator.workload.describe import Workload, describe
from tests.helpers.points import number_of

VERSION, MEASURES = 1, "value"


@dataclass(frozen=True)
class Params:
    """Params of the toy."""

    d: Annotated[int, "dimension"]
    beta: Annotated[float, "inverse temperature"] = 1.0


@dataclass(frozen=True)
class Result:
    """Results of the toy."""

    capacity: Annotated[float, "number of memories"]
    distance: Annotated[float, "distance to the memory", {"aggregate": "rms"}]
    ok_code: Annotated[bool | None, "whether the code is one", {"aggregate": "proportion"}] = None


def run(params: Params, ctx: Any) -> Any:
    """The toy's measurement."""
    yield 0, Result(capacity=2.0**params.d + ctx.seed, distance=params.beta)


def toy() -> Workload:
    """The toy, described."""
    return describe(sys.modules[__name__], "toy.capacity")


def toy_rows(points: Sequence[Mapping[str, Any]], generation: int = 1) -> pa.Table:
    """Rows of the toy: one for each mapping of `d, beta, seed`, with columns of any name set as given."""
    schema = row_schema(toy())
    kinds: dict[str, Any] = {"string": "", "int64": 0, "float64": 0.0, "bool": False}
    blank = {c.name: kinds.get(c.kind, 0) for c in ENGINE_COLUMNS}
    rows = []
    for p in points:
        made = {"capacity": 2.0 ** p["d"] + p["seed"], "distance": p.get("beta", 1.0), "ok_code": True, "beta": 1.0}
        point = number_of(p.get("point", f"{p['d']}/{p.get('beta', 1.0)}/{p['seed']}"))
        engine = {"workload": "toy.capacity", "version": 1, "final": True, "status": "ok", "error": None}
        rows.append({**blank, **engine, "generation": generation, **made, **p, "point": point})
    return pa.table({f.name: pa.array([r[f.name] for r in rows], f.type) for f in schema}, schema=schema)


def grid(dims: Sequence[int] = (2, 3, 4), betas: Sequence[float] = (1.0, 2.0), seeds: int = 3) -> list[dict[str, Any]]:
    """Points of a full grid."""
    return [{"d": d, "beta": beta, "seed": seed} for d in dims for beta in betas for seed in range(seeds)]


def add(store: Store, rows: pa.Table) -> None:
    """Put rows of the toy into the store."""
    store.put("toy.capacity", part_name(rows), part_bytes(rows))


def plan(store: Store, rows: pa.Table, sweep: str = "toy_capacity", **record: Any) -> None:
    """Save a plan of one arm with the points of the rows."""
    n = rows.num_rows
    table = pa.table({"arm": ["all"] * n, "point": rows["point"], "seed": rows["seed"]})
    about = {"question": "Does it grow?", "source": "", "workload": "toy.capacity", "version": 1, "x": "d", "generation": 1}
    store.save_plan(table, {"sweep": sweep, "size": "smoke", "spec": {}, **about, **record})
