"""Turns a plan into what the store keeps of it: a table of points with their params, and a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from orchestrator.plan import Plan
from orchestrator.spec import Spec
from orchestrator.store import point_ids
from orchestrator.store.row_format import ARROW


def table(plan: Plan) -> pa.Table:
    """The plan as a table with the columns `arm, point, seed` and its params, typed as in rows; a point of two arms twice."""
    arms = pa.concat_arrays([pa.repeat(pa.scalar(arm, pa.string()), len(members)) for arm, members in plan.arms])
    points = pa.table(
        {
            "point": point_ids.numbers(plan.ids),
            "seed": pa.array(plan.seeds, pa.int64()),
            **{field.name: pa.array(plan.params[field.name], ARROW[field.kind]) for field in plan.workload.params},
        }
    )
    members = pa.array([i for _, positions in plan.arms for i in positions], pa.int64())
    return points.take(members).add_column(0, "arm", arms)


def record(spec: Spec, plan: Plan, generation: int, origins: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What the store keeps of a sweep beside the plan's points; `origins` says of which files it is."""
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
        **(origins or {}),
    }
