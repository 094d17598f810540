"""Decides which points go into the next pack, and what becomes of points whose worker died. No clock, no I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from orchestrator.worker.batch import Failure

Positions = NDArray[np.int64]  # slices of an array are views, so a million points are cut into packs without a copy
MAX_PACKS = 5000  # Tune's driver keeps every trial; beyond this the state of a run costs more than its points
SHARE = 2  # a pack is at most half of one worker's share of the remaining time, so packs get shorter towards the end
SHORTEST = 0.5  # seconds; a trial costs a worker about a tenth of a second between two packs
PATIENCE = 3  # deaths of nobody's fault that a pack may see before its points come under suspicion


@dataclass(frozen=True, kw_only=True)
class OpenPack:
    """Points handed out together: `index` are positions in the plan, `seconds` the time after which to hand back."""

    id: str
    index: tuple[int, ...]
    seconds: float
    groups: tuple[int, ...]  # group of each point
    deaths: int = 0  # processes that these points are suspected to have killed
    mishaps: int = 0  # processes that died of something else with these points
    until: int | None = None  # the step at which the points pause


@dataclass(frozen=True, kw_only=True)
class Death:
    """What is known of the end of a worker: whether a point is to blame, and where it stood."""

    status: str  # lost, timeout or oom
    error: str
    blame: bool = True  # False where node, raylet or recorder went
    suspects: tuple[int, int] | None = None  # from, to: positions within the pack; None where nothing was marked


@dataclass
class _Work:
    index: Positions
    group: int
    deaths: int = 0
    mishaps: int = 0

    @property
    def alone(self) -> bool:
        return self.deaths > 0


@dataclass
class _Rate:
    points: int = 0
    seconds: float = 0.0

    def add(self, points: int, seconds: float) -> None:
        self.points += points
        self.seconds += seconds

    def each(self) -> float | None:
        return self.seconds / self.points if self.points else None


@dataclass
class Queue:
    """The points still to do, as packs on demand; every point leaves it measured, failed or still waiting.

    `groups` are positions of the plan that share tensor shapes; `rates` are seconds per point of each group where known.
    With `together`, a pack holds so many points of one group, whatever they cost.
    """

    groups: Sequence[Sequence[int]]
    workers: int
    seconds: float = 5.0
    rates: Sequence[float | None] = ()
    prefix: str = ""
    together: int | None = None
    taken: int = 0
    open: dict[str, OpenPack] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rates = [_Rate() for _ in self.groups]
        self._until: dict[int, int | None] = {}
        for rate, measured_rate in zip(self._rates, self.rates, strict=False):
            if measured_rate is not None:
                rate.add(1, measured_rate)
        self._overall = _Rate()
        self._latest: float | None = None  # seconds a point took in the pack that came back last
        known_rates = [r for r in (rate.each() for rate in self._rates) if r is not None]
        if known_rates:
            self._overall.add(len(known_rates), sum(known_rates))
        self._waiting = deque(_Work(_positions(index), group) for group, index in enumerate(self.groups) if len(index))

    def add(self, groups: Sequence[Sequence[int]], rates: Sequence[float | None] = (), until: int | None = None) -> None:
        """Let further points wait, in groups of their own; with `until`, only up to that step."""
        self._until |= dict.fromkeys(range(len(self._rates), len(self._rates) + len(groups)), until)
        first = len(self._rates)
        self._rates += [_Rate() for _ in groups]
        for rate, measured_rate in zip(self._rates[first:], rates, strict=False):
            if measured_rate is not None:
                rate.add(1, measured_rate)
        self._waiting.extend(_Work(_positions(index), first + i) for i, index in enumerate(groups) if len(index))

    @property
    def waiting(self) -> int:
        """How many points are in no pack."""
        return sum(len(work.index) for work in self._waiting)

    @property
    def exhausted(self) -> bool:
        """Whether nothing waits and nothing is out."""
        return not self._waiting and not self.open

    def take(self) -> OpenPack | None:
        """The next pack; None when no point waits."""
        if not self._waiting:
            return None
        target = self._target()
        head = self._waiting[0]
        parts = [self._slice(target)]
        free = target - self._cost(parts[0], target)
        alone = head.alone or self.together is not None
        until = self._until.get(head.group)
        while self._waiting and not alone and self._joins(self._waiting[0], until) and free > 0:
            parts.append(self._slice(free))
            free -= self._cost(parts[-1], target)
        pack = OpenPack(
            id=f"{self.prefix}{self.taken:04d}",
            index=tuple(i for part in parts for i in part.index.tolist()),
            groups=tuple(part.group for part in parts for _ in part.index),
            seconds=max(1.5 * target, 1.0),
            deaths=head.deaths,
            mishaps=head.mishaps,
            until=until,
        )
        self.taken += 1
        self.open[pack.id] = pack
        return pack

    def _joins(self, work: _Work, until: int | None) -> bool:
        """Whether a pack whose points pause there may hold this work too."""
        return not work.alone and self._until.get(work.group) == until

    def finished(self, pack_id: str, done: int, seconds: float, unmeasured: Collection[int]) -> None:
        """A worker hands back the points in `unmeasured`; of the others, `done` took `seconds` and tell what points cost."""
        pack = self.open.pop(pack_id)
        self._overall.add(done, seconds)
        if done:
            self._latest = seconds / done
        back = set(unmeasured)
        measured = {group for i, group in zip(pack.index, pack.groups, strict=True) if i not in back}
        if len(measured) == 1:
            self._rates[measured.pop()].add(done, seconds)
        self._return(pack, [i for i in pack.index if i in back])

    def died(self, pack_id: str, recorded: Collection[int], death: Death) -> list[Failure]:
        """Puts back what the dead worker left, and gives the points that are now beyond doubt at fault.

        Only the marked points are suspected, and blamed the second time; a timeout is its own proof. An unmarked pack, and
        marked points that were measured together, are halved until one remains.
        """
        pack = self.open.pop(pack_id)
        unrecorded = [i for i in pack.index if i not in set(recorded)]
        if not death.blame and pack.mishaps < PATIENCE:
            self._return(pack, unrecorded, mishaps=pack.mishaps + 1)
            return []
        suspects = unrecorded
        if death.suspects is not None:
            marked = set(pack.index[slice(*death.suspects)])
            suspects = [i for i in unrecorded if i in marked]
        accused = set(suspects)
        self._return(pack, [i for i in unrecorded if i not in accused], deaths=0)
        return self._accuse(pack, suspects, death)

    def _accuse(self, pack: OpenPack, suspects: list[int], death: Death) -> list[Failure]:
        proven = pack.deaths > 0 or death.status == "timeout"
        if len(suspects) == 1 and proven:
            return [Failure(index=suspects[0], status=death.status, error=death.error)]
        half = len(suspects) // 2 if proven or death.suspects is None else 0
        for part in (suspects[:half], suspects[half:]):
            self._return(pack, part, deaths=pack.deaths + 1)
        return []

    def _return(self, pack: OpenPack, index: Sequence[int], deaths: int | None = None, mishaps: int = 0) -> None:
        """Put points back, one piece for each group; suspects wait at the end so that they hold up nobody."""
        group_of = dict(zip(pack.index, pack.groups, strict=True))
        blamed = pack.deaths if deaths is None else deaths
        pieces: dict[int, list[int]] = {}
        for i in index:
            pieces.setdefault(group_of[i], []).append(i)
        for group, piece in pieces.items():
            work = _Work(_positions(piece), group, blamed, mishaps)
            if work.alone:
                self._waiting.append(work)
            else:
                self._waiting.appendleft(work)

    def _each(self, group: int) -> float | None:
        """Seconds a point of the group takes: in its own packs, else in the last one (neighbours are alike), else over all."""
        own = self._rates[group].each()
        if own is not None:
            return own
        return self._latest if self._latest is not None else self._overall.each()

    def _remaining(self) -> float | None:
        """Seconds of work that wait, as far as anything was measured."""
        if self._overall.each() is None:
            return None
        return sum(len(work.index) * (self._each(work.group) or 0.0) for work in self._waiting)

    def _target(self) -> float:
        """How many seconds the next pack should take."""
        remaining = self._remaining()
        if remaining is None:
            return self.seconds
        fair = min(self.seconds, remaining / (SHARE * self.workers))
        return max(fair, SHORTEST, remaining / max(1, MAX_PACKS - self.taken))

    def _cost(self, part: _Work, target: float) -> float:
        """Seconds that the points take; where nothing was measured each may take all of the target."""
        return len(part.index) * (self._each(part.group) or target)

    def _slice(self, target: float) -> _Work:
        """Cut the points for `target` seconds off the first work."""
        work = self._waiting.popleft()
        each = self._each(work.group)
        if self.together is not None:
            size = min(self.together, len(work.index))
        elif work.alone:
            size = len(work.index)
        elif each:
            size = max(1, int(target / each))
        else:
            # A pack of unknown cost takes a share of everything; its worker hands back what does not fit the time.
            size = max(1, -(-(self.waiting + len(work.index)) // (4 * self.workers)))
        if size < len(work.index):
            self._waiting.appendleft(_Work(work.index[size:], work.group, work.deaths, work.mishaps))
        return _Work(work.index[:size], work.group, work.deaths, work.mishaps)


def _positions(index: Sequence[int]) -> Positions:
    return np.asarray(index, dtype=np.int64)
