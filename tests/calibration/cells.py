"""Measures how often the public judge is wrong on rows planted from a known truth: settings, cells, rates and their bounds.

A cell is one setting at one number of seeds. At the edge (the truth lies exactly on the end of what is expected) a support is
wrong by a hair and so is a refutation; elsewhere the claim is plainly true or plainly false, and one word is wrong.
"""

from __future__ import annotations

import functools
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import polars as pl
from scipy import stats

from orchestrator.claims import Verdict, judging
from orchestrator.claims.sources import boundary
from orchestrator.results.described import Described
from tests.helpers.judging import FIELDS, spec_of

Draw = Callable[[np.random.Generator, int], pl.DataFrame]
LEVEL = 0.001
"""Chance that simulation alone shows a rate beyond its bound, for one rate that is just as promised."""
ERROR, COVER = 0.05, 0.93
SHORT, LONG = 20, 60


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Rows drawn around a known truth, and a claim on them.

    `at` says where the truth lies: on the edge of what is expected, inside it (`true`) or outside (`false`). `number` is what
    the verdict's numbers call the quantity, `truth` what it is. `answer` is the only word that may come, where rows of this
    kind cannot keep the promise. `open` draws rows that a support (`inside`) or a refutation (`outside`) should come of.
    """

    kind: str
    name: str
    claim: Mapping[str, Any]
    draw: Draw
    at: Literal["edge", "true", "false"] = "edge"
    number: str = ""
    truth: float = 0.0
    seeds: tuple[int, ...] = (2, 4, 8, 32)
    answer: str = ""
    inside: Mapping[str, Any] | None = None
    outside: Mapping[str, Any] | None = None
    fields: Mapping[str, Described] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)
    costs: int = 1
    """One draw in so many is judged, where judging is slow."""

    def draws(self, most: int) -> int:
        """How many sweeps are judged where others have so many."""
        return max(most // self.costs, 5)


@dataclass(frozen=True, kw_only=True)
class Rates:
    """How often, of `draws` sweeps, a verdict was wrong, and an interval held the truth."""

    draws: int
    words: Counter[str]
    false_supports: int = 0
    false_refutations: int = 0
    covered: int | None = None
    intervals: int = 0


def judge(setting: Setting, claim: Mapping[str, Any], rows: list[pl.DataFrame], seeds: int) -> list[Verdict]:
    """The verdicts of one claim on each of those tables, by the public judge."""
    few = {"require": {"seeds": seeds}} if seeds < 4 and claim.get("from") != "boundary" else {}
    spec = spec_of({"id": "c", **claim, **few}, **setting.more)
    fields = {**FIELDS, **setting.fields}
    if claim.get("from") == "boundary":
        return [judging.judge_all(spec, {"boundary": boundary(spec, table, fields)})[0] for table in rows]
    return [judging.judge_rows(spec, table, fields)[0] for table in rows]


def tables(setting: Setting, seeds: int, draws: int) -> list[pl.DataFrame]:
    """The drawn tables, the same in every run."""
    key = zlib.crc32(setting.name.encode())
    return [setting.draw(np.random.default_rng([i, seeds, key]), seeds) for i in range(draws)]


def rates(setting: Setting, seeds: int, draws: int = SHORT) -> Rates:
    """What came of the claim in so many sweeps."""
    answers = judge(setting, setting.claim, tables(setting, seeds, draws), seeds)
    words = Counter(each.verdict for each in answers)
    ends = [end for each in answers if (end := _interval(each, setting.number)) is not None] if setting.number else []
    return Rates(
        draws=draws,
        words=words,
        false_supports=words["supported"] if setting.at != "true" else 0,
        false_refutations=words["refuted"] if setting.at != "false" else 0,
        covered=sum(low <= setting.truth <= high for low, high in ends) if setting.number else None,
        intervals=len(ends),
    )


def _interval(verdict: Verdict, name: str) -> tuple[float, float] | None:
    """The printed interval of a number, open ends infinite; None where the verdict has none."""
    number = verdict.numbers.get(name)
    if not isinstance(number, Mapping):
        return None
    ends = (number["low"], number["high"])
    low, high = (end if end is not None else sign * np.inf for end, sign in zip(ends, (-1, 1), strict=True))
    return low - 1e-9 * abs(low) if np.isfinite(low) else low, high + 1e-9 * abs(high) if np.isfinite(high) else high


def power(setting: Setting, seeds: int, draws: int = SHORT) -> tuple[int, int]:
    """How many sweeps support what is true by a margin, and refute what is false by one."""
    rows = tables(setting, seeds, draws)
    counts = []
    for expect, word in ((setting.inside, "supported"), (setting.outside, "refuted")):
        claim = {**setting.claim, "expect": expect}
        counts.append(sum(each.verdict == word for each in judge(setting, claim, rows, seeds)))
    return counts[0], counts[1]


@functools.cache
def most(draws: int, share: float = ERROR) -> int:
    """As many wrong ones as a share comes to by chance: more have a probability below LEVEL (exact binomial)."""
    return int(stats.binom.isf(LEVEL, draws, share))


@functools.cache
def least(draws: int, share: float = COVER) -> int:
    """As few right ones as a share comes to by chance: fewer have a probability below LEVEL (exact binomial)."""
    return draws - most(draws, 1 - share)


def faults(setting: Setting, measured: Rates) -> list[str]:
    """In what a cell misses what is promised; nothing where it keeps it, within simulation error."""
    misses = []
    if setting.answer and set(measured.words) != {setting.answer}:
        misses.append(f"only {setting.answer} may come, but {dict(measured.words)} came")
    for word, count in (("support", measured.false_supports), ("refutation", measured.false_refutations)):
        if count > most(measured.draws):
            misses.append(f"false {word} {100 * count / measured.draws:.1f} %")
    if measured.covered is not None and measured.intervals and measured.covered < least(measured.intervals):
        misses.append(f"covers {100 * measured.covered / measured.intervals:.1f} %")
    return misses
