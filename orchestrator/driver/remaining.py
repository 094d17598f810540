"""Compares a plan with a store: which points are missing, in what groups, and what they may cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.columns import NO_FAILURES
from orchestrator.errors import SpecError
from orchestrator.plan import Plan
from orchestrator.plan.points import ROUNDING
from orchestrator.plan.shape_groups import shape
from orchestrator.spec import Spec
from orchestrator.store import Store, point_ids
from orchestrator.wording import SETTING_DIGITS


def missing(plan: Plan, store: Store, retry: bool = False) -> list[int]:
    """Positions of the points without a final row; with `retry` also of those that failed."""
    finals = store.finals(plan.workload.name, plan.workload.version)
    settled = finals.filter(_no_failures(finals)) if retry else finals
    is_settled = pc.is_in(point_ids.numbers(plan.ids), value_set=settled["point"].combine_chunks())
    return np.flatnonzero(~is_settled.to_numpy(zero_copy_only=False)).tolist()


def refuse_near(spec: Spec, plan: Plan, store: Store) -> None:
    """Raise SpecError where a point would be taken for one of the store whose values differ by more than rounding."""
    floats = [field.name for field in plan.workload.params if field.kind is float]
    stored_points = store.settings(plan.workload.name, plan.workload.version, floats)
    for name in floats if stored_points.num_rows else ():
        if name not in stored_points.column_names:
            continue
        planned = pa.table({"point": point_ids.numbers(plan.ids), "planned_value": pa.array(plan.params[name], pa.float64())})
        pairs = planned.join(stored_points.select(["point", name]), "point", join_type="inner")
        planned_values, stored_values = (pairs[side].to_numpy() for side in ("planned_value", name))
        near = np.flatnonzero(np.abs(planned_values - stored_values) > ROUNDING * np.spacing(np.abs(planned_values)))
        if len(near):
            key_line = next((grid.places[name] for grid in spec.grids() if name in grid.places), spec.where())
            values = f"{float(planned_values[near[0]])!r}, and the store has rows of {float(stored_values[near[0]])!r}"
            raise SpecError(
                f"{key_line}: values of '{name}' must differ from those in store {store.path} within their first "
                f"{SETTING_DIGITS} digits, or not at all, but got {values}, which would be one point; write that one, choose "
                "another '--store', or give the param another unit."
            )


def failed(plan: Plan, store: Store) -> int:
    """How many of the plan's points have failed; to be stopped early is no failure."""
    finals = store.finals(plan.workload.name, plan.workload.version)
    bad = finals.filter(pc.invert(_no_failures(finals)))["point"].combine_chunks()
    return int(pc.sum(pc.is_in(point_ids.numbers(plan.ids), value_set=bad)).as_py() or 0) if len(bad) else 0


def _no_failures(finals: pa.Table) -> pa.Array:
    return pc.is_in(finals["status"], value_set=pa.array(NO_FAILURES))


def rates(plan: Plan, groups: Sequence[Sequence[int]], store: Store) -> list[float | None]:
    """Recorded seconds per point of each group; None where no point of that shape was ever measured."""
    rows = store.seconds(plan.workload.name)
    names = [name for name in plan.workload.shapes if name in rows.column_names]
    if not rows.num_rows or len(names) < len(plan.workload.shapes):
        return [None] * len(groups)
    if not names:
        return [float(pc.mean(rows["seconds"]).as_py())] * len(groups)
    means = rows.group_by(names).aggregate([("seconds", "mean")]).to_pylist()
    by_shape = {tuple(row[name] for name in names): float(row["seconds_mean"]) for row in means}
    return [by_shape.get(shape(plan, group[0])) for group in groups]
