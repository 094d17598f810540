"""Turns a sweep in a store into what MLflow should hold of it: one entry an invocation, one a curve (or a point)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from orchestrator import parts
from orchestrator.parcel import verdicts

if TYPE_CHECKING:
    import polars as pl

    from orchestrator.curves import Curve
    from orchestrator.store import Store

ENTRY_VERSION = 1  # raised when the same rows should make other entries, so that `sync` writes them anew


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One MLflow run to be: `metrics` are (key, value, step) and `digest` identifies all that it says.

    `generation` is the invocation's number: its own, or that of the parent it hangs under.
    """

    kind: str
    name: str
    generation: int
    digest: str
    tags: Mapping[str, str]
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Sequence[tuple[str, float, int]] = ()
    failed: bool = False


@dataclass(frozen=True, kw_only=True)
class Entries:
    """What MLflow should hold of one sweep at one size: curves, their invocations, and the latest one's files.

    `whole` is the invocation that carries the files; `rows` are those of `results.parquet`, and `digest` identifies them.
    """

    sweep: str
    size: str
    invocations: tuple[Entry, ...]
    curves: tuple[Entry, ...]
    whole: int
    rows: pl.LazyFrame
    digest: str
    record: Mapping[str, Any]


def entries(store: Store, record: Mapping[str, Any]) -> Entries:
    """The entries of the plan of that record; a sweep without rows has its invocation alone."""
    rows = store.sweep(record["sweep"], record["size"])
    common = {"sweep": record["sweep"], "size": record["size"], "workload": record["workload"]}
    names = tuple(part.path.name for part in store.parts(record["workload"]))
    curves, lines = _read(store, record["sweep"], record["size"], record["created"], names)
    whole = max([int(record.get("generation") or 0), *(c.generation for c in curves)])
    runs = {int(run["generation"]): run for run in store.runs()}
    numbers = sorted({whole, *(c.generation for c in curves)})
    judged = verdicts(store, record)
    latest = _digest(lines, record.get("spec"), [store.load("claims", record["sweep"]), judged])
    return Entries(
        sweep=record["sweep"],
        size=record["size"],
        invocations=tuple(_invocation(n, common, runs.get(n, {}), latest if n == whole else "", judged) for n in numbers),
        curves=curves,
        whole=whole,
        rows=rows,
        digest=_digest(lines, record["created"]),
        record=record,
    )


@lru_cache(maxsize=1)
def _read(store: Store, sweep: str, size: str, planned: str, parts: tuple[str, ...]) -> tuple[tuple[Entry, ...], str]:
    """Curves and hash of the rows of these parts; kept, for a mirror is asked before and after the claims are judged."""
    record = store.latest(sweep, size)
    rows = store.sweep(sweep, size)
    common = {"sweep": sweep, "size": size, "workload": record["workload"]}
    return tuple(_curves(store, record, rows, common)) if parts else (), _identity(rows)


def _curves(store: Store, record: Mapping[str, Any], rows: pl.LazyFrame, common: Mapping[str, str]) -> Iterator[Entry]:
    from orchestrator.curves import axis, curves

    columns = store.describe(record["workload"])
    params = [c["name"] for c in columns if c["role"] == "param"]
    results = {c["name"]: c.get("aggregate", "mean") for c in columns if c["role"] == "result" and c["type"] != "string"}
    if (record.get("spec") or {}).get("track", {}).get("points"):
        made = curves(rows, "step", params, results, keep=["seed"])
        return (_curve(c, "point", "step", common) for c in made)
    x = record.get("x") or axis(rows, params)
    return (_curve(c, "curve", x, common) for c in curves(rows, x, params, results))


def _curve(curve: Curve, kind: str, x: str | None, common: Mapping[str, str]) -> Entry:
    import polars as pl

    shown = [name for name in curve.table.columns if name != "x_index" and curve.table[name].dtype.is_numeric()]
    steps = curve.table["x_index"].to_list()
    metrics = [
        (name, float(value), step)
        for name in shown
        for value, step in zip(curve.table[name].cast(pl.Float64).to_list(), steps, strict=True)
        if value is not None
    ]
    params = {name: str(value) for name, value in curve.params.items() if value is not None}
    tags = {**common, "arm": curve.arm, "x": x or "", "seeds": str(curve.seeds), "failed": str(curve.failed)}
    return Entry(
        kind=kind,
        name=curve.name,
        generation=curve.generation,
        digest=_digest(kind, curve.name, params, [(name, f"{value:.12g}", step) for name, value, step in metrics], tags),
        tags=tags,
        params=params,
        metrics=metrics,
        failed=curve.table.is_empty(),
    )


def _invocation(number: int, common: Mapping[str, str], run: Mapping[str, Any], identity: str, judged: Sequence[Any]) -> Entry:
    """The entry of an invocation; `identity` is that of the sweep's rows where it is the one that shows them."""
    said = {f"run.{key}": str(value) for key, value in run.items() if isinstance(value, (str, int, float))}
    told = {f"verdict.{v['id']}": str(v["verdict"]) for v in judged if identity}
    return Entry(
        kind="invocation",
        name=f"{common['size']} {number}",
        generation=number,
        digest=_digest("invocation", number, common, identity, told),
        tags={**common, **said, **told},
    )


def _identity(rows: pl.LazyFrame) -> str:
    """A hash of which rows the sweep has, whatever their order."""
    import polars as pl

    names = ["arm", *parts.IDENTITY]
    each = pl.concat_str(names, separator=" ").hash(seed=1)
    # Two sums of one hash: a row that comes twice, or two that change places, still change them.
    total = rows.select(pl.len().alias("rows"), each.sum().alias("sum"), (each // 3 ^ each).sum().alias("mixed")).collect()
    return _digest(*total.row(0))


def _digest(*what: Any) -> str:
    text = json.dumps([ENTRY_VERSION, *what], sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
