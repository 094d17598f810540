"""Intervals cover what they promise at 4, 8 and 32 seeds, by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.fitting.aggregates import combine
from orchestrator.fitting.intervals import interval, student, without_each

DRAWS = {
    "mean": (lambda rng, shape: rng.normal(3, 1, shape), 3.0),
    "rms": (lambda rng, shape: 1 + 0.1 * rng.normal(size=shape), np.sqrt(1.01)),
    "median": (lambda rng, shape: rng.normal(2, 1, shape), 2.0),
    "proportion": (lambda rng, shape: (rng.random(shape) < 0.7).astype(float), 0.7),
}


@pytest.mark.parametrize("seeds", [4, 8, 32])
@pytest.mark.parametrize("aggregate", DRAWS)
def test_an_interval_covers_at_few_seeds(aggregate: str, seeds: int) -> None:
    draw, truth = DRAWS[aggregate]
    found = [interval(y, aggregate) for y in draw(np.random.default_rng(seeds), (1500, seeds))]
    assert np.mean([i.low <= truth <= i.high for i in found]) >= 0.93


def test_an_rms_of_raw_errors_covers_where_t_on_squares_does_not() -> None:
    samples = np.random.default_rng(1).normal(size=(2000, 4))
    assert np.mean([i.low <= 1 <= i.high for i in (interval(y, "rms") for y in samples)]) >= 0.92


def test_an_rms_keeps_sums_of_squares() -> None:
    assert combine(np.array([3.0, 4.0]), "rms") == pytest.approx(np.sqrt(12.5))


def test_leaving_out_each_unit_is_the_combination_of_the_others() -> None:
    y = np.array([[1.0, 2.0, 4.0], [3.0, np.nan, 5.0]])
    for aggregate in ("mean", "rms", "median", "max"):
        by_hand = np.array([combine(np.delete(y, i, axis=1), aggregate) for i in range(3)])
        assert without_each(y, aggregate) == pytest.approx(by_hand)


def test_a_unit_that_is_alone_stays() -> None:
    assert without_each(np.array([[2.0, np.nan]]), "mean")[0, 0] == 2.0


def test_one_seed_has_no_interval() -> None:
    assert student(0.95, 0) == float("inf")


def test_the_best_of_n_has_no_interval() -> None:
    found = interval(np.array([1.0, 5.0, 2.0]), "max")
    assert (found.low, found.high, found.method) == (5.0, 5.0, "best of all")


def test_eight_successes_of_eight_leave_room_for_failure() -> None:
    assert interval(np.ones(8), "proportion").low == pytest.approx(0.025 ** (1 / 8))


def test_a_missing_value_is_left_out() -> None:
    assert interval(np.array([1.0, np.nan, 3.0])).units == 2
