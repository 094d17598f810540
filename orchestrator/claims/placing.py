"""Places a fitted parameter against the region that a claim expects, with what could still turn it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from orchestrator.claims.case import FINITE, Region
from orchestrator.fitting.fits import fit
from orchestrator.fitting.intervals import Interval
from orchestrator.fitting.laws import Law
from orchestrator.fitting.series import Series
from orchestrator.fitting.skewness import STRETCH
from orchestrator.fitting.staircases import stepped, unrounded
from orchestrator.wording import shown

STAIRCASE = "staircase"
NO_NUMBER = "no number"
LOST = "the points without a result could turn it"
FLOOR = "less its floor it has another verdict"
WINDOWS = (1, 2)
"""How many of the smallest x are dropped to see whether a law holds beyond them."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A parameter against its region: the verdict, the interval, the estimates without the smallest x, and why."""

    word: str
    interval: Interval
    windows: tuple[float, ...]
    reason: str = ""


def least(law: Law) -> int:
    """The fewest x for a fit: two can be dropped and the law still goes through what is left."""
    return law.size + 2


def place(curve: Series, law: Law, name: str, region: Region, level: float) -> Placed:
    """A parameter of the law against its region, dropping the smallest one and two x included.

    Without noise the interval covers the estimates with the smallest x dropped, and the scatter about the law; for a staircase
    it covers every law that rounds to the same steps.
    """
    full = fit(law, curve)
    interval = full.interval(name, level)
    windows = tuple(fit(law, curve.window(drop), full.space).estimate(name) for drop in WINDOWS)
    placed = weighed(name, interval, windows, region, curve.noisy)
    if not stepped(full):
        return placed
    values = unrounded(full, name)
    return stuck(placed, curve) if values is None else rounded(placed, values, region)


def stuck(placed: Placed, curve: Series) -> Placed:
    """The verdict on a staircase with too few steps to tell how its corners lie."""
    steps = len(np.unique(curve.near.steps))
    return Placed(
        word="undecided",
        interval=placed.interval,
        windows=placed.windows,
        reason=f"{STAIRCASE}: {len(curve.near.x)} x share {steps} values, too few to tell a law from rounding",
    )


def rounded(placed: Placed, values: tuple[float, ...], region: Region) -> Placed:
    """The verdict on a staircase: undecided where a smooth law that was rounded to it could have another."""
    whole = widened(placed.interval, values, "what rounding to steps does")
    if placed.word == "undecided" or region.place(whole.low, whole.high) == placed.word:
        return replace(placed, interval=whole)
    reason = f"{STAIRCASE}: before it was rounded to steps it could be {shown(min(values))} to {shown(max(values))}"
    return Placed(word="undecided", interval=whole, windows=placed.windows, reason=reason)


def weighed(name: str, interval: Interval, windows: tuple[float, ...], region: Region, noisy: bool) -> Placed:
    """The verdict on an interval: undecided where the estimates without the smallest x fall on the region's other side."""
    word = region.place(interval.low, interval.high)
    if not all(map(math.isfinite, (interval.estimate, *windows))):
        return no_number(interval, word, windows)
    whole = interval if noisy else widened(interval, windows, "what dropping x does")
    if word == "undecided":
        return Placed(word=word, interval=whole, windows=windows)
    moved = any(region.holds(value) != (word == "supported") for value in windows)
    if moved or region.place(whole.low, whole.high) != word:
        reason = f"{FINITE}: without the smallest one and two x, {name} is {' and '.join(map(shown, windows))}"
        return Placed(word="undecided", interval=whole, windows=windows, reason=reason)
    return Placed(word=word, interval=whole, windows=windows)


def trusted(word: str, interval: Interval, region: Region) -> tuple[str, str]:
    """A verdict by an interval of which skew makes one end too short: undecided, with the reason, without a longer one."""
    if interval.skew is None or word not in ("supported", "refuted"):
        return word, ""
    skew, middle = interval.skew, interval.estimate
    low = middle - (middle - interval.low) * (STRETCH if skew.side < 0 else 1.0)
    high = middle + (interval.high - middle) * (STRETCH if skew.side > 0 else 1.0)
    return (word, "") if region.place(low, high) == word else ("undecided", str(skew))


def no_number(interval: Interval, word: str, windows: tuple[float, ...] = ()) -> Placed:
    """The verdict where an estimate is not finite: an infinite one breaks a bound, and nothing else is decided by it."""
    broken = word == "refuted" and not math.isnan(interval.estimate)
    text = f"{NO_NUMBER}: the estimate is {' and '.join(map(shown, (interval.estimate, *windows)))}"
    return Placed(word="refuted" if broken else "undecided", interval=interval, windows=windows, reason=text)


def widened(interval: Interval, values: tuple[float, ...], by: str) -> Interval:
    """The interval stretched to hold those values too."""
    return Interval(
        estimate=interval.estimate,
        low=min(interval.low, *values),
        high=max(interval.high, *values),
        units=interval.units,
        method=f"{interval.method}, and {by}",
    )


def settle(word: str, reason: str, extremes: list[str], guard: str = "", why: str = LOST) -> tuple[str, str]:
    """A verdict after what lost points could have done and what a bound cannot say, with the reason that decided."""
    if word in ("supported", "refuted") and any(other != word for other in extremes):
        return "undecided", why
    if word == "supported" and guard:
        return "undecided", guard
    return word, reason


def reported(placed: Placed, region: Region) -> dict[str, Any]:
    """A placed parameter as JSON values."""
    interval = placed.interval
    return {
        "estimate": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "expected_low": region.low,
        "expected_high": region.high,
        "windows": list(placed.windows),
        "units": interval.units,
        "method": interval.method,
    }
