"""Compares a plan with a store: which points are missing, in what groups, and what they may cost."""

from __future__ import annotations

import math
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.columns import NO_FAILURES
from orchestrator.plan import Plan
from orchestrator.spec import Spec
from orchestrator.store import Store
from orchestrator.workload import Workload


def missing(plan: Plan, store: Store, retry: bool = False) -> list[int]:
    """Positions of the points without a final row; with `retry` also of those that failed."""
    finals = store.finals(plan.workload.name, plan.workload.version)
    kept = finals.filter(_no_failures(finals)) if retry else finals
    there = pc.is_in(pa.array(plan.ids, pa.string()), value_set=kept["point"].combine_chunks())
    return np.flatnonzero(~there.to_numpy(zero_copy_only=False)).tolist()


def failed(plan: Plan, store: Store) -> int:
    """How many of the plan's points have failed; to be stopped early is no failure."""
    finals = store.finals(plan.workload.name, plan.workload.version)
    bad = finals.filter(pc.invert(_no_failures(finals)))["point"].to_pylist()
    return len(set(bad) & set(plan.ids)) if bad else 0


def _no_failures(finals: pa.Table) -> pa.Array:
    return pc.is_in(finals["status"], value_set=pa.array(NO_FAILURES))


def shape(plan: Plan, position: int) -> tuple[Any, ...]:
    """The params of a point that set tensor shapes or choose code."""
    return tuple(plan.params[name][position] for name in plan.workload.shapes)


def groups(plan: Plan, positions: Sequence[int]) -> list[list[int]]:
    """The positions in groups of equal shape, in the order in which the plan first names each shape."""
    columns = [plan.params[name] for name in plan.workload.shapes]
    found: dict[tuple[Any, ...], list[int]] = {}
    for i in positions:
        found.setdefault(tuple([column[i] for column in columns]), []).append(i)
    return list(found.values())


def rates(plan: Plan, groups: Sequence[Sequence[int]], store: Store) -> list[float | None]:
    """Recorded seconds per point of each group; None where no point of that shape was ever measured."""
    rows = store.seconds(plan.workload.name)
    names = [name for name in plan.workload.shapes if name in rows.column_names]
    if not rows.num_rows or len(names) < len(plan.workload.shapes):
        return [None] * len(groups)
    if not names:
        return [float(pc.mean(rows["seconds"]).as_py())] * len(groups)
    means = rows.group_by(names).aggregate([("seconds", "mean")]).to_pylist()
    known = {tuple(row[name] for name in names): float(row["seconds_mean"]) for row in means}
    return [known.get(shape(plan, group[0])) for group in groups]


def longest_first(plan: Plan, groups: Sequence[Sequence[int]], rates: Sequence[float | None]) -> list[int]:
    """The order in which to start the groups: by seconds per point where known, else by the size of their shapes."""

    def weight(i: int) -> tuple[float, float]:
        sizes = [value for value in shape(plan, groups[i][0]) if isinstance(value, (int, float))]
        return (rates[i] or 0.0, math.prod(max(1.0, abs(float(size))) for size in sizes))

    return sorted(range(len(groups)), key=weight, reverse=True)


def estimate(groups: Sequence[Sequence[int]], rates: Sequence[float | None]) -> float | None:
    """Worker-seconds that the groups will take; a shape never measured costs the mean of the others, None where all are new."""
    known = [rate for rate in rates if rate is not None]
    if not known:
        return None if groups else 0.0
    mean = sum(known) / len(known)
    return sum(len(group) * (mean if rate is None else rate) for group, rate in zip(groups, rates, strict=True))


def table(plan: Plan) -> pa.Table:
    """The plan as a table with the columns `arm, point, seed`; a point of two arms stands twice."""
    arms = [arm for arm, members in plan.arms for _ in members]
    members = [i for _, positions in plan.arms for i in positions]
    return pa.table(
        {
            "arm": pa.array(arms, pa.string()),
            "point": pa.array([plan.ids[i] for i in members], pa.string()),
            "seed": pa.array([plan.seeds[i] for i in members], pa.int64()),
        }
    )


def record(spec: Spec, plan: Plan, generation: int) -> dict[str, Any]:
    """What the store keeps of a sweep beside the plan's points."""
    return {
        "sweep": spec.name,
        "size": spec.size,
        "question": spec.question,
        "source": spec.source,
        "workload": plan.workload.name,
        "version": plan.workload.version,
        "x": spec.track.x,
        "points": len(plan),
        "spec": spec.resolved(),
        "generation": generation,
    }


def import_path(workload: Workload) -> tuple[str, ...]:
    """Entries of sys.path that a worker needs to import the workload; none for what is shipped."""
    return () if workload.module.__name__.startswith("workloads.") else tuple(entry or str(Path.cwd()) for entry in sys.path)


def code(workload: Workload) -> tuple[str, ...]:
    """Folders and files that a node with only the dependencies needs: the engine, the workloads, and the user's own."""
    import orchestrator
    import workloads

    packages: list[types.ModuleType] = [orchestrator, workloads]
    shipped = [str(Path(next(iter(package.__path__)))) for package in packages]
    own = workload.module
    if own.__name__.startswith("workloads.") or not getattr(own, "__file__", None):
        return tuple(shipped)
    return (*shipped, str(_top(own)))


def _top(module: types.ModuleType) -> Path:
    """The folder of a module's outermost package, or the module's own file."""
    top = sys.modules[module.__name__.split(".")[0]]
    return Path(next(iter(top.__path__))) if hasattr(top, "__path__") else Path(str(top.__file__))
