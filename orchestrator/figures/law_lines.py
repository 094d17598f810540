"""Turns the verdicts on a sweep's claims into the laws that a figure draws, and says of which claims it draws none, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from orchestrator.claims import Verdict
from orchestrator.claims.judged_law import JudgedLaw, laws_of
from orchestrator.claims.judging import judge_all
from orchestrator.claims.sources import own
from orchestrator.errors import SpecError
from orchestrator.results.conditions import truths
from orchestrator.results.described import Columns
from orchestrator.spec import Spec
from orchestrator.spec.claim_model import Claim
from orchestrator.spec.expressions import Expression
from orchestrator.spec.figure_model import Figure

UNMET = "is unmet"
NO_VERDICT = "has no verdict yet"
OLDER = "has a verdict of an older version, which did not save its law; judge it again"
BEYOND = "has a law with parameters too large or too small for a number"


@dataclass(frozen=True, kw_only=True)
class LawLine:
    """A judged law with its claim; `shared` are the figure's colour and facet where all rows that were judged share them.

    `judged` says of each of the figure's rows whether the law rests on it.
    """

    claim: str
    law: JudgedLaw
    shared: Mapping[str, Any]
    judged: pl.Series


@dataclass(frozen=True, kw_only=True)
class Laws:
    """The laws of a figure, and the claims that it draws none of, each with the reason."""

    lines: tuple[LawLine, ...]
    without: tuple[tuple[str, str], ...]


def concerned(spec: Spec, figure: Figure) -> tuple[Claim, ...]:
    """The claims whose verdicts a figure shows: all, or for a figure of rows those that fit a law to its rows, x and y."""
    if figure.about.shows_claims:
        return spec.claims
    same = (claim for claim in spec.claims if claim.from_ == figure.about.source)
    return tuple(claim for claim in same if claim.laws and claim.axes == (figure.x, figure.y))


def judged_now(spec: Spec, figure: Figure, rows: pl.DataFrame, fields: Columns) -> tuple[Verdict, ...]:
    """Verdicts on the claims that a figure shows, for rows that nobody has judged yet."""
    narrowed = spec.model_copy(update={"claims": concerned(spec, figure)})
    return judge_all(narrowed, {figure.about.source: own(spec, rows, fields)})


def judged_laws(spec: Spec, figure: Figure, table: pl.DataFrame, verdicts: Sequence[Verdict]) -> Laws:
    """The laws that the figure's claims were judged by, those of rows that the figure does not show left out."""
    by_id = {verdict.id: verdict for verdict in verdicts}
    lines, without = [], []
    for claim in concerned(spec, figure):
        verdict = by_id.get(claim.id)
        laws = _met(verdict)
        drawable = [law for law in laws if np.isfinite(law.theta).all()]
        if not drawable:
            without.append((claim.id, _why(verdict, laws)))
        meant = claim.model_among(spec.claims) or claim
        for law in drawable:
            if (law.x, law.y, law.source) == (figure.x, figure.y, figure.about.source):
                judged = _judged(meant, law, table)
                lines += [LawLine(claim=claim.id, law=law, shared=_shared(law, figure), judged=judged)] if judged.any() else []
    return Laws(lines=tuple(lines), without=tuple(without))


def _met(verdict: Verdict | None) -> list[JudgedLaw]:
    """The laws of a verdict, without those of a claim or a group that is unmet: there is too little data to show one."""
    if verdict is None or verdict.verdict == "unmet":
        return []
    return [law for finding in verdict.findings if finding.verdict != "unmet" for law in laws_of(finding)]


def _why(verdict: Verdict | None, laws: Sequence[JudgedLaw]) -> str:
    """Why a claim has no law to draw."""
    if verdict is None:
        return NO_VERDICT
    return BEYOND if laws else UNMET if verdict.verdict == "unmet" else OLDER


def _judged(claim: Claim, law: JudgedLaw, table: pl.DataFrame) -> pl.Series:
    """Which of the figure's rows the law was judged on: the claim's, with the same values, within its x."""
    x = pl.col(law.x).cast(pl.Float64)
    same = [_equals(table, name, value) for name, value in law.constant.items() if name in table.columns]
    judged = table.select(pl.all_horizontal(x.is_between(law.low, law.high), *same).fill_null(False)).to_series()
    return judged if claim.where is None else judged & truths(table, claim.where, f"{claim.id}: where").fill_null(False)


def _equals(table: pl.DataFrame, name: str, value: Any) -> pl.Expr:
    """Whether a column has that value, which may come from JSON, where a label is text."""
    column = pl.col(name).cast(pl.String) if isinstance(value, str) else pl.col(name)
    return column.is_null() if value is None else (column == value).fill_null(False)


def _shared(law: JudgedLaw, figure: Figure) -> dict[str, Any]:
    """The figure's colour and facet as far as the judged rows have one value of them; a formula is worked out."""
    shared: dict[str, Any] = {}
    for name in (column for column in (figure.color, figure.facet) if column is not None):
        if name in law.constant:
            shared[name] = law.constant[name]
        elif not name.isidentifier() and Expression(name).names <= law.constant.keys():
            shared |= _worked_out(name, law.constant)
    return shared


def _worked_out(formula: str, constant: Mapping[str, Any]) -> dict[str, Any]:
    """The value of a formula of constants; nothing where it has none."""
    try:
        return {formula: Expression(formula).evaluate(dict(constant))}
    except SpecError:
        return {}
