"""Turns the rows of an `equals` claim into findings: whether a column is what a table says, entry by entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from orchestrator.claims.case import Case, Region
from orchestrator.claims.evidence import settled
from orchestrator.claims.placing import NO_NUMBER, Placed, reported, trusted
from orchestrator.claims.series_of_rows import SEEDS
from orchestrator.claims.verdict import Finding, jsonable
from orchestrator.errors import SpecError, nearest
from orchestrator.fitting import ties
from orchestrator.fitting.aggregates import combine, expression
from orchestrator.results.described import aggregate
from orchestrator.spec.claim_kinds.equals import KIND, Equals
from orchestrator.spec.expressions import Expression
from orchestrator.wording import count, level_text, setting, shown, span, text

LISTED = 20
TOGETHER = True
SHOWN = 3
REPEATS = 30
"""Repeats that agree, over all places: had one in ten differed, so many would have shown it but for one in twenty."""
CLOSE = 1e-9
"""Relative distance at which a row's value is the table's key."""


@dataclass(frozen=True, kw_only=True)
class TableEntry:
    """One row of the table against the rows it means: the word, what was found of it, and why."""

    word: str
    said: dict[str, Any]
    reason: str = ""
    open: Mapping[str, Any] = field(default_factory=dict)
    """Its interval against what the table allows, where that leaves it open."""


def judge(case: Case) -> list[Finding]:
    """A finding for each group of the claim."""
    return [_group(case, group, rows) for group, rows in case.evidence.groups(case.claim.by)]


def intervals(case: Case) -> int:
    """One for each group; its entries share it."""
    return case.evidence.count(case.claim.by)


def _group(case: Case, group: dict[str, Any], rows: pl.DataFrame) -> Finding:
    model = KIND.of(case.claim)
    level = case.each(len(model.table))
    steady = _steady(case, model, rows.filter(settled(rows) & rows[model.y].is_not_null()))
    entries = [_entry(case, model, {k: _cell(v) for k, v in row.items()}, rows, level, steady) for row in model.table]
    words = [entry.word for entry in entries]
    word = next((w for w in ("refuted", "undecided", "unmet") if w in words), "supported")
    broken = [entry.said for entry in entries if entry.word == "refuted"]
    numbers = {
        "rows": len(entries),
        "broken": len(broken),
        "offenders": [jsonable(offender) for offender in broken[:LISTED]],
        "entries": [jsonable(entry.said) for entry in entries],
    }
    open_entries = [(_keys(entry.said), entry.open) for entry in entries if entry.open]
    numbers |= {f"entry {keys}": ends for keys, ends in open_entries[:SHOWN]}
    sentence = _sentence(model, entries, level)
    reasons = tuple(dict.fromkeys(entry.reason for entry in entries if entry.reason))
    return Finding(verdict=word, sentence=sentence, group=group, numbers=numbers, reasons=reasons)


def _cell(value: Any) -> Any:
    return value.evaluate({}) if isinstance(value, Expression) else value


def _entry(case: Case, model: Equals, row: Mapping[str, Any], rows: pl.DataFrame, level: float, steady: bool) -> TableEntry:
    keys = {name: value for name, value in row.items() if name != model.y}
    meant = _meant(case, keys, rows)
    where = ", ".join(f"{name} = {setting(value)}" for name, value in keys.items()) or "all rows"
    expected = row[model.y]
    ok = meant.filter(settled(meant) & meant[model.y].is_not_null())
    entry: dict[str, Any] = {**keys, "expected": expected}
    if not len(ok):
        return TableEntry(word="unmet", said={**entry, "found": None}, reason=f"no row has {where}")
    lost = len(meant) - len(ok)
    reason = f"{count(lost, 'point')} no result at {where}, and could break it" if lost else ""
    if isinstance(expected, (str, bool)):
        if short := case.unrepeated(ok, model.y):
            return TableEntry(word="unmet", said={**entry, "found": str(ok[model.y][0])}, reason=short[0])
        values = ok[model.y].unique().to_list()
        word = "supported" if values == [expected] else "refuted"
        return TableEntry(word=_less(word, lost), said={**entry, "found": ", ".join(map(str, values))}, reason=reason)
    return _number(case, model, float(expected), ok, level, steady, lost, entry, reason)


def _number(
    case: Case,
    model: Equals,
    expected: float,
    ok: pl.DataFrame,
    level: float,
    steady: bool,
    lost: int,
    entry: dict[str, Any],
    reason: str,
) -> TableEntry:
    """A number against the values of its rows: each without noise, else the interval over units, rows of one combined."""
    room = model.tolerance * (abs(expected) or 1.0)
    region = Region(low=expected - room, high=expected + room)
    how, unit = aggregate(case.fields, model.y), case.claim.unit or "seed"
    if not steady and (short := case.unrepeated(ok, model.y)):
        return TableEntry(word="unmet", said={**entry, "found": ok[model.y].cast(pl.Float64)[0]}, reason=short[0])
    if ok[model.y].cast(pl.Float64).is_nan().any():
        return TableEntry(word="undecided", said={**entry, "found": None}, reason="a value is no number")
    pooled = ok.group_by(unit).agg(expression(pl.col(model.y), how)).sort(unit)
    values = pooled[model.y].fill_null(float("nan")).to_numpy()
    if steady or (_agree(ok, model.y, unit) and not ties.whole(values)):
        worst = max(ok[model.y].cast(pl.Float64).to_list(), key=lambda v: abs(v - expected))
        word = "supported" if abs(worst - expected) <= room * (1 + 1e-12) else "refuted"
        return TableEntry(word=_less(word, lost), said={**entry, "found": worst}, reason=reason)
    if best := case.best_of(ok, model.y):
        return TableEntry(word="undecided", said={**entry, "found": float(values.max())}, reason=best)
    if len(values) < max(2, case.claim.require.seeds or SEEDS):
        return TableEntry(
            word="unmet", said={**entry, "found": float(combine(values, how))}, reason=f"it has {len(values)} seeds"
        )
    combined = ties.interval(values, how, level)
    ends = {"found": combined.estimate, "low": combined.low, "high": combined.high}
    if not np.isfinite(values).all():
        return TableEntry(word="undecided", said={**entry, **ends}, reason=f"{NO_NUMBER}: a value at it is not finite")
    word, doubt = trusted(region.place(combined.low, combined.high), combined, region)
    reason = "; ".join(text for text in (reason, doubt, _pooled(ok, unit, how)) if text)
    placed = reported(Placed(word=word, interval=combined, windows=()), region) if word == "undecided" else {}
    return TableEntry(word=_less(word, lost), said={**entry, **ends}, reason=reason, open=placed)


def _steady(case: Case, model: Equals, ok: pl.DataFrame) -> bool:
    """Whether the seed changes nothing of the column: as its workload says, or as so many repeats of whole numbers show.

    A few repeats that agree say little of whole numbers, and of zeros and ones nothing.
    """
    if not ok[model.y].dtype.is_numeric() or case.steady(ok, model.y):
        return ok[model.y].dtype.is_numeric()
    values, unit = ok[model.y].cast(pl.Float64), case.claim.unit or "seed"
    keys = [name for name in model.table[0] if name != model.y]
    cells = ok.partition_by(keys) if keys else [ok]
    repeats = sum(cell[unit].n_unique() - 1 for cell in cells)
    return repeats >= REPEATS and not values.is_in([0.0, 1.0]).all() and all(_agree(cell, model.y, unit) for cell in cells)


def _agree(ok: pl.DataFrame, y: str, unit: str) -> bool:
    """Whether every unit has the same values, up to rounding: then the rows have no noise to be seen."""
    each = ok.select(unit, pl.col(y).cast(pl.Float64)).sort(unit, y).group_by(unit, maintain_order=True).agg(pl.col(y))
    lists = each[y].to_list()
    same = len(lists) > 1 and len({len(values) for values in lists}) == 1
    return same and all(ties.alike(np.array(column)) for column in zip(*lists, strict=True))


def _pooled(ok: pl.DataFrame, unit: str, how: str) -> str:
    """A sentence where several rows of a unit were combined, which are one repeat together; empty where each had one."""
    most = max(ok[unit].value_counts()["count"].to_list(), default=0)
    return f"up to {most} rows of one {unit} are one repeat, combined by {how}" if most > 1 else ""


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


def _keys(entry: Mapping[str, Any]) -> str:
    """Which rows an entry means."""
    names = [name for name in entry if name not in ("expected", "found", "low", "high")]
    return ", ".join(f"{name} = {text(entry[name])}" for name in names) or "all rows"


def _row(entry: Mapping[str, Any], level: float) -> str:
    ends = f" {span(entry['low'], entry['high'])} at {level_text(level)}" if "low" in entry else ""
    value_text = shown(entry["found"], 8) if isinstance(entry["found"], float) else str(entry["found"])
    return f"{_keys(entry)}: {value_text}{ends}, expected {text(entry['expected'])}"
