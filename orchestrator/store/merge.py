"""Turns two stores into one, and what they contradict each other in into a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.columns import OK
from orchestrator.errors import StoreError
from orchestrator.store import durable, parts, point_ids, row_format
from orchestrator.store.counted_rows import table, view
from orchestrator.store.parts import Part
from orchestrator.store.store import Store

SAMPLE = b"sample"  # the value of a param under which a point is a sample: another number the next time
ORIGIN = ("generation", "merged")  # what a run's record says of its place in a store, not of the run


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
    """Copy the other store's rows, plans and runs into this one; what comes back are the values in which they disagree.

    Both rows of a disagreement are kept, and the rule of all readers says which one counts. Of two plans for one sweep and
    size the later one stays; what was claimed here stays. The same merge again changes nothing. Raises StoreError where a
    column has two types.
    """
    if store.path.resolve() == other.path.resolve():
        raise StoreError(
            f"store {other.path}: it must be merged into another store, but this is the same one; name two stores."
        )
    for name in other.workloads():
        parts.unify((*store.parts(name), *other.parts(name)))
    clashes = tuple(c for name in other.workloads() for c in conflicts(store.parts(name), other.parts(name)))
    for name in other.workloads():
        for part in other.parts(name):
            store.put(name, part.name, part.path.read_bytes())
    _merge_plans(store, other, _merge_runs(store, other))
    _merge_claims(store, other)
    return clashes


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


def _merge_runs(store: Store, other: Store) -> dict[int, int]:
    """Number in this store of each of the other's runs; a number that is taken by another run gets the next free one."""
    numbers: dict[int, int] = {}
    generations = {_run_key(run): run["generation"] for run in store.runs()}
    used = set(generations.values())
    for run in other.runs():
        old = run["generation"]
        new = generations.get(_run_key(run)) or (old if old not in used else max(*used, *numbers.values(), 0) + 1)
        if _run_key(run) not in generations:
            durable.write(store.run_path(new), durable.json_bytes({**run, "generation": new, "merged": True}))
        used.add(new)
        numbers[old] = new
    return numbers


def _run_key(run: Mapping[str, Any]) -> str:
    return durable.text({k: v for k, v in run.items() if k not in ORIGIN})


def _merge_plans(store: Store, other: Store, numbers: Mapping[int, int]) -> None:
    created = {(r["sweep"], r["size"]): r["created"] for r in store.plans()}
    for record in other.plans():
        if record["created"] > created.get((record["sweep"], record["size"]), ""):
            plan = other.plan(record["sweep"], record["size"])
            store.save_plan(plan, {**record, "generation": numbers.get(record.get("generation", 0), record.get("generation"))})


def _merge_claims(store: Store, other: Store) -> None:
    """Copy what was claimed of sweeps that nothing is claimed of here; verdicts follow from the rows and are not copied."""
    for path in sorted((other.path / "claims").glob("[!.]*.json")):
        if store.load("claims", path.stem) is None:
            store.save("claims", path.stem, durable.load(path))
