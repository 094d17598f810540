"""Turns an interval over repeats into a verdict: what is too little, what the region says, and what could still turn it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import polars as pl

from orchestrator.claims import placing
from orchestrator.claims.case import Case, Region
from orchestrator.claims.evidence import SETTLED
from orchestrator.claims.placing import LOST, Placed
from orchestrator.claims.series_of_rows import SEEDS
from orchestrator.claims.units import steps
from orchestrator.claims.units.repeats import Repeats, repeats
from orchestrator.claims.verdict import Finding
from orchestrator.fitting.aggregates import named
from orchestrator.fitting.intervals import Interval


def each_group(case: Case, y: str, judged: Callable[[Case, dict[str, Any], pl.DataFrame, bool], Finding]) -> list[Finding]:
    """What `judged` finds in each group of the claim, points that failed at a step included; its flag: is y random?"""
    case = steps.with_failures(case)
    differs = random(case, y)
    return [judged(case, group, rows, differs) for group, rows in case.evidence.groups(case.claim.by)]


def random(case: Case, y: str) -> bool:
    """Whether the units differ anywhere in the claim's rows: then units that agree do so by chance."""
    return repeats(case, y, case.evidence.rows).noisy


def short(case: Case, y: str, rows: pl.DataFrame, measured: Repeats) -> tuple[str, ...]:
    """Too little for an interval, as sentences."""
    if not len(measured.values) or (measured.lost.all() and not measured.searched):
        return ("no row has a result",)
    if SETTLED not in rows.columns and (alone := case.unrepeated(rows, y)):
        return alone  # what a search found has its bracket
    noisy = measured.noisy and not named(measured.aggregate).extreme
    needs = case.claim.require.seeds or (SEEDS if noisy else 1)
    needs = max(2, needs) if noisy else needs
    units = int((measured.present.any(axis=0)).sum())
    return (f"it has {units} {case.claim.unit or 'seed'}s and needs {needs}",) if units < needs else ()


def unmet(texts: tuple[str, ...], measured: Repeats, group: dict[str, Any]) -> Finding:
    """A group that has too little."""
    sentence = f"too little data: {'; '.join(texts)}"
    return Finding(verdict="unmet", sentence=sentence, group=group, reasons=(*texts, *measured.missing()))


def settled_word(
    case: Case, y: str, interval: Interval, region: Region, sides: tuple[Repeats, ...], random: bool
) -> tuple[str, tuple[str, ...]]:
    """The verdict on an interval, and what is missing or could turn it."""
    reasons = [text for side in sides for text in side.missing()]
    if math.isnan(interval.low) or math.isnan(interval.high) or math.isnan(interval.estimate):
        return "undecided", (*reasons, "it is no number")
    word, doubt = placing.trusted(region.place(interval.low, interval.high), interval, region)
    reasons += [doubt] if doubt else []
    flat = [side for side in sides if random and not side.noisy and not side.binary]
    if flat and word in ("supported", "refuted") and not named(sides[0].aggregate).extreme:
        word = "undecided"
        reasons.append(f"its {len(flat[0].units)} units agree, though {y} differs between units elsewhere")
    if word == "undecided" and any(side.lost.any() for side in sides):
        reasons.append(LOST)
    guard = _guard(case.bound(y), region, len(sides))
    return ("undecided", (*reasons, guard)) if guard and word == "supported" else (word, tuple(reasons))


def _guard(kind: str, region: Region, sides: int) -> str:
    """Why bounds that a search found cannot support that region; empty where they can."""
    hurt = {"lower": math.isfinite(region.high), "upper": math.isfinite(region.low)}.get(kind, False)
    if kind == "exact" or not (hurt or sides > 1):
        return ""
    return f"the values are {kind} bounds found by search, which cannot support {'a contrast' if sides > 1 else 'that side'}"


def reported(interval: Interval, region: Region) -> dict[str, Any]:
    """The interval and its region as JSON values."""
    return placing.reported(Placed(word="", interval=interval, windows=()), region)
