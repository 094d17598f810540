"""Turns a claim and its findings into the sentences that a report and a paper print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator import wording
from orchestrator.claims import verdict
from orchestrator.claims.evidence import SETTLED, Evidence
from orchestrator.claims.floors import condition
from orchestrator.claims.verdict import LIMITED, Finding
from orchestrator.spec.claim_model import Claim


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
