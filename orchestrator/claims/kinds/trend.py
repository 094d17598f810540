"""Turns the rows of a `trend` claim into findings: whether a column, or a fitted parameter, rises or falls along another.

`increasing` speaks of every step between neighbours: each must rise beyond its noise, or fall by no more than the slack (an
intersection-union test, so that support needs no correction for many steps), and one that falls beyond it refutes.
`rising_overall` speaks of the contrast over the order of the places (the slope in ranks) alone. Without noise
each counts as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from orchestrator.claims.case import FINITE, Case, said
from orchestrator.claims.judged_law import summary
from orchestrator.claims.placing import WINDOWS, least, settle
from orchestrator.claims.series_of_rows import Measured, lacking
from orchestrator.claims.verdict import Finding
from orchestrator.fitting import laws
from orchestrator.fitting.fits import FittedLaw, fit, replicas
from orchestrator.fitting.intervals import Array, deviation, student
from orchestrator.fitting.series import Series
from orchestrator.spec.claim_kinds.fit import KIND as MODEL
from orchestrator.spec.claim_kinds.trend import KIND
from orchestrator.spec.claim_model import Claim
from orchestrator.wording import level_text, setting, shown, span

FEWEST = 3
"""Places that a trend must have."""


@dataclass(frozen=True, kw_only=True)
class Path:
    """Values `(k,)` along places `at`, with what their contrasts are uncertain by.

    `replicas` `(B, k)` are the values with each unit left out, `factor` times their standard deviation is a standard error;
    without them `errors` `(k,)` are standard errors with `freedom` degrees each, zero where values are exact.
    """

    at: Array
    values: Array
    errors: Array
    freedom: Array
    replicas: Array | None = None
    factor: float = 0.0
    units: int = 1

    def contrast(self, weights: Array, level: float) -> tuple[float, float]:
        """A weighted sum of the values and half its interval."""
        value = float(weights @ self.values)
        if self.replicas is not None:
            return value, student(level, self.units - 1) * self.factor * deviation(self.replicas @ weights)
        parts = (weights * self.errors) ** 2
        total = float(parts.sum())
        if total == 0:
            return value, 0.0
        freedom = total**2 / float((parts**2 / self.freedom).sum())
        return value, student(level, max(freedom, 1.0)) * float(np.sqrt(total))

    def after(self, dropped: int) -> Path:
        """The path without its smallest places."""
        remaining = None if self.replicas is None else self.replicas[:, dropped:]
        part = slice(dropped, None)
        return Path(
            at=self.at[part], values=self.values[part], errors=self.errors[part], freedom=self.freedom[part],
            replicas=remaining, factor=self.factor, units=self.units,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Slope:
    """A trend's verdict: the contrast with its interval, the steps that go against it or are open, and why it is unsettled."""

    word: str
    value: float
    half: float
    against: tuple[int, ...]
    open: tuple[int, ...]
    reason: str = ""
    step: Mapping[str, Any] | None = None
    """The step that is least sure to go the way, as numbers of an interval."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """Where a path should go: up (sign 1) or down (-1), at every step or overall, and how far a step may go the other way."""

    sign: float
    overall: bool = False
    slack: float = 0.0
    tolerance: float = 1e-9

    def room(self, values: Array) -> float:
        """How far those values may go the other way."""
        return max(self.slack, self.tolerance * float(np.max(np.abs(values))))


def judge(case: Case) -> list[Finding]:
    """A finding for each group of the claim."""
    return [_group(case, group, rows) for group, rows in case.evidence.groups(_outer_groups(case))]


def intervals(case: Case) -> int:
    """The contrast of each group."""
    return case.evidence.count(_outer_groups(case))


def _outer_groups(case: Case) -> tuple[str, ...]:
    """The columns whose values have a trend each; those of a fit are grouped by what the trend goes along, too."""
    return case.claim.by if case.model is None else case.model.by[:-1]


def _group(case: Case, group: dict[str, Any], rows: pl.DataFrame) -> Finding:
    trend = KIND.of(case.claim)
    y = trend.of if case.model is None else MODEL.of(case.model).y
    if short := list(case.unrepeated(rows, y)):
        return Finding(verdict="unmet", sentence=f"too little data: {short[0]}", group=group, reasons=tuple(short))
    if case.model is not None:
        paths, short, numbers, reasons = _parameters(case, case.model, rows)
    else:
        curve = case.series(rows, trend.along, trend.of)
        short = list(lacking(case.claim, curve.series, (), FEWEST))
        paths = [] if short else [_measured(reading) for reading in (curve.series, *curve.extremes())]
        numbers, reasons = {}, list(said(curve))
    if short:
        sentence = f"too little data: {'; '.join(short)}"
        return Finding(verdict="unmet", sentence=sentence, group=group, reasons=(*short, *reasons))
    way = Way(sign=trend.sign, overall=trend.overall, slack=trend.slack or 0.0, tolerance=case.claim.tolerance)
    slope = slope_of(paths[0], way, case.level)
    words_at_extremes = [slope_of(path, way, case.level).word for path in paths[1:]]
    word, reason = settle(slope.word, slope.reason, words_at_extremes, _bounded(case))
    if case.model is None and (best := case.best_of(rows, trend.of, trend.along)):
        word, reason = "undecided", best
    reasons += [reason] if reason else []
    numbers |= {
        "trend": _against_zero(paths[0], way, slope.value, slope.half),
        "at": paths[0].at.tolist(),
        "values": paths[0].values.tolist(),
        "steps": len(paths[0].at) - 1,
        "against": len(slope.against),
        "open": len(slope.open),
    }  # fmt: skip
    if slope.step is not None:
        numbers["step"] = slope.step
    return Finding(
        verdict=word, sentence=_sentence(case, paths[0], slope), group=group, numbers=numbers, reasons=tuple(reasons)
    )


def _bounded(case: Case) -> str:
    column = KIND.of(case.claim).of if case.model is None else MODEL.of(case.model).y
    kind = case.bound(column)
    return f"the values are {kind} bounds found by search, which cannot support a trend" if kind != "exact" else ""


def slope_of(path: Path, way: Way, level: float) -> Slope:
    """The verdict on a path that should go that way, the smallest one and two places dropped included."""
    whole = _slope(path, way, level)
    shorter = [_slope(path.after(drop), way, level) for drop in WINDOWS if len(path.at) - drop >= FEWEST]
    turned = {
        "supported": way.overall and any(way.sign * slope.value <= 0 for slope in shorter),
        "refuted": any(slope.word == "supported" for slope in shorter),
    }
    if not turned.get(whole.word, False):
        return whole
    reason = f"{FINITE}: without the smallest places it is {' and '.join(shown(slope.value) for slope in shorter)} a place"
    return replace(whole, word="undecided", reason=reason)


def _slope(path: Path, way: Way, level: float) -> Slope:
    k = len(path.at)
    ranks = np.arange(k, dtype=np.float64) - (k - 1) / 2
    weights = np.asarray(ranks / float(ranks @ ranks))
    value, half = path.contrast(weights, level)
    against, unsure = _steps(path, way, level)
    risen, room = way.sign * value, way.room(path.values)
    if way.overall:
        word = "refuted" if risen < -max(half, room) else "supported" if risen > max(half, room) else "undecided"
        return Slope(word=word, value=value, half=half, against=against, open=unsure)
    fallen = risen < -max(path.contrast(weights, 1 - (1 - level) / k)[1], room)
    flat = way.slack == 0 and risen <= room  # no step falls, and none rises either
    word = "refuted" if against or fallen else "undecided" if unsure or flat else "supported"
    reason, step = _unsure(path, way, level, unsure)
    return Slope(word=word, value=value, half=half, against=against, open=unsure, reason=reason, step=step)


def _steps(path: Path, way: Way, level: float) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The steps that go against the way, all of them and the contrast sharing the error, and those that could go either way."""
    k = len(path.at)
    against, unsure = [], []
    for i in range(k - 1):
        step, half = path.contrast(_unit(k, i + 1) - _unit(k, i), level)
        _, wide = path.contrast(_unit(k, i + 1) - _unit(k, i), 1 - (1 - level) / k)
        room = way.room(path.values[i : i + 2])
        if way.sign * step + wide < -room:
            against.append(i)
        elif way.sign * step - half < -room and not (path.replicas is None and abs(step) <= room):  # found positions may tie
            unsure.append(i)
    return tuple(against), tuple(unsure)


def _unsure(path: Path, way: Way, level: float, steps: tuple[int, ...]) -> tuple[str, dict[str, Any] | None]:
    """A sentence on the step that is least sure to go the way, and its interval; empty and None where all are."""
    if not steps:
        return "", None
    k = len(path.at)
    ends = {i: path.contrast(_unit(k, i + 1) - _unit(k, i), level) for i in steps}
    i = min(ends, key=lambda i: way.sign * ends[i][0] - ends[i][1])
    step, half = ends[i]
    room = way.room(path.values[i : i + 2])
    if way.sign * step + half < -room:  # against the way by itself, not among all steps
        half = path.contrast(_unit(k, i + 1) - _unit(k, i), 1 - (1 - level) / k)[1]
    where = f"from {shown(float(path.at[i]))} to {shown(float(path.at[i + 1]))}"
    reason = f"the step {where} is {shown(step)} {span(step - half, step + half)}, which leaves its way open"
    return reason, _against_zero(path, way, step, half, room)


def _against_zero(path: Path, way: Way, value: float, half: float, room: float = 0.0) -> dict[str, Any]:
    """An interval that must lie on the way's side of zero, as numbers; `room` is how far beyond it may lie."""
    return {
        "estimate": value,
        "low": value - half,
        "high": value + half,
        "expected_low": -room if way.sign > 0 else -float("inf"),
        "expected_high": float("inf") if way.sign > 0 else room,
        "units": path.units if path.replicas is not None else 0,
    }


def _unit(k: int, i: int) -> Array:
    return np.asarray(np.eye(k)[i])


def _measured(curve: Series) -> Path:
    """A column along x: noise from units, else the brackets of a search, else none."""
    k = len(curve.x)
    halves = np.zeros(k) if curve.halves is None else curve.halves / np.sqrt(3)
    resampled, factor = replicas(curve, "linear")
    return Path(
        at=curve.x, values=curve.y, errors=halves, freedom=np.full(k, 1e6),
        replicas=resampled, factor=factor, units=len(curve.units),
    )  # fmt: skip


def _parameters(case: Case, model: Claim, rows: pl.DataFrame) -> tuple[list[Path], list[str], dict[str, Any], list[str]]:
    """The parameter fitted at each place: paths (as measured, then as lost points could make it), what lacks, fits, reasons."""
    trend, model_fit = KIND.of(case.claim), MODEL.of(model)
    law, along = laws.law(model_fit.law), trend.along
    series: list[Measured] = []
    at, short, reasons = [], [], []
    for key, part in rows.drop_nulls([along]).sort(along).group_by([along], maintain_order=True):
        curve = case.series(part, model_fit.x, model_fit.y, law)
        short += [f"at {along} = {setting(key[0])} {lack}" for lack in lacking(case.claim, curve.series, (law,), least(law))]
        reasons += [f"at {along} = {setting(key[0])}: {item}" for item in said(curve)]
        series.append(curve)
        at.append(float(key[0]))
    if len(at) < FEWEST:
        short.append(f"it has {len(at)} {along} and needs {FEWEST}")
    if short:
        return [], short, {}, reasons
    readings = [[curve.series for curve in series]]
    if any(curve.lost for curve in series):
        ends = [curve.extremes() or [curve.series] for curve in series]
        readings += [[item[min(i, len(item) - 1)] for item in ends] for i in range(4)]
    fits = [[fit(law, item) for item in reading] for reading in readings]
    paths = [_path(np.array(at), item, trend.of) for item in fits]
    return paths, [], {"fits": [summary(item) for item in fits[0]]}, reasons


def _path(at: Array, fits: list[FittedLaw], name: str) -> Path:
    """A parameter along places: over shared units where all fits have them, else each with its own standard error."""
    values = np.array([fitted.estimate(name) for fitted in fits])
    halves = [fitted.half(fitted.law.parameter(name).index, 0.95) for fitted in fits]
    scale = np.abs(values) if fits[0].law.parameter(name).scale == "exp" else np.ones(len(fits))
    errors = scale * np.array([half / student(0.95, max(freedom, 1.0)) for half, freedom, _ in halves])
    freedom = np.array([max(freedom, 1.0) for _, freedom, _ in halves])
    units = fits[0].series.units
    noisy = all(fitted.replicas is not None and fitted.series.units == units for fitted in fits)
    if not noisy or not all("units" in method for *_, method in halves):
        return Path(at=at, values=values, errors=errors, freedom=freedom)
    moved = np.column_stack([_outer(fitted, name) for fitted in fits])
    return Path(at=at, values=values, errors=errors, freedom=freedom, replicas=moved, factor=fits[0].factor, units=len(units))


def _outer(fitted: FittedLaw, name: str) -> Array:
    parameter = fitted.law.parameter(name)
    assert fitted.replicas is not None
    return np.array([parameter.outer(float(value)) for value in fitted.replicas[:, parameter.index]])


def _sentence(case: Case, path: Path, slope: Slope) -> str:
    trend = KIND.of(case.claim)
    ends = f"from {shown(float(path.values[0]))} at {shown(float(path.at[0]))} to {shown(float(path.values[-1]))} at "
    ends += shown(float(path.at[-1]))
    low, high = slope.value - slope.half, slope.value + slope.half
    exact = "without noise" if slope.half == 0 else f"{span(low, high)} at {level_text(case.level)}"
    steps = f"{len(slope.against)} of {len(path.at) - 1} steps go against it"
    return (
        f"{trend.of} along {trend.along}, {len(path.at)} places, {ends}: {shown(slope.value)} a place ({exact}), expected "
        f"{trend.words}; {steps}{f', {len(slope.open)} could' if slope.open else ''}"
    )
