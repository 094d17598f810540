"""Turns verdicts into cards: the word, the numbers, and each interval drawn against what is expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.claims.outlook.remedies import why
from orchestrator.claims.sentences import label
from orchestrator.claims.verdict import WORDS, check_tally, opened, summary_parts, tallies, tally_text
from orchestrator.figures.interval_bar import Geometry, interval_bar
from orchestrator.wording import level_text

Record = Mapping[str, Any]
GEOMETRY = Geometry(width=240, margin=0.2, thinnest=2.0)
"""As the macro `bar` of the templates draws it."""


def cards(verdicts: Sequence[Record]) -> list[dict[str, Any]]:
    """What the page says of each verdict; a verdict of another version lacks what it lacks."""
    return [_card(verdict) for verdict in verdicts]


def tally(verdicts: Sequence[Record]) -> list[tuple[str, int]]:
    """How many verdicts there are of each word, in the order of WORDS."""
    words = [str(verdict.get("verdict")) for verdict in verdicts]
    return [(word, words.count(word)) for word in WORDS if word in words]


def by_basis(verdicts: Sequence[Record]) -> str:
    """How many verdicts there are of each word, those that are no theory's apart."""
    return tally_text(tallies((str(v.get("basis") or ""), str(v.get("verdict"))) for v in verdicts))


def checks(saved: Sequence[Record]) -> dict[str, Any]:
    """What the page says of the checks, which are no verdicts: how many pass, and each of them."""
    names = ("id", "says", "check", "holds", "sentence", "sql")
    each = [{**{name: check.get(name) or "" for name in names}, "reasons": list(check.get("reasons") or ())} for check in saved]
    return {"tally": check_tally(each), "each": each}


def _card(verdict: Record) -> dict[str, Any]:
    texts = {
        key: verdict.get(key) or "" for key in ("id", "says", "expected", "source", "sentence", "sql", "changed", "foreseen")
    }
    failed = verdict.get("failed") or {}
    return {
        **texts,
        "verdict": str(verdict.get("verdict") or "none"),
        "basis": verdict.get("basis") or "none given",
        "reasons": why(verdict),
        "groups": [_group(finding) for finding in verdict.get("findings") or ()],
        "rows": verdict.get("rows"),
        "seeds": verdict.get("seeds"),
        "failed": ", ".join(f"{n} {status}" for status, n in failed.items()),
        "level": level_text(verdict["level"]) if isinstance(verdict.get("level"), float) else "",
    }


def _group(finding: Record) -> dict[str, Any]:
    numbers = {key: _with_ends(value) for key, value in (finding.get("numbers") or {}).items()}
    group = {name: value for name, value in (finding.get("group") or {}).items() if value is not None}
    lines = [{"text": text, "bar": interval_bar(ends, GEOMETRY) if ends else None} for text, ends in summary_parts(numbers)]
    offenders = [row for row in numbers.get("offenders") or () if isinstance(row, dict)]
    return {"label": label(group) if group else "", "verdict": finding.get("verdict"), "lines": lines, "offenders": offenders}


def _with_ends(value: Any) -> Any:
    """An interval with ends; those that are null, or that another version did not write, are infinities."""
    return opened({"low": None, "high": None} | value) if isinstance(value, dict) and "estimate" in value else value
