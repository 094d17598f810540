"""Turns the rows of a `fit` claim into findings: the fitted parameter's interval against the region that is expected."""

from __future__ import annotations

from typing import Any

import polars as pl

from orchestrator.claims import verdict
from orchestrator.claims.case import Case, Region, guarded, said
from orchestrator.claims.judged_law import drawable, reach
from orchestrator.claims.placing import FLOOR, Placed, at_extremes, least, manski, place, reported, settle
from orchestrator.claims.series_of_rows import Measured, lacking
from orchestrator.claims.verdict import Finding
from orchestrator.fitting import laws
from orchestrator.fitting.fits import fit
from orchestrator.fitting.laws import Law
from orchestrator.fitting.series import Series
from orchestrator.spec.claim_kinds.fit import KIND
from orchestrator.wording import level_text, shown, span


def judge(case: Case) -> list[Finding]:
    """A finding for each group of the claim."""
    law = laws.law(KIND.of(case.claim).law)
    return [_group(case, law, group, rows) for group, rows in case.evidence.groups(case.claim.by)]


def intervals(case: Case) -> int:
    """One for each group and each parameter that is expected."""
    return case.evidence.count(case.claim.by) * len(case.claim.expect or {})


def _group(case: Case, law: Law, group: dict[str, Any], rows: pl.DataFrame) -> Finding:
    claim = case.claim
    x, y = KIND.of(claim).x, KIND.of(claim).y
    curve = case.series(rows, x, y, law)
    short = lacking(claim, curve.series, (law,), least(law), curve.lost)
    if short:
        return Finding(
            verdict="unmet", sentence=f"too little data: {'; '.join(short)}", group=group, reasons=(*short, *said(curve))
        )
    fitted, lowered = fit(law, curve.series), case.without_floor(curve, rows, x, y)
    words, sentences, reasons, numbers = [], [], list(said(curve)), drawable(fitted, case, rows)
    for name, expected in (claim.expect or {}).items():
        region = case.region(expected, rows)

        def placed_of(series: Series, name: str = name, region: Region = region) -> Placed:
            return place(series, law, name, region, case.level)

        placed = placed_of(curve.series)
        ends = manski(curve, placed.interval, lambda extreme: placed_of(extreme).interval, law.size == 1)
        words_at_extremes = at_extremes(curve, lambda extreme: placed_of(extreme).word)
        if law.size == 1 and curve.lost and not curve.edges:
            words_at_extremes = [region.place(*ends)]
        word, reason = settle(placed.word, placed.reason, words_at_extremes, guarded(law, name, region, case.bound(y)))
        word, reason = settle(word, reason, [placed_of(series).word for series in lowered], why=FLOOR)
        words.append(word)
        reasons += [reason] if reason else []
        sentences.append(_sentence(name, placed, region, case.level, curve, ends))
        numbers[name] = reported(placed, region, ends)
    sentence = f"{y} as {law.name} in {x} ({law.formula}): {'; '.join(sentences)}; {reach(fitted)}"
    return Finding(verdict=verdict.combine(words), sentence=sentence, group=group, numbers=numbers, reasons=tuple(reasons))


def _sentence(name: str, placed: Placed, region: Region, level: float, curve: Measured, ends: tuple[float, float]) -> str:
    interval = placed.interval
    lost_text = f"{curve.ended}, {span(*ends)} whatever the others are" if curve.lost and not curve.edges else ""
    drifting = {1: ", drifting upward", -1: ", drifting downward"}.get(placed.drift, "")
    return (
        f"{name} {shown(interval.estimate)} {span(interval.low, interval.high)} at {level_text(level)} ({interval.method})"
        f"{lost_text}, expected {region}; "
        f"without the smallest one and two x: {' and '.join(shown(value) for value in placed.windows)}{drifting}"
    )
