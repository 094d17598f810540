"""Turns what candidates reached at a rung into those that go on, by the rule of the median.

D. Golovin et al. (2017), Vizier. A candidate's value is the best that it had up to that step.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count

from orchestrator.search.rungs import Candidate, costs
from orchestrator.spec.stop_kinds.median import Median


@dataclass(frozen=True, kw_only=True)
class MedianRule:
    """At step `after`, and every `every` steps later, a candidate behind the median of the others stops: Optuna's rule."""

    of: str
    goal: str = "minimize"
    after: int = 1
    every: int | None = None

    def rungs(self) -> Iterator[int]:
        """The steps at which candidates are judged, ascending, without end."""
        return count(self.after, self.every or self.after)

    def survivors(self, rung: Mapping[Candidate, float | None]) -> tuple[Candidate, ...]:
        """Those that go on, sorted by id; of equal values all."""
        cost = costs(rung, self.goal)
        return tuple(sorted(name for name in cost if cost[name] <= _median_of_others(cost, name)))

    def best(self, values: Mapping[int, float | None], step: int) -> float | None:
        """The best value up to the step."""
        numbers = [value for at, value in values.items() if at <= step and value is not None and not math.isnan(value)]
        return (min if self.goal == "minimize" else max)(numbers, default=None)


def _median_of_others(cost: Mapping[Candidate, float], name: Candidate) -> float:
    """The median of the others' costs, or infinity where there are none."""
    return statistics.median([value for other, value in cost.items() if other != name] or [math.inf])


def rule(model: Median) -> MedianRule:
    """The rule that a spec's model asks for."""
    return MedianRule(of=model.of, goal=model.goal, after=model.after, every=model.every)
