"""Seeds until an interval is narrow: covered after stopping, unbiased, and cheaper than a fixed number."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import replication
from benchmarks.replication import DEVIATIONS, Spent, fixed, ratio, sequential, sweep
from orchestrator.fitting import intervals
from orchestrator.search.proposers import replicate, replicate_looks
from orchestrator.search.proposers.replicate import ReplicateTask
from orchestrator.spec.sweep_model import Seeds, Until

SWEEPS = 2000
Draw = Callable[[np.random.Generator, int], Any]

POINTS: dict[str, tuple[str, float, Draw]] = {
    "few needed": ("mean", 1.0, lambda g, n: 1 + 0.1 * g.standard_normal(n)),
    "some needed": ("mean", 1.0, lambda g, n: 1 + 0.2 * g.standard_normal(n)),
    "skewed": ("mean", 1.0, lambda g, n: g.gamma(4.0, 0.25, n)),
    "errors": ("rms", 1.0, lambda g, n: np.sqrt(g.chisquare(8, n) / 8)),
    "successes": ("proportion", 0.9, lambda g, n: (g.random(n) < 0.9).astype(float)),
}


def task(**given: Any) -> ReplicateTask:
    return ReplicateTask(**{"metric": "y", "rel_halfwidth": 0.1, "min": 8, "max": 256, **given})


@pytest.fixture(scope="module")
def spent() -> dict[str, list[Spent]]:
    """Every kind of point, stopped by its own rule in 2,000 sweeps."""
    found: dict[str, list[Spent]] = {}
    for name, (aggregate, _, draw) in POINTS.items():
        given, generator = task(aggregate=aggregate), np.random.default_rng(7)
        found[name] = [sequential(given, draw(generator, given.max).tolist()) for _ in range(SWEEPS)]
    return found


@pytest.mark.parametrize("name", POINTS)
def test_intervals_cover_after_stopping(name: str, spent: dict[str, list[Spent]]) -> None:
    _, truth, _ = POINTS[name]
    covered = sum(one.low <= truth <= one.high for one in spent[name]) / SWEEPS
    assert covered >= 0.94, f"{covered:.3f}, with {np.mean([one.seeds for one in spent[name]]):.1f} seeds"


@pytest.mark.parametrize("name", POINTS)
def test_estimates_are_unbiased_after_stopping(name: str, spent: dict[str, list[Spent]]) -> None:
    _, truth, _ = POINTS[name]
    off = np.array([one.estimate - truth for one in spent[name]]) / (0.1 * truth)  # in half-widths
    error = float(off.std() / math.sqrt(SWEEPS))
    assert abs(off.mean()) < 3 * error + 0.02, f"{off.mean():.3f} ± {error:.3f} of half an interval"


@pytest.mark.parametrize(("combined", "allowed"), [("estimate", 0.0), ("plain", 0.1)])
def test_a_claim_on_stopped_points_is_unbiased(combined: str, allowed: float, spent: dict[str, list[Spent]]) -> None:
    names = ("few needed", "some needed", "skewed", "errors")  # all of truth 1: a power law over them has exponent 0
    x = np.log([1.0, 2.0, 4.0, 8.0])
    y = np.log([[getattr(one, combined) for one in spent[name]] for name in names]).T
    slopes = (y - y.mean(axis=1, keepdims=True)) @ (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    assert abs(slopes.mean()) < (3 / math.sqrt(SWEEPS) + allowed) * slopes.std()  # allowed: of a claim's own error


def test_every_point_is_as_narrow_as_asked(spent: dict[str, list[Spent]]) -> None:
    for one in spent["some needed"]:
        assert (one.high - one.low) / 2 <= 0.1 * abs(one.estimate) * 1.01 or one.seeds == 256


def test_the_stated_sweep_takes_half_the_seeds_of_a_fixed_number() -> None:
    sweeps = [sweep(seed) for seed in range(4)]
    assert ratio(sweeps) >= 2
    assert all(point.seeds >= fixed(s) for s, point in zip(DEVIATIONS, sweeps[0], strict=True) if s > 0.5)


def test_a_round_asks_for_what_the_spread_foretells() -> None:
    generator = np.random.default_rng(0)
    values: list[float | None] = (1 + 0.3 * generator.standard_normal(8)).tolist()
    assert replicate.more(task(), []) == 8 and replicate.more(task(), values[:5]) == 3
    assert 4 <= replicate.more(task(), values) <= 24
    assert replicate.more(task(rel_halfwidth=0.9), values) == 0


def test_a_mean_near_zero_does_not_spend_all_at_once() -> None:
    assert replicate.more(task(max=4096), [1.0, -1.0] * 4) == 19


@pytest.mark.parametrize("value", [0.25, 1.0, 7.0, 300.0])
@pytest.mark.parametrize("aggregate", ["mean", "rms", "median", "proportion"])
def test_values_that_agree_end_nothing_before_there_are_many(value: float, aggregate: str) -> None:
    given = task(aggregate=aggregate)
    assert all(replicate.more(given, [value] * n) for n in (8, 12, 41))
    assert replicate.more(given, [value] * 64) == 0 or aggregate == "proportion" or value < 2
    assert replicate.unspread(given, [value] * 8) and not replicate.unspread(given, [value, value + 1])


def test_values_of_a_metric_that_seeds_do_not_change_need_no_more() -> None:
    assert replicate.more(task(steady=True), [0.25] * 8) == 0
    assert replicate.interval(task(steady=True), [0.25] * 8) == (0.25, 0.25, 0.25)
    assert not replicate.unspread(task(steady=True), [0.25] * 8)


RARE: dict[str, tuple[str, float, float, Draw]] = {
    "counts, one in ten a step higher": ("mean", 2.1, 0.05, lambda g, n: 2.0 + (g.random(n) < 0.1)),
    "counts, one in five a step higher": ("mean", 7.2, 0.01, lambda g, n: 7.0 + (g.random(n) < 0.2)),
    "rare counts": ("mean", 2.02, 0.05, lambda g, n: 2.0 + (g.random(n) < 0.02)),
    "successes that nobody declared": ("mean", 0.9, 0.1, lambda g, n: (g.random(n) < 0.9).astype(float)),
    "one in ten three times as large": ("mean", 120.0, 0.1, lambda g, n: 100.0 + 200 * (g.random(n) < 0.1)),
    "errors with heavy tails": ("rms", math.sqrt(3), 0.1, lambda g, n: g.standard_t(3, n)),
}


@pytest.mark.parametrize("few", [2, 4, 8])
@pytest.mark.parametrize("name", RARE)
def test_intervals_cover_though_few_values_differ(name: str, few: int) -> None:
    aggregate, truth, width, draw = RARE[name]
    given, generator = task(aggregate=aggregate, rel_halfwidth=width, min=few), np.random.default_rng(3)
    ended = [sequential(given, draw(generator, given.max).tolist()) for _ in range(250)]
    covered = sum(one.low <= truth <= one.high for one in ended) / len(ended)
    assert covered >= 0.91, f"{covered:.3f}, with {np.mean([one.seeds for one in ended]):.1f} seeds"


def test_of_an_extreme_there_is_no_narrow_interval() -> None:
    values = np.random.default_rng(0).random(64).tolist()
    assert replicate.interval(task(aggregate="max"), values)[::2] == (-math.inf, math.inf)
    assert replicate.more(task(aggregate="max"), values) > 0


def test_a_median_is_not_corrected_as_if_it_were_a_mean() -> None:
    values = np.random.default_rng(0).lognormal(0, 1, 27)
    assert replicate.interval(task(aggregate="median"), values.tolist())[1] == float(np.median(values))


def test_failed_seeds_are_spent_and_say_nothing() -> None:
    assert replicate.more(task(), [None] * 8) == 8
    assert replicate.more(task(max=10), [None] * 8) == 2 and replicate.more(task(max=10), [None] * 10) == 0
    low, estimate, high = replicate.interval(task(), [None, 2.0])
    assert (low, estimate, high) == (-math.inf, 2.0, math.inf)
    assert math.isnan(replicate.interval(task(), [None])[1])


def test_looks_grow_by_half_up_to_the_most() -> None:
    assert replicate.schedule(task(max=50)) == (8, 12, 18, 27, 41, 50)
    assert replicate.schedule(task(min=1, max=4)) == (2, 3, 4) and replicate.schedule(task(min=5, max=5)) == (5,)


def test_a_single_look_needs_no_correction() -> None:
    given = task(min=32, max=32)
    values = np.random.default_rng(3).standard_normal(32) + 5
    plain = intervals.interval(values)
    assert replicate.interval(given, values.tolist()) == (plain.low, plain.estimate, plain.high)


def test_more_looks_and_fewer_first_seeds_need_a_higher_level() -> None:
    levels = [replicate_looks.level(replicate.schedule(task(min=few, max=256)), 0.95) for few in (4, 8, 16, 256)]
    assert levels == sorted(levels, reverse=True) and levels[-1] == 0.95
    assert levels[1] == pytest.approx(0.9646, abs=5e-4)  # by simulation of 4,000 sweeps: 0.965 covers 0.953 at worst


def test_the_level_makes_up_for_stopping_exactly() -> None:
    given = task(max=64, rel_halfwidth=0.1)
    numbers, level = replicate.schedule(given), replicate.level(given)
    generator = np.random.default_rng(11)
    x = generator.standard_normal((40_000, numbers[-1]))
    covered, going = 0, np.ones(len(x), bool)
    for n in numbers:
        half = intervals.quantile(level, n) * x[:, :n].std(axis=1, ddof=1) / math.sqrt(n)
        ends = going & ((half <= 2 / math.sqrt(18)) | (n == numbers[-1]))
        covered += int((np.abs(x[ends, :n].mean(axis=1)) <= half[ends]).sum())
        going &= ~ends
    assert 0.947 <= covered / len(x) <= 0.965


def test_fixed_seeds_have_no_task() -> None:
    assert replicate.task(Seeds(min=4, max=4)) is None
    until = Until(metric="rmse", rel_halfwidth=0.05)
    assert replicate.task(Seeds(min=8, max=512, until=until), "rms") == ReplicateTask(
        metric="rmse", rel_halfwidth=0.05, min=8, max=512, aggregate="rms"
    )


def test_one_number_for_all_is_that_of_the_widest_assignment() -> None:
    generator = np.random.default_rng(5)
    narrow, wide = ((1 + s * generator.standard_normal(200)).tolist() for s in (0.05, 0.4))
    assert replicate.fixed(task(), [narrow]) == pytest.approx(fixed(0.05, task()), abs=1)
    assert replicate.fixed(task(), [narrow, wide]) == pytest.approx(fixed(0.4, task()), rel=0.2)
    assert replicate.fixed(task(), [narrow, [None, 1.0]]) == task().max
    assert replicate.fixed(task(), [[1.0, -1.0] * 4]) == task().max and replicate.fixed(task(), [[2.0] * 8]) == 60


@pytest.mark.slow
def test_the_shipped_errors_against_epsilon_take_fewer_seeds_than_fixed(tmp_path: Path) -> None:
    note, spent = replication.shipped(tmp_path, epsilons=(1.0,))
    assert len(spent) == note["assignments"] == 15 and sum(row["seeds"] for row in spent) == note["seeds"]
    assert note["fixed_ratio"] == round(note["fixed"] / note["seeds"], 2) > 1
