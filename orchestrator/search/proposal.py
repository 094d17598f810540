"""What a proposer of points is told and what it answers: completed rounds of one study in, its next round or its finding out.

A study is one curve: one combination of an arm's other axes. A proposer is a pure function of the set of completed rounds, so
the points are the same with one worker or ten, and a resumed run replays its rounds from the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Value = float | int | str | bool


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One assignment that was measured: what the search set, and the columns it looks at, one value a seed.

    A seed whose point failed, was stopped, or gave no such value has None.
    """

    values: Mapping[str, Value]
    results: Mapping[str, tuple[float | None, ...]]


Round = Sequence[Seen]
Rounds = Sequence[Round]  # completed, oldest first; each in the order in which it was proposed
Proposal = tuple[dict[str, Value], ...]  # the next round; empty where the study is finished


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a study came to: a position with its bracket, or the points of a curve; `status` says how far to trust it.

    Positions are None where the measure never crosses the level in the searched interval; `evaluations` counts assignments.
    `brackets` has, for each point of a curve, the ends of each param between which the curve lies there.
    """

    status: str
    evaluations: int
    position: float | None = None
    lower: float | None = None
    upper: float | None = None
    points: tuple[dict[str, Value], ...] = ()
    brackets: tuple[Mapping[str, tuple[Value, Value]], ...] = ()
