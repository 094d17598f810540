"""Turns what candidates reached at a rung into those that go on, by successive halving.

K. Jamieson, A. Talwalkar (2016), Algorithm 1, for a number of candidates that the spec gives.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count

from orchestrator.search.rungs import Candidate, costs
from orchestrator.spec.stop_kinds.halving import Halving


@dataclass(frozen=True, kw_only=True)
class HalvingRule:
    """At steps `first`, `first * factor`, … the best 1/`factor` by `of` go on, rounded up: scikit-learn's rule."""

    of: str
    goal: str = "minimize"
    first: int = 1
    factor: int = 3

    def rungs(self) -> Iterator[int]:
        """The steps at which candidates are judged, ascending, without end."""
        return (self.first * self.factor**k for k in count())

    def survivors(self, rung: Mapping[Candidate, float | None]) -> tuple[Candidate, ...]:
        """Those that go on, sorted by id; of equal values the lower id."""
        cost = costs(rung, self.goal)
        order = sorted(cost, key=lambda name: (cost[name], name))
        return tuple(sorted(order[: math.ceil(len(rung) / self.factor)]))

    def best(self, values: Mapping[int, float | None], step: int) -> float | None:
        """The value at the step itself."""
        return values.get(step)


def rule(model: Halving) -> HalvingRule:
    """The rule that a spec's model asks for."""
    return HalvingRule(of=model.of, goal=model.goal, first=model.first, factor=model.factor)
