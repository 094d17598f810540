"""Measures a random sample of a sweep's points once more, and compares what comes with what is stored."""

from __future__ import annotations

import dataclasses
import math
import random
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from orchestrator.check import contract
from orchestrator.columns import OK
from orchestrator.driver.measure import folder_of, prepare
from orchestrator.errors import SpecError, StoreError
from orchestrator.spec import Spec
from orchestrator.store import Store
from orchestrator.workload.describe import Workload
from orchestrator.workload.own_files import own_files

FRACTION = 0.05
OTHER_DEVICE = 1e-4  # relative, between a CPU and a GPU, for a workload that states no tolerance
ALPHA = 0.001  # of a column of a sampled workload: how rarely the same distribution may be taken for another
SHOWN = 50  # mismatches that are kept
ALONE, PACKED = "each point alone", "all points in one pack"


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What an audit found: points measured again, those that agree, and where the others differ.

    `tolerance` is relative, 0 is bitwise; each of `ways` has its own. `agreeing` counts points that agree in all ways.
    `measures` says how rows were compared: `value` row by row; `sample`, and points of others that are samples, by the signs of
    paired differences, a column at a time; `cost` by the ratio of seconds alone.
    """

    sweep: str
    size: str
    workload: str
    measures: str
    fraction: float
    seed: int
    points: int
    agreeing: int
    tolerance: float
    device: str
    host: str
    when: str
    seconds_ratio: float | None
    mismatches: tuple[dict[str, Any], ...]
    ways: tuple[dict[str, Any], ...] = ()
    code: str = ""

    @property
    def passed(self) -> bool:
        """Whether every point agrees."""
        return not self.mismatches

    def as_json(self) -> dict[str, Any]:
        """The findings as JSON values."""
        return dataclasses.asdict(self)


def audit(
    spec: Spec,
    store: Store,
    *,
    fraction: float = FRACTION,
    seed: int = 0,
    device: str | None = None,
    tolerance: float | None = None,
) -> Audit:
    """Measure a sample again in this process and keep the findings in the store as audits/<sweep>.json.

    It is measured point by point and once more in one pack, on the device that is named; where none is, on that of the rows,
    and point by point on the other one too where this machine has it. Raises SpecError for a fraction that is none, StoreError
    where the sweep has no points to sample.
    """
    if not 0 < fraction <= 1:
        raise SpecError(f"--fraction: it must lie above 0 and up to 1, but got {fraction:g}; 0.05 takes one point in twenty.")
    workload, _ = prepare(spec)
    stored = _stored(store, spec, workload)
    sample = _sample(sorted(stored), fraction, seed)
    rows = [stored[name] for name in sample]
    first, *other_devices = devices(device, [str(trials[-1]["device"]) for trials in rows])
    ways = [(ALONE, first), (PACKED, first), *((ALONE, other) for other in other_devices)]
    trials = [_measured_again(workload, spec, rows, how, where, tolerance) for how, where in ways]
    differences = {(row["point"], row["column"]): row for _, wrong, _ in reversed(trials) for row in wrong}
    own = own_files(spec.workload, folder_of(spec))
    kinds = {workload.measures_of(steps[-1]) for steps in rows}
    audited = Audit(
        sweep=spec.name,
        size=spec.size or "base",
        workload=workload.name,
        measures=kinds.pop() if len(kinds) == 1 else workload.measures,
        fraction=fraction,
        seed=seed,
        points=len(sample),
        agreeing=len(sample) - len({row["point"] for row in differences.values()}),
        tolerance=trials[0][0]["tolerance"],
        device=first,
        host=socket.gethostname(),
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds_ratio=trials[0][2],
        mismatches=tuple(list(differences.values())[:SHOWN]),
        ways=tuple(way for way, _, _ in trials),
        code=own.code if own else "",
    )
    store.save("audits", spec.name, audited.as_json())
    return audited


Rows = Sequence[Mapping[str, Any]]
Tried = tuple[dict[str, Any], list[dict[str, Any]], float | None]


def _measured_again(
    workload: Workload, spec: Spec, stored: Sequence[Rows], how: str, device: str, tolerance: float | None
) -> Tried:
    """What came of measuring the sample in one way: its record, its mismatches, and how much longer it took."""
    points = [_point(rows[-1], workload) for rows in stored]
    packs = [points] if how == PACKED else [[point] for point in points]
    again = [rows for pack in packs for rows in contract.measure(workload, pack, folder_of(spec), device)]
    allowed = _tolerance(workload, device, stored) if tolerance is None else tolerance
    pairs = list(zip(stored, again, strict=True))
    wrong = [{**row, "way": f"{how} on {device}"} for row in _differences(workload, pairs, allowed)]
    agreeing = len(points) - len({row["point"] for row in wrong})
    way = {"how": how, "device": device, "points": len(points), "agreeing": agreeing, "tolerance": allowed}
    return way, wrong, _ratio(pairs)


def devices(wanted_device: str | None, stored: Sequence[str]) -> list[str]:
    """Where a sample is measured again: on the device that is asked for; else on that of the rows, and on the other as well."""
    if wanted_device is not None:
        return [wanted_device]
    if not _accelerated():
        return ["cpu"]
    return ["cuda", "cpu"] if all(name.startswith("cuda") for name in stored) else ["cpu", "cuda"]


def _accelerated() -> bool:
    """Whether this machine has a GPU that torch can use."""
    from importlib.util import find_spec

    if find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())


def _stored(store: Store, spec: Spec, workload: Workload) -> dict[str, list[dict[str, Any]]]:
    """The rows of the sweep's points that ended well and are of this VERSION, by point, in the order of their steps."""
    import polars as pl

    from orchestrator.results import frames

    rows = (
        frames.sweep(store, spec.name, spec.size)
        .filter(pl.col("version") == workload.version)
        .unique(["point", "step"])
        .collect()
    )
    well = rows.filter(pl.col("final") & (pl.col("status") == OK))["point"]
    if not len(well):
        raise StoreError(
            f"store {store.path}: sweep '{spec.name}' must have points of version {workload.version} that ended well, but has "
            "none; run it first."
        )
    by_point: dict[str, list[dict[str, Any]]] = {}
    for row in rows.filter(pl.col("point").is_in(well.to_list())).sort("step").iter_rows(named=True):
        by_point.setdefault(row["point"], []).append(row)
    return by_point


def _sample(points: Sequence[str], fraction: float, seed: int) -> list[str]:
    """A share of the points, at least one, the same for the same seed."""
    return sorted(random.Random(seed).sample(points, max(1, round(fraction * len(points)))))


def _point(row: Mapping[str, Any], workload: Workload) -> tuple[dict[str, Any], int]:
    return {field.name: row[field.name] for field in workload.params}, row["seed"]


def _tolerance(workload: Workload, device: str, stored: Sequence[Sequence[Mapping[str, Any]]]) -> float:
    """What the workload states; between devices at least what other sums cost in single precision."""
    stated = float(getattr(workload.module, "TOLERANCE", 0.0))
    elsewhere = any(not str(rows[-1]["device"]).startswith(device) for rows in stored)
    return max(stated, OTHER_DEVICE) if elsewhere else stated


Pair = tuple[Rows, Rows]


def _differences(workload: Workload, pairs: Sequence[Pair], tolerance: float) -> Iterator[dict[str, Any]]:
    """Where what was measured again is not what is stored; one for each point, or for each column of a sampled workload."""
    for before, after in pairs:
        if [(r["step"], r["status"]) for r in before] != [(r["step"], r["status"]) for r in after]:
            steps = [f"{r['status']} at step {r['step']}" for r in (before[-1], after[-1])]
            yield _mismatch(workload, before[-1], "status", *steps)
        elif workload.measures_of(before[-1]) == "value":
            yield from _unequal(workload, before, after, tolerance)
    sampled = [(before[-1], after[-1]) for before, after in pairs if workload.measures_of(before[-1]) == "sample"]
    if sampled:
        yield from _shifted(workload, sampled)


def _unequal(workload: Workload, before: Any, after: Any, tolerance: float) -> Iterator[dict[str, Any]]:
    """The first value of a point that is not what it was."""
    for row, other in zip(before, after, strict=True):
        for field in workload.results:
            if not contract.equal(row[field.name], other[field.name], tolerance):
                yield _mismatch(workload, row, field.name, row[field.name], other[field.name])
                return


def _shifted(workload: Workload, ends: Sequence[tuple[Any, Any]]) -> Iterator[dict[str, Any]]:
    """Columns whose new values lie above the stored ones too often, or too seldom: two draws of one distribution do neither."""
    for field in workload.results:
        if field.kind in (int, float):
            signs = [_sign(row[field.name], other[field.name]) for row, other in ends]
            above, below = signs.count(1), signs.count(-1)
            if _sign_test(above, below) < ALPHA / len(workload.results):
                yield _mismatch(workload, ends[0][0], field.name, f"below in {above} points", f"below in {below} points")


def _sign(a: Any, b: Any) -> int:
    return 0 if a is None or b is None or a == b or a != a or b != b else 1 if b > a else -1


def _sign_test(above: int, below: int) -> float:
    """How probable so uneven a split is where both sides are alike, two-sided."""
    n, k = above + below, max(above, below)
    return min(1.0, 2 * sum(math.comb(n, i) for i in range(k, n + 1)) / 2**n) if n else 1.0


def _mismatch(workload: Workload, row: Mapping[str, Any], column: str, stored: Any, again: Any) -> dict[str, Any]:
    params = {field.name: row[field.name] for field in workload.params}
    return {"point": row["point"], "column": column, "stored": stored, "again": again, "seed": row["seed"], "params": params}


def _ratio(pairs: Sequence[Pair]) -> float | None:
    """How much longer the points took now, all together; None where nothing took any time."""
    before, after = (sum(rows[-1]["seconds"] for rows in side) for side in zip(*pairs, strict=True))
    return after / before if before > 0 else None
