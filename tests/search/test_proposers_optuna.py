"""Optuna's searches: proposals from rows alone, every sampler, conditional params, several goals."""

from __future__ import annotations

import math
from typing import Any

import pytest

from orchestrator.errors import SpecError
from orchestrator.search.proposal import SearchCurve, Seen, Value
from orchestrator.search.proposers import optuna
from orchestrator.search.proposers.line import Span
from orchestrator.search.proposers.optuna import Options, OptunaSearch
from orchestrator.spec import parse
from orchestrator.spec.search_kinds.optuna import Optuna

SPACE = {
    "rate": Span(low=1e-4, high=1.0, scale="geom"),
    "depth": Span(low=1, high=16, integer=True),
    "method": Options(values=("sgd", "adam")),
    "momentum": Span(low=0.0, high=1.0),
}
ONLY_SGD = {"momentum": {"method": ("sgd",)}}
HEAD = "question: q\nworkload: khm.capacity\n"


def task(**given: Any) -> OptunaSearch:
    return OptunaSearch(
        **{"sampler": "tpe", "trials": 24, "over": SPACE, "minimize": ("loss",), "conditions": ONLY_SGD, **given}
    )


def loss(values: dict[str, Value]) -> float:
    return (math.log10(float(values["rate"])) + 2) ** 2 + (float(values["depth"]) - 7) ** 2 / 20 + 2 * ("momentum" in values)


def measured(values: dict[str, Value]) -> Seen:
    return Seen(values=values, results={"loss": (loss(values),), "speed": (16.0 - float(values["depth"]),)})


def rounds_of(given: OptunaSearch, before: list[list[Seen]] | None = None) -> list[list[Seen]]:
    rounds = list(before or [])
    while proposal := given.propose(rounds):
        rounds.append([measured(values) for values in proposal])
    return rounds


@pytest.mark.parametrize("sampler", ["tpe", "nsgaii", "qmc", "random"])
def test_a_search_goes_on_from_its_rows_as_if_never_stopped(sampler: str) -> None:
    given = task(sampler=sampler, round=6)
    rounds = rounds_of(given)
    kept = [[Seen(values=dict(one.values), results=dict(one.results)) for one in r] for r in rounds]
    assert [len(r) for r in rounds] == [6, 6, 6, 6]
    assert all(rounds_of(given, kept[:k]) == rounds for k in (1, 3))


def test_a_gaussian_process_goes_on_from_its_rows_too() -> None:
    over = {"x": Span(low=0.0, high=1.0)}
    given = task(sampler="gp", over=over, conditions={}, round=4, trials=16)
    filled = [[Seen(values={"x": k / 11}, results={"loss": ((k / 11 - 0.3) ** 2,)}) for k in range(12)]]
    proposal = given.propose(filled)
    assert proposal == given.propose(filled) and len(proposal) == 4
    assert min(abs(float(values["x"]) - 0.3) for values in proposal) < 0.05


@pytest.mark.parametrize("sampler", ["tpe", "nsgaii", "qmc", "random"])
def test_proposals_lie_in_the_space_and_none_comes_twice(sampler: str) -> None:
    seen = [one.values for r in rounds_of(task(sampler=sampler)) for one in r]
    assert len({tuple(sorted(values.items())) for values in seen}) == 24
    assert all(1e-4 <= float(values["rate"]) <= 1 for values in seen)
    assert all(isinstance(values["depth"], int) and 1 <= values["depth"] <= 16 for values in seen)
    assert all(("momentum" in values) == (values["method"] == "sgd") for values in seen)


def test_a_sampler_that_learns_is_better_than_chance() -> None:
    late = {}
    for sampler in ("tpe", "random"):
        rounds = rounds_of(task(sampler=sampler, trials=48))
        late[sampler] = [loss(dict(one.values)) for r in rounds[3:] for one in r]
    assert sum(late["tpe"]) < 0.6 * sum(late["random"])


def test_generations_evolve() -> None:
    """Each generation descends from the best before it: late designs are better in both goals than those of chance."""
    late = {}
    for sampler in ("nsgaii", "random"):
        over = {f"x{i}": Span(low=-2.0, high=4.0) for i in range(4)}
        given = task(sampler=sampler, over=over, conditions={}, round=20, trials=240, minimize=("near", "far"))
        rounds: list[list[Seen]] = []
        while proposal := given.propose(rounds):
            near, far = ([sum((float(v) - at) ** 2 for v in values.values()) for values in proposal] for at in (0, 2))
            each = zip(proposal, near, far, strict=True)
            rounds.append([Seen(values=values, results={"near": (a,), "far": (b,)}) for values, a, b in each])
        late[sampler] = sum(one.results[goal][0] or 0.0 for r in rounds[-3:] for one in r for goal in ("near", "far"))
    assert late["nsgaii"] < 0.6 * late["random"]


def test_another_seed_gives_another_search() -> None:
    assert task(seed=1).propose([]) != task(seed=2).propose([])


def test_several_goals_are_looked_at_together() -> None:
    given = task(sampler="nsgaii", maximize=("speed",))
    assert given.columns == ("loss", "speed") and sum(map(len, rounds_of(given))) == 24


@pytest.mark.parametrize("sampler", ["tpe", "nsgaii", "qmc"])
def test_failed_points_count_and_say_nothing(sampler: str) -> None:
    given = task(sampler=sampler, round=6, trials=12)
    first = [Seen(values=values, results={"loss": (None, math.nan)}) for values in given.propose([])]
    second = [Seen(values=values, results={"loss": (None,)}) for values in given.propose([first])]
    assert len(second) == 6 and given.propose([first, second]) == ()


def test_a_space_that_is_used_up_ends_the_search() -> None:
    given = task(over={"method": Options(values=("a", "b", "c"))}, conditions={}, trials=50, round=2)
    rounds: list[list[Seen]] = []
    while proposal := given.propose(rounds):
        rounds.append([Seen(values=values, results={"loss": (1.0,)}) for values in proposal])
    assert sorted(str(one.values["method"]) for r in rounds for one in r) == ["a", "b", "c"]
    assert given.forecast() == (3, 3)


def test_seeds_are_averaged() -> None:
    given = task(over={"x": Span(low=0, high=1)}, conditions={}, trials=24)

    def proposed(spread: float, slope: float = 1.0) -> object:
        ys = {k / 16: slope * k for k in range(16)}
        seen = [Seen(values={"x": x}, results={"loss": (y - spread, None, y + spread)}) for x, y in ys.items()]
        return given.propose([seen])

    assert proposed(0.0) == proposed(40.0) != proposed(0.0, slope=-1.0)


def test_a_model_becomes_a_search() -> None:
    model = Optuna(trials=9, minimize="loss", over={"rate": {"geom": [1, 8]}, "n": {"int": [1, 4]}}, choices={"m": ["a", "b"]},
                   when={"rate": {"m": "a"}})  # fmt: skip
    given = optuna.proposer(model, SearchCurve(value=float))
    assert given.over == {
        "rate": Span(low=1, high=8, scale="geom"),
        "n": Span(low=1, high=4, integer=True),
        "m": Options(values=("a", "b")),
    }
    assert given.conditions == {"rate": {"m": ("a",)}} and model.names == ("m", "n", "rate")
    assert given.columns == ("loss",)


@pytest.mark.parametrize(
    ("space", "told"),
    [
        ("choices: {m: [a, b]}, when: {rat: {m: a}}, over: {rate: [0, 1]}", r"when\.rat: .* searched .* did you mean 'rate'"),
        ("choices: {m: [a, b]}, when: {rate: {n: a}}, over: {rate: [0, 1]}", r"when\.rate\.n: .* on one of 'choices'"),
        ("choices: {m: [a, b]}, when: {rate: {m: c}}, over: {rate: [0, 1]}", r"when\.rate\.m: .* values of 'm', but got 'c'"),
        ("choices: {m: [a, b]}, when: {rate: {m: []}}, over: {rate: [0, 1]}", r"when\.rate\.m: .* must name a value"),
        ("choices: {rate: [1, 2]}, over: {rate: [0, 1]}", r"choices: .* 'rate' stands in 'over' too"),
        ("choices: {zip: {a: [1, 2], b: [1, 2]}}", r"choices\.zip: choices must be of one param each"),
    ],
)
def test_a_wrong_space_is_told(space: str, told: str) -> None:
    with pytest.raises(SpecError, match=told):
        parse(f"{HEAD}search: {{optuna: {{trials: 3, minimize: e, {space}}}}}\n", "demo")


def test_a_boundary_needs_an_interval_unless_it_counts() -> None:
    with pytest.raises(
        SpecError, match=r"'boundary' must have 'between', but has none; write its two ends, or 'integer: true'"
    ):
        parse(f"{HEAD}search: {{boundary: {{along: b, of: e, level: 0}}}}\n", "demo")
