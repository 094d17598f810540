"""Turns a plan into what the store keeps of it: a table of points and a record."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from orchestrator.plan import Plan
from orchestrator.spec import Spec


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
