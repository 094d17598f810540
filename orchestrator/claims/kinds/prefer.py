"""Turns the rows of a `prefer` claim into findings: which of two laws describes them by AICc and predicts their largest x.

AICc takes the combined values as the sample and the scatter about each law as its error, whether seeds differ or not. So rows
without noise (known codes, staircases of integers) are judged by how far each law misses them, which no number of equal seeds
sharpens, and noise blurs a preference instead of making it: that scatter hides the misfit of the wrong law. The better of laws
that all miss by more than the noise is no preference: then the answer is neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from orchestrator.claims.case import FINITE, Case, said
from orchestrator.claims.judged_law import drawable, summary
from orchestrator.claims.placing import WINDOWS, settle
from orchestrator.claims.series_of_rows import lacking
from orchestrator.claims.verdict import Finding
from orchestrator.fitting import laws
from orchestrator.fitting.fits import EXACT, PRIOR, FittedLaw, advantage, held_out, replicas, rivals
from orchestrator.fitting.laws import Law
from orchestrator.fitting.series import Series
from orchestrator.spec.claim_kinds.prefer import KIND
from orchestrator.wording import shown

NEITHER = "neither"
"""Beside the names of laws: that none of them is what the rows follow."""
UNSURE = 0.2
"""Odds of neither from which on no law is preferred: a true one has them in one sample of twenty at four seeds."""


@dataclass(frozen=True, kw_only=True)
class Contest:
    """A law against one rival: points of AICc that it is ahead, and how far each is from the largest x that it did not see."""

    rival: str
    points: float
    missed: float
    rival_missed: float

    def word(self, threshold: float) -> str:
        """The verdict: both tests for the law, both for the rival, or neither."""
        nearer = self.rival_missed - self.missed
        if abs(nearer) <= EXACT:
            nearer = 0.0
        if self.points >= threshold and nearer > 0:
            return "supported"
        return "refuted" if self.points <= -threshold and nearer < 0 else "undecided"


def least(contestants: tuple[Law, ...]) -> int:
    """The fewest x: with two dropped, every law must miss something; laws of unlike size need AICc's correction too."""
    sizes = [law.size for law in contestants]
    return max(sizes) + (3 if len(set(sizes)) == 1 else 5)


def contests(curve: Series, law: Law, over: tuple[Law, ...]) -> list[Contest]:
    """The law against each rival, all fitted in one space with one set of weights."""
    first, *rival_fits = rivals((law, *over), curve)
    missed = held_out(law, curve, first.space, first.weights)
    return [
        Contest(
            rival=other.law.name,
            points=advantage(first, other),
            missed=missed,
            rival_missed=held_out(other.law, curve, first.space, first.weights),
        )
        for other in rival_fits
    ]


def decide(curve: Series, law: Law, over: tuple[Law, ...], threshold: float) -> tuple[str, list[list[Contest]], str]:
    """The verdict on a series, every contest (with all x, without the smallest one, two), and what unsettled it.

    The threshold is the same in every window, so a preference that rests on the smallest x alone falls.
    """
    windows = [contests(curve.window(drop), law, over) for drop in (0, *WINDOWS)]
    words = [_word(part, threshold) for part in windows]
    if words[0] in ("supported", "refuted") and set(words) != {words[0]}:
        return "undecided", windows, f"{FINITE}: without the smallest one and two x it is {words[1]} and {words[2]}"
    return words[0], windows, ""


def _word(window: list[Contest], threshold: float) -> str:
    words = [contest.word(threshold) for contest in window]
    return "refuted" if "refuted" in words else "supported" if set(words) == {"supported"} else "undecided"


def miss(fitted: FittedLaw) -> float:
    """How far a law is from the values that it was fitted to: root mean square in the space of the fit."""
    return float(np.sqrt(np.mean(fitted.residuals**2)))


def neither(fitted: Sequence[FittedLaw], even: Mapping[str, float], allowed: float) -> str:
    """A sentence where it may be none of the laws, which all miss by more than is allowed; empty where one is sure."""
    if even.get(NEITHER, 0.0) < UNSURE or min(map(miss, fitted)) <= allowed:
        return ""
    misses = " and ".join(f"{f.law.name} by {_miss(miss(f), f.space)} (F test: p = {shown(f.lack or 0.0)})" for f in fitted)
    return f"neither: the better of {len(fitted)} laws that all miss by more than the noise, {misses}"


def odds(fitted: Sequence[FittedLaw]) -> dict[str, float]:
    """The odds of each law by BIC, with noise against neither too: a value of its own at each x."""
    curve = fitted[0].series
    k, n = len(curve.x), len(curve.units)
    resampled, factor = replicas(curve, fitted[0].space)
    if resampled is None:
        sizes = {f.law.name: k * float(np.log(f.squares / k)) + f.law.size * float(np.log(k)) for f in fitted}
    else:
        own = factor**2 * np.var(resampled, axis=0, ddof=1)
        variances = (PRIOR * float(np.mean(own)) + (n - 1) * own) / (PRIOR + n - 1)
        values, freedom = k * n, k * (n - 1)
        excess = {f.law.name: (float(np.sum(f.residuals**2 / variances)), f.law.size) for f in fitted} | {NEITHER: (0.0, k)}
        sizes = {name: values * float(np.log1p(e / freedom)) + p * float(np.log(values)) for name, (e, p) in excess.items()}
    least = min(sizes.values())
    weights = {name: float(np.exp(-(size - least) / 2)) for name, size in sizes.items()}
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}


def judge(case: Case) -> list[Finding]:
    """A finding for each group of the claim."""
    return [_group(case, group, rows) for group, rows in case.evidence.groups(case.claim.by)]


def intervals(case: Case) -> int:
    """None: information criteria decide."""
    return 0


def _group(case: Case, group: dict[str, Any], rows: pl.DataFrame) -> Finding:
    model = KIND.of(case.claim)
    law, over = laws.law(model.law), tuple(laws.law(name) for name in model.over)
    curve = case.series(rows, model.x, model.y)
    short = lacking(case.claim, curve.series, (law, *over), least((law, *over)))
    if short:
        return Finding(
            verdict="unmet", sentence=f"too little data: {'; '.join(short)}", group=group, reasons=(*short, *said(curve))
        )
    word, windows, reason = decide(curve.series, law, over, model.aicc)
    words_at_extremes = [decide(e, law, over, model.aicc)[0] for e in curve.extremes()]
    word, reason = settle(word, reason, words_at_extremes, guarded(law, over, case.bound(model.y)))
    fitted = rivals((law, *over), curve.series)
    even = odds(fitted)
    missed = neither(fitted, even, model.misfit or 0.0)
    word = "undecided" if word == "supported" and missed else word
    numbers = {
        "aicc_threshold": model.aicc,
        "fits": [drawable(fitted[0], case, rows), *(summary(rival) for rival in fitted[1:])],
        "contests": [_reported(part) for part in windows],
        "odds": even,
        "x_decades": curve.series.decades,
    }
    sentence = f"{model.y} over {model.x}, {law.name} against {', '.join(model.over)}{_range(curve.series, model.x)}: "
    sentence += _sentence(windows, law, fitted[0].space, curve.series)
    sentence += f"; odds by BIC: {', '.join(f'{name} {value:.2g}' for name, value in even.items())}"
    reasons = tuple(text for text in (*said(curve), reason, missed) if text)
    return Finding(verdict=word, sentence=sentence, group=group, numbers=numbers, reasons=reasons)


def _range(curve: Series, x: str) -> str:
    """How much of x there is, as a sentence says it; nothing where x has no decades."""
    if curve.decades <= 0:
        return ""
    short = ", less than one, where laws hardly part" if curve.decades < 1 else ""
    return f" over {curve.decades:.2f} decades of {x}{short}"


def guarded(law: Law, over: tuple[Law, ...], kind: str) -> str:
    """Why a column that is only a bound cannot support the preference; empty where it can."""
    slower = any(law.growth < rival.growth for rival in over)
    faster = any(law.growth > rival.growth for rival in over)
    if kind == "lower" and slower:
        return f"the values are lower bounds found by search: what they miss may grow faster than {law.name}"
    if kind == "upper" and faster:
        return f"the values are upper bounds: the truth below them may grow slower than {law.name}"
    return ""


def _reported(window: list[Contest]) -> list[dict[str, Any]]:
    return [{"rival": c.rival, "aicc": c.points, "missed": c.missed, "rival_missed": c.rival_missed} for c in window]


def _sentence(windows: list[list[Contest]], law: Law, space: str, curve: Series) -> str:
    parts = []
    for index, contest in enumerate(windows[0]):
        dropped = " and ".join(f"{part[index].points:+.1f}" for part in windows[1:])
        parts.append(
            f"ΔAICc {contest.points:+.1f} for {law.name} over {contest.rival} ({dropped} without the smallest one and two x); "
            f"from the smaller x, {law.name} misses the largest ({shown(float(curve.x[-1]))}) "
            f"by {_miss(contest.missed, space)} "
            f"and {contest.rival} by {_miss(contest.rival_missed, space)}"
        )
    return "; ".join(parts)


def _miss(distance: float, space: str) -> str:
    """A held-out error as a sentence prints it: a factor where the fit was in logarithms."""
    return f"a factor of {shown(float(np.exp(min(distance, 700.0))))}" if space == "log" else shown(distance)
