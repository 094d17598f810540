"""Turns the rows of a `fit` claim into findings: the fitted parameter's interval against the region that is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.claims import verdict
from orchestrator.claims.case import Case, Region, guarded, said
from orchestrator.claims.judged_law import drawable
from orchestrator.claims.placing import FLOOR, Placed, least, place, reported, settle
from orchestrator.claims.series_of_rows import lacking
from orchestrator.claims.verdict import Finding
from orchestrator.fitting import laws
from orchestrator.fitting.fits import fit
from orchestrator.fitting.laws import Law
from orchestrator.spec.claim_kinds.fit import KIND
from orchestrator.wording import level_text, shown, span

if TYPE_CHECKING:
    import polars as pl


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
    short = lacking(claim, curve.series, (law,), least(law))
    if short:
        return Finding(
            verdict="unmet", sentence=f"too little data: {'; '.join(short)}", group=group, reasons=(*short, *said(curve))
        )
    extremes, lowered = curve.extremes(), case.without_floor(curve, rows, x, y)
    words, sentences, reasons, numbers = [], [], list(said(curve)), drawable(fit(law, curve.series), case, rows)
    for name, expected in (claim.expect or {}).items():
        region = case.region(expected, rows)
        placed = place(curve.series, law, name, region, case.level)
        words_at_extremes = [place(e, law, name, region, case.level).word for e in extremes]
        word, reason = settle(placed.word, placed.reason, words_at_extremes, guarded(law, name, region, case.bound(y)))
        beneath = [place(e, law, name, region, case.level).word for e in lowered]
        word, reason = settle(word, reason, beneath, why=FLOOR)
        words.append(word)
        reasons += [reason] if reason else []
        sentences.append(_sentence(name, placed, region, case.level))
        numbers[name] = reported(placed, region)
    sentence = f"{y} as {law.name} in {x} ({law.formula}): {'; '.join(sentences)}"
    return Finding(verdict=verdict.combine(words), sentence=sentence, group=group, numbers=numbers, reasons=tuple(reasons))


def _sentence(name: str, placed: Placed, region: Region, level: float) -> str:
    interval = placed.interval
    return (
        f"{name} {shown(interval.estimate)} {span(interval.low, interval.high)} at {level_text(level)} ({interval.method}), "
        f"expected {region}; "
        f"without the smallest one and two x: {' and '.join(shown(value) for value in placed.windows)}"
    )
