"""Turns the assignments of a search with several goals into its front and the volume that it dominates.

Seeds are averaged first. A seed that failed counts as the worst that its goal can be, and as the best: the volume lies between.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from orchestrator.fitting.aggregates import combine
from orchestrator.fitting.fronts import hypervolume, non_dominated
from orchestrator.search.proposal import Place, SearchResult, Seen

Array = np.ndarray[Any, Any]
ANYTHING = (-math.inf, math.inf)


@dataclass(frozen=True, kw_only=True)
class Goals:
    """Columns to be minimised and maximised, how the seeds of each combine, what each can be at all, and the reference."""

    minimize: tuple[str, ...] = ()
    maximize: tuple[str, ...] = ()
    aggregates: Mapping[str, str] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    reference: Mapping[str, float] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The goals, in the order in which they are looked at."""
        return (*self.minimize, *self.maximize)

    def conclude(self, assignments: Sequence[Seen], done: bool) -> SearchResult:
        """The front of what was seen, its volume, and between what that lies where points failed; `done` as the search is.

        The status is found, incomplete (a point failed, and could change the volume), or open (the search goes on).
        """
        shape = (len(assignments), len(self.columns))
        worst, best = (
            np.array([self._scores(assignment, end) for assignment in assignments]).reshape(shape) for end in ("worst", "best")
        )
        low, high = (self._volume(scores) for scores in (worst, best))
        measured = np.isfinite(worst).all(axis=1)
        at_front = np.flatnonzero(non_dominated(worst) & measured).tolist()
        status = "found" if low == high else "incomplete"
        points = tuple(
            {**assignments[at].values, **dict(zip(self.columns, map(float, self._signs * worst[at]), strict=True))}
            for at in at_front
        )
        return SearchResult(
            status=status if done else "open", evaluations=len(assignments), position=low, lower=low, upper=high, points=points
        )

    def places(self, finding: SearchResult) -> Iterator[Place]:
        """The one row of a study: its volume with the bracket, how many points its front has, and the reference."""
        ends = {"hypervolume": finding.position, "hypervolume_lower": finding.lower, "hypervolume_upper": finding.upper}
        reference = {f"{name}_reference": value for name, value in (self.reference or {}).items()}
        yield Place(
            along="hypervolume",
            of=", ".join(self.columns),
            level=None,
            columns={**ends, "front_size": len(finding.points), **reference},
        )

    @property
    def _signs(self) -> Array:
        """What turns each goal into one that is minimised, and back."""
        return np.array([1.0] * len(self.minimize) + [-1.0] * len(self.maximize))

    def _volume(self, scores: Array) -> float | None:
        if self.reference is None:
            return None
        return hypervolume(scores, self._signs * np.array([self.reference[name] for name in self.columns]))

    def _scores(self, assignment: Seen, end: str) -> list[float]:
        """The goals of an assignment, all to be minimised, with the failed seeds at that end of what they can be."""
        return [
            float(sign * self._goal(assignment, name, sign, end)) for name, sign in zip(self.columns, self._signs, strict=True)
        ]

    def _goal(self, assignment: Seen, name: str, sign: float, end: str) -> float:
        low, high = self.ranges.get(name, ANYTHING)
        failed = high if (sign > 0) == (end == "worst") else low
        values = [failed if value is None or math.isnan(value) else float(value) for value in assignment.results[name]]
        if math.isinf(failed) and failed in values:
            return failed
        return float(combine(np.array(values), self.aggregates.get(name, "mean")))
