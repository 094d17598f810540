"""Turns completed rounds into the next subsets to measure, by delta debugging, and in the end into a set without surplus.

Delta debugging (ddmin: A. Zeller and R. Hildebrandt, IEEE TSE 28(2), 2002) splits a set that passes into chunks, goes on with
a chunk or with the complement of one that passes too, and splits finer where none does. It ends with a set from which no
single unit can go. The answers alone decide the way, so a round may ask ahead: among subsets of one level the first that
passes, in the classic order, counts, however many were measured beside each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from orchestrator.errors import SpecError
from orchestrator.fitting.aggregates import combine
from orchestrator.search.proposal import Place, Proposal, Rounds, SearchCurve, SearchResult
from orchestrator.search.proposers.rounds import measured
from orchestrator.spec.search_kinds.subset import Subset, is_count

Units = tuple[int, ...]  # indices of units, ascending


@dataclass(frozen=True, kw_only=True)
class SubsetSearch:
    """A set of units to find along a text param of `size` letters: `of` at `level` or above, or at `share` of the way to all.

    `chunks` says whether chunks are tried before complements. At most `round` subsets are asked at a time, the first time none
    and all.
    """

    along: str
    size: int
    of: str
    level: float | None = None
    share: float | None = None
    chunks: bool = True
    round: int = 8
    aggregate: str = "mean"

    @property
    def columns(self) -> tuple[str, ...]:
        """The column that the search looks at."""
        return (self.of,)

    @property
    def ends(self) -> tuple[str, str]:
        """The two subsets that come first: no unit, and all of them."""
        return "0" * self.size, "1" * self.size

    def propose(self, rounds: Rounds) -> Proposal:
        """The next round, of at most `round` subsets of one level; empty where the set is known, or there is none."""
        measures = self._measures(rounds)
        unknown = [letters for letters in self.ends if letters not in measures]
        if not unknown and self._without_search(measures) is None:
            unknown = [self._letters(units) for units in self._reduced(measures).ahead[: self.round]]
        return tuple({self.along: letters} for letters in unknown)

    def conclude(self, rounds: Rounds) -> SearchResult:
        """The set, by `status`: found, already (none is enough), absent (all are not), open (unfinished), failed.

        A subset that failed does not pass. The search has failed where none or all did, or where a set was found and one of its
        subsets that lack a single unit failed: so `found` is a set of which each unit is known to be needed.
        """
        measures = self._measures(rounds)
        status = "open" if any(letters not in measures for letters in self.ends) else self._without_search(measures)
        letters: str | None = self.ends[0] if status == "already" else None
        if status is None:
            reduced = self._reduced(measures)
            status = "open" if reduced.ahead else "failed" if self._in_doubt(reduced.units, measures) else "found"
            letters = None if reduced.ahead else self._letters(reduced.units)
        return SearchResult(
            status=status, evaluations=len(measures), points=() if letters is None else ({self.along: letters},)
        )

    def places(self, finding: SearchResult) -> Iterator[Place]:
        """One row: the set and how many units it has; null where there is none."""
        letters = str(finding.points[0][self.along]) if finding.points else None
        columns = {self.along: letters, f"{self.along}_units": None if letters is None else letters.count("1")}
        point = finding.points[0] if finding.points else {}
        yield Place(along=self.along, of=self.of, level=self.level, columns=columns, point=point)

    def forecast(self) -> tuple[int, int]:
        """How many subsets are measured where every unit is needed, and at most (n^2 + 3n, the two ends, those asked ahead)."""
        n = self.size
        usual = (4 * n - 6 if self.chunks else 2 * n - 2) if n > 1 else 0
        return max(usual, 0) + 2, min(n * n + 3 * n + n * (self.round - 1) + 2, max(2**n, 2))

    def _measures(self, rounds: Rounds) -> dict[str, float | None]:
        """What each subset gave over its seeds; None where all failed."""
        measures: dict[str, float | None] = {}
        for assignment in measured(rounds):
            numbers = assignment.numbers(self.of)
            # sorted, as a sum depends on its order, and whether a set passes must not depend on which seed gave which value
            value = float(combine(np.sort(np.array(numbers)), self.aggregate)) if numbers else None
            measures[str(assignment.values[self.along])] = value
        return measures

    def _without_search(self, measures: Mapping[str, float | None]) -> str | None:
        """The status where none and all say that there is nothing to search for; None where there is."""
        none, whole = (measures[letters] for letters in self.ends)
        if none is None or whole is None:
            return "failed"
        if self.share is not None:
            return None if whole > none else "absent"
        level = self._threshold(none, whole)
        return "already" if none >= level else "absent" if whole < level else None

    def _threshold(self, none: float, whole: float) -> float:
        """The value at or above which a set passes."""
        if self.level is not None:
            return self.level
        share = 1.0 if self.share is None else self.share
        return (1 - share) * none + share * whole  # in this form all of the way is `whole` to the last digit

    def _reduced(self, measures: Mapping[str, float | None]) -> _Reduced:
        """How far the answers lead."""
        none, whole = (measures[letters] for letters in self.ends)
        assert none is not None and whole is not None
        level = self._threshold(none, whole)
        return reduced(
            self.size, self.chunks, {self._units(letters): passes(value, level) for letters, value in measures.items()}
        )

    def _in_doubt(self, units: Units, measures: Mapping[str, float | None]) -> bool:
        """Whether a subset failed that lacks just one of the units."""
        return any(measures[self._letters(tuple(each for each in units if each != unit))] is None for unit in units)

    def _letters(self, units: Units) -> str:
        return "".join("1" if unit in units else "0" for unit in range(self.size))

    def _units(self, letters: str) -> Units:
        return tuple(unit for unit, letter in enumerate(letters) if letter == "1")


def proposer(model: Subset, curve: SearchCurve) -> SubsetSearch:
    """The search that a spec's model asks for on a curve; SpecError for a param that is no text or a size that is no count."""
    if curve.kinds.get(model.along, str) is not str:
        kind = curve.kinds[model.along].__name__
        raise SpecError(
            f"along: a subset must be searched on a param that is text, but '{model.along}' is {kind}; name another."
        )
    size = curve.value(model.size)
    if not is_count(size):
        raise SpecError(f"size: a number of units must be whole and at least 1, but {model.size} is {size}; mend the formula.")
    return SubsetSearch(
        along=model.along,
        size=int(size),
        of=model.of,
        level=None if model.level is None else curve.value(model.level),
        share=model.share,
        chunks=model.variant == "both",
        round=model.round,
        aggregate=curve.aggregate(model.of),
    )


def passes(value: float | None, level: float) -> bool:
    """Whether a subset's value is there and reaches the level."""
    return value is not None and value >= level


@dataclass(frozen=True, kw_only=True)
class _Reduced:
    """The least set that the answers lead to, and the subsets of its level that are not answered, in the classic order."""

    units: Units
    ahead: tuple[Units, ...] = ()


def reduced(size: int, chunks: bool, answers: Mapping[Units, bool]) -> _Reduced:
    """Delta debugging of the units 0 to `size` - 1 as far as the answers go; the whole set passes, the empty one does not."""
    units, parts = tuple(range(size)), 2
    while len(units) > 1:
        level = _level(units, parts, chunks)
        for at, (subset, _) in enumerate(level):
            if subset not in answers:
                return _Reduced(units=units, ahead=tuple(later for later, _ in level[at:] if later not in answers))
            if answers[subset]:
                units, parts = level[at]
                break
        else:
            if parts >= len(units):
                break
            parts = min(2 * parts, len(units))
    return _Reduced(units=units)


def _level(units: Units, parts: int, chunks: bool) -> list[tuple[Units, int]]:
    """The subsets of one level in the classic order, each with the number of parts that it is split into where it passes.

    Of two parts each is the complement of the other: with chunks they stand once.
    """
    split = _split(units, parts)
    first = [(chunk, 2) for chunk in split] if chunks else []
    if chunks and parts == 2:
        return first
    return first + [(tuple(unit for unit in units if unit not in chunk), max(parts - 1, 2)) for chunk in split]


def _split(units: Units, parts: int) -> list[Units]:
    """Neighbouring chunks whose sizes differ by at most 1, the larger ones last."""
    chunks, start = [], 0
    for index in range(parts):
        stop = start + (len(units) - start) // (parts - index)
        chunks.append(units[start:stop])
        start = stop
    return chunks
