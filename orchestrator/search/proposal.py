"""What a proposer of points is told and what it answers: completed rounds of one study in, its next round or its finding out.

A study is one curve: one combination of an arm's other axes. A proposer is a pure function of the set of completed rounds, so
the points are the same with one worker or ten, and a resumed run replays its rounds from the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.spec.expressions import Expression

Value = float | int | str | bool


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One assignment that was measured: what the search set, and the columns it looks at, one value a seed.

    A seed whose point failed, was stopped, or gave no such value has None.
    """

    values: Mapping[str, Value]
    results: Mapping[str, tuple[float | None, ...]]

    def numbers(self, column: str) -> tuple[float, ...]:
        """The column's values that are numbers, in the order of the seeds; empty where all seeds failed."""
        return tuple(float(value) for value in self.results[column] if value is not None and value == value)


Round = Sequence[Seen]
Rounds = Sequence[Round]  # completed, oldest first; each in the order in which it was proposed
Proposal = tuple[dict[str, Value], ...]  # the next round; empty where the study is finished


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """What a study came to: a position with its bracket, or the points of a curve; `status` says how far to trust it.

    Positions are None where the measure never crosses the level in the searched interval; `evaluations` counts assignments.
    Of a search with several goals the position is the volume of its front, and `points` are the front's, with their goals.
    `brackets` has, for each point of a curve, the ends of each param between which the curve lies there.
    """

    status: str
    evaluations: int
    position: float | None = None
    lower: float | None = None
    upper: float | None = None
    points: tuple[dict[str, Value], ...] = ()
    brackets: tuple[Mapping[str, tuple[Value, Value]], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Place:
    """One row that a finding gives the table of boundaries: where on the searched params it lies, and between which ends.

    `point` has the params that the table's derived columns are computed from; empty where the table has none.
    """

    along: str  # the searched params, as a reader of the table sees them
    of: str
    level: float | None  # None where it is no number of the file: nothing is crossed, or it comes of what was measured
    columns: Mapping[str, Value | None]  # values of what was searched for, and their model's `place_columns`
    point: Mapping[str, Value] = field(default_factory=dict)


def bracketed(along: str, of: str, level: float, finding: SearchResult) -> Place:
    """The row of a position with its bracket; null where there is none."""
    ends = {along: finding.position, f"{along}_lower": finding.lower, f"{along}_upper": finding.upper}
    columns = {name: None if value is None else float(value) for name, value in ends.items()}
    return Place(along=along, of=of, level=float(level), columns=columns)


class Proposer(Protocol):
    """What proposes the points of one curve; a frozen value, which `proposer` of its module makes of the spec's model."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it looks at."""

    def propose(self, rounds: Rounds) -> Proposal:
        """The next round, a function of the rounds alone; empty where the study is finished."""

    def conclude(self, rounds: Rounds) -> SearchResult | None:
        """What the study came to by these rounds; None where it looks for one best point, which the rows tell."""

    def places(self, finding: SearchResult) -> Iterator[Place]:
        """The rows of the table of boundaries that tell what the study came to."""

    def forecast(self) -> tuple[int, int]:
        """How many assignments the study usually takes, and at most."""


@dataclass(frozen=True, kw_only=True)
class SearchCurve:
    """What a proposer's module is told of the curve that it searches, beside the spec's model."""

    value: Callable[[float | Expression], float]
    """The value of a number or expression of the spec on this curve."""
    aggregates: Mapping[str, str] = field(default_factory=dict)
    """How seeds combine, by result of the workload."""
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """What the columns that it looks at can be at all, as far as the workload says."""
    kinds: Mapping[str, type] = field(default_factory=dict)
    """The type of each param of the workload."""
    axes: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    """Values of the arm's own axes, where the search names no params and takes these as its space."""

    def aggregate(self, column: str) -> str:
        """How the seeds of a column combine; by the mean where the workload does not say."""
        return self.aggregates.get(column, "mean")
