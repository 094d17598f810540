"""Turns the rows of a `mean` claim into findings: the interval of what a column comes to over its repeats."""

from __future__ import annotations

from typing import Any

import polars as pl

from orchestrator.claims.case import Case
from orchestrator.claims.units import estimate, settling
from orchestrator.claims.units.repeats import Repeats, repeats
from orchestrator.claims.verdict import Finding
from orchestrator.results.described import aggregate, possible
from orchestrator.spec.claim_kinds.mean import KIND, QUANTITY
from orchestrator.wording import level_text, shown, span


def judge(case: Case) -> list[Finding]:
    """A finding for each group of the claim."""
    return settling.each_group(case, KIND.of(case.claim).y, _group)


def intervals(case: Case) -> int:
    """One for each group."""
    return case.evidence.count(case.claim.by)


def _group(case: Case, group: dict[str, Any], rows: pl.DataFrame, random: bool) -> Finding:
    y = KIND.of(case.claim).y
    measured = repeats(case, y, rows)
    short = settling.short(case, y, rows, measured)
    if short:
        return settling.unmet(short, measured, group)
    region = case.region((case.claim.expect or {})[QUANTITY], rows)
    steady = measured.noisy or len(measured.units) < 2 or case.steady(rows, y)
    interval = estimate.estimated(measured, case.level, possible(case.fields, y), steady)
    word, reasons = settling.settled_word(case, y, interval, region, (measured,), random)
    sentence = (
        f"{_what(case, y)} over {measured.about()}: {shown(interval.estimate)} {span(interval.low, interval.high)} at "
        f"{level_text(case.level)} ({interval.method}), expected {region}"
    )
    numbers = {QUANTITY: settling.reported(interval, region), **_counts(measured)}
    return Finding(verdict=word, sentence=sentence, group=group, numbers=numbers, reasons=reasons)


def _what(case: Case, y: str) -> str:
    """`mean of y`, or whatever its workload combines seeds by."""
    how = aggregate(case.fields, y)
    return f"{how} of {y}"


def _counts(measured: Repeats) -> dict[str, int]:
    return {"settings": len(measured.values), "lost": int(measured.lost.sum())}
