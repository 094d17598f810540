"""Turns the rows of a `holds` claim into a finding: whether a condition is true of every row, and which rows break it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from orchestrator.claims.case import Case
from orchestrator.claims.evidence import SETTLED, UNFOUND, settled
from orchestrator.claims.placing import NO_NUMBER
from orchestrator.claims.queries import over
from orchestrator.claims.verdict import Finding, jsonable
from orchestrator.errors import SpecError
from orchestrator.fitting.intervals import Array
from orchestrator.results import conditions, frames
from orchestrator.results.derived_columns import only, with_column
from orchestrator.results.described import aggregate
from orchestrator.spec.claim_kinds.holds import KIND
from orchestrator.wording import count, level_text, plural, shown, text

LISTED = 20
"""How many offending rows a finding lists; it counts them all."""
SHOWN = 3
TOGETHER = True
Truths = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, kw_only=True)
class RowTruths:
    """What a condition is in each row, `(n,)` truth values each: against it, unjudgeable for a null, no number, or not found.

    `lost` counts rows without a result.
    """

    broken: Truths
    hollow: Truths
    unnumbered: Truths
    unfound: Truths
    lost: int

    @property
    def judged(self) -> int:
        """How many rows the condition is true or false of."""
        return int((~(self.hollow | self.unnumbered | self.unfound)).sum())

    @property
    def open(self) -> bool:
        """Whether rows that cannot be judged could break it."""
        return bool(self.lost or self.unnumbered.any() or self.unfound.any())

    @property
    def word(self) -> str:
        """The verdict where no row is against it."""
        if not self.judged:
            return "undecided" if self.unnumbered.any() or self.unfound.any() else "unmet"
        return "undecided" if self.open else "supported"


def judge(case: Case) -> list[Finding]:
    """A finding for each group of the claim."""
    return [_group(case, group, rows) for group, rows in case.evidence.groups(case.claim.by)]


def intervals(case: Case) -> int:
    """One for each group where rows have noise, or may break the condition by chance."""
    return case.evidence.count(case.claim.by) * int(case.claim.se is not None or case.claim.chance is not None)


def _group(case: Case, group: dict[str, Any], rows: pl.DataFrame) -> Finding:
    claim = case.claim
    ok = only(rows, settled(rows))
    lost = len(rows) - len(ok)
    if not len(ok):
        sentence = "too little data: no row has a result"
        return Finding(verdict="unmet", sentence=sentence, group=group, reasons=(sentence,))
    if claim.se is not None:
        return _noisy(case, ok, lost, group)
    truths = conditions.truths(ok, case.evidence.condition, f"claims.{claim.id}.holds")
    outcome = _outcome(ok, KIND.of(claim), (~truths).fill_null(False).to_numpy(), truths.is_null().to_numpy(), lost)
    return (_exact if claim.chance is None else _by_chance)(case, ok, outcome, group)


def _outcome(rows: pl.DataFrame, condition: str, broken: Truths, null: Truths, lost: int) -> RowTruths:
    """Rows that have no truth value, by why they have none: what a search did not find, a null, or what is no number."""
    unfound = null & rows[UNFOUND].to_numpy() if UNFOUND in rows.columns else np.zeros(len(rows), dtype=bool)
    nulls, wild = np.zeros(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
    for name in spoken(condition) & set(rows.columns) if (null & ~unfound).any() else ():
        nulls |= rows[name].is_null().to_numpy()
        if rows[name].dtype.is_float():
            wild |= (~rows[name].is_finite()).fill_null(False).to_numpy()
    hollow = null & ~unfound & nulls & ~wild
    return RowTruths(broken=broken, hollow=hollow, unnumbered=null & ~unfound & ~hollow, unfound=unfound, lost=lost)


def _exact(case: Case, rows: pl.DataFrame, outcome: RowTruths, group: dict[str, Any]) -> Finding:
    claim, numbers = case.claim, _numbers(case, rows, outcome)
    if outcome.broken.any():
        sentence = _fails(case, outcome, numbers)
        reasons = (*_missing(rows, outcome), *_random(case, rows))
        return Finding(verdict="refuted", sentence=sentence, group=group, numbers=numbers, reasons=reasons)
    sentence = f"{KIND.of(claim)} is true of all {outcome.judged} rows with a result (relative tolerance {claim.tolerance:g})"
    reasons = (*_missing(rows, outcome), *_best(case, rows))
    return Finding(verdict=outcome.word, sentence=sentence, group=group, numbers=numbers, reasons=reasons)


def _best(case: Case, rows: pl.DataFrame) -> Iterator[str]:
    """A caveat for each column of the condition that is the best of several units: each row is but one of them."""
    unit = case.claim.unit or "seed"
    params = [name for name, described in case.fields.items() if described.role == "param" and name in rows.columns]
    for name in sorted(set(spoken(KIND.of(case.claim))) & {*case.fields} & {*rows.columns} - {*params}):
        if case.best_of(rows, name, "arm", *params):
            how = aggregate(case.fields, name)
            yield f"{name} is called the {how} over {unit}s, and each row has that of one {unit}, which is random"


def _by_chance(case: Case, rows: pl.DataFrame, outcome: RowTruths, group: dict[str, Any]) -> Finding:
    """The condition where theory lets a row break it with a probability: how many units have such a row, against what it lets.

    Rows of one unit may break it together: by the union bound one of them does with at most their number times that.
    """
    from scipy.special import bdtrc

    claim, unit = case.claim, case.claim.unit or "seed"
    assert claim.chance is not None
    counted = ~(outcome.hollow | outcome.unnumbered | outcome.unfound)
    table = rows.select(pl.col(unit), broken=pl.Series(outcome.broken)).filter(pl.Series(counted)).group_by(unit)
    each = table.agg(pl.len().alias("rows"), pl.col("broken").any())
    units, against = len(each), int(each["broken"].sum())
    most = min(1.0, claim.chance * max(each["rows"].to_list(), default=0))
    tail = float(bdtrc(against - 1, units, most)) if against else 1.0
    numbers = _numbers(case, rows, outcome) | {"units": units, "units_against": against, "probability": tail}
    if not against:
        chance = f"which chance may break ({claim.chance:g} a row)"
        sentence = f"{KIND.of(claim)} is true of all {outcome.judged} rows with a result, {chance}"
        return Finding(verdict=outcome.word, sentence=sentence, group=group, numbers=numbers, reasons=_missing(rows, outcome))
    word = "refuted" if tail <= 1 - case.level else "undecided"
    sentence = (
        f"{_fails(case, outcome, numbers)}; they lie in {against} of {units} {unit}s, and chance alone ({claim.chance:g} a "
        f"row) does as much with probability {shown(tail)}, judged at {level_text(case.level)}"
    )
    return Finding(verdict=word, sentence=sentence, group=group, numbers=numbers, reasons=_missing(rows, outcome))


def _numbers(case: Case, rows: pl.DataFrame, outcome: RowTruths) -> dict[str, Any]:
    unfound = {"unfound": int(outcome.unfound.sum())} if UNFOUND in rows.columns else {}
    return {
        "rows": outcome.judged,
        "broken": int(outcome.broken.sum()),
        "without_value": int(outcome.hollow.sum()),
        "lost": outcome.lost + int(outcome.unnumbered.sum()),
        **unfound,
        "offenders": offenders(case, rows, outcome.broken),
    }


def _fails(case: Case, outcome: RowTruths, numbers: dict[str, Any]) -> str:
    among = "; ".join(map(_row, numbers["offenders"][:SHOWN]))
    return f"{KIND.of(case.claim)} fails on {int(outcome.broken.sum())} of {outcome.judged} rows, among them {among}"


def _missing(rows: pl.DataFrame, outcome: RowTruths) -> tuple[str, ...]:
    wild = int(outcome.unnumbered.sum())
    texts = (
        f"{count(outcome.lost, 'point')} no result, and could break it" if outcome.lost else "",
        f"{count(wild, 'row')} {NO_NUMBER} to judge by, and could break it" if wild else "",
        f"{count(int(outcome.hollow.sum()), 'row')} no value to compare, left out" if outcome.hollow.any() else "",
        _unfound(rows, outcome.unfound) if outcome.unfound.any() else "",
    )
    return tuple(text for text in texts if text)


def _unfound(rows: pl.DataFrame, unfound: Truths) -> str:
    statuses = rows.filter(pl.Series(unfound))["status"].cast(pl.String).value_counts().sort("status")
    by_status = ", ".join(f"{n} {status}" for status, n in statuses.iter_rows())
    n = int(unfound.sum())
    return (
        f"the search found no position of {n} {plural('boundary', n)} ({by_status}), which could break it; a claim that "
        "nothing is found names the status"
    )


def _random(case: Case, rows: pl.DataFrame) -> tuple[str, ...]:
    """What is to be said of rows that break an exact condition where the seed changes what is compared."""
    results = [name for name in spoken(KIND.of(case.claim)) if name in rows.columns and rows[name].dtype.is_numeric()]
    params = [name for name, described in case.fields.items() if described.role == "param" and name in rows.columns]
    results = [name for name in results if name not in params and name != "seed"]
    if not results or rows["seed"].n_unique() < 2:
        return ()
    varying = rows.group_by(["arm", *params]).agg(pl.col(name).n_unique() for name in results).select(pl.col(results).max())
    if max(varying.row(0)) < 2:
        return ()
    return (
        f"the seed changes what is compared, so each of {len(rows)} rows is a chance to break it; where theory lets a row do "
        "so with a probability, 'chance' says it",
    )


def offenders(case: Case, rows: pl.DataFrame, broken: Any) -> list[dict[str, Any]]:
    """The first rows that break the condition: point, seed and the columns that it names."""
    if not broken.any():
        return []

    about = ("arm", "status") if SETTLED in rows.columns else ("point", "arm", "seed")
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
    claim, where = case.claim, f"claims.{case.claim.id}"
    assert claim.se is not None
    gap = over(claim)
    if not gap:
        raise SpecError(
            f"{where}.holds: with 'se' it must be one comparison by < <= > >=, but got '{KIND.of(claim)}'; split it."
        )
    rows = with_column(rows, claim.se.column, f"{where}.se")
    values = conditions.numbers(rows, gap, f"{where}.holds")
    gaps, errors = _floats(values), _floats(rows[claim.se.column])
    freedom = _freedom(case, rows)
    sound = np.isfinite(errors) & (errors >= 0) & (freedom > 0)
    judged = (np.isfinite(gaps) & sound) | (gaps == np.inf)
    outcome = _outcome(rows, KIND.of(claim), np.zeros(len(rows), dtype=bool), ~judged, lost)
    missing = values.is_null().to_numpy() & ~outcome.unfound
    outcome = replace(outcome, hollow=missing, unnumbered=~judged & ~missing & ~outcome.unfound)
    return _simultaneous(case, rows, Noise(gaps=gaps, errors=np.where(sound, errors, 0.0), freedom=freedom), outcome, group)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """By how much each row is over what is claimed, the standard error of that and its degrees of freedom, `(n,)` each."""

    gaps: Array
    errors: Array
    freedom: Array

    def margins(self, level: float) -> Array:
        """How far each row must be off so that it is judged rightly at that level."""
        from scipy.special import ndtri, stdtrit

        tail = (1 - level) / 2
        normal = np.isinf(self.freedom) | ~(self.freedom > 0)
        quantiles = np.full(len(self.errors), ndtri(tail))
        quantiles[~normal] = stdtrit(self.freedom[~normal], tail)  # a normal quantile costs nothing beside a Student's
        return np.asarray(-quantiles * self.errors)


def _floats(column: pl.Series) -> Array:
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _freedom(case: Case, rows: pl.DataFrame) -> Array:
    """The degrees of freedom of each row's standard error: as the claim says, or its workload; infinite where none does."""
    assert case.claim.se is not None
    column = case.claim.se.column
    freedom = case.claim.se.df or (case.fields[column].df if column in case.fields else "") or float("inf")
    try:
        return np.full(len(rows), float(freedom))
    except ValueError:
        return _floats(with_column(rows, str(freedom), f"claims.{case.claim.id}.se.df")[str(freedom)])


def _simultaneous(case: Case, rows: pl.DataFrame, noise: Noise, outcome: RowTruths, group: dict[str, Any]) -> Finding:
    claim, judged = case.claim, ~(outcome.hollow | outcome.unnumbered | outcome.unfound)
    margin, rounding = noise.margins(case.each(int(judged.sum()))), _rounding(case, rows)
    exact = noise.errors == 0
    outcome = replace(outcome, broken=judged & (noise.gaps > np.maximum(margin, rounding)))
    sure = judged & ~outcome.broken & (noise.gaps <= np.where(exact, rounding, -margin))
    off = np.where(judged, noise.gaps / np.maximum(noise.errors, 1e-300), -np.inf)
    worst = float(off.max(initial=-np.inf))
    numbers = _numbers(case, rows, outcome) | {"sure": int(sure.sum()), "worst_in_se": worst}
    if not judged.any() and not outcome.broken.any():
        sentence = f"{KIND.of(claim)} has no row that could be judged"
        return Finding(verdict=outcome.word, sentence=sentence, group=group, numbers=numbers, reasons=_missing(rows, outcome))
    sentence = (
        f"{KIND.of(claim)} past the noise ({claim.se}) in {int(sure.sum())} of {outcome.judged} rows, against it in "
        f"{int(outcome.broken.sum())}, {'simultaneously' if case.together else 'each'} at {level_text(case.level)} "
        f"{_quantile(noise.freedom[judged])}; "
        f"the worst is {shown(worst)} standard errors over"
    )
    word = (
        "refuted" if outcome.broken.any() else "supported" if sure.sum() == outcome.judged and not outcome.open else "undecided"
    )
    return Finding(verdict=word, sentence=sentence, group=group, numbers=numbers, reasons=_missing(rows, outcome))


def _rounding(case: Case, rows: pl.DataFrame) -> Array:
    """How far rounding can put the sides of each row's comparison apart."""
    left, _, right = conditions.sides(KIND.of(case.claim)) or ("0", "<", "0")
    largest = conditions.numbers(rows, f"greatest(abs({left}), abs({right}))", f"claims.{case.claim.id}.holds")
    return case.claim.tolerance * np.nan_to_num(_floats(largest), nan=0.0, posinf=0.0)


def _quantile(freedom: Array) -> str:
    """By which quantile rows were judged."""
    finite = freedom[np.isfinite(freedom)]
    if not len(finite):
        return "by the normal quantile, as nothing says how well 'se' is known ('df')"
    low, high = float(finite.min()), float(finite.max())
    return f"by Student's t with {shown(low)}{f' to {shown(high)}' if high > low else ''} degrees of freedom"
