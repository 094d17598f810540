"""The bar beside a number: where interval, estimate and the expected region lie in it."""

from __future__ import annotations

import math

import pytest

from orchestrator.figures.interval_bar import Geometry, Tick, interval_bar

GEOMETRY = Geometry(width=100, indent=10, margin=0.5, thinnest=2)


def test_everything_lies_in_proportion() -> None:
    numbers = {"low": 1.0, "estimate": 2.0, "high": 3.0, "expected_low": 2.0, "expected_high": 2.5}
    places = interval_bar(numbers, GEOMETRY)
    assert places is not None
    assert (places.low, places.estimate, places.high) == (35.0, 60.0, 85.0)
    assert (places.start, places.width) == (60.0, 12.5)
    assert places.ticks == (Tick(at=60.0, text="2"), Tick(at=72.5, text="2.5"))
    assert places.says == "interval from 1 to 3, expected at least 2 and at most 2.5"


@pytest.mark.parametrize(("ends", "says"), [((None, math.inf), "anything"), ((-math.inf, 2.0), "at most 2")])
def test_an_expected_end_that_is_open_lies_at_the_edge(ends: tuple[float | None, float], says: str) -> None:
    numbers = {"low": 1.0, "estimate": 2.0, "high": 3.0, "expected_low": ends[0], "expected_high": ends[1]}
    places = interval_bar(numbers, GEOMETRY)
    assert places is not None and places.start == 10.0
    assert places.says == f"interval from 1 to 3, expected {says}"


def test_a_region_of_one_value_is_still_seen() -> None:
    numbers = {"low": 1.0, "estimate": 2.0, "high": 3.0, "expected_low": 2.0, "expected_high": 2.0}
    places = interval_bar(numbers, GEOMETRY)
    assert places is not None and places.width == GEOMETRY.thinnest


@pytest.mark.parametrize("numbers", [{}, {"low": 1.0, "estimate": 1.0, "high": math.inf}, {"low": 1.0, "high": 2.0}])
def test_an_interval_that_is_open_has_no_bar(numbers: dict[str, float]) -> None:
    assert interval_bar(numbers, GEOMETRY) is None
