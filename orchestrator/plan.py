"""Turns a spec and its workload into the plan: every point with its identity, and the arms that share them."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import SpecError, WorkloadError
from orchestrator.expressions import Expression
from orchestrator.spec import Grid, Spec
from orchestrator.workload import Field, Value, Workload

KEY_VERSION = 1  # raised only when the way ids are made changes: every stored row would be orphaned
MAX_DIGITS = 12  # floats that agree to this many significant digits are one value


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
    return spec.seeds.count * sum(math.prod(len(axis) for axis in grid.axes) for grid in spec.grids())


def expand(spec: Spec, workload: Workload, machine: str = "") -> Plan:
    """The plan of a spec; `machine` joins the identity of points that measure cost.

    Raises SpecError for a plan above `limits.points`, before any point is built, and for a value the workload refuses.
    """
    total = count(spec)
    if total > spec.limits.points:
        raise SpecError(
            f"{spec.name}: axes: the plan makes {total:,} points, above the limit of {spec.limits.points:,}; "
            f"narrow an axis or set 'limits: {{points: {total}}}'."
        )
    plan = Plan(
        sweep=spec.name,
        size=spec.size or "",
        workload=workload,
        ids=[],
        seeds=[],
        params={field.name: [] for field in workload.params},
        arms=tuple((grid.arm, []) for grid in spec.grids()),
    )
    known: dict[str, int] = {}
    identity = Identity(workload, machine if workload.measures == "cost" else "")
    for grid, (_, members) in zip(spec.grids(), plan.arms, strict=True):
        for values in combinations(grid, workload, spec.name):
            _add(plan, known, members, values, identity, spec.seeds.count)
    return plan


def _add(
    plan: Plan, known: dict[str, int], members: list[int], values: dict[str, Value | None], identity: Identity, seeds: int
) -> None:
    """Append the points of one assignment, one for each seed, unless they are there already."""
    for seed, point in enumerate(identity.points(values, seeds)):
        position = known.setdefault(point, len(plan.ids))
        if position == len(plan.ids):
            plan.ids.append(point)
            plan.seeds.append(seed)
            for name, column in plan.params.items():
                column.append(values[name])
        members.append(position)


class Identity:
    """Makes point ids: the hash of workload, version, params that differ from their defaults, and seed."""

    def __init__(self, workload: Workload, machine: str = "") -> None:
        self._fields = sorted(workload.params, key=lambda field: field.name)
        head = [str(KEY_VERSION), workload.name, str(workload.version), *([machine] if machine else [])]
        self._head = "\n".join(head)

    def points(self, values: Mapping[str, Value | None], seeds: int) -> Iterator[str]:
        """Ids of the points with these params and the seeds 0, 1, …"""
        named = [f"{f.name}={canonical(values[f.name])}" for f in self._fields if values[f.name] != f.default]
        base = hashlib.blake2b("\n".join([self._head, *named, ""]).encode(), digest_size=8)
        for seed in range(seeds):
            point = base.copy()
            point.update(str(seed).encode())
            yield point.hexdigest()


def canonical(value: Value | None) -> str:
    """One text for one value: floats by their first 12 significant digits, the rest as JSON."""
    return f"{value:.{MAX_DIGITS}g}f" if isinstance(value, float) else json.dumps(value)


def combinations(grid: Grid, workload: Workload, where: str) -> Iterator[dict[str, Value | None]]:
    """Every assignment of an arm, all params resolved, in the order of its axes.

    Literal values are cast once an axis; only expressions are evaluated for each assignment.
    """
    fields = {field.name: field for field in workload.params}
    place = f"{where}: arm '{grid.arm}'"
    _check_names(grid, workload, place)
    base = _cast(dict(grid.fixed), fields, place)
    for field in workload.params:
        base.setdefault(field.name, field.default)
    groups = [[_cast(dict(zip(axis.names, row, strict=True)), fields, place) for row in axis.rows] for axis in grid.axes]
    pending = _pending(grid, base, groups)
    for parts in itertools.product(*groups):
        values = dict(base)
        for part in parts:
            values.update(part)
        yield _resolve(values, grid, pending, fields, place) if pending else values


def _check_names(grid: Grid, workload: Workload, place: str) -> None:
    """Refuse unknown params and missing ones, before any value is looked at."""
    given = [*grid.fixed, *(name for axis in grid.axes for name in axis.names)]
    free = [name for name in grid.derive if name in {f.name for f in workload.params}]
    try:
        required = {f.name: _example(f) for f in workload.params if f.name in given or f.name in free}
        unknown = {name: 0 for name in given if name not in required and name not in grid.derive}
        workload.resolve({**required, **unknown}, place)
    except WorkloadError as error:
        raise SpecError(str(error)) from error


def _example(field: Field) -> Value:
    return field.kind()


def _cast(values: dict[str, Any], fields: Mapping[str, Field], place: str) -> dict[str, Any]:
    """Literals as their param's type; expressions as they are."""
    try:
        return {
            name: value if isinstance(value, Expression) else fields[name].cast(value, f"{place}: {name}")
            for name, value in values.items()
            if name in fields or isinstance(value, Expression)
        }
    except WorkloadError as error:
        raise SpecError(str(error)) from error


def _pending(grid: Grid, base: Mapping[str, Any], groups: Sequence[Sequence[Mapping[str, Any]]]) -> bool:
    """Whether any value of the arm still has to be computed from others."""
    rows = itertools.chain([base], (row for group in groups for row in group))
    return bool(grid.derive) or any(isinstance(value, Expression) for row in rows for value in row.values())


def _resolve(
    values: dict[str, Any], grid: Grid, pending: bool, fields: Mapping[str, Field], place: str
) -> dict[str, Value | None]:
    """The assignment with every expression evaluated, in the order their names allow."""
    open_values = {**{name: e for name, e in grid.derive.items()}, **values}
    waiting = {name: e for name, e in open_values.items() if isinstance(e, Expression)}
    done = {name: value for name, value in open_values.items() if name not in waiting}
    while waiting:
        ready = [name for name, expression in waiting.items() if expression.names <= done.keys()]
        if not ready:
            raise SpecError(f"{place}: expressions must not need each other in a circle, but {sorted(waiting)} do; fix one.")
        for name in ready:
            done[name] = waiting.pop(name).evaluate(done)
    try:
        return {name: field.cast(done[name], f"{place}: {name}") for name, field in fields.items()}
    except WorkloadError as error:
        raise SpecError(str(error)) from error


def machine(device: str, threads: float) -> str:
    """What the cost of a point depends on beside its params: host class, device and threads."""
    return f"{platform.machine()}/{os.cpu_count()}cpu/{device}/{threads:g}threads"
