"""Turns judges that take a level into findings that share an error: support by claims, refutation by Holm over intervals.

A claim of several groups is supported where each group is (an intersection-union test), so its groups need no correction: each
interval is at 1 - error / claims. It is refuted where one group is, so each of all intervals counts: at 1 - error / intervals
first, and once r are refuted the others at 1 - error / (intervals - r) (Holm 1979).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from orchestrator.claims.verdict import Finding

Judged = Callable[[int, float, bool], Sequence[Finding]]
"""The findings of a claim, by its number, at a level; whether intervals of one finding must hold together at that level."""


@dataclass(kw_only=True)
class Decision:
    """The findings of one claim, the level of the intervals that decide it, and whether it takes a share of the error."""

    findings: list[Finding]
    level: float
    shared: bool = True
    refuted: set[int] = field(default_factory=set)

    def open(self, loose: bool) -> bool:
        """Whether a refutation is still to be confirmed, or, where the level is looser than for support, could come."""
        words = ("refuted", "undecided") if loose else ("refuted",)
        return any(f.verdict in words for j, f in enumerate(self.findings) if j not in self.refuted)


def support(counts: Sequence[int], error: float) -> float:
    """The level of an interval that supports."""
    return 1 - error / max(sum(n > 0 for n in counts), 1)


def refutation(counts: Sequence[int], error: float, refuted: int) -> float:
    """The level of an interval that refutes, once so many are refuted."""
    return 1 - error / max(sum(counts) - refuted, 1)


def decide(counts: Sequence[int], judge: Judged, error: float, together: Sequence[bool]) -> list[Decision]:
    """The decisions on all claims; `counts` says how many intervals decide each, 0 where it takes no share.

    `together` says which judges have several intervals a finding. Each printed interval is at the level that decided it: a
    claim that is refuted at the level for support alone is undecided, by the wider interval.
    """
    loose = support(counts, error)
    decisions = [Decision(findings=list(judge(i, loose, False)), level=loose, shared=n > 0) for i, n in enumerate(counts)]
    shared = [i for i, n in enumerate(counts) if n > 0]
    confirmed, before = 0, -1
    while confirmed != before:
        before, level = confirmed, refutation(counts, error, confirmed)
        for i in shared:
            if decisions[i].open(loose=level < loose):
                same = level == loose and not together[i]
                _confirm(decisions[i], decisions[i].findings if same else judge(i, level, True), level)
        confirmed = sum(len(decisions[i].refuted) for i in shared)
    for i in shared:
        _withdraw(decisions[i], partial(judge, i, level, True), level)
    return decisions


def _confirm(decision: Decision, again: Sequence[Finding], level: float) -> None:
    """Take in what a claim's judge finds at the level for refutations."""
    for j, finding in enumerate(again):
        if finding.verdict == "refuted" and decision.findings[j].verdict in ("refuted", "undecided"):
            decision.findings[j] = finding
            decision.refuted.add(j)
            decision.level = level


def _withdraw(decision: Decision, again: Callable[[], Sequence[Finding]], level: float) -> None:
    """Refutations that were not confirmed are undecided, by the interval that left them open."""
    loose = [j for j, f in enumerate(decision.findings) if f.verdict == "refuted" and j not in decision.refuted]
    if not loose:
        return
    wider = again()
    for j in loose[: len(wider)]:
        decision.findings[j] = wider[j]
    if not decision.refuted:
        decision.level = level
