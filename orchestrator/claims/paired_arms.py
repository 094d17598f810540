"""Turns the rows of two arms that are compared pair by pair into findings: the mean difference, and what a third arm changes.

Rows of both arms with the same values of the `pair` columns belong together. The repeats that intervals rest on are the values
of the claim's unit (the seed unless told): cells that share a seed are averaged first, so their noise is not counted twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from orchestrator.claims import matched_sides
from orchestrator.claims.case import Case, Region
from orchestrator.claims.evidence import settled
from orchestrator.claims.placing import Placed, no_number, reported, settle, trusted
from orchestrator.claims.series_of_rows import SEEDS, Ends, reach
from orchestrator.claims.verdict import Finding
from orchestrator.fitting import ties
from orchestrator.fitting.aggregates import combine, expression, named
from orchestrator.fitting.fits import DRAWS, EXACT
from orchestrator.fitting.intervals import Array, Interval, deviation, student, without_each
from orchestrator.fitting.skewness import skew
from orchestrator.results.derived_columns import with_column
from orchestrator.results.described import aggregate, possible
from orchestrator.spec.claim_kinds.compare import Compare
from orchestrator.wording import count, level_text, shown, span

REPEATS = 30
"""Pairs from which on whole differences that all agree count as free of noise."""
NUMBER = "gave a number"
"""Column of a pair's rows: whether each has one. No workload has such a name."""


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Values `(cells, units)` of one arm, NaN where a pair has none; the cells and units are those of all arms.

    `missed` `(cells, units)` are those of which a row gave no number, which lies in `possible`; others were not planned.
    """

    values: Array
    missed: np.ndarray[Any, np.dtype[np.bool_]]
    possible: Ends

    @property
    def lost(self) -> int:
        """How many pairs gave no number."""
        return int(self.missed.sum())

    @property
    def absent(self) -> int:
        """How many pairs have no row in this arm."""
        return int((np.isnan(self.values) & ~self.missed).sum())

    def filled(self, high: bool) -> Array:
        """The values with what is lost at an end of what it can be, far away where its workload does not say."""
        return np.where(self.missed, reach(self.possible, self.values)[high], self.values)


def judge(case: Case, model: Compare) -> list[Finding]:
    """A finding for each group of the claim."""
    return [_group(case, model, group, rows) for group, rows in case.evidence.groups(case.claim.by)]


def _group(case: Case, model: Compare, group: dict[str, Any], rows: pl.DataFrame) -> Finding:
    arms = [model.left, model.right, *([model.interaction] if model.interaction else [])]
    label = rows["arm"].cast(pl.String)
    sides = {arm: rows.filter(label == arm) for arm in arms}
    unit, keys = _keys(case, model)
    short = [f"{arm} has no result" for arm, part in sides.items() if not settled(part).any()]
    if short:
        return _unmet(short, group)
    cells, units = _cells(case, model.of, sides, unit, keys)
    all_arms = pl.concat(sides.values())
    short = [*case.unrepeated(all_arms, model.of, unit=unit), *_few(case, cells, units)]
    short += matched_sides.unequal(case.claim, [*keys, unit], sides, case.fields)
    if short:
        return _unmet(short, group)
    how, steady = aggregate(case.fields, model.of), case.steady(all_arms, model.of)
    signs = {"difference": (arms[0], arms[1])} | ({"interaction": (arms[0], arms[2])} if model.interaction else {})
    words, sentences, numbers, reasons = [], [], {}, _missing(sides, cells)
    for name, (left, right) in signs.items():
        region = _region(case, name, rows)
        placed = _placed(cells[left].values, cells[right].values, how, region, case.level, steady)
        at_extremes = [_placed(a, b, how, region, case.level, steady).word for a, b in _extremes(cells[left], cells[right])]
        word, reason = settle(placed.word, placed.reason, at_extremes, _guard(case, model.of))
        if best := case.best_of(all_arms, model.of, "arm", *(key for key in keys if key in all_arms.columns)):
            word, reason = "undecided", best
        words.append(word)
        reasons += [reason] if reason else []
        numbers[name] = reported(placed, region)
        sentences.append(_sentence(model, name, placed, region, case.level))
    sentence = f"{model.of} in {_pairs(cells[arms[0]], keys)}, {'; '.join(sentences)}"
    return Finding(verdict=_all(words), sentence=sentence, group=group, numbers=numbers, reasons=tuple(reasons))


def _unmet(short: Sequence[str], group: dict[str, Any]) -> Finding:
    return Finding(verdict="unmet", sentence=f"too little data: {'; '.join(short)}", group=group, reasons=tuple(short))


def _all(words: list[str]) -> str:
    """Refuted where one is, supported where all are."""
    return "refuted" if "refuted" in words else "supported" if set(words) == {"supported"} else "undecided"


def _keys(case: Case, model: Compare) -> tuple[str, list[str]]:
    """The unit, and the other columns that make a pair; the first of them is the unit where no seed or unit is named."""
    pair = list(model.pair) or [case.claim.unit or "seed"]
    unit = case.claim.unit or ("seed" if "seed" in pair else pair[0])
    return unit, [name for name in pair if name != unit]


def _cells(
    case: Case, y: str, sides: dict[str, pl.DataFrame], unit: str, keys: list[str]
) -> tuple[dict[str, Cells], list[Any]]:
    """The arms' values on the same cells and units: every pair that some arm has."""
    where = f"claims.{case.claim.id}.compare.pair"
    columns_by_arm = {arm: _with_columns(rows, [*keys, unit], where) for arm, rows in sides.items()}
    joined = pl.concat([part.select(*keys, unit) for part in columns_by_arm.values()])
    units = joined[unit].drop_nulls().unique().sort()
    cells = joined.select(keys).unique().sort(keys) if keys else pl.DataFrame({"cell": [0]})
    by_arm = {}
    for arm, part in columns_by_arm.items():
        number = settled(part) & part[y].is_not_null() & part[y].cast(pl.Float64).is_finite().fill_null(False)
        value = pl.when(pl.col(NUMBER)).then(pl.col(y).cast(pl.Float64))
        combine_each = [expression(value, aggregate(case.fields, y)).alias(y), (~pl.col(NUMBER)).any().alias("missed")]
        grid = cells.join(pl.DataFrame({unit: units}), how="cross") if keys else pl.DataFrame({unit: units})
        combined = part.with_columns(number.alias(NUMBER)).group_by(*keys, unit).agg(combine_each)
        each = grid.join(combined, on=[*keys, unit], how="left", maintain_order="left", nulls_equal=True)
        shape = (len(cells), len(units))
        by_arm[arm] = Cells(
            values=each[y].fill_null(float("nan")).to_numpy().reshape(shape),
            missed=each["missed"].fill_null(False).to_numpy().reshape(shape),
            possible=possible(case.fields, y),
        )
    return by_arm, units.to_list()


def _with_columns(rows: pl.DataFrame, columns: list[str], where: str) -> pl.DataFrame:
    for column in columns:
        rows = with_column(rows, column, where)
    return rows


def _few(case: Case, cells: dict[str, Cells], units: list[Any]) -> list[str]:
    """Too few units for an interval."""
    noisy = any(_spread(c.values) for c in cells.values())
    needs = case.claim.require.seeds or (SEEDS if noisy else 1)
    needs = max(2, needs) if noisy else needs
    return [f"it has {len(units)} {case.claim.unit or 'seed'}s and needs {needs}"] if len(units) < needs else []


def _spread(values: Array) -> bool:
    """Whether units differ by more than rounding anywhere."""
    filled = values[~np.isnan(values).all(axis=1)]
    if not len(filled):
        return False
    return bool(((np.nanmax(filled, axis=1) - np.nanmin(filled, axis=1)) > 1e-12 * np.nanmax(np.abs(filled))).any())


def _region(case: Case, name: str, rows: pl.DataFrame) -> Region:
    """The region of a difference; none below zero is expected where the claim gives no region."""
    expected = (case.claim.expect or {}).get(name)
    return Region(low=0.0) if expected is None else case.region(expected, rows)


def _extremes(left: Cells, right: Cells) -> list[tuple[Array, Array]]:
    if not left.lost and not right.lost:
        return []
    return [(left.filled(high), right.filled(not high)) for high in (False, True)]


def _placed(left: Array, right: Array, how: str, region: Region, level: float, steady: bool) -> Placed:
    measured_interval = difference(left, right, how, level, steady)
    word = region.place(measured_interval.low, measured_interval.high)
    if not math.isfinite(measured_interval.estimate):
        return no_number(measured_interval, word)
    word, reason = trusted(word, measured_interval, region)
    return Placed(word=word, interval=measured_interval, windows=(), reason=reason)


def difference(left: Array, right: Array, how: str, level: float, steady: bool = False) -> Interval:
    """The mean over cells of left less right, units combined in each cell, with t over units, or the range over cells.

    Differences that agree have the interval of what they leave open, unless the seed changes nothing (`steady`).
    """
    complete = ~np.isnan(left) & ~np.isnan(right)
    a, b = np.where(complete, left, np.nan), np.where(complete, right, np.nan)
    filled = complete.any(axis=1)
    a, b, present = a[filled], b[filled], complete[filled].any(axis=0)
    a, b = a[:, present], b[:, present]
    if not a.size:
        return Interval(estimate=np.nan, low=-np.inf, high=np.inf, units=0, method="no pair")
    each = combine(a, how) - combine(b, how)
    value, n = float(np.mean(each)), a.shape[1]
    spread = _spread(a - b)
    if not steady and n > 1 and named(how).power == 1 and (spread or a.size < REPEATS):
        tied = ties.interval(np.nanmean(a - b, axis=0), "mean", level)
        if "binomial" in tied.method:
            return Interval(estimate=value, low=tied.low, high=tied.high, units=n, method=tied.method)
    if n < 2 or not spread:
        blur = np.where(each == 0, 0.0, EXACT * np.maximum(np.abs(combine(a, how)), np.abs(combine(b, how))))
        low, high = float((each - blur).min()), float((each + blur).max())
        return Interval(estimate=value, low=low, high=high, units=n, method="range over pairs")
    if how == "median":  # leaving one out misjudges a median
        picks = np.random.default_rng(0).integers(0, n, (DRAWS, n))
        moved = np.mean(np.nanmedian(a[:, picks], axis=2) - np.nanmedian(b[:, picks], axis=2), axis=0)
        factor = np.sqrt(n / (n - 1))
    else:
        moved, factor = np.mean(without_each(a, how) - without_each(b, how), axis=1), (n - 1) / np.sqrt(n)
    half = student(level, n - 1) * float(factor) * deviation(moved)
    doubt = skew(np.nanmean(a - b, axis=0), level) if how == "mean" else None
    method = f"paired t over {n} units, {n - 1} df"
    return Interval(estimate=value, low=value - half, high=value + half, units=n, method=method, skew=doubt)


def _guard(case: Case, y: str) -> str:
    bounded = case.bound(y)
    return f"the values are {bounded} bounds found by search, which cannot support a difference" if bounded != "exact" else ""


def _missing(sides: dict[str, pl.DataFrame], cells: dict[str, Cells]) -> list[str]:
    """How many pairs gave no number, and how many were not planned in both arms and are left out."""
    lost = [f"{arm}: {count(cells[arm].lost, 'pair')} no result" for arm in sides if cells[arm].lost]
    alone = [f"{arm}: {count(n, 'pair')} no row and no part in it" for arm in sides if (n := cells[arm].absent)]
    return [*lost, *alone]


def _pairs(cells: Cells, keys: list[str]) -> str:
    n, m = cells.values.shape
    return f"{n * m} pairs ({m} units, {n} of {' and '.join(keys)})" if keys else f"{m} pairs"


def _sentence(model: Compare, name: str, placed: Placed, region: Region, level: float) -> str:
    interval = placed.interval
    what = f"{model.left} - {model.right}"
    if name == "interaction":
        what = f"({what}) - ({model.interaction} - {model.right})"
    ends = f"{span(interval.low, interval.high)} at {level_text(level)} ({interval.method})"
    return f"{what}: {shown(interval.estimate)} {ends}, expected {region}"
