"""Turns the replicates of one assignment into how many more it needs, and into an interval that looking often does not spoil.

Looks are set before the first value: at `min` replicates and at half as many again, up to `max`. Each interval has a level
above the confidence, such that the one at which sampling stops covers as asked; `looks` says how and why.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.fitting import intervals, ties
from orchestrator.fitting.aggregates import named
from orchestrator.search.proposers import replicate_looks

if TYPE_CHECKING:
    from orchestrator.spec.sweep_model import Seeds

STEP = 1.5  # each look has half as many replicates again: closer ones need a higher level, rarer ones overshoot
GROWTH = 4.0  # a round at most quadruples the replicates: near a mean of zero the predicted number is meaningless
SPARED = 0.8  # of the error budget goes to repeated looks; the rest covers skewed values, whose mean and spread correlate
CAREFUL = 0.8  # of the replicates that the spread foretells, so that a spread seen too large wastes few
ALIKE = 60  # replicates without any spread that say that others are fewer than one in twenty: 0.95 ** 59 < 0.05
REACH = 2.0  # times the share by which the farthest replicate of a heavy tail moves the estimate that its side is left open
LEADING = 0.3  # of half the width asked for: as much may the estimate move without its farthest replicate


@dataclass(frozen=True, kw_only=True)
class ReplicateTask:
    """Replicates of `metric` until half its interval is at most `rel_halfwidth` of it; `aggregate` combines them.

    mean, rms (judged on squares), proportion (of zeros and ones) and median have a rule; of an extreme there is no interval.
    Where the metric is `steady`, seeds change nothing.
    """

    metric: str
    rel_halfwidth: float
    confidence: float = 0.95
    min: int = 1
    max: int = 1
    aggregate: str = "mean"
    steady: bool = False


def task(model: Seeds, aggregate: str = "mean", steady: bool = False) -> ReplicateTask | None:
    """The task of a spec's seeds; None where their number is fixed."""
    if model.until is None:
        return None
    until = model.until
    return ReplicateTask(
        metric=until.metric,
        rel_halfwidth=until.rel_halfwidth,
        confidence=until.confidence,
        min=model.min,
        max=model.max,
        aggregate=aggregate,
        steady=steady,
    )


def more(task: ReplicateTask, values: Sequence[float | None]) -> int:
    """How many further replicates the next round has; 0 where the interval is narrow enough or `max` are spent.

    `values` are all so far, None for one that failed: it counts as spent and says nothing.
    """
    good, remaining = _good(values), task.max - len(values)
    if remaining <= 0:
        return 0
    numbers = schedule(task)
    if len(good) < numbers[0]:
        return min(numbers[0] - len(good), remaining)
    sample = np.array(good)
    wide = _width(task, interval(task, values)) / task.rel_halfwidth
    alike = unseen(task, sample)
    if wide <= 1 and not alike and not _led(task, sample):
        return 0
    needed = len(good) * min(wide**2 * CAREFUL, GROWTH) if not alike else min(ALIKE, len(good) * GROWTH)
    ahead = [n for n in numbers if n > len(good)] or [task.max]
    goal = max([n for n in ahead if n <= needed], default=ahead[0])
    return min(max(goal - len(good), 1), remaining)


def unseen(task: ReplicateTask, sample: intervals.Array) -> bool:
    """Whether the replicates are all one, and too few to say that others are rare."""
    return not task.steady and ties.alike(sample) and len(sample) < ALIKE


def unspread(task: ReplicateTask, values: Sequence[float | None]) -> bool:
    """Whether all replicates that gave a value are one, of a metric that seeds may change."""
    return not task.steady and ties.alike(np.array(_good(values)))


def _led(task: ReplicateTask, sample: intervals.Array) -> bool:
    """Whether one replicate holds the estimate: where large values are rare, few of them make the spread look small."""
    moved, heavy = _pull(task, sample)
    return heavy and abs(moved) > LEADING * task.rel_halfwidth


def _pull(task: ReplicateTask, sample: intervals.Array) -> tuple[float, bool]:
    """By what share the estimate falls without its farthest replicate, and whether thin tails hardly ever go so far.

    Of n normal values the largest square is about 2 ln n; three times as much of the sum of squares is heavy.
    """
    power, n = named(task.aggregate).power, len(sample)
    if power is None or len(np.unique(sample)) < 3:
        return 0.0, False
    powers = np.abs(sample) ** power if power > 1 else sample
    mean = float(np.mean(powers))
    off = powers - mean
    far = float(off[np.argmax(np.abs(off))])
    heavy = far**2 > 6 * math.log(n) / n * float(np.sum(off**2))
    return (far / (n - 1) / power / abs(mean) if mean else math.inf), heavy


def interval(task: ReplicateTask, values: Sequence[float | None]) -> tuple[float, float, float]:
    """Lower end, estimate and upper end, valid at the look after which sampling stopped; infinite with fewer than two values.

    The estimate is the aggregate of all values less its bias of second order: samples whose mean came out large beside
    their spread stop earlier. At a rel_halfwidth of 0.05 that is 1/40 of half the interval.
    """
    good = _good(values)
    if len(good) < 2:
        estimate = good[0] if good else math.nan
        return -math.inf, estimate, math.inf
    sample = np.array(good)
    if named(task.aggregate).extreme and not task.steady:
        return -math.inf, intervals.interval(sample, task.aggregate).estimate, math.inf
    measured_interval = (intervals if task.steady else ties).interval(sample, task.aggregate, level(task))
    numbers = schedule(task)
    stopped = numbers[0] < len(good) < numbers[-1] and measured_interval.high > measured_interval.low
    stopped = stopped and named(task.aggregate).power is not None  # the rest is about means
    estimate = _unbiased(sample, task.aggregate, measured_interval) if stopped else measured_interval.estimate
    moved, heavy = _pull(task, sample)
    room = REACH * moved * abs(estimate) if heavy and not task.steady else 0.0  # what a few more rare values would change
    low, high = float(measured_interval.low), float(measured_interval.high)
    return (low - max(-room, 0.0), float(estimate), high + max(room, 0.0))


def _unbiased(sample: intervals.Array, aggregate: str, measured_interval: intervals.Interval) -> float:
    """The estimate less cov(mean, ln n), by which Wald's identity says it is off, n being as (deviation / mean)^2."""
    values = np.square(sample) if aggregate == "rms" else sample
    mean, spread = float(np.mean(values)), float(np.var(values))
    skew = float(np.mean((values - mean) ** 3))
    if mean == 0 or spread == 0:
        return measured_interval.estimate
    right = mean + (skew / spread - 2 * spread / mean) / len(values)
    estimate = math.sqrt(max(right, 0.0)) if aggregate == "rms" else right
    return min(max(estimate, measured_interval.low), measured_interval.high)


def fixed(task: ReplicateTask, assignments: Sequence[Sequence[float | None]]) -> int:
    """Replicates of every assignment with which a fixed number makes the widest plain interval as narrow as asked, or `max`.

    What a user who knew the spreads beforehand would write: one number for all, no looks to pay for.
    """
    return max((_needed(task, values) for values in assignments), default=0)


def _needed(task: ReplicateTask, values: Sequence[float | None]) -> int:
    """The least replicates at which a plain interval of these values' spread is narrow enough; `max` where none is."""
    sample = np.array(_good(values))
    if len(sample) < 2:
        return task.max
    if unseen(task, sample):
        return min(ALIKE, task.max)
    measured_interval = (intervals if task.steady else ties).interval(sample, task.aggregate, task.confidence)
    wide = _width(task, (measured_interval.low, measured_interval.estimate, measured_interval.high)) / task.rel_halfwidth
    if not math.isfinite(wide):
        return task.max
    spread = wide * math.sqrt(len(sample)) / intervals.quantile(task.confidence, len(sample))
    enough = (n for n in range(2, task.max) if intervals.quantile(task.confidence, n) * spread <= math.sqrt(n))
    return next(enough, max(task.max, 1))


def schedule(task: ReplicateTask) -> tuple[int, ...]:
    """The numbers of replicates at which one may look, ascending, the last one `max`."""
    numbers = [min(max(task.min, 2), task.max)]
    while numbers[-1] < task.max:
        numbers.append(min(math.ceil(numbers[-1] * STEP), task.max))
    return tuple(numbers)


def level(task: ReplicateTask) -> float:
    """The level of the interval at each single look, above the confidence."""
    numbers = schedule(task)
    return replicate_looks.level(numbers, 1 - SPARED * (1 - task.confidence)) if len(numbers) > 1 else task.confidence


def _good(values: Sequence[float | None]) -> list[float]:
    return [float(y) for y in values if y is not None and math.isfinite(y)]


def _width(task: ReplicateTask, ends: tuple[float, float, float]) -> float:
    """Half the interval as a share of the estimate; 0 where it has no width, infinite about 0."""
    low, estimate, high = ends
    if high == low:
        return 0.0
    return (high - low) / 2 / abs(estimate) if estimate else math.inf
