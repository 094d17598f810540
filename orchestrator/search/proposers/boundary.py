"""Turns completed rounds into the next places along one param, and in the end into where a measure crosses its level.

An even survey of the interval, a ladder outwards where it holds no crossing, then equal parts of the bracket (m-section;
bisection when a round is 1), or quantiles of a belief where seeds disagree. All is a function of the set of what was seen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import count, pairwise, takewhile

import numpy as np

from orchestrator.fitting.aggregates import combine
from orchestrator.search.proposal import Curve, Found, Place, Proposal, Rounds, bracketed
from orchestrator.search.proposers.boundary_belief import CREDIBLE, Belief, believe
from orchestrator.search.proposers.boundary_crossing import cross
from orchestrator.search.proposers.boundary_sides import averaged, sides, unsure
from orchestrator.search.proposers.line import Line, settled
from orchestrator.search.proposers.rounds import measured, room
from orchestrator.spec.search_kinds.boundary import Boundary

FEWEST = 5  # places of a survey, however small a round: fewer cannot show that a measure turns back
SCAN = 32  # places of the scan that follows when it does
FINE = 1000  # a bracket is closed at this part of the interval where no tolerance is given
REACH = 10  # the ladder ends at this many times the ends (or widths beyond them) where nothing else is said
COUNTING = 2**20  # and here for whole numbers without an interval
Value = float | int


@dataclass(frozen=True, kw_only=True)
class BoundarySearch:
    """A boundary to find: `of` at `level` along `along`, from `low` to `high`; the ladder stays within `least` and `most`.

    `tolerance` is the width of the last bracket, relative on a geom scale. `crossing` says which one counts where there are
    several. `aggregate` combines seeds. At most `points` assignments are measured.
    """

    along: str
    of: str
    level: float
    low: float
    high: float
    scale: str = "lin"
    tolerance: float | None = None
    integer: bool = False
    round: int = 8
    least: float | None = None
    most: float | None = None
    crossing: str = "last"
    aggregate: str = "mean"
    points: int = 64

    @property
    def line(self) -> Line:
        """How the param is searched."""
        return Line(geom=self.scale == "geom", integer=self.integer)

    @property
    def width(self) -> float:
        """The tolerance, given or not."""
        if self.tolerance is not None:
            return self.tolerance
        if self.integer:
            return 0.0  # neighbours
        return 1 / FINE if self.scale == "geom" else (self.high - self.low) / FINE

    @property
    def columns(self) -> tuple[str, ...]:
        """The column that the search looks at."""
        return (self.of,)

    def propose(self, rounds: Rounds) -> Proposal:
        """The next round, of at most `round` assignments; empty where the study is finished."""
        state = _state(self, rounds)
        return tuple({self.along: value} for value in state.step.next[: room(len(state.taken), self.round, self.points)])

    def conclude(self, rounds: Rounds) -> Found:
        """Where the boundary lies, by `status`: found, noisy (bracket is an interval), not_monotone (`points` has all
        crossings), above or below the searched interval, absent, failed, unresolved (out of points), open (not finished).
        """
        state = _state(self, rounds)
        step, line = state.step, self.line
        low, high = step.bracket
        position = step.place
        if position is None and low is not None and high is not None:
            position = (line.place(low) + line.place(high)) / 2
        several = state.changes if step.several else ()
        return Found(
            status=_status(state),
            evaluations=len(state.taken),
            position=None if position is None else _bare(line, position),
            lower=low,
            upper=high,
            points=tuple({self.along: settled(_middle(line, *change))} for change in several),
        )

    def places(self, finding: Found) -> Iterator[Place]:
        """One row: the position with its bracket."""
        yield bracketed(self.along, self.of, self.level, finding)

    def forecast(self) -> tuple[int, int]:
        """How many assignments a study usually takes (one crossing inside, no noise), and at most."""
        survey = len(_survey(self))
        remaining = self.line.parts(self.low, self.high, self.width) / max(survey - 1, 1)
        used = survey
        while remaining > 1:
            batch = min(self.round, math.ceil(remaining) - 1)
            used, remaining = used + batch, remaining / (batch + 1)
        return min(used, self.points), self.points


def proposer(model: Boundary, curve: Curve) -> BoundarySearch:
    """The search that a spec's model asks for on a curve."""
    between, within = model.between, model.within
    whole = model.integer or (between is not None and between.integer)
    low, high = (
        (curve.value(between.low), curve.value(between.high)) if between is not None else (1, 2 * max(model.round, FEWEST))
    )
    reach = (curve.value(within.low), curve.value(within.high)) if within is not None else (None, None if between else COUNTING)
    return BoundarySearch(
        along=model.along,
        of=model.of,
        level=curve.value(model.level),
        low=low,
        high=high,
        scale=between.scale if between is not None else "lin",
        tolerance=model.tolerance,
        integer=whole,
        round=model.round,
        least=reach[0],
        most=reach[1],
        crossing=model.crossing,
        aggregate=curve.aggregate(model.of),
        points=model.points or max(BoundarySearch.points, 8 * model.round),
    )


def _status(state: _State) -> str:
    """The status of a study, also of one that is not finished."""
    if not state.step.next:
        return state.step.status
    if len(state.taken) < state.search.points:
        return "open"
    # An interval stands without its last points, a bracket does not.
    return "noisy" if state.step.status == "noisy" else "unresolved"


@dataclass(frozen=True, kw_only=True)
class _Step:
    """What comes next, and what is known: a bracket, the believed place within it, whether there are several crossings."""

    next: tuple[Value, ...] = ()
    status: str = "found"
    bracket: tuple[float | None, float | None] = (None, None)
    place: float | None = None
    several: bool = False


@dataclass(frozen=True, kw_only=True)
class _State:
    """All that was seen, by value: what each gave, and which places failed."""

    search: BoundarySearch
    samples: Mapping[Value, tuple[float, ...]]
    failed: frozenset[Value]

    @cached_property
    def taken(self) -> frozenset[Value]:
        """Values that were measured, well or not."""
        return self.failed | frozenset(self.samples)

    @cached_property
    def values(self) -> tuple[Value, ...]:
        """Values that gave a result, sorted."""
        return tuple(sorted(self.samples))

    @cached_property
    def sides(self) -> tuple[float, ...]:
        """How sure it is that each lies at or above the level."""
        samples = [self.samples[value] for value in self.values]
        return tuple(sides(samples, self.search.level, self.search.aggregate))

    @cached_property
    def changes(self) -> tuple[tuple[Value, Value], ...]:
        """Neighbouring values on different sides."""
        marks = zip(self.values, self.sides, strict=True)
        return tuple((a, b) for (a, left), (b, right) in pairwise(marks) if (left >= 0.5) != (right >= 0.5))

    @cached_property
    def turns(self) -> bool:
        """Whether the measure surely crosses more than once."""
        sure = [side >= 0.5 for side in self.sides if not unsure(side)]
        return sum(a != b for a, b in pairwise(sure)) > 1

    @cached_property
    def step(self) -> _Step:
        """What to do next."""
        missing = tuple(value for value in _survey(self.search) if value not in self.taken)
        if missing:
            return _Step(next=missing)
        if not self.values:
            return _Step(status="failed")
        if self.turns:
            return _scan(self)
        if not self.changes:
            return _outwards(self)
        if any(map(unsure, self.sides)):
            return _doubt(self)
        return _inwards(self, self.changes[0], "found")


def _state(search: BoundarySearch, rounds: Rounds) -> _State:
    samples: dict[Value, tuple[float, ...]] = {}
    failed = set()
    for assignment in measured(rounds):
        value = settled(float(assignment.values[search.along]), search.integer)
        good = assignment.numbers(search.of)
        if good:
            samples[value] = good
        else:
            failed.add(value)
    return _State(search=search, samples=samples, failed=frozenset(failed))


def _middle(line: Line, low: Value, high: Value) -> float:
    return _bare(line, (line.place(low) + line.place(high)) / 2)


def _survey(search: BoundarySearch) -> list[Value]:
    """The first values: both ends, and as many between them as a round has room for."""
    low, high = settled(search.low, search.integer), settled(search.high, search.integer)
    return [low, high, *search.line.even(low, high, max(search.round, FEWEST) - 2)]


def _outwards(state: _State) -> _Step:
    """No crossing yet: up the side on which the measure comes nearer to its level, or both where it is flat."""
    search = state.search
    first, last = (abs(_combined(search, state.samples[value]) - search.level) for value in (state.values[0], state.values[-1]))
    ups, downs = _ladder(state, up=True), _ladder(state, up=False)
    if last < first:
        return _Step(next=tuple(ups), status="above", bracket=(state.values[-1], None))
    if first < last:
        return _Step(next=tuple(downs), status="below", bracket=(None, state.values[0]))
    turns = [value for pair in zip(ups, downs, strict=False) for value in pair]
    return _Step(next=(*turns, *(v for v in (*ups, *downs) if v not in turns)), status="absent")


def _combined(search: BoundarySearch, values: tuple[float, ...]) -> float:
    # A sum depends on its order, and whether two ends are equally far must not depend on which seed gave which value.
    return float(combine(np.sort(np.array(values)), search.aggregate))


def _ladder(state: _State, up: bool) -> list[Value]:
    """New values beyond what was measured, nearest first; where points fail there, values short of the failure."""
    search, line = state.search, state.search.line
    edge = state.values[-1] if up else state.values[0]
    beyond = [value for value in state.failed if (value > edge if up else value < edge)]
    if beyond:
        wall = min(beyond) if up else max(beyond)
        low, high = (edge, wall) if up else (wall, edge)
        far_enough = len(beyond) >= 2 * max(search.round, FEWEST) or line.closed(low, high, search.width)
        return [] if far_enough else line.even(low, high, search.round, state.taken)
    rungs = dict.fromkeys(settled(value, search.integer) for value in _rungs(search, up))
    return [value for value in rungs if value not in state.taken]


def _rungs(search: BoundarySearch, up: bool) -> list[float]:
    """Values beyond an end: by doubling where interval and reach lie above 0, else by doubled widths."""
    end, cap, way = (search.high if up else search.low), _cap(search, up), (1 if up else -1)
    if (cap - end) * way <= 0:
        return []
    width = (search.high - search.low) * way
    by_factors = search.low >= 0 and min(end, cap) > 0
    steps = (end * 2.0 ** (way * k) if by_factors else end + (2**k - 1) * width for k in count(1))
    return [*takewhile(lambda value: (cap - value) * way > 0, steps), cap]


def _cap(search: BoundarySearch, up: bool) -> float:
    """Where the ladder ends: as the spec says, else at ten times the end or widths beyond it; counts stay at 1 or more."""
    cap = search.most if up else search.least
    if cap is not None:
        return cap
    if search.low < 0:
        return search.high + REACH * (search.high - search.low) if up else search.low - REACH * (search.high - search.low)
    far = search.high * REACH if up else search.low / REACH
    return max(far, 1.0) if search.integer and search.low >= 1 else far


def _inwards(state: _State, pair: tuple[Value, Value], status: str) -> _Step:
    """Equal parts of a bracket, no more of them than the tolerance needs."""
    search, line = state.search, state.search.line
    low, high = pair
    several = status == "not_monotone"
    if line.closed(low, high, search.width):
        return _Step(status=status, bracket=pair, several=several)
    inside = [value for value in state.failed if low < value < high]
    batch = min(search.round, line.parts(low, high, search.width) - 1)
    values = line.even(low, high, batch, state.taken) if len(inside) < 2 * max(search.round, 2) else []
    return _Step(next=tuple(values), status=status if values else "failed", bracket=pair, several=several)


def _scan(state: _State) -> _Step:
    """The measure turns back: an even scan, then the bracket of the first or last crossing."""
    search, line = state.search, state.search.line
    even = line.even(state.values[0], state.values[-1], SCAN)
    missing = tuple(value for value in even if value not in state.taken)
    pair = state.changes[-1 if search.crossing == "last" else 0]
    if missing:
        return _Step(next=missing, status="not_monotone", bracket=pair, several=True)
    return _inwards(state, pair, "not_monotone")


def _doubt(state: _State) -> _Step:
    """Seeds disagree: quantiles of the belief, until the interval is narrow or more places would not make it so."""
    search, line = state.search, state.search.line
    places = [line.place(value) for value in state.values]
    belief = believe(places, state.sides)
    low, middle, high = (belief.quantile(share) for share in ((1 - CREDIBLE) / 2, 0.5, (1 + CREDIBLE) / 2))
    samples, level = averaged([state.samples[value] for value in state.values], search.level, search.aggregate)
    crossing = cross(places, samples, state.sides, level, middle)
    if crossing is not None:
        middle, low, high = (
            crossing.place,
            max(crossing.place - crossing.half, places[0]),
            min(crossing.place + crossing.half, places[-1]),
        )
    bracket = (_bare(line, low), _bare(line, high))
    done = line.parts(*bracket, search.width) <= 1 or (crossing is not None and not crossing.worth)
    return _Step(next=() if done else _quantiles(state, belief), status="noisy", bracket=bracket, place=middle)


def _bare(line: Line, position: float) -> float:
    return math.exp(position) if line.geom else position


def _quantiles(state: _State, belief: Belief) -> tuple[Value, ...]:
    """New values at even quantiles of the belief; a whole number that is taken gives way to the nearest free one."""
    search, line = state.search, state.search.line
    low, high = (line.value(belief.quantile(share)) for share in ((1 - CREDIBLE) / 2, (1 + CREDIBLE) / 2))
    free = set(range(int(low), int(high) + 1)) - state.taken if search.integer else set()
    values: list[Value] = []
    for k in range(1, search.round + 1):
        value = line.value(belief.quantile(k / (search.round + 1)))
        if search.integer and value not in free:
            value = min(free, key=lambda candidate: (abs(candidate - value), candidate), default=value)
        if value not in state.taken and value not in values:
            values.append(value)
            free.discard(int(value))
    return tuple(values)
