"""Turns a sweep in a store into what MLflow should hold of it: one entry an invocation, one a curve (or a point)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import reduce
from operator import xor
from pathlib import Path
from typing import Any

import polars as pl

from orchestrator.mirror import boundary_curves
from orchestrator.mirror.curves import HI, LO, Curve, axis, curves, labels
from orchestrator.mirror.notes import described, page, stepped
from orchestrator.results.stored_sweep import StoredSweep
from orchestrator.store.parts import IDENTITY

ENTRY_VERSION = 5  # raised when the same rows should make other entries, so that `sync` writes them anew


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
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Entries:
    """What MLflow should hold of one sweep at one size: curves, their invocations, and the latest one's files.

    `whole` is the invocation that carries the files, and `digest` identifies the rows that stand in them.
    """

    sweep: StoredSweep
    invocations: tuple[Entry, ...]
    curves: tuple[Entry, ...]
    whole: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class DrawnCurves:
    """A sweep's curves, and a hash of the rows they were drawn from."""

    curves: tuple[Entry, ...]
    lines: str

    def write(self, file: Path) -> None:
        """Put it into a file, for another process."""
        file.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, file: Path) -> DrawnCurves:
        """What `write` has put there."""
        record = json.loads(file.read_text())
        return cls(curves=tuple(Entry(**entry) for entry in record["curves"]), lines=record["lines"])


def entries(sweep: StoredSweep, ready: DrawnCurves | None = None) -> Entries:
    """The entries of the sweep; one without rows has its invocation alone. `ready` is what `draw` gives."""
    store, record = sweep.store, sweep.record
    common, ready = _common(record), ready or draw(sweep)
    curves, lines = ready.curves, ready.lines
    whole = max([int(record.get("generation") or 0), *(c.generation for c in curves)])
    runs = {int(run["generation"]): run for run in store.runs()}
    numbers = sorted({whole, *(c.generation for c in curves)})
    judged = list(sweep.verdicts)
    latest = _digest(lines, boundary_curves.stamp(sweep), record.get("spec"), [store.load("claims", sweep.name), judged])
    return Entries(
        sweep=sweep,
        invocations=tuple(_invocation(n, common, runs.get(n, {}), latest if n == whole else "", judged) for n in numbers),
        curves=curves,
        whole=whole,
        digest=_digest(lines, record["created"]),
    )


def draw(sweep: StoredSweep) -> DrawnCurves:
    """The curves of the sweep's rows."""
    curves = tuple(_curves(sweep, _common(sweep.record))) if sweep.store.parts(sweep.record["workload"]) else ()
    return DrawnCurves(curves=curves, lines=_identity(sweep.measured.lazy()))


def _common(record: Mapping[str, Any]) -> dict[str, str]:
    return {"sweep": record["sweep"], "size": record["size"], "workload": record["workload"]}


def _curves(sweep: StoredSweep, common: Mapping[str, str]) -> Iterator[Entry]:
    record, rows = sweep.record, sweep.measured.lazy()
    columns = sweep.store.describe(record["workload"])
    params = [c["name"] for c in columns if c["role"] == "param"]
    results = {c["name"]: c.get("aggregate", "mean") for c in columns if c["role"] == "result" and c["type"] != "string"}
    if (record.get("spec") or {}).get("track", {}).get("points"):
        x: str | None = "step"
        kind, table = "point", curves(rows, "step", params, results, keep=["seed"])
    else:
        x = record.get("x") or axis(rows, params)
        lines = boundary_curves.boundaries(sweep, x, params)
        for line, label in zip(lines, labels(lines), strict=True):
            yield _curve(line, f"boundary: {label}", "boundary", x, common)
        rows, constant = boundary_curves.along(sweep.spec, boundary_curves.unsearched(sweep), x, params)
        # A spec that cannot be read any more derives nothing.
        x = x if x in rows.collect_schema().names() else axis(rows, params)
        kind, table = "curve", curves(rows, x, constant, results)
    for curve, label in zip(table, labels(table), strict=True):
        yield _curve(curve, label, kind, x, common)


def _curve(curve: Curve, label: str, kind: str, x: str | None, common: Mapping[str, str]) -> Entry:
    table = curve.table.select(name for name in curve.table.columns if curve.table[name].dtype.is_numeric())
    steps = table["x_index"].to_list()
    metrics = [
        (name, float(value), step)
        for name in table.columns
        if name != "x_index" and not _says_nothing(table, name)
        for value, step in zip(table[name].cast(pl.Float64).to_list(), steps, strict=True)
        if value is not None
    ]
    params = {name: str(value) for name, value in curve.params.items() if value is not None}
    tags = {**common, "arm": curve.arm, "x": x or "", "seeds": str(curve.seeds), "failed": str(curve.failed)}
    tags["dashboard"] = page(common["sweep"], common["size"], curve.arm)
    means = f"{curve.seeds} seeds at each x, with 95 % intervals (_lo, _hi)" if curve.seeds > 1 else "One seed at each x"
    means = "What the search found, with its brackets" if kind == "boundary" else means
    itself = x in table.columns and table[x].to_list() == steps
    return Entry(
        kind=kind,
        name=label,
        generation=curve.generation,
        digest=_digest(kind, label, params, [(name, f"{value:.12g}", step) for name, value, step in metrics], tags),
        tags=tags,
        params=params,
        metrics=metrics,
        failed=curve.table.is_empty(),
        note=described(tags, means + stepped(x, itself)),
    )


def _says_nothing(table: pl.DataFrame, name: str) -> bool:
    """Whether a column is an end of an interval that has no width anywhere."""
    base = next((name.removesuffix(end) for end in (LO, HI) if name.endswith(end)), name)
    if base == name or not {base, base + LO, base + HI} <= set(table.columns):
        return False
    return bool(((table[base + LO] == table[base]) & (table[base + HI] == table[base])).fill_null(True).all())


def _invocation(number: int, common: Mapping[str, str], run: Mapping[str, Any], identity: str, judged: Sequence[Any]) -> Entry:
    """The entry of an invocation; `identity` is that of the sweep's rows where it is the one that shows them."""
    verdict_tags = {f"verdict.{v['id']}": str(v["verdict"]) for v in judged if identity}
    tags = {**common, **dict(_run_notes(run)), **verdict_tags, "dashboard": page(common["sweep"], common["size"])}
    return Entry(
        kind="invocation",
        name=f"{common['sweep']} {common['size']}, run {number}",
        generation=number,
        digest=_digest("invocation", number, tags, identity),
        tags=tags,
    )


def _run_notes(run: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a run's record says, as tags: the note on what was searched too; nothing that is empty or said elsewhere."""
    for key, value in run.items():
        if key in ("note", "failures") and isinstance(value, dict):
            yield from ((f"run.{key}.{inner}", str(what)) for inner, what in value.items())
        elif isinstance(value, (str, int, float)) and value != "" and key not in ("sweep", "size", "generation"):
            yield f"run.{key}", str(value)


def _identity(rows: pl.LazyFrame) -> str:
    """A hash of which rows the sweep has, whatever their order."""
    arm, *identity = (pl.col(name).hash(seed=seed) for seed, name in enumerate(["arm", *IDENTITY], 1))
    each = reduce(xor, identity, arm)
    # Two sums of one hash: a row that comes twice, or two that change places, still change them.
    total = rows.select(pl.len().alias("rows"), each.sum().alias("sum"), (each // 3 ^ each).sum().alias("mixed")).collect()
    return _digest(*total.row(0))


def _digest(*what: Any) -> str:
    text = json.dumps([ENTRY_VERSION, *what], sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
