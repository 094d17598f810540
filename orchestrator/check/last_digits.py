"""Warns of values of one param that differ in their last digits alone: between arms, or so that one float stands for both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchestrator.plan.identity import canonical

if TYPE_CHECKING:
    from orchestrator.plan import Plan
    from orchestrator.spec import Spec
    from orchestrator.spec.grids import Grid


def warnings(spec: Spec, plan: Plan) -> tuple[str, ...]:
    """A sentence for each param of which one arm has a value that another arm has with other last digits.

    And one for whole numbers past 2^53 that laws and figures, which know floats alone, would take for one.
    """
    return (*(_warnings(spec, plan) if len(plan.arms) > 1 else ()), *_one_float(spec, plan))


def _one_float(spec: Spec, plan: Plan) -> Iterator[str]:
    used = {name for claim in spec.claims for name in claim.axes if name} | {figure.x for figure in spec.figures}
    for name in sorted(used & plan.params.keys()):
        by_float: dict[float, set[int]] = {}
        for value in plan.params[name]:
            if isinstance(value, int):
                by_float.setdefault(float(value), set()).add(value)
        for near in by_float.values():
            if len(near) > 1:
                yield (
                    f"{spec.where()}: values of '{name}' on an axis of a claim or a figure must be apart as floats, but one "
                    f"float stands for {' and '.join(map(str, sorted(near)))}; they would be one x."
                )


def _warnings(spec: Spec, plan: Plan) -> Iterator[str]:
    for field in plan.workload.params:
        values = {value for value in plan.params[field.name] if isinstance(value, float)}
        values |= {value for grid in spec.grids() for value in _cells(grid, field.name)}
        same: dict[str, set[float]] = {}
        for value in values:
            same.setdefault(canonical(value), set()).add(value)
        for near in same.values():
            if len(near) > 1:
                texts = " and ".join(repr(value) for value in sorted(near))
                yield (
                    f"{spec.where('arms')}: arms that are compared must have the same values of '{field.name}', but there are "
                    f"{texts}, which differ in their last digits alone; write one of them in all arms."
                )


def _cells(grid: Grid, name: str) -> Iterator[float]:
    """What an arm gives a param: of arms that share a point, the plan has the value of the first."""
    rows = ((row[axis.names.index(name)] for row in axis.rows) for axis in grid.axes if name in axis.names)
    yield from (v for v in (grid.fixed.get(name), *(v for each in rows for v in each)) if isinstance(v, float))
