"""Level sets: a curve found by a Gaussian process with fewer points than a grid or chance need."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.search import REGIONS, wrong_shares
from orchestrator.search.proposal import Curve, Seen, Value
from orchestrator.search.proposers import level_set
from orchestrator.search.proposers.level_set import LevelSetSearch
from orchestrator.search.proposers.line import Span
from orchestrator.spec.search_kinds.level_set import LevelSet

SQUARE = {"x": Span(low=0.0, high=1.0), "y": Span(low=0.0, high=1.0)}
Plane = Callable[[float, float], float | None]


def task(**given: Any) -> LevelSetSearch:
    return LevelSetSearch(**{"over": SQUARE, "of": "z", "level": 0.0, **given})


def seen(values: dict[str, Value], plane: Plane) -> Seen:
    return Seen(values=values, results={"z": (plane(*map(float, values.values())),)})


def rounds_of(given: LevelSetSearch, plane: Plane) -> list[list[Seen]]:
    rounds: list[list[Seen]] = []
    while proposal := given.propose(rounds):
        rounds.append([seen(values, plane) for values in proposal])
    return rounds


def circle(x: float, y: float) -> float:
    return math.hypot(x - 0.4, y - 0.45) - 0.3


def test_a_circle_is_found_before_the_points_are_spent() -> None:
    given = task(points=64)
    rounds = rounds_of(given, circle)
    ends = given.conclude(rounds)
    assert ends.status == "found" and ends.evaluations == sum(map(len, rounds)) <= 40
    assert len(ends.points) > 50 and max(abs(circle(float(p["x"]), float(p["y"]))) for p in ends.points) < 0.02


def test_the_true_curve_lies_in_the_brackets_of_its_points() -> None:
    given = task(points=24)
    ends = given.conclude(rounds_of(given, circle))
    sides = [{circle(float(x), float(y)) >= 0 for x in bracket["x"] for y in bracket["y"]} for bracket in ends.brackets]
    assert len(sides) == len(ends.points) > 50 and sum(len(both) == 2 for both in sides) > 0.9 * len(sides)


def test_the_next_round_is_a_function_of_those_before() -> None:
    given = task(points=20)
    rounds = rounds_of(given, circle)
    kept = [
        [Seen(values={n: float(f"{v:.12g}") for n, v in one.values.items()}, results=one.results) for one in r] for r in rounds
    ]
    assert all(given.propose(kept[:k]) == tuple(dict(one.values) for one in rounds[k]) for k in range(3))


def test_rounds_have_their_size_and_no_point_comes_twice() -> None:
    rounds = rounds_of(task(points=21, round=6, tolerance=1e-9), circle)
    assert [len(r) for r in rounds] == [6, 2, 6, 6, 1]
    assert len({tuple(one.values.values()) for r in rounds for one in r}) == 21


def test_points_that_fail_are_left_alone() -> None:
    given = task(points=24, tolerance=1e-9)
    rounds = rounds_of(given, lambda x, y: None if x > 0.7 else x + y - 0.8)
    failed = sum(float(one.values["x"]) > 0.7 for r in rounds for one in r)
    ends = given.conclude(rounds)
    assert failed <= 10 and ends.evaluations == 24
    assert all(abs(float(p["x"]) + float(p["y"]) - 0.8) < 0.02 for p in ends.points if float(p["x"]) < 0.65)


def test_where_all_points_fail_the_search_ends() -> None:
    given = task(points=20)
    rounds = rounds_of(given, lambda x, y: None)
    assert given.conclude(rounds).status == "failed" and sum(map(len, rounds)) == 20


def test_a_level_that_is_never_met_is_absent() -> None:
    given = task(points=24)
    ends = given.conclude(rounds_of(given, lambda x, y: 3 + x))
    assert ends.status == "absent" and ends.points == () and ends.evaluations < 24


def test_an_explosive_measure_is_found_all_the_same() -> None:
    given = task(points=32)
    ends = given.conclude(rounds_of(given, lambda x, y: math.exp(60 * (x - 0.5)) - 1 if x < 0.9 else math.inf))
    assert ends.points and all(abs(float(p["x"]) - 0.5) < 0.03 for p in ends.points)


def test_whole_and_geometric_params_keep_to_their_values() -> None:
    over = {"b": Span(low=0.01, high=10.0, scale="geom"), "n": Span(low=1.0, high=9.0, integer=True)}
    given = task(over=over, points=24)
    rounds = rounds_of(given, lambda b, n: math.log10(b) + n / 9)
    values = [one.values for r in rounds for one in r]
    assert all(isinstance(v["n"], int) and 1 <= v["n"] <= 9 and 0.01 <= float(v["b"]) <= 10 for v in values)
    assert sum(float(v["b"]) < 0.3 for v in values[:8]) == 4


def test_three_axes_are_searched_too() -> None:
    over = {name: Span(low=0.0, high=1.0) for name in "xyz"}
    given = LevelSetSearch(over=over, of="w", level=0.0, points=32, tolerance=0.05)
    rounds: list[list[Seen]] = []
    while proposal := given.propose(rounds):
        rounds.append([Seen(values=v, results={"w": (sum(map(float, v.values())) - 1.5,)}) for v in proposal])
    ends = given.conclude(rounds)
    assert ends.status == "found" and all(abs(sum(map(float, p.values())) - 1.5) < 0.05 for p in ends.points)


@pytest.mark.parametrize("region", REGIONS)
def test_a_search_beats_grid_and_chance_at_equal_points(region: str) -> None:
    plane, over = REGIONS[region]
    wrong = {row["way"]: row["wrong"] for row in wrong_shares(plane, over, numbers=(16,), draws=2)}
    assert wrong["level_set"] < wrong["grid"] and wrong["level_set"] < wrong["random"]


def test_a_model_becomes_a_search() -> None:
    model = LevelSet(over={"b": {"geom": [1, 9]}, "n": {"int": [1, 4]}}, of="z", level=2, points=12)
    given = level_set.proposer(model, Curve(value=float, aggregates={"z": "rms"}))
    assert given.over == {"b": Span(low=1, high=9, scale="geom"), "n": Span(low=1, high=4, integer=True)}
    assert (given.aggregate, given.columns, given.forecast()) == ("rms", ("z",), (12, 12))
