"""Turns the rows of a `compare` claim into findings: the difference of a fitted parameter between groups, with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from orchestrator.claims import matched_sides, paired_arms
from orchestrator.claims.case import Case, Region, said
from orchestrator.claims.judged_law import drawable
from orchestrator.claims.placing import FLOOR, WINDOWS, Placed, least, reported, rounded, settle, stuck, weighed
from orchestrator.claims.sentences import BRACKETS
from orchestrator.claims.series_of_rows import Measured, lacking
from orchestrator.claims.verdict import Finding
from orchestrator.errors import SpecError, nearest
from orchestrator.fitting import laws
from orchestrator.fitting.fits import ENDLESS, MISFIT, FittedLaw, fit
from orchestrator.fitting.intervals import Interval, deviation, student
from orchestrator.fitting.laws import Law
from orchestrator.fitting.series import Series
from orchestrator.fitting.staircases import stepped, unrounded
from orchestrator.spec.claim_kinds.compare import KIND, Compare
from orchestrator.spec.claim_kinds.fit import KIND as MODEL
from orchestrator.wording import level_text, shown, span


@dataclass(frozen=True, kw_only=True)
class Sides:
    """The rows of the two groups that are compared, within one outer group."""

    group: dict[str, Any]
    left: pl.DataFrame
    right: pl.DataFrame


def judge(case: Case) -> list[Finding]:
    """A finding for each outer group: the columns of `by` but the one whose values the comparison names."""
    model = KIND.of(case.claim)
    if model.paired:
        return paired_arms.judge(case, model)
    law = laws.law(MODEL.of(case.claim).law)
    return [_fitted(case, model, law, side) for side in sides(case, model)]


def intervals(case: Case) -> int:
    """One for each two groups whose fits are compared; of paired arms one, or two with a third arm, for each group."""
    model, groups = KIND.of(case.claim), case.evidence.count(case.claim.by)
    return groups * (2 if model.interaction else 1) if model.paired else max(1, groups // 2)


def sides(case: Case, model: Compare) -> list[Sides]:
    """The two groups of the comparison in each outer group; SpecError where a label is no value of a `by` column."""
    by = case.claim.by
    column = _column_of_groups(case, by or ("arm",), model)
    outer = tuple(name for name in by if name != column)
    split = []
    for group, part in case.evidence.groups(outer):
        label = part[column].cast(pl.String)
        split.append(Sides(group=group, left=part.filter(label == model.left), right=part.filter(label == model.right)))
    return split


def _column_of_groups(case: Case, by: tuple[str, ...], model: Compare) -> str:
    every = [rows for rows in (case.evidence.rows, case.evidence.limited) if rows is not None]
    values = {name: {v for rows in every for v in rows[name].cast(pl.String).drop_nulls().unique()} for name in by}
    for name, texts in values.items():
        if {model.left, model.right} <= texts:
            return name
    labels = sorted(set().union(*values.values()))
    wrong = next(label for label in (model.left, model.right, model.left) if label not in labels or label is model.right)
    raise SpecError(
        f"claims.{case.claim.id}.compare: both sides must be values of one of {', '.join(by)}, but got '{wrong}'"
        f"{nearest(wrong, labels)} They are {', '.join(labels) or 'none yet'}."
    )


def _fitted(case: Case, model: Compare, law: Law, side: Sides) -> Finding:
    x, y = MODEL.of(case.claim).x, MODEL.of(case.claim).y
    pair = case.series(side.left, x, y, law), case.series(side.right, x, y, law)
    short = [
        f"{label}: {text}"
        for label, curve in zip((model.left, model.right), pair, strict=True)
        for text in lacking(case.claim, curve.series, (law,), least(law))
    ]
    short += case.unrepeated(pl.concat([side.left, side.right]), y)
    short += matched_sides.by_x(case.claim, x, {model.left: side.left, model.right: side.right}, case.fields)
    if short:
        return Finding(verdict="unmet", sentence=f"too little data: {'; '.join(short)}", group=side.group, reasons=tuple(short))
    region = _region(case, side)
    placed = placed_difference(pair[0].series, pair[1].series, law, model.of, region, case.level)
    words = [placed_difference(a, b, law, model.of, region, case.level).word for a, b in _extremes(*pair)]
    bounded = case.bound(y)
    guard = f"the values are {bounded} bounds found by search, which cannot support a difference" if bounded != "exact" else ""
    word, reason = settle(placed.word, placed.reason, words, guard)
    less = [case.without_floor(curve, rows, x, y) for curve, rows in zip(pair, (side.left, side.right), strict=True)]
    beneath = [placed_difference(a, b, law, model.of, region, case.level).word for a, b in zip(*less, strict=False)]
    word, reason = settle(word, reason, beneath, why=FLOOR)
    numbers = {
        "difference": reported(placed, region),
        model.left: drawable(fit(law, pair[0].series), case, side.left),
        model.right: drawable(fit(law, pair[1].series), case, side.right),
    }
    sentence = f"{model.of} of {y} in {x} ({law.formula}), {_sentence(model, placed, region, case.level)}"
    reasons = tuple(text for text in (*said(pair[0]), *said(pair[1]), reason) if text)
    return Finding(verdict=word, sentence=sentence, group=side.group, numbers=numbers, reasons=reasons)


def _region(case: Case, side: Sides) -> Region:
    """The region of the difference; any difference but none is expected where the claim gives no region."""
    expected = (case.claim.expect or {}).get("difference")
    return Region(low=0.0) if expected is None else case.region(expected, side.left)


def _extremes(left: Measured, right: Measured) -> list[tuple[Series, Series]]:
    """Pairs of series as lost points could have made them, each side's ends with each of the other's."""
    lefts, rights = left.extremes() or [left.series], right.extremes() or [right.series]
    return [(a, b) for a in lefts for b in rights] if left.lost or right.lost else []


def placed_difference(left: Series, right: Series, law: Law, name: str, region: Region, level: float) -> Placed:
    """The difference of a parameter against its region, the smallest one and two x dropped and rounding to steps included."""
    full = fit(law, left), fit(law, right)
    measured_interval = difference(*full, name, level)
    windows = tuple(
        fit(law, left.window(drop)).estimate(name) - fit(law, right.window(drop)).estimate(name) for drop in WINDOWS
    )
    placed = weighed("the difference", measured_interval, windows, region, left.noisy and right.noisy)
    read: list[list[float]] = []
    for fitted in full:
        values = unrounded(fitted, name) if stepped(fitted) else ()
        if values is None:
            return stuck(placed, fitted.series)
        read.append([fitted.estimate(name), *values])
    apart = tuple(a - b for a in read[0] for b in read[1])
    return rounded(placed, apart, region) if len(apart) > 1 else placed


def difference(left: FittedLaw, right: FittedLaw, name: str, level: float) -> Interval:
    """Left less right with its interval: paired over seeds where both sides have the same ones, else Welch's."""
    value = left.estimate(name) - right.estimate(name)
    parts = _outer(left, name), _outer(right, name)
    if parts[0] is not None and parts[1] is not None and left.series.units == right.series.units and not _loose(left, right):
        n = len(left.series.units)
        half = max(student(level, n - 1) * left.factor * deviation(parts[0] - parts[1]), _blur(left, name) + _blur(right, name))
        return Interval(
            estimate=value, low=value - half, high=value + half, units=n, method=f"paired t over {n} units, {n - 1} df"
        )
    errors = [_error(f, name) for f in (left, right)]
    total = sum(e**2 for e, _ in errors)
    freedom = total**2 / max(sum(e**4 / max(df, 1) for e, df in errors), 1e-300) if total > 0 else 1.0
    half = max(student(level, max(freedom, 1.0)) * float(np.sqrt(total)), _blur(left, name) + _blur(right, name))
    units = min(len(f.series.units) for f in (left, right))
    method = f"Welch t, {freedom:.1f} df" if freedom < ENDLESS else BRACKETS
    return Interval(estimate=value, low=value - half, high=value + half, units=units, method=method)


def _blur(fitted: FittedLaw, name: str) -> float:
    """What rounding of the values can do to a parameter as it is reported."""
    parameter = fitted.law.parameter(name)
    scale = abs(fitted.estimate(name)) if parameter.scale == "exp" else 1.0
    return scale * float(fitted.blur[parameter.index])


def _loose(*fits: FittedLaw) -> bool:
    """Whether a law misses its points by more than their noise, so that the noise does not say how well it is known."""
    return any(f.lack is not None and f.lack < MISFIT for f in fits)


def _outer(fitted: FittedLaw, name: str) -> Any:
    """The parameter as reported in each replica, `(B,)`; None without noise."""
    if fitted.replicas is None:
        return None
    parameter = fitted.law.parameter(name)
    return np.array([parameter.outer(float(value)) for value in fitted.replicas[:, parameter.index]])


def _error(fitted: FittedLaw, name: str) -> tuple[float, float]:
    """Standard error of a parameter and its degrees of freedom: over seeds, or of the scatter where that is what limits it."""
    half, freedom, _ = fitted.half(fitted.law.parameter(name).index, 0.95)
    scale = abs(fitted.estimate(name)) if fitted.law.parameter(name).scale == "exp" else 1.0
    return scale * half / student(0.95, freedom), freedom


def _sentence(model: Compare, placed: Placed, region: Region, level: float) -> str:
    interval = placed.interval
    dropped = f"; without the smallest one and two x: {' and '.join(map(shown, placed.windows))}" if placed.windows else ""
    return (
        f"{model.left} - {model.right}: {shown(interval.estimate)} {span(interval.low, interval.high)} at {level_text(level)} "
        f"({interval.method}), expected {region}{dropped}"
    )
