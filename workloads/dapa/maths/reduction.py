"""Delta debugging of one oracle: turns a set that passes into one of which no single unit can go, counting what it asks.

ddmin: A. Zeller and R. Hildebrandt, Simplifying and Isolating Failure-Inducing Input, IEEE TSE 28(2), 2002. Written apart
from the engine's own search, which it checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise

Units = frozenset[int]


@dataclass
class CountedOracle:
    """An oracle that remembers its answers: `tests` counts different subsets, `calls` all, both without the whole set."""

    passes: Callable[[Units], bool]
    units: int
    calls: int = 0
    _answers: dict[Units, bool] = field(default_factory=dict)

    @property
    def tests(self) -> int:
        """Different subsets that were asked."""
        return len(self._answers)

    def __call__(self, subset: Iterable[int]) -> bool:
        """Whether a subset passes."""
        key = frozenset(subset)
        if len(key) == self.units:
            return True
        self.calls += 1
        if key not in self._answers:
            self._answers[key] = self.passes(key)
        return self._answers[key]


def ddmin(oracle: CountedOracle, order: Iterable[int], complements_only: bool = False) -> list[int]:
    """Units, in their order, of which none can go; all units must pass and no unit must not, which is not asked.

    Chunk by chunk, then complement by complement (at two chunks these are the chunks, and skipped). What passes first is
    split next: a chunk in two, a complement in one part less; where nothing passes, the same units in twice as many.
    """
    current, chunks = list(order), 2
    while len(current) >= 2:
        parts = chunked(current, chunks)
        smaller = None if complements_only else next((part for part in parts if oracle(part)), None)
        if smaller is not None:
            current, chunks = smaller, 2
            continue
        if complements_only or chunks > 2:
            rests = ([unit for unit in current if unit not in part] for part in parts)
            smaller = next((units for units in rests if oracle(units)), None)
        if smaller is not None:
            current, chunks = smaller, max(chunks - 1, 2)
        elif chunks >= len(current):
            break
        else:
            chunks = min(2 * chunks, len(current))
    return current


def chunked(units: list[int], chunks: int) -> list[list[int]]:
    """Neighbours in that many chunks; chunk i of g, begun at s, ends at s + floor((n - s) / (g - i))."""
    ends = [0]
    for index in range(chunks):
        ends.append(ends[-1] + (len(units) - ends[-1]) // (chunks - index))
    return [units[start:stop] for start, stop in pairwise(ends)]


def one_minimal(passes: Callable[[Units], bool], units: Iterable[int]) -> bool:
    """Whether no subset passes that lacks a single one of the units."""
    whole = frozenset(units)
    return not any(passes(whole - {unit}) for unit in whole)
