"""Turns a spec and its workload into the plan: every point with its identity, and the arms that share them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import SpecError, WorkloadError, nearest
from orchestrator.plan.identity import Identity
from orchestrator.spec import Spec
from orchestrator.spec.expressions import Expression
from orchestrator.spec.grids import Grid
from orchestrator.wording import SETTING_DIGITS
from orchestrator.workload.describe import Value, Workload

ROUNDING = 8
"""Units in the last place by which one number may differ where it is worked out in two ways, as 0.3 and 0.1 + 0.2."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The points of a sweep in columns (one entry a point in `ids`, `seeds` and each of `params`), and its arms.

    An arm is a label and the positions of its points; a point of two arms stands once.
    """

    sweep: str
    size: str
    workload: Workload
    ids: list[str]
    seeds: list[int]
    params: dict[str, list[Value | None]]
    arms: tuple[tuple[str, list[int]], ...]

    def __len__(self) -> int:
        return len(self.ids)

    def point(self, position: int) -> dict[str, Value | None]:
        """All params of one point."""
        return {name: column[position] for name, column in self.params.items()}


def count(spec: Spec) -> int:
    """How many points the spec asks for, arms added up, seeds counted; nothing is built."""
    return sum(spec.seeds_of(grid.arm) * grid.count for grid in spec.grids())


def expand(spec: Spec, workload: Workload, machine: str = "") -> Plan:
    """The plan of a spec; `machine` joins the identity of points that measure cost.

    Raises SpecError for a plan above `limits.points`, before any point is built, and for a value the workload refuses.
    """
    total = count(spec)
    if total > spec.limits.points:
        raise SpecError(
            f"{spec.where('axes')}: the plan makes {total:,} points, above the limit of {spec.limits.points:,}; "
            f"narrow an axis or set 'limits: {{points: {total}}}'."
        )
    builder = Builder(spec, workload, machine)
    if spec.search is None:
        for grid in spec.grids():
            for values in assignments(spec, grid, workload):
                before = len(builder.plan)
                positions = builder.add(grid.arm, values, range(spec.seeds_of(grid.arm)))
                if positions and positions[0] < before:
                    _refuse_other_values(spec, grid, values, builder.plan.point(positions[0]))
    return builder.finished()


def _refuse_other_values(
    spec: Spec, grid: Grid, values: Mapping[str, Value | None], earlier: Mapping[str, Value | None]
) -> None:
    """Raise SpecError where a point would be taken for another one whose values differ by more than rounding."""
    for name, value in values.items():
        other = earlier[name]
        if isinstance(value, float) and isinstance(other, float) and abs(value - other) > ROUNDING * math.ulp(value):
            key_line = grid.places.get(name) or spec.where()
            raise SpecError(
                f"{key_line}: values of '{name}' must differ within their first {SETTING_DIGITS} digits, or not at all, but "
                f"got {other!r} and {value!r}, which would be one point; write one of them, or give the param another unit."
            )


class Builder:
    """Makes the plan of a spec point by point; a run that searches goes on adding to it."""

    def __init__(self, spec: Spec, workload: Workload, machine: str = "") -> None:
        self.plan = Plan(
            sweep=spec.name,
            size=spec.size or "",
            workload=workload,
            ids=[],
            seeds=[],
            params={field.name: [] for field in workload.params},
            arms=tuple((grid.arm, []) for grid in spec.grids()),
        )
        self._identity = Identity(workload, machine if workload.measures == "cost" else "")
        self._known: dict[str, int] = {}
        self._arms = dict(self.plan.arms)

    @classmethod
    def of(cls, spec: Spec, plan: Plan, machine: str) -> Builder:
        """A builder that adds to a plan that is there."""
        builder = cls(spec, plan.workload, machine)
        builder.plan, builder._arms = plan, dict(plan.arms)
        builder._known = {point: position for position, point in enumerate(plan.ids)}
        return builder

    def add(self, arm: str, values: Mapping[str, Value | None], seeds: range) -> list[int]:
        """The positions of the points of one assignment, one for each seed; appended where they are not there already."""
        plan, positions = self.plan, []
        for seed, point in zip(seeds, self._identity.points(values, seeds), strict=True):
            position = self._known.setdefault(point, len(plan.ids))
            if position == len(plan.ids):
                plan.ids.append(point)
                plan.seeds.append(seed)
                for name, column in plan.params.items():
                    column.append(values[name])
            positions.append(position)
        self._arms[arm] += positions
        return positions

    def finished(self) -> Plan:
        """The plan, every point once in an arm: values that agree to 12 digits are one point."""
        for _, members in self.plan.arms:
            members[:] = dict.fromkeys(members)
        return self.plan


def assignments(spec: Spec, grid: Grid, workload: Workload) -> Iterator[dict[str, Value | None]]:
    """Every assignment of an arm, all params resolved, in the order of its axes.

    Literals are cast once an axis; expressions are evaluated for each assignment, and only where an arm has any.
    """
    cast = Cast(spec, grid, workload)
    cast.check_names()
    base = {field.name: field.default for field in workload.params} | cast(grid.fixed)
    groups = [[cast(dict(zip(axis.names, row, strict=True))) for row in axis.rows] for axis in grid.axes]
    for parts in itertools.product(*groups):
        row: dict[str, Any] = {}
        for part in parts:
            row.update(part)
        yield {**base, **cast({n: v for n, v in grid.assign(row).items() if n in base})} if grid.order else {**base, **row}


def first_points(spec: Spec, workload: Workload) -> Iterator[dict[str, Value | None]]:
    """What the first and the last point of each arm are given, without the params that a search chooses.

    Raises SpecError for a name or a value that the workload refuses.
    """
    for grid in spec.grids():
        cast = Cast(spec, grid, workload)
        cast.check_names()
        for end in (0, -1):
            row: dict[str, Any] = {}
            for axis in grid.axes:
                row.update(zip(axis.names, axis.rows[end % axis.count], strict=True))
            values = {**grid.fixed, **row}
            values |= grid.assign(row) if grid.order and not grid.searched else {}
            names = {field.name for field in workload.params}
            yield cast({n: v for n, v in values.items() if n in names and not isinstance(v, Expression)})


@dataclass(frozen=True)
class Cast:
    """Turns values of an arm into their params' types, and says where a wrong one stands."""

    spec: Spec
    grid: Grid
    workload: Workload

    def __call__(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values cast; expressions are left as they are."""
        cast: dict[str, Any] = {}
        for name, value in values.items():
            try:
                cast[name] = value if isinstance(value, Expression) else self.workload.param(name).cast(value, self.place(name))
            except WorkloadError as error:
                raise SpecError(str(error)) from error
        return cast

    def check_names(self) -> None:
        """Refuse names that are no params, and params without a value."""
        names = [field.name for field in self.workload.params]
        for name in (*self.grid.fixed, *(name for axis in self.grid.axes for name in axis.names)):
            if name not in names:
                raise SpecError(
                    f"{self.place(name)}: workload '{self.workload.name}' has no param '{name}'{nearest(name, names)} "
                    f"It has {', '.join(names)}."
                )
        for field in self.workload.params:
            if field.required and field.name not in self.grid.names:
                raise SpecError(
                    f"{self.spec.where()}: workload '{self.workload.name}' needs param '{field.name}' ({field.says}), "
                    f"but arm '{self.grid.arm}' does not give it; write it under 'fixed' or 'axes'."
                )

    def place(self, name: str) -> str:
        """Where the arm gets the name from; the whole file for a default."""
        return self.grid.places.get(name) or self.spec.where()
