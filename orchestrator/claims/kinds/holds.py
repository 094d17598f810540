"""Turns the rows of a `holds` claim into a finding: whether a condition is true of every row, and which rows break it."""

from __future__ import annotations

import functools
import operator
import re
from typing import Any

import numpy as np
import polars as pl

from orchestrator.claims.case import Case
from orchestrator.claims.evidence import SETTLED, settled
from orchestrator.claims.verdict import Finding, jsonable
from orchestrator.errors import SpecError
from orchestrator.fitting.intervals import Array
from orchestrator.results import conditions, frames
from orchestrator.results.derived_columns import only, with_column
from orchestrator.spec.claim_kinds.holds import KIND
from orchestrator.wording import count, level_text, shown, text

LISTED = 20
"""How many offending rows a finding lists; it counts them all."""
SHOWN = 3
TOGETHER = True


def judge(case: Case) -> list[Finding]:
    """A finding for each group of the claim."""
    return [_group(case, group, rows) for group, rows in case.evidence.groups(case.claim.by)]


def intervals(case: Case) -> int:
    """One for each group where rows have noise."""
    return case.evidence.count(case.claim.by) * int(case.claim.se is not None)


def _group(case: Case, group: dict[str, Any], rows: pl.DataFrame) -> Finding:
    claim, holds = case.claim, KIND.of(case.claim)
    ok = _numbered(only(rows, settled(rows)), holds)
    lost = len(rows) - len(ok)
    if not len(ok):
        sentence = "too little data: no row has a result"
        return Finding(verdict="unmet", sentence=sentence, group=group, reasons=(sentence,))
    if claim.se is not None:
        return _noisy(case, ok, lost, group)
    condition = conditions.tolerant(holds, claim.tolerance)
    try:
        truths = conditions.truths(ok, condition, f"claims.{claim.id}.holds")
    except SpecError:
        # A comparison of columns that are texts has no tolerance.
        truths = conditions.truths(ok, holds, f"claims.{claim.id}.holds")
    return _finding(case, ok, (~truths).fill_null(False).to_numpy(), truths.is_null().to_numpy(), lost, group)


def _numbered(rows: pl.DataFrame, condition: str) -> pl.DataFrame:
    """The rows that have a number in every column the condition names: SQL takes NaN for the largest number of all."""
    columns = [name for name in spoken(condition) if name in rows.columns and rows[name].dtype.is_float()]
    hollow = (rows[name].is_nan().fill_null(False) for name in columns)
    return only(rows, ~functools.reduce(operator.or_, hollow)) if columns else rows


def _finding(case: Case, rows: pl.DataFrame, broken: Any, hollow: Any, lost: int, group: dict[str, Any]) -> Finding:
    claim, judged = case.claim, len(rows) - int(hollow.sum())
    bad = offenders(case, rows, broken)
    numbers = {"rows": judged, "broken": int(broken.sum()), "without_value": int(hollow.sum()), "lost": lost, "offenders": bad}
    if broken.any():
        sentence = (
            f"{KIND.of(claim)} fails on {int(broken.sum())} of {judged} rows, among them {'; '.join(map(_row, bad[:SHOWN]))}"
        )
        return Finding(verdict="refuted", sentence=sentence, group=group, numbers=numbers)
    sentence = f"{KIND.of(claim)} is true of all {judged} rows with a result (relative tolerance {claim.tolerance:g})"
    word = "unmet" if judged == 0 else "undecided" if lost else "supported"
    return Finding(verdict=word, sentence=sentence, group=group, numbers=numbers, reasons=_missing(int(hollow.sum()), lost))


def _missing(hollow: int, lost: int) -> tuple[str, ...]:
    texts = (
        f"{count(lost, 'point')} no result, and could break it" if lost else "",
        f"{count(hollow, 'row')} no value to compare, left out" if hollow else "",
    )
    return tuple(text for text in texts if text)


def offenders(case: Case, rows: pl.DataFrame, broken: Any) -> list[dict[str, Any]]:
    """The first rows that break the condition: point, seed and the columns that it names."""
    if not broken.any():
        return []

    about = ("arm",) if SETTLED in rows.columns else ("point", "arm", "seed")
    names = [name for name in rows.columns if name in about or name in spoken(KIND.of(case.claim))]
    names += [name for name in case.claim.by if name not in names]
    varying = [c for c in rows.columns if c in case.fields and c not in names and rows[c].n_unique() > 1]
    order = [*(c for c in rows.columns if c in case.fields and case.fields[c].role == "param"), "seed"]
    worst = rows.filter(pl.Series(broken, dtype=pl.Boolean)).sort(order).select(*names, *varying[:6]).head(LISTED)
    return [jsonable(row) for row in frames.shown(worst).iter_rows(named=True)]


def spoken(condition: str) -> set[str]:
    """The words of a condition outside quotes; its columns are among them."""
    return set(re.findall(r"[A-Za-z_]\w*", re.sub(r"'[^']*'", "", condition)))


def _row(row: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {text(value)}" for name, value in row.items() if name != "point")


def _noisy(case: Case, rows: pl.DataFrame, lost: int, group: dict[str, Any]) -> Finding:
    """The condition as one comparison whose sides differ by noise `se`, for all rows at once where it refutes."""
    claim, holds = case.claim, KIND.of(case.claim)
    assert claim.se is not None
    where = f"claims.{claim.id}"
    parts = conditions.sides(holds)
    if parts is None or parts[1] == "=":
        raise SpecError(f"{where}.holds: with 'se' it must be one comparison by < <= > >=, but got '{holds}'; split it.")
    rows = with_column(rows, claim.se, f"{where}.se")
    left, operator, right = parts
    signed = f"({left}) - ({right})" if operator.startswith("<") else f"({right}) - ({left})"
    gaps = conditions.numbers(rows, signed, f"{where}.holds").to_numpy()
    errors = rows[claim.se].to_numpy().astype(float)
    hollow = ~np.isfinite(gaps) | ~np.isfinite(errors)
    if hollow.all():
        return _finding(case, rows, np.zeros(len(rows), dtype=bool), hollow, lost, group)
    return _simultaneous(case, rows, gaps, errors, hollow, lost, group)


def _simultaneous(
    case: Case, rows: pl.DataFrame, gaps: Array, errors: Array, hollow: Any, lost: int, group: dict[str, Any]
) -> Finding:
    from scipy.special import ndtri

    claim, holds, judged = case.claim, KIND.of(case.claim), int((~hollow).sum())
    margin = float(-ndtri((1 - case.each(judged)) / 2)) * errors
    broken, sure = ~hollow & (gaps > margin), ~hollow & (gaps <= -margin)
    worst = int(np.argmax(np.where(hollow, -np.inf, gaps / np.maximum(errors, 1e-300))))
    numbers: dict[str, Any] = {
        "rows": judged, "broken": int(broken.sum()), "sure": int(sure.sum()), "without_value": int(hollow.sum()), "lost": lost,
        "worst_in_se": float(gaps[worst] / max(errors[worst], 1e-300)), "offenders": offenders(case, rows, broken),
    }  # fmt: skip
    sentence = (
        f"{holds} past the noise ({claim.se}) in {int(sure.sum())} of {judged} rows, against it in {int(broken.sum())}, "
        f"{'simultaneously' if case.together else 'each'} at {level_text(case.level)}; "
        f"the worst is {shown(numbers['worst_in_se'])} standard errors over"
    )
    word = "refuted" if broken.any() else "supported" if sure.sum() == judged and not lost else "undecided"
    return Finding(verdict=word, sentence=sentence, group=group, numbers=numbers, reasons=_missing(int(hollow.sum()), lost))
