"""Turns verdicts into cards: the word, the numbers, and each interval drawn against what is expected."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.claims.sentences import label
from orchestrator.claims.verdict import WORDS, told
from orchestrator.wording import level_text, shown

Record = Mapping[str, Any]
Bar = dict[str, Any]
WIDTH = 240


def cards(verdicts: Sequence[Record]) -> list[dict[str, Any]]:
    """What the page says of each verdict; a verdict of another version lacks what it lacks."""
    return [_card(verdict) for verdict in verdicts]


def tally(verdicts: Sequence[Record]) -> list[tuple[str, int]]:
    """How many verdicts there are of each word, in the order of WORDS."""
    words = [str(verdict.get("verdict")) for verdict in verdicts]
    return [(word, words.count(word)) for word in WORDS if word in words]


def _card(verdict: Record) -> dict[str, Any]:
    known = {
        key: verdict.get(key) or "" for key in ("id", "says", "expected", "source", "sentence", "sql", "changed", "foreseen")
    }
    failed = verdict.get("failed") or {}
    return {
        **known,
        "verdict": str(verdict.get("verdict") or "none"),
        "basis": verdict.get("basis") or "none given",
        "reasons": list(verdict.get("reasons") or ()),
        "groups": [_group(finding) for finding in verdict.get("findings") or ()],
        "rows": verdict.get("rows"),
        "seeds": verdict.get("seeds"),
        "failed": ", ".join(f"{n} {status}" for status, n in failed.items()),
        "level": level_text(verdict["level"]) if isinstance(verdict.get("level"), float) else "",
    }


def _group(finding: Record) -> dict[str, Any]:
    numbers = {key: _open(value) for key, value in (finding.get("numbers") or {}).items()}
    group = {name: value for name, value in (finding.get("group") or {}).items() if value is not None}
    lines = [{"text": text, "bar": bar(interval) if interval else None} for text, interval in told(numbers)]
    offenders = [row for row in numbers.get("offenders") or () if isinstance(row, dict)]
    return {"label": label(group) if group else "", "verdict": finding.get("verdict"), "lines": lines, "offenders": offenders}


def _open(value: Any) -> Any:
    """An interval with its missing ends as infinities, for JSON has none."""
    if not isinstance(value, dict) or "estimate" not in value:
        return value
    ends = {"estimate": math.nan, "low": -math.inf, "high": math.inf}
    return {**value, **{key: end for key, end in ends.items() if value.get(key) is None}}


def bar(numbers: Record) -> Bar | None:
    """Places in a drawing WIDTH wide: the interval, its estimate, and the expected region; None where there is no interval."""
    low, estimate, high = (_finite(numbers.get(key)) for key in ("low", "estimate", "high"))
    if low is None or high is None or estimate is None:
        return None
    wanted = [_finite(numbers.get(f"expected_{end}")) for end in ("low", "high")]
    ends = [low, high, *(end for end in wanted if end is not None)]
    room = (max(ends) - min(ends)) or abs(high) or 1.0
    first, last = min(ends) - 0.2 * room, max(ends) + 0.2 * room

    def at(value: float) -> float:
        return round((min(max(value, first), last) - first) / (last - first) * WIDTH, 1)

    start, stop = at(wanted[0] if wanted[0] is not None else first), at(wanted[1] if wanted[1] is not None else last)
    ticks = [{"at": at(end), "text": shown(end)} for end in wanted if end is not None]
    region = {"start": start, "width": max(round(stop - start, 1), 2.0)}
    return {"low": at(low), "high": at(high), "estimate": at(estimate), **region, "ticks": ticks, "says": _says(numbers)}


def _says(numbers: Record) -> str:
    """The drawing in words, for those who do not see it."""
    low, high = (_finite(numbers.get(f"expected_{end}")) for end in ("low", "high"))
    wanted = " and ".join(_ends(low, high)) or "anything"
    return f"interval from {shown(numbers['low'])} to {shown(numbers['high'])}, expected {wanted}"


def _ends(low: float | None, high: float | None) -> Iterator[str]:
    if low is not None:
        yield f"at least {shown(low)}"
    if high is not None:
        yield f"at most {shown(high)}"


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
