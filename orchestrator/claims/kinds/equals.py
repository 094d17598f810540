"""Turns the rows of an `equals` claim into findings: whether a column is what a table says, entry by entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from orchestrator.claims.case import Case, Region
from orchestrator.claims.evidence import settled
from orchestrator.claims.placing import NO_NUMBER, trusted
from orchestrator.claims.series_of_rows import SEEDS
from orchestrator.claims.verdict import Finding, jsonable
from orchestrator.errors import SpecError, nearest
from orchestrator.fitting.intervals import interval
from orchestrator.fitting.series import Series
from orchestrator.results.described import aggregate
from orchestrator.spec.claim_kinds.equals import KIND, Equals
from orchestrator.spec.expressions import Expression
from orchestrator.wording import count, level_text, shown, span, text

LISTED = 20
SHOWN = 3
CLOSE = 1e-9
"""Relative distance at which a row's value is the table's key."""


@dataclass(frozen=True, kw_only=True)
class TableEntry:
    """One row of the table against the rows it means: the word, and what was found of it."""

    word: str
    said: dict[str, Any]
    reason: str = ""


def judge(case: Case) -> list[Finding]:
    """A finding for each group of the claim."""
    return [_group(case, group, rows) for group, rows in case.evidence.groups(case.claim.by)]


def intervals(case: Case) -> int:
    """One for each group; its entries share it."""
    return case.evidence.count(case.claim.by)


def _group(case: Case, group: dict[str, Any], rows: pl.DataFrame) -> Finding:
    model = KIND.of(case.claim)
    level = 1 - (1 - case.level) / len(model.table)
    entries = [_entry(case, model, {k: _cell(v) for k, v in row.items()}, rows, level) for row in model.table]
    words = [entry.word for entry in entries]
    word = next((w for w in ("refuted", "undecided", "unmet") if w in words), "supported")
    broken = [entry.said for entry in entries if entry.word == "refuted"]
    numbers = {
        "rows": len(entries),
        "broken": len(broken),
        "offenders": [jsonable(offender) for offender in broken[:LISTED]],
        "entries": [jsonable(entry.said) for entry in entries],
    }
    sentence = _sentence(model, entries, level)
    reasons = tuple(dict.fromkeys(entry.reason for entry in entries if entry.reason))
    return Finding(verdict=word, sentence=sentence, group=group, numbers=numbers, reasons=reasons)


def _cell(value: Any) -> Any:
    return value.evaluate({}) if isinstance(value, Expression) else value


def _entry(case: Case, model: Equals, row: Mapping[str, Any], rows: pl.DataFrame, level: float) -> TableEntry:
    keys = {name: value for name, value in row.items() if name != model.y}
    meant = _meant(case, keys, rows)
    where = ", ".join(f"{name} = {text(value)}" for name, value in keys.items()) or "all rows"
    expected = row[model.y]
    ok = meant.filter(settled(meant) & meant[model.y].is_not_null())
    entry: dict[str, Any] = {**keys, "expected": expected}
    if not len(ok):
        return TableEntry(word="unmet", said={**entry, "found": None}, reason=f"no row has {where}")
    lost = len(meant) - len(ok)
    reason = f"{count(lost, 'point')} no result at {where}, and could break it" if lost else ""
    if isinstance(expected, (str, bool)):
        values = ok[model.y].unique().to_list()
        word = "supported" if values == [expected] else "refuted"
        return TableEntry(word=_less(word, lost), said={**entry, "found": ", ".join(map(str, values))}, reason=reason)
    return _number(case, model, float(expected), ok, level, lost, entry, reason)


def _number(
    case: Case, model: Equals, expected: float, ok: pl.DataFrame, level: float, lost: int, entry: dict[str, Any], reason: str
) -> TableEntry:
    """A number against the values of its rows: each of them without noise, their interval with it."""
    values = ok[model.y].cast(pl.Float64).to_numpy()
    room = model.tolerance * (abs(expected) or 1.0)
    region = Region(low=expected - room, high=expected + room)
    how, units = aggregate(case.fields, model.y), ok[case.claim.unit or "seed"].n_unique()
    series = Series(x=np.zeros(1), values=values[None, :], units=tuple(range(len(values))), aggregate=how)
    if not series.noisy or units < 2:
        worst = max(values.tolist(), key=lambda v: abs(v - expected) if v == v else float("inf"))
        word = "supported" if abs(worst - expected) <= room * (1 + 1e-12) else "refuted"
        if worst != worst:
            word, reason = "undecided", "a value is no number"
        return TableEntry(word=_less(word, lost), said={**entry, "found": worst}, reason=reason)
    if units < max(2, case.claim.require.seeds or SEEDS):
        return TableEntry(word="unmet", said={**entry, "found": float(series.y[0])}, reason=f"it has {units} seeds")
    combined = interval(values, how, level)
    ends = {"found": combined.estimate, "low": combined.low, "high": combined.high}
    if not np.isfinite(values).all():
        return TableEntry(word="undecided", said={**entry, **ends}, reason=f"{NO_NUMBER}: a value at it is not finite")
    word, doubt = trusted(region.place(combined.low, combined.high), combined, region)
    return TableEntry(word=_less(word, lost), said={**entry, **ends}, reason="; ".join(filter(None, (reason, doubt))))


def _less(word: str, lost: int) -> str:
    """What lost points leave of support."""
    return "undecided" if word == "supported" and lost else word


def _meant(case: Case, keys: Mapping[str, Any], rows: pl.DataFrame) -> pl.DataFrame:
    """The rows whose columns are what an entry says, numbers up to rounding."""
    for name, value in keys.items():
        if name not in rows.columns:
            where = f"claims.{case.claim.id}.equals.table"
            raise SpecError(f"{where}: it must name columns of the rows, but got '{name}'{nearest(name, rows.columns)}")
        if isinstance(value, (str, bool)):
            rows = rows.filter(pl.col(name).cast(pl.String) == (str(value).lower() if isinstance(value, bool) else value))
        else:
            rows = rows.filter((pl.col(name).cast(pl.Float64) - value).abs() <= CLOSE * max(abs(value), 1e-300))
    return rows


def _sentence(model: Equals, entries: list[TableEntry], level: float) -> str:
    supported = sum(entry.word == "supported" for entry in entries)
    text = f"{model.y} is the table's in {supported} of {len(entries)} entries (relative tolerance {model.tolerance:g})"
    broken = [entry.said for entry in entries if entry.word == "refuted"][:SHOWN]
    if broken:
        text += f", not where {'; '.join(_row(offender, level) for offender in broken)}"
    return text


def _row(entry: Mapping[str, Any], level: float) -> str:
    keys = ", ".join(
        f"{name} = {text(value)}" for name, value in entry.items() if name not in ("expected", "found", "low", "high")
    )
    ends = f" {span(entry['low'], entry['high'])} at {level_text(level)}" if "low" in entry else ""
    value_text = shown(entry["found"], 8) if isinstance(entry["found"], float) else str(entry["found"])
    return f"{keys or 'all rows'}: {value_text}{ends}, expected {text(entry['expected'])}"
