"""Turns what candidates reached at a rung into those that go on: successive halving, and the rule of the median.

Whole rungs are judged, never arrivals, so the survivors are the same with one worker or ten; ids break ties.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from orchestrator.spec.search_model import Stop

Candidate = TypeVar("Candidate", int, str)


@dataclass(frozen=True, kw_only=True)
class HalvingTask:
    """At steps `first`, `first * factor`, … the best 1/`factor` by `of` go on, rounded up: scikit-learn's rule.

    K. Jamieson, A. Talwalkar (2016), Algorithm 1, for a number of candidates that the spec gives.
    """

    of: str
    goal: str = "minimize"
    first: int = 1
    factor: int = 3


@dataclass(frozen=True, kw_only=True)
class MedianTask:
    """At step `after`, and every `every` steps later, a candidate behind the median of the others stops: Optuna's rule.

    D. Golovin et al. (2017), Vizier. A candidate's value is the best that it had up to that step.
    """

    of: str
    goal: str = "minimize"
    after: int = 1
    every: int | None = None


Task = HalvingTask | MedianTask


def task(model: Stop) -> Task:
    """The task of a spec's model."""
    if model.halving is not None:
        given = model.halving
        return HalvingTask(of=given.of, goal=given.goal, first=given.first, factor=given.factor)
    assert model.median is not None
    return MedianTask(of=model.median.of, goal=model.median.goal, after=model.median.after, every=model.median.every)


def rungs(task: Task) -> Iterator[int]:
    """The steps at which candidates are judged, ascending, without end."""
    if isinstance(task, HalvingTask):
        return (task.first * task.factor**k for k in count())
    return count(task.after, task.every or task.after)


def survivors(task: Task, rung: Mapping[Candidate, float | None]) -> tuple[Candidate, ...]:
    """Those that go on, sorted by id, of candidates with their value at a rung; one without a number stops.

    Where none has a number, none goes on. Of equal values halving keeps the lower id, the median rule keeps both.
    """
    sign = 1.0 if task.goal == "minimize" else -1.0
    costs = {name: sign * value for name, value in rung.items() if value is not None and not math.isnan(value)}
    if isinstance(task, HalvingTask):
        kept = sorted(costs, key=lambda name: (costs[name], name))[: math.ceil(len(rung) / task.factor)]
        return tuple(sorted(kept))
    return tuple(sorted(name for name in costs if costs[name] <= _median(costs, name)))


def _median(costs: Mapping[Candidate, float], name: Candidate) -> float:
    """The median of the others, or infinity where there are none."""
    return statistics.median([cost for other, cost in costs.items() if other != name] or [math.inf])


def best(task: Task, values: Mapping[int, float | None], step: int) -> float | None:
    """A candidate's value at a rung, of its values by step: the one there for halving, the best up to there for the median."""
    if isinstance(task, HalvingTask):
        return values.get(step)
    found = [value for at, value in values.items() if at <= step and value is not None and not math.isnan(value)]
    return (min if task.goal == "minimize" else max)(found, default=None)
