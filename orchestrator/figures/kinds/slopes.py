"""Draws what claims fitted: each number with its interval against the region it is expected in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from orchestrator.claims import Verdict
from orchestrator.claims.sentences import label
from orchestrator.figures.data import Record
from orchestrator.figures.drawing import Drawing, Request, recorded
from orchestrator.figures.theme import BAND, COLORS, GREY, WIDTH
from orchestrator.spec.figure_model import Figure

WORDS = ("supported", "refuted", "undecided", "unmet")
LINE = 26  # pixels a number


def draw(request: Request) -> Drawing:
    """The numbers of all claims, or one parameter of them, each with its interval."""
    figure = request.figure
    records = estimates(request.verdicts(), figure.x)
    title = f"{figure.x or 'numbers'} against what is expected"
    return request.answer(chart(records, figure), title, caption(records), recorded(estimate=records))


def estimates(verdicts: Sequence[Verdict], parameter: str = "") -> list[Record]:
    """A record for each number of each claim and group that has an interval: all, or those of one parameter."""
    records = []
    for verdict in verdicts:
        for finding in verdict.findings:
            for name, numbers in finding.numbers.items():
                if isinstance(numbers, Mapping) and "estimate" in numbers and parameter in ("", name):
                    group = f", {label(finding.group)}" if finding.group else ""
                    of = f"{verdict.id}{group}" if parameter else f"{verdict.id}{group}: {name}"
                    records.append({"of": of, "verdict": finding.verdict, **_numbers(numbers)})
    return records


def _numbers(numbers: Mapping[str, Any]) -> Record:
    keys = ("estimate", "low", "high", "expected_low", "expected_high")
    return {key: float(numbers[key]) if _finite(numbers[key]) else None for key in keys}


def _finite(value: Any) -> bool:
    return value is not None and math.isfinite(value)


def caption(records: Sequence[Record]) -> str:
    """What is drawn, in sentences."""
    if not records:
        return "No claim gave a number with an interval."
    return (
        "Marks are what the claims' fits came to, lines their intervals, bands where they are expected; colour is the verdict."
    )


def chart(records: list[Record], figure: Figure) -> alt.TopLevelMixin:
    """A line a number: the expected region as a band, open ends to the plot's edge, the interval and the estimate over it."""
    finite = [r for r in records if r["estimate"] is not None]
    ends = [
        r[key] for r in finite for key in ("estimate", "low", "high", "expected_low", "expected_high") if r[key] is not None
    ]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    room = 0.08 * ((high - low) or abs(high) or 1.0)
    first, last = low - room, high + room
    filled = [{**r, **_within(r, first, last)} for r in finite]
    names = list(dict.fromkeys(r["of"] for r in filled))
    y = alt.Y("of:N", sort=names, title=None, axis=alt.Axis(labelLimit=320))
    x: dict[str, Any] = {"scale": alt.Scale(domain=[first, last], nice=False, zero=False), "title": figure.x or "estimate"}
    base = alt.Chart(alt.Data(values=filled))
    scale = alt.Scale(domain=list(WORDS), range=[COLORS[0], COLORS[1], COLORS[4], GREY])
    color = alt.Color("verdict:N", scale=scale)
    band = base.mark_bar(color=BAND, height=LINE - 8).encode(y=y, x=alt.X("wanted_low:Q", **x), x2="wanted_high:Q")
    spans = base.mark_rule(strokeWidth=2).encode(y=y, x=alt.X("from:Q", **x), x2="to:Q", color=color)
    marks = base.mark_point(filled=True, size=70, opacity=1).encode(y=y, x=alt.X("estimate:Q", **x), color=color)
    return alt.layer(band, spans, marks).properties(width=WIDTH, height=LINE * max(len(names), 1))


def _within(record: Record, first: float, last: float) -> Record:
    """Open ends put to the plot's edges."""
    places = {"wanted_low": "expected_low", "wanted_high": "expected_high", "from": "low", "to": "high"}
    edges = {"wanted_low": first, "wanted_high": last, "from": first, "to": last}
    return {position: edges[position] if record[key] is None else record[key] for position, key in places.items()}
