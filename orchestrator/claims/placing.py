"""Places a fitted parameter against the region that a claim expects, with what could still turn it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from orchestrator.claims.case import FINITE, Region
from orchestrator.claims.series_of_rows import Measured
from orchestrator.fitting import staircases
from orchestrator.fitting.fits import FittedLaw, fit
from orchestrator.fitting.intervals import Interval, student
from orchestrator.fitting.laws import Law
from orchestrator.fitting.series import Series
from orchestrator.fitting.skewness import STRETCH
from orchestrator.wording import shown

STAIRCASE = "staircase"
NO_NUMBER = "no number"
LOST = "the points without a result could turn it"
DRIFT = "drift"
DRIFTED = 0.01
"""Share of an estimate that the windows of exact rows must move to count as a drift."""
FLOOR = "less its floor it has another verdict"
WINDOWS = (1, 2)
"""How many of the smallest x are dropped to see whether a law holds beyond them."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A parameter against its region: the verdict, the interval, the estimates without the smallest x, and why.

    `drift` is +1 or -1 where those estimates move one way beyond their noise.
    """

    word: str
    interval: Interval
    windows: tuple[float, ...]
    reason: str = ""
    drift: int = 0


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
    parts = [fit(law, curve.window(drop), full.space) for drop in WINDOWS]
    windows = tuple(part.estimate(name) for part in parts)
    placed = weighed(name, interval, windows, region, curve.noisy)
    values = staircases.ends(full, name, interval.low, interval.high)
    placed = stuck(placed, curve) if values is None else rounded(placed, values, region) if values else placed
    return carried(replace(placed, drift=drift(full, parts, name)), len(curve.x), full.rejected, region)


def drift(full: FittedLaw, parts: list[FittedLaw], name: str) -> int:
    """Which way a parameter moves as the smallest x are dropped, +1 or -1; 0 where it does not, or not beyond the noise."""
    first, middle, last = (fitted.estimate(name) for fitted in (full, *parts))
    moved = last - first
    if not (first < middle < last or first > middle > last):
        return 0
    if full.replicas is None or parts[-1].replicas is None:
        room = DRIFTED * abs(first)
    else:
        parameter = full.law.parameter(name)
        apart = parts[-1].replicas[:, parameter.index] - full.replicas[:, parameter.index]
        scale = abs(last) if parameter.scale == "exp" else 1.0
        room = scale * student(0.95, len(full.series.units) - 1) * full.factor * float(np.std(apart, ddof=1))
    return int(np.sign(moved)) if abs(moved) > room else 0


def carried(placed: Placed, count: int, rejected: bool, region: Region) -> Placed:
    """The verdict where a law is rejected and its parameter drifts over `count` x: that of these x is not that of the law.

    Undecided where it is supported and as large a move again would leave the region, and where it is refuted and the move,
    carried on over as many x again, would reach it. A fit's middle moves by half a step of x for each x that is dropped, and by
    half of their steps for x that are added.
    """
    if not rejected or not placed.drift or placed.word not in ("supported", "refuted"):
        return placed
    first, last = placed.interval.estimate, placed.windows[-1]
    supported = placed.word == "supported"
    ahead = last + (last - first) * (1 if supported else count / len(placed.windows))
    inward = first < region.low <= ahead if placed.drift > 0 else first > region.high >= ahead
    if region.holds(ahead) if supported else not inward:
        return placed
    farther = "with as large a move again" if supported else "over as many x again"
    reason = f"{DRIFT}: the law is rejected; without the smallest x its parameter goes on moving, to {shown(ahead)} {farther}"
    return replace(placed, word="undecided", reason=reason)


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


def at_extremes(curve: Measured, judged: Callable[[Series], str]) -> list[str]:
    """The verdicts on the series as lost points could have made it; undecided without a look where they could be anything."""
    return ["undecided"] if curve.open else [judged(extreme) for extreme in curve.extremes()]


def manski(curve: Measured, interval: Interval, at_each: Callable[[Series], Interval], single: bool) -> tuple[float, float]:
    """The ends of an interval with all that lost points could be (Manski 1990), infinite where that is anything.

    `single` is said of one number for all x, which has an end on a side where lost points have one.
    """
    if not curve.lost or curve.edges:
        return interval.low, interval.high
    if curve.open or not (curve.bounded or single):
        return -math.inf, math.inf
    each = [at_each(extreme) for extreme in curve.extremes()]
    if single:  # all low and all high are the ends; what is far away on one side blurs the other
        each = each[:2]
        low, high = min(interval.low, each[0].low), max(interval.high, each[1].high)
    else:
        low, high = min(interval.low, *(i.low for i in each)), max(interval.high, *(i.high for i in each))
    below, above = (math.isfinite(end) for end in curve.possible)
    return low if below else -math.inf, high if above else math.inf


def settle(word: str, reason: str, extremes: list[str], guard: str = "", why: str = LOST) -> tuple[str, str]:
    """A verdict after what lost points could have done and what a bound cannot say, with the reason that decided."""
    if word in ("supported", "refuted") and any(other != word for other in extremes):
        return "undecided", why
    if word == "supported" and guard:
        return "undecided", guard
    return word, reason


def reported(placed: Placed, region: Region, ends: tuple[float, float] | None = None) -> dict[str, Any]:
    """A placed parameter as JSON values; `ends` are those with what lost points could be."""
    interval = placed.interval
    low, high = ends or (interval.low, interval.high)
    return {
        "estimate": interval.estimate,
        "low": low,
        "high": high,
        "expected_low": region.low,
        "expected_high": region.high,
        "windows": list(placed.windows),
        "units": interval.units,
        "method": interval.method,
    }
