"""Turns a claim and its findings into the sentences that a report and a paper print."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator import wording
from orchestrator.claims import verdict
from orchestrator.claims.evidence import SETTLED, Evidence
from orchestrator.claims.floors import condition
from orchestrator.claims.verdict import LIMITED, Finding
from orchestrator.spec.claim_model import Claim

MOST = 100_000
"""More seeds than this are no advice."""
BRACKETS = "brackets of the search"
"""How an interval says that no noise made it."""
FALLBACK = "the rows allow both answers"


def label(group: Mapping[str, Any]) -> str:
    """A group as text: `beta = 8, d = 2`; a param that the group's arm does not have is left out."""
    values = {name: value for name, value in group.items() if value is not None}
    return ", ".join(f"{name} = {wording.setting(value)}" for name, value in values.items()) or "all rows"


def left_out(evidence: Evidence) -> tuple[str, ...]:
    """A sentence where `where` leaves out rows for want of a result: what is judged is then not all that was looked for."""
    if not evidence.censored:
        return ()
    things = "boundary" if SETTLED in evidence.rows.columns else "point"
    total = sum(evidence.censored.values())
    by_status = ", ".join(f"{n} {status}" for status, n in evidence.censored.items())
    what = f"{total} {wording.plural(things, total)} without a result ({by_status})"
    return (f"'where' leaves out {what}, which could tell otherwise",)


def expected(claim: Claim) -> str:
    """What the claim expects, in words."""
    limited = condition(claim)
    bounds = {name: _bound(bound.low, bound.high) for name, bound in (claim.expect or {}).items()}
    kind = claim.judged_by
    return kind.expected(kind.of(claim), claim, bounds) + (f", judged where not ({limited})" if limited else "")


def _bound(low: Any, high: Any) -> str:
    ends = [None if end is None else wording.text(end).removeprefix("=") for end in (low, high)]
    if None not in ends:
        return f"between {ends[0]} and {ends[1]}"
    return f"at least {ends[0]}" if low is not None else f"at most {ends[1]}"


def sentence(word: str, basis: str, source: str, findings: Sequence[Finding]) -> str:
    """A sentence that a paper could print: whose claim, the verdict, the numbers of each group, and what unsettled it."""
    parts = []
    for finding in findings:
        opening = f"for {label(finding.group)}, " if finding.group else ""
        closing = f" ({'; '.join(finding.reasons)})" if finding.reasons and finding.verdict != "unmet" else ""
        parts.append(f"{opening}{finding.sentence}{closing}")
    text = ". ".join([parts[0], *(part[0].upper() + part[1:] for part in parts[1:])])
    limited = word == "unmet" and any(r.startswith(LIMITED) for f in findings for r in f.reasons)
    return f"{verdict.owner(basis, source)} is {word}{f' ({LIMITED})' if limited else ''}: {text}."


def closing(*texts: str) -> tuple[str, ...]:
    """What stands behind a verdict, each as a sentence: what changed after data were seen, which look it is."""
    return tuple(f"{text[0].upper()}{text[1:]}." for text in texts if text)


def explained(finding: Finding) -> Finding:
    """The finding; an undecided one with the reasons that its numbers give."""
    if finding.verdict != "undecided":
        return finding
    new = [text for text in crossing(finding.numbers) if text not in finding.reasons]
    reasons = (*finding.reasons, *new) or (FALLBACK,)
    return replace(finding, reasons=reasons)


def why(record: Mapping[str, Any]) -> list[str]:
    """The reasons of a verdict that was saved; those that its numbers give where an older version saved none."""
    saved_reasons = list(record.get("reasons") or ())
    if saved_reasons or record.get("verdict") != "undecided":
        return saved_reasons
    open_ones = [f for f in record.get("findings") or () if f.get("verdict") == "undecided"]
    return list(dict.fromkeys(text for f in open_ones for text in crossing(f.get("numbers") or {}))) or [FALLBACK]


def crossing(numbers: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each interval that lies partly in what is expected, and for a contest of laws that nobody has won."""
    for name, value in numbers.items():
        if isinstance(value, Mapping) and "estimate" in value:
            ends = _ends(value, bool(numbers.get("noisy", True)))
            if ends.cross():
                yield f"{name}: its interval {wording.span(ends.low, ends.high)} lies partly in what is expected{_advice(ends)}"
    least = numbers.get("aicc_threshold", 0.0)
    for contest in (numbers.get("contests") or [[]])[0]:
        if not _won(contest, least):
            ahead, misses = f"{contest['aicc']:+.1f} AICc", "less" if _nearer(contest) else "no less"
            rule = f"one law must be ahead by {wording.shown(least)} and miss less"
            yield f"over {contest['rival']} it is ahead by {ahead} and misses the largest x {misses}: {rule}"


@dataclass(frozen=True, kw_only=True)
class _Ends:
    """An interval and the region it is expected in; an end that is missing is infinite. `units` are seeds, 0 without noise."""

    estimate: float
    low: float
    high: float
    expected: tuple[float, float]
    units: int

    def cross(self) -> bool:
        """Whether the interval has a part inside and a part outside."""
        first, last = self.expected
        inside = first <= self.low and self.high <= last
        return not inside and self.high >= first and self.low <= last

    def room(self) -> float:
        """How far the estimate is from the nearest edge of what is expected."""
        return min((abs(self.estimate - edge) for edge in self.expected if math.isfinite(edge)), default=math.nan)


def _ends(numbers: Mapping[str, Any], noisy: bool) -> _Ends:
    return _Ends(
        estimate=_number(numbers.get("estimate"), math.nan),
        low=_number(numbers.get("low"), -math.inf),
        high=_number(numbers.get("high"), math.inf),
        expected=(_number(numbers.get("expected_low"), -math.inf), _number(numbers.get("expected_high"), math.inf)),
        units=int(numbers.get("units") or 0) if noisy and numbers.get("method") != BRACKETS else 0,
    )


def _advice(ends: _Ends) -> str:
    """How many seeds would make the interval fit beside the edge, as its width falls with their root."""
    half, room = (ends.high - ends.low) / 2, ends.room()
    if ends.units < 2 or not (math.isfinite(half) and room > 0 and half > room):
        return ""
    seeds = math.ceil(ends.units * (half / room) ** 2)
    if seeds > MOST:
        return "; its estimate lies on the edge, so more seeds are not likely to decide"
    return f"; about {_rounded(seeds)} seeds would decide, if the estimate stays"


def _rounded(number: int) -> str:
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
