"""Turns two stores into one, and what they contradict each other in into a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.columns import OK
from orchestrator.errors import StoreError
from orchestrator.store import durable, kept_texts, logs, parts, point_ids, renumbering, row_format
from orchestrator.store.counted_rows import table, view
from orchestrator.store.parts import Part
from orchestrator.store.renumbering import Numbers
from orchestrator.store.store import Store

SAMPLE = b"sample"  # the value of a param under which a point is a sample: another number the next time


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """Two ok rows of one point and step that hold different values, though the workload says it gives the same again."""

    workload: str
    point: str
    step: int
    column: str
    value: Any
    other_value: Any
    host: str
    other_host: str

    def __str__(self) -> str:
        return (
            f"{self.workload}: point {self.point}, step {self.step}: '{self.column}' must be the same wherever measured, "
            f"but it is {self.value!r} on {self.host} and {self.other_value!r} on {self.other_host}; measure it again."
        )


def merge(store: Store, other: Store) -> tuple[Conflict, ...]:
    """Take the other store's rows, runs, plans and what was said of them into this one; what comes back are the values in
    which they disagree.

    Each run of the other gets a number after all of this one's, and its rows, packs and plans bear that. So both rows of a
    disagreement are kept, and of two ok rows that of the store merged in counts, as one measured later would. Of two plans for
    one sweep and size the later one stays. The same merge again changes nothing. States of points that are not final and what
    MLflow has stay behind. Raises StoreError where a column has two types.
    """
    if store.path.resolve() == other.path.resolve():
        raise StoreError(
            f"store {other.path}: it must be merged into another store, but this is the same one; name two stores."
        )
    for name in other.workloads():
        parts.unify((*store.parts(name), *other.parts(name)))
    clashes = tuple(c for name in other.workloads() for c in conflicts(store.parts(name), other.parts(name)))
    numbers = renumbering.renumbered(store, other)
    for name in other.workloads():
        parts.settled(partial(_merge_rows, store, other, name, numbers))
    _merge_logs(store, other, numbers)
    _merge_texts(store, other)
    _merge_plans(store, other, numbers)
    _merge_said(store, other)
    return clashes


def _merge_rows(store: Store, other: Store, workload: str, numbers: Numbers) -> None:
    for part in other.parts(workload):
        store.put(workload, *numbers.part(part))


def conflicts(mine: Sequence[Part], other_parts: Sequence[Part]) -> Iterator[Conflict]:
    """What two sets of parts of one workload contradict each other in; nothing where it does not measure values."""
    for ours in parts.by_version(mine):
        for theirs in parts.by_version(other_parts):
            if ours[0].version == theirs[0].version and ours[0].measures == "value":
                yield from _differences(ours, theirs)


def _differences(ours: Sequence[Part], theirs: Sequence[Part]) -> Iterator[Conflict]:
    left, right = _measured(ours), _measured(theirs)
    joined = left.join(right, keys=["point", "step"], right_suffix=".other", join_type="inner")
    for name in left.schema.names:
        if row_format.role(left.schema.field(name)) == "result" and name in right.schema.names:
            yield from _clashes(joined, name, ours[0].workload)


def _measured(members: Sequence[Part]) -> pa.Table:
    """The ok rows that count and are no samples: point, step, host and results."""
    counted = view(members)
    results = [f.name for f in counted.schema if row_format.role(f) == "result"]
    sampled = [(f.name, f.metadata[SAMPLE].decode()) for f in counted.schema if SAMPLE in (f.metadata or {})]
    rows = table(counted, ["point", "step", "status", "host", *results, *(name for name, _ in sampled)])
    rows = rows.filter(pc.equal(rows["status"], OK))
    for name, value in sampled:
        rows = rows.filter(pc.fill_null(pc.not_equal(rows[name], value), True))
    return rows.select(["point", "step", "host", *results])


def _clashes(joined: pa.Table, name: str, workload: str) -> Iterator[Conflict]:
    different = joined.filter(pc.invert(_same(joined[name], joined[f"{name}.other"])))
    different = point_ids.readable(different).sort_by([("point", "ascending"), ("step", "ascending")])
    columns = ("point", "step", name, f"{name}.other", "host", "host.other")
    for point, step, value, other, host, other_host in zip(*(different[c].to_pylist() for c in columns), strict=True):
        yield Conflict(
            workload=workload,
            point=point,
            step=step,
            column=name,
            value=value,
            other_value=other,
            host=host,
            other_host=other_host,
        )


def _same(left: pa.ChunkedArray, right: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whether two values are the same; absent is the same as absent, NaN as NaN."""
    equal = pc.fill_null(pc.equal(left, right), False)
    absent = pc.and_(pc.is_null(left), pc.is_null(right))
    return pc.or_(equal, pc.or_(absent, pc.and_(_not_a_number(left), _not_a_number(right))))


def _not_a_number(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_floating(column.type):
        return pc.and_(pc.is_null(column), pc.is_valid(column))
    return pc.fill_null(pc.is_nan(column), False)


def _merge_plans(store: Store, other: Store, numbers: Numbers) -> None:
    """Take over plans that are later than those here, each with what its search has found."""
    created = {(r["sweep"], r["size"]): r["created"] for r in store.plans()}
    for record in other.plans():
        sweep, size = record["sweep"], record["size"]
        is_later = record["created"] > created.get((sweep, size), "")
        if is_later:
            number = numbers.run(record["generation"]) if record.get("generation") else record.get("generation")
            store.save_plan(other.plan(sweep, size), {**renumbering.moved(record, store, other), "generation": number})
        for path in (Store.boundaries_path, Store.fronts_path):
            theirs, mine = path(other, sweep, size), path(store, sweep, size)
            if theirs.exists() and (is_later or not mine.exists()):
                _copy(theirs, mine)


def _merge_logs(store: Store, other: Store, numbers: Numbers) -> None:
    """What packs printed, under the names that they have here."""
    for workload in other.workloads():
        for path in logs.paths(other, workload):
            record = durable.load(path)
            pack = numbers.pack(path.stem)
            target = path.relative_to(other.path).with_name(f"{pack}.json")
            if not (store.path / target).exists():
                durable.write(store.path / target, durable.json_bytes({**record, "pack": pack}))


def _merge_texts(store: Store, other: Store) -> None:
    """The files of workloads and the texts of specs, which bear their hash."""
    for folder in (kept_texts.SOURCES, kept_texts.SPECS):
        for path in sorted((other.path / folder).rglob("*")):
            target = store.path / path.relative_to(other.path)
            if path.is_file() and not path.name.startswith(".") and not target.exists():
                _copy(path, target)


def _merge_said(store: Store, other: Store) -> None:
    """What was said of sweeps and workloads: records of claims and of code that is the same become one record."""
    for kind in SAID:
        for path in sorted((other.path / kind).glob("[!.]*.json")):
            mine, theirs = store.load(kind, path.stem), durable.load(path)
            joined = theirs if mine is None else JOINED[kind](mine, theirs) if kind in JOINED else mine
            if joined != mine:
                store.save(kind, path.stem, joined)


def _same_code(mine: Any, theirs: Any) -> Any:
    """Of each VERSION, the groups of codes that either calls the same."""
    groups = {version: [*mine.get(version, []), *theirs.get(version, [])] for version in {**mine, **theirs}}
    return {version: [g for i, g in enumerate(each) if g not in each[:i]] for version, each in groups.items()}


def _one_book(mine: Any, theirs: Any) -> Any:
    """Two records of claims as one: of a claim or sample that both have, what was entered first stays; all looks count."""
    if not (isinstance(mine, dict) and isinstance(theirs, dict) and "samples" in mine and "samples" in theirs):
        return mine
    looks = _looks(mine)
    looks += [look for look in _looks(theirs) if _look(look) not in [_look(each) for each in looks]]
    joined = {key: _earlier(mine[key], theirs[key]) for key in ("claims", "samples")}
    looks.sort(key=lambda look: str(look.get("since", "")))
    return {**mine, **joined, "seen": mine["seen"] or theirs["seen"], "looks": looks}


def _earlier(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    joined = {**theirs, **mine}
    for name in mine.keys() & theirs.keys():
        first, second = sorted((mine[name], theirs[name]), key=lambda entry: str(entry.get("since", "")))
        joined[name] = {**first, "seen": first["seen"] or second["seen"]}
        if "verdicts" in first or "verdicts" in second:
            joined[name]["verdicts"] = {**second.get("verdicts", {}), **first.get("verdicts", {})}
    return joined


def _looks(book: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The looks of a record; in one of an older version each sample that was seen is one."""
    samples = [{"size": size, **sample} for size, sample in book["samples"].items() if sample["seen"]]
    return list(book.get("looks", samples))


def _look(look: Mapping[str, Any]) -> tuple[Any, ...]:
    return look.get("sweep"), look.get("size"), look.get("hash")


def _copy(source: Path, target: Path) -> None:
    durable.write(target, source.read_bytes())


JOINED = {"claims": _one_book, "same_code": _same_code}
SAID = ("claims", "same_code", "verdicts", "checks", "audits")
"""Of the others those here stay: verdicts, checks and reports of sweeps that both have are made again from all rows."""
