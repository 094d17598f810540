"""Turns an undecided finding into why it is undecided and what would decide it: seeds, x, other rows, or nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.claims.case import FINITE, TOLERANCE
from orchestrator.claims.placing import DRIFT, FLOOR, LOST, NO_NUMBER, STAIRCASE
from orchestrator.claims.verdict import Finding, opened
from orchestrator.fitting.fits import MISFIT
from orchestrator.fitting.intervals import binomial, student
from orchestrator.wording import plural, shown, span

MOST = 100_000
"""More seeds than this are no advice."""
POWER = 0.8
"""Share of samples of that many seeds that would decide, if the truth is what was estimated."""
Z_OF_POWER = 0.842
"""Its normal quantile."""
BRACKETS = "brackets of the search"
"""How an interval says that no noise made it."""
EXACT, SCATTER, CONFIGURATIONS = "exact binomial", "scatter about the law", "configurations"
FALLBACK = "the rows allow both answers"
ON_THE_EDGE = "its estimate lies on the edge, so more seeds are not likely to decide"
SEEDS, X, ROWS, NOTHING = "seeds", "x", "rows", "nothing"
"""What decides: more seeds, more or larger x, results that are not there, nothing that this sweep can measure."""
CAUSES = (
    ("bounds found by search", NOTHING, "nothing decides it while the values are bounds"),
    ("neither:", NOTHING, "no seeds decide it: another law has to be claimed, or a 'misfit' allowed"),
    ("has no interval", NOTHING, "nothing decides it while it is the best of several; judge a mean or a median"),
    (LOST, ROWS, "the results that are missing decide it, or a 'range' that the workload declares"),
    ("could break it", ROWS, "the results that are missing decide it"),
    (NO_NUMBER, ROWS, "numbers in place of what is none decide it"),
    (FLOOR, ROWS, "a lower floor decides it"),
    (DRIFT, X, "larger x decide it, or a law that is not rejected; seeds do not"),
    (STAIRCASE, X, "more x decide it, over more steps; seeds do not"),
    ("one law must be ahead", X, ""),
    (FINITE, X, "larger x decide it, as do seeds where noise alone moves what is without the smallest"),
)
"""What a reason begins with or holds, what decides where it stands, and that in words; what can least be mended comes first."""
ORDER = (NOTHING, ROWS, X, SEEDS)


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """What would decide a finding: one of ON_THE_EDGE = "its estimate lies on the edge, so more seeds are not likely to decide"
    SEEDS, X, ROWS and NOTHING, in words; `units` are seeds where a formula gives them."""

    by: str
    says: str
    units: int | None = None


@dataclass(frozen=True, kw_only=True)
class Ends:
    """An interval at `level` and the region it is expected in; an end that is missing is infinite.

    `units` are seeds, 0 without noise.
    """

    estimate: float
    low: float
    high: float
    expected: tuple[float, float]
    units: int
    method: str
    level: float
    rejected: bool = False
    """Whether the law misses its points by more than the noise, so that seeds do not narrow the scatter about it."""

    def cross(self) -> bool:
        """Whether the interval has a part inside and a part outside."""
        first, last = self.expected
        inside = first <= self.low and self.high <= last
        return not inside and self.high >= first and self.low <= last

    def excess(self) -> float:
        """How many times as wide as the way to the edge the interval is on that side; infinite for an estimate on an edge."""
        first, last = self.expected
        below, above = self.estimate - self.low, self.high - self.estimate
        if self.estimate < first:
            pairs = [(first - self.estimate, above)]
        elif self.estimate > last:
            pairs = [(self.estimate - last, below)]
        else:
            pairs = [(self.estimate - first, below), (last - self.estimate, above)]
        return max((_parts(room, half) for room, half in pairs if room < math.inf), default=math.nan)

    def seeds(self, level: float) -> float:
        """How many seeds decide at a level in POWER of all samples, if the estimate stays; NaN where no formula tells.

        A t interval falls with the root of the seeds and its quantile; that of a share is exact at any number of trials.
        Infinite where no number does.
        """
        excess = self.excess()
        if self.units < 2 or not excess < math.inf:
            return math.nan
        if self.method.startswith(EXACT) and " and " not in self.method:
            return _least(lambda n: self._share_decides(n, level))
        room = student(self.level, self.units - 1) / math.sqrt(self.units) / excess
        return _least(lambda n: (student(level, n - 1) + student(2 * POWER - 1, n - 1)) / math.sqrt(n) <= room)

    def _share_decides(self, n: int, level: float) -> bool:
        """Whether the exact interval of that share in that many seeds has one side of the region."""
        pooled = re.search(r"(\d+) trials", self.method)
        trials = n * (int(pooled[1]) / self.units if pooled else 1.0)
        towards = min(self.expected, key=lambda edge: abs(edge - self.estimate))
        chance = Z_OF_POWER * math.sqrt(self.estimate * (1 - self.estimate) / trials)
        share = self.estimate + math.copysign(min(chance, abs(towards - self.estimate)), towards - self.estimate)
        low, high = binomial(share * trials, round(trials), level)
        return not replace(self, low=low, high=high).cross()


def _parts(room: float, half: float) -> float:
    return half / room if room > 0 else math.inf


def _least(decides: Any) -> float:
    """The fewest seeds, from two on, that decide; infinite beyond MOST."""
    high = 2
    while not decides(high):
        high *= 2
        if high > 2 * MOST:
            return math.inf
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high if high <= MOST else math.inf


def explained(finding: Finding, level: float) -> Finding:
    """The finding; an undecided one with the reasons that its numbers give, and with what would decide it."""
    if finding.verdict != "undecided":
        return finding
    causes = {cause.by: cause.says for cause in _causes(finding.reasons)}
    new = [text for text in _open_texts(finding.numbers, level, advised=bool(causes)) if text not in finding.reasons]
    return replace(finding, reasons=(*finding.reasons, *new, *filter(None, causes.values())) or (FALLBACK,))


def why(record: Mapping[str, Any]) -> list[str]:
    """The reasons of a verdict that was saved; those that its numbers give where an older version saved none."""
    saved_reasons = list(record.get("reasons") or ())
    if saved_reasons or record.get("verdict") != "undecided":
        return saved_reasons
    open_ones = [f for f in record.get("findings") or () if f.get("verdict") == "undecided"]
    level = record.get("level") or 0.95
    texts = (text for f in open_ones for text in _open_texts(f.get("numbers") or {}, level, advised=False))
    return list(dict.fromkeys(texts)) or [FALLBACK]


def remedy(finding: Finding, level: float, next_level: float | None = None) -> Remedy:
    """What would decide an undecided finding of that level; of several causes the one that can least be mended counts.

    A later look at more seeds may have another, `next_level`. Where neither a cause nor a formula tells, it is seeds of an
    unknown number: `resampled.py` asks the judges.
    """
    ways = [*_causes(finding.reasons), *(_by_width(ends, next_level) for _, ends in crossing(finding.numbers, level))]
    if not ways:
        return Remedy(by=SEEDS, says="")
    by = min((way.by for way in ways), key=ORDER.index)
    same = [way for way in ways if way.by == by]
    units = [way.units for way in same if way.units is not None]
    return replace(same[0], units=max(units) if len(units) == len(same) else None)


def _causes(reasons: tuple[str, ...]) -> Iterator[Remedy]:
    for reason in reasons:
        yield from (Remedy(by=by, says=says) for text, by, says in CAUSES if text in reason)


def _open_texts(numbers: Mapping[str, Any], level: float, advised: bool) -> Iterator[str]:
    """A sentence for each interval that lies partly in what is expected, and for a contest of laws that nobody has won.

    What would narrow an interval is said where no cause but its width is `advised` on.
    """
    for name, ends in crossing(numbers, level):
        says = "" if advised else _by_width(ends).says
        yield f"{name}: its interval {span(ends.low, ends.high)} lies partly in what is expected{says and f'; {says}'}"
    least = numbers.get("aicc_threshold", 0.0)
    for contest in (numbers.get("contests") or [[]])[0]:
        if not _won(contest, least):
            ahead, misses = f"{contest['aicc']:+.1f} AICc", "less" if _nearer(contest) else "no less"
            rule = f"one law must be ahead by {shown(least)} and miss less; more x decide it, over more decades"
            yield f"over {contest['rival']} it is ahead by {ahead} and misses the largest x {misses}: {rule}"


def crossing(numbers: Mapping[str, Any], level: float) -> Iterator[tuple[str, Ends]]:
    """The intervals of a finding that lie partly in what is expected, by name."""
    lacks = [part.get("lack_of_fit") for part in (numbers, *numbers.values()) if isinstance(part, Mapping)]
    rejected = any(lack is not None and lack < MISFIT for lack in lacks)
    for name, value in numbers.items():
        if isinstance(value, Mapping) and "estimate" in value:
            ends = _ends(value, bool(numbers.get("noisy", True)), level)
            if ends.cross():
                yield name, replace(ends, rejected=rejected)


def _ends(numbers: Mapping[str, Any], noisy: bool, level: float) -> Ends:
    """The interval of saved numbers."""
    numbers = opened({"low": None, "high": None, "expected_low": None, "expected_high": None} | dict(numbers))
    method = str(numbers.get("method") or "")
    return Ends(
        estimate=float(numbers["estimate"]),
        low=numbers["low"],
        high=numbers["high"],
        expected=(numbers["expected_low"], numbers["expected_high"]),
        units=int(numbers.get("units") or 0) if (noisy or EXACT in method) and method != BRACKETS else 0,
        method=method,
        level=level,
    )


def _by_width(ends: Ends, level: float | None = None) -> Remedy:
    """What makes an interval fit beside the edge."""
    edge = min((abs(ends.estimate - end) for end in ends.expected if math.isfinite(end)), default=math.inf)
    if edge > TOLERANCE * abs(ends.estimate) and not ends.excess() < math.inf:  # an open end, whose cause another reason says
        return Remedy(by=SEEDS, says="")
    if SCATTER in ends.method and (ends.rejected or ends.units < 2):
        return Remedy(by=X, says="more x decide it, which narrow the scatter about the law; seeds do not")
    if CONFIGURATIONS in ends.method:
        return Remedy(by=X, says="more configurations decide it; seeds do so only where their noise is what parts these")
    if ends.method == BRACKETS:
        return Remedy(by=ROWS, says="narrower brackets decide it: lower the search's tolerance")
    seeds = math.inf if edge <= TOLERANCE * abs(ends.estimate) else ends.seeds(level or ends.level)
    if math.isnan(seeds):
        return Remedy(by=SEEDS, says="")
    if seeds == math.inf:
        return Remedy(by=NOTHING, says=ON_THE_EDGE)
    units = max(int(seeds), ends.units + 1)
    return Remedy(
        by=SEEDS, units=units, says=f"about {rounded(units)} {plural('seed', units)} would decide, if the estimate stays"
    )


def rounded(number: int) -> str:
    """A rough number with two digits."""
    scale = 10 ** max(0, len(str(number)) - 2)
    return f"{math.ceil(number / scale) * scale:,}"


def _nearer(contest: Mapping[str, Any]) -> bool:
    missed, rival = _number(contest.get("missed"), math.inf), _number(contest.get("rival_missed"), math.inf)
    return missed < rival


def _won(contest: Mapping[str, Any], threshold: float) -> bool:
    """Whether either law is ahead in both tests."""
    aicc = _number(contest.get("aicc"), 0.0)
    return (aicc >= threshold and _nearer(contest)) or (aicc <= -threshold and not _nearer(contest))


def _number(value: Any, absent: float) -> float:
    return absent if value is None else float(value)
