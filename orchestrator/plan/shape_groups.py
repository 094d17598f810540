"""Turns points of a plan into groups of equal shape, ordered by what they cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from orchestrator.plan import Plan


def shape(plan: Plan, position: int) -> tuple[Any, ...]:
    """The params of a point that set tensor shapes or choose code."""
    return tuple(plan.params[name][position] for name in plan.workload.shapes)


def groups(plan: Plan, positions: Sequence[int]) -> list[list[int]]:
    """The positions in groups of equal shape, in the order in which the plan first names each shape."""
    columns = [plan.params[name] for name in plan.workload.shapes]
    by_shape: dict[tuple[Any, ...], list[int]] = {}
    for i in positions:
        by_shape.setdefault(tuple([column[i] for column in columns]), []).append(i)
    return list(by_shape.values())


def longest_first(plan: Plan, groups: Sequence[Sequence[int]], rates: Sequence[float | None]) -> list[int]:
    """The order in which to start the groups: by seconds per point where known, else by the size of their shapes."""

    def weight(i: int) -> tuple[float, float]:
        sizes = [value for value in shape(plan, groups[i][0]) if isinstance(value, (int, float))]
        return (rates[i] or 0.0, math.prod(max(1.0, abs(float(size))) for size in sizes))

    return sorted(range(len(groups)), key=weight, reverse=True)


def estimate(groups: Sequence[Sequence[int]], rates: Sequence[float | None]) -> float | None:
    """Worker-seconds that the groups will take; a shape never measured costs the mean of the others, None where all are new."""
    measured = [rate for rate in rates if rate is not None]
    if not measured:
        return None if groups else 0.0
    mean = sum(measured) / len(measured)
    return sum(len(group) * (mean if rate is None else rate) for group, rate in zip(groups, rates, strict=True))
