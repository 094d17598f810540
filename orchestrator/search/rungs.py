"""What a rule of `stop` is told and what it answers: candidates with their values at a rung in, those that go on out.

Whole rungs are judged, never arrivals, so the survivors are the same with one worker or ten; ids break ties.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Protocol, TypeVar

Candidate = TypeVar("Candidate", int, str)


class StopRule(Protocol):
    """When candidates are judged and who goes on; a frozen value, which `rule` of its module makes of the spec's model."""

    @property
    def of(self) -> str:
        """The column that candidates are compared in."""

    def rungs(self) -> Iterator[int]:
        """The steps at which candidates are judged, ascending, without end."""

    def survivors(self, rung: Mapping[Candidate, float | None]) -> tuple[Candidate, ...]:
        """Those that go on, sorted by id, of candidates with their value at a rung; one without a number stops.

        Where none has a number, none goes on.
        """

    def best(self, values: Mapping[int, float | None], step: int) -> float | None:
        """A candidate's value at the rung of that step, of its values by step."""


def costs(rung: Mapping[Candidate, float | None], goal: str) -> dict[Candidate, float]:
    """What is to be small, by candidate; those without a number are left out."""
    sign = 1.0 if goal == "minimize" else -1.0
    return {name: sign * value for name, value in rung.items() if value is not None and not math.isnan(value)}
