"""Turns the rows of a `contrast` claim into findings: what a column is at one setting against another, with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from orchestrator.claims.case import Case
from orchestrator.claims.units import settling
from orchestrator.claims.units.contrasts import contrasted, minus, over
from orchestrator.claims.units.repeats import differing, repeats
from orchestrator.claims.verdict import Finding
from orchestrator.results.described import possible
from orchestrator.spec.claim_kinds.contrast import KIND, setting_text
from orchestrator.spec.expressions import Expression
from orchestrator.wording import level_text, shown, span

CLOSE = 1e-9
"""Relative distance at which a row's value is the setting's."""


def judge(case: Case) -> list[Finding]:
    """A finding for each group of the claim."""
    return settling.each_group(case, KIND.of(case.claim).y, _group)


def intervals(case: Case) -> int:
    """One for each group."""
    return case.evidence.count(case.claim.by)


def _group(case: Case, group: dict[str, Any], rows: pl.DataFrame, random: bool) -> Finding:
    model = KIND.of(case.claim)
    settings: tuple[Mapping[str, Any], ...] = (model.of, model.other)
    parts = [_meant(rows, setting) for setting in settings]
    names = differing(case, model.y, pl.concat(parts), tuple(model.of))
    sides = [repeats(case, model.y, part, names) for part in parts]
    short = [
        f"at {setting_text(setting)}: {text}"
        for setting, part, side in zip(settings, parts, sides, strict=True)
        for text in settling.short(case, model.y, part, side)
    ]
    if short:
        return settling.unmet(tuple(short), sides[0], group)
    region = case.region((case.claim.expect or {})[model.quantity], parts[0])
    between = possible(case.fields, model.y)
    interval = contrasted(sides[0], sides[1], minus if model.minus is not None else over, case.level, between)
    word, reasons = settling.settled_word(case, model.y, interval, region, tuple(sides), random)
    where = f"at {setting_text(settings[0])} to that at {setting_text(settings[1])}"
    found_at = f"{shown(interval.estimate)} {span(interval.low, interval.high)} at {level_text(case.level)} ({interval.method})"
    sentence = f"{model.quantity} of {model.y} {where}: {found_at}, expected {region}"
    numbers = {model.quantity: settling.reported(interval, region)}
    return Finding(verdict=word, sentence=sentence, group=group, numbers=numbers, reasons=reasons)


def _meant(rows: pl.DataFrame, setting: Mapping[str, Any]) -> pl.DataFrame:
    """The rows of a setting, numbers up to rounding."""
    for name, value in setting.items():
        number = value.evaluate({}) if isinstance(value, Expression) else value
        if isinstance(number, (str, bool)):
            same = pl.col(name).cast(pl.String) == (str(number).lower() if isinstance(number, bool) else number)
        else:
            same = (pl.col(name).cast(pl.Float64) - number).abs() <= CLOSE * max(abs(number), 1e-300)
        rows = rows.filter(same)
    return rows
