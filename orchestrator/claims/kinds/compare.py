"""Turns the rows of a `compare` claim into findings: the difference of a fitted parameter between groups, with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from orchestrator.claims import matched_sides, paired_arms
from orchestrator.claims.case import Case, Region, said
from orchestrator.claims.judged_law import drawable, reach
from orchestrator.claims.outlook.remedies import BRACKETS
from orchestrator.claims.placing import FLOOR, WINDOWS, Placed, least, reported, rounded, settle, stuck, weighed
from orchestrator.claims.series_of_rows import Measured, lacking
from orchestrator.claims.verdict import Finding
from orchestrator.errors import SpecError, nearest
from orchestrator.fitting import laws, staircases
from orchestrator.fitting.fits import ENDLESS, FittedLaw, fit
from orchestrator.fitting.intervals import Array, Interval, deviation, student
from orchestrator.fitting.laws import Law
from orchestrator.fitting.series import Series
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
        for text in lacking(case.claim, curve.series, (law,), least(law), curve.lost)
    ]
    short += case.unrepeated(pl.concat([side.left, side.right]), y)
    short += matched_sides.by_x(case.claim, x, {model.left: side.left, model.right: side.right}, case.fields)
    if short:
        return Finding(verdict="unmet", sentence=f"too little data: {'; '.join(short)}", group=side.group, reasons=tuple(short))
    region = _region(case, side)
    placed = placed_difference(pair[0].series, pair[1].series, law, model.of, region, case.level)
    free = any(curve.open for curve in pair)
    words = ["undecided"] if free else [
        placed_difference(a, b, law, model.of, region, case.level).word for a, b in _extremes(*pair)
    ]  # fmt: skip
    bounded = case.bound(y)
    guard = f"the values are {bounded} bounds found by search, which cannot support a difference" if bounded != "exact" else ""
    word, reason = settle(placed.word, placed.reason, words, guard)
    less = [case.without_floor(curve, rows, x, y) for curve, rows in zip(pair, (side.left, side.right), strict=True)]
    beneath = [placed_difference(a, b, law, model.of, region, case.level).word for a, b in zip(*less, strict=False)]
    word, reason = settle(word, reason, beneath, why=FLOOR)
    fits = fit(law, pair[0].series), fit(law, pair[1].series)
    numbers = {
        "difference": reported(placed, region),
        model.left: drawable(fits[0], case, side.left),
        model.right: drawable(fits[1], case, side.right),
    }
    ranges = "; ".join(f"{label} {reach(fitted)}" for label, fitted in zip((model.left, model.right), fits, strict=True))
    sentence = f"{model.of} of {y} in {x} ({law.formula}), {_sentence(model, placed, region, case.level)}; {ranges}"
    reasons = tuple(text for text in (*said(pair[0]), *said(pair[1]), reason) if text)
    return Finding(verdict=word, sentence=sentence, group=side.group, numbers=numbers, reasons=reasons)


def _region(case: Case, side: Sides) -> Region:
    """The region of the difference; any difference but none is expected where the claim gives no region."""
    expected = (case.claim.expect or {}).get("difference")
    return Region(low=0.0) if expected is None else case.region(expected, side.left)


def _extremes(left_curve: Measured, right_curve: Measured) -> list[tuple[Series, Series]]:
    """Pairs of series as lost points could have made them, each side's ends with each of the other's."""
    lefts, rights = left_curve.extremes() or [left_curve.series], right_curve.extremes() or [right_curve.series]
    return [(a, b) for a in lefts for b in rights] if left_curve.lost or right_curve.lost else []


def placed_difference(left_series: Series, right_series: Series, law: Law, name: str, region: Region, level: float) -> Placed:
    """The difference of a parameter against its region, the smallest one and two x dropped and rounding to steps included."""
    full = fit(law, left_series), fit(law, right_series)
    measured_interval = difference(*full, name, level)
    windows = tuple(
        fit(law, left_series.window(drop)).estimate(name) - fit(law, right_series.window(drop)).estimate(name)
        for drop in WINDOWS
    )
    placed = weighed("the difference", measured_interval, windows, region, left_series.noisy and right_series.noisy)
    read: list[list[float]] = []
    for fitted in full:
        own = fitted.estimate(name)
        values = staircases.ends(fitted, name, own, own)
        if values is None:
            return stuck(placed, fitted.series)
        read.append([own, *values])
    apart = tuple(a - b for a in read[0] for b in read[1])
    if len(apart) == 1:
        return placed
    if left_series.noisy and right_series.noisy:  # rounding moves what is uncertain by the noise
        off = [value - measured_interval.estimate for value in apart]
        apart = (measured_interval.low + min(off), measured_interval.high + max(off))
    return rounded(placed, apart, region)


def difference(left_law: FittedLaw, right_law: FittedLaw, name: str, level: float) -> Interval:
    """Left less right with its interval: paired over seeds where both sides have the same ones, else Welch's.

    The scatter about the laws where that leaves more, as for one fit. Laws without a closed form have unlike sides, whose ends
    are combined by their squares (Zou and Donner 2008).
    """
    value = left_law.estimate(name) - right_law.estimate(name)
    units = min(len(f.series.units) for f in (left_law, right_law))
    if left_law.law.design is None:
        a, b = left_law.interval(name, level), right_law.interval(name, level)
        low, high = (
            value - float(np.hypot(a.estimate - a.low, b.high - b.estimate)),
            value + float(np.hypot(a.high - a.estimate, b.estimate - b.low)),
        )
        return Interval(estimate=value, low=low, high=high, units=units, method=f"{a.method}, both sides")
    half, method = (
        _paired(left_law, right_law, name, level) if _shared(left_law, right_law) else _welch(left_law, right_law, name, level)
    )
    half = max(half, _blur(left_law, name) + _blur(right_law, name))
    return Interval(estimate=value, low=value - half, high=value + half, units=units, method=method)


def _paired(left_law: FittedLaw, right_law: FittedLaw, name: str, level: float) -> tuple[float, str]:
    """Half the interval of the difference over seeds that both sides share, the scatters about both laws drawn in."""
    n = len(left_law.series.units)
    noise = student(level, n - 1) * left_law.factor * deviation(_outer(left_law, name) - _outer(right_law, name))
    errors = [_scatter(fitted, name) for fitted in (left_law, right_law)]
    scatter, freedom = _summed(errors, level)
    scatter_weight, method = max(left_law.scatter_weight, right_law.scatter_weight), f"paired t over {n} units, {n - 1} df"
    if scatter <= noise or not scatter_weight:
        return noise, method
    if scatter_weight == 1:
        return scatter, f"scatter about the laws, which exceeds the noise, {freedom:.1f} df"
    return noise + scatter_weight * (scatter - noise), f"{method}, drawn to the scatter about the laws"


def _welch(left_law: FittedLaw, right_law: FittedLaw, name: str, level: float) -> tuple[float, str]:
    """Half the interval of the difference of two fits that share nothing."""
    half, freedom = _summed([_error(fitted, name) for fitted in (left_law, right_law)], level)
    return half, f"Welch t, {freedom:.1f} df" if freedom < ENDLESS else BRACKETS


def _summed(errors: list[tuple[float, float]], level: float) -> tuple[float, float]:
    """Half the interval of a sum of what has those standard errors and degrees of freedom, and its own degrees."""
    total = sum(e**2 for e, _ in errors)
    freedom = max(total**2 / max(sum(e**4 / max(df, 1) for e, df in errors), 1e-300), 1.0) if total > 0 else 1.0
    return student(level, freedom) * float(np.sqrt(total)), freedom


def _shared(left_law: FittedLaw, right_law: FittedLaw) -> bool:
    """Whether both sides have the same seeds at every x, so that they are compared in pairs."""
    even = not left_law.series.uneven and not right_law.series.uneven
    return (
        left_law.replicas is not None
        and right_law.replicas is not None
        and even
        and left_law.series.units == right_law.series.units
    )


def _outer(fitted: FittedLaw, name: str) -> Array:
    """The parameter as reported in each replica, `(B,)`."""
    assert fitted.replicas is not None
    parameter = fitted.law.parameter(name)
    return np.array([parameter.outer(float(value)) for value in fitted.replicas[:, parameter.index]])


def _error(fitted: FittedLaw, name: str) -> tuple[float, float]:
    """Standard error of a parameter and its degrees of freedom: over seeds, the scatter drawn in."""
    half, freedom, _ = fitted.half(fitted.law.parameter(name).index, 0.95)
    return _scale(fitted, name) * half / student(0.95, freedom), freedom


def _scatter(fitted: FittedLaw, name: str) -> tuple[float, float]:
    """Standard error that the scatter about the law shows, and its degrees of freedom."""
    return _scale(fitted, name) * float(fitted.scatter[fitted.law.parameter(name).index]), fitted.freedom


def _blur(fitted: FittedLaw, name: str) -> float:
    """What rounding of the values can do to a parameter as it is reported."""
    return _scale(fitted, name) * float(fitted.blur[fitted.law.parameter(name).index])


def _scale(fitted: FittedLaw, name: str) -> float:
    """What a reported parameter moves by where its internal one moves by 1."""
    return abs(fitted.estimate(name)) if fitted.law.parameter(name).scale == "exp" else 1.0


def _sentence(model: Compare, placed: Placed, region: Region, level: float) -> str:
    interval = placed.interval
    dropped = f"; without the smallest one and two x: {' and '.join(map(shown, placed.windows))}" if placed.windows else ""
    return (
        f"{model.left} - {model.right}: {shown(interval.estimate)} {span(interval.low, interval.high)} at {level_text(level)} "
        f"({interval.method}), expected {region}{dropped}"
    )
