"""Delta debugging against its known counts, and the engine's search against it: two programs, one way through the subsets."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Collection
from typing import Any

import pytest

from orchestrator.search.proposal import Seen
from orchestrator.search.proposers.subset import SubsetSearch
from orchestrator.workload.context import Context
from workloads.dapa import oracle, search
from workloads.dapa.maths import causes
from workloads.dapa.maths.reduction import CountedOracle, chunked, ddmin, one_minimal

Passes = Callable[[frozenset[int]], bool]
WEIGHTS = (0.02, 0.05, 0.08, 0.30, 0.28, 0.20, 0.05, 0.02)


def needs(*conjunctions: Collection[int]) -> Passes:
    return lambda subset: any(set(units) <= subset for units in conjunctions)


TABLE: list[tuple[int, Passes, Collection[int], int, Collection[int], int]] = [
    (8, needs({0, 6, 7}), [0, 6, 7], 17, [0, 6, 7], 11),
    (8, needs({5}), [5], 5, [5], 4),
    (32, needs({5}), [5], 7, [5], 8),
    (32, needs(range(12, 18)), range(12, 18), 38, range(12, 18), 24),
    (18, needs(range(3, 7)), range(3, 7), 25, range(3, 7), 16),
    (8, needs(range(8)), range(8), 26, range(8), 14),
    (32, needs(range(32)), range(32), 122, range(32), 62),
    (8, lambda subset: len(subset) >= 3, [1, 2, 3], 10, [5, 6, 7], 6),
    (8, needs({0, 1, 2}, {6}), [0, 1, 2], 13, [6], 4),
    (8, needs({0, 1, 2, 3}, {3, 4}), [0, 1, 2, 3], 11, [0, 1, 2, 3], 8),
    (8, lambda subset: sum(WEIGHTS[unit] for unit in subset) >= 0.75, [3, 4, 5], 16, [3, 4, 5], 10),
    (8, lambda subset: subset in ({1, 4}, set(range(8))), range(8), 26, range(8), 14),
]


@pytest.mark.parametrize(("size", "passes", "both", "count", "complements", "count_of_complements"), TABLE)
def test_the_table_of_counts(
    size: int, passes: Passes, both: Collection[int], count: int, complements: Collection[int], count_of_complements: int
) -> None:
    classic, halved = CountedOracle(passes, size), CountedOracle(passes, size)
    assert (ddmin(classic, range(size)), classic.tests) == (list(both), count)
    assert (ddmin(halved, range(size), complements_only=True), halved.tests) == (list(complements), count_of_complements)


def test_repeats_are_counted_apart() -> None:
    counted = CountedOracle(needs({0, 6, 7}), 8)
    ddmin(counted, range(8))
    assert (counted.tests, counted.calls) == (17, 27)


@pytest.mark.parametrize("size", [8, 18, 28, 30, 32, 40, 54, 84, 90, 96, 120])
def test_where_every_unit_is_needed_the_counts_are_closed_forms(size: int) -> None:
    for complements_only, expected in ((False, 4 * size - 6), (True, 2 * size - 2)):
        counted = CountedOracle(needs(range(size)), size)
        ddmin(counted, range(size), complements_only)
        assert counted.tests == expected


def test_chunks_differ_by_at_most_one() -> None:
    for size in range(1, 30):
        for count in range(1, size + 1):
            sizes = [len(chunk) for chunk in chunked(list(range(size)), count)]
            assert sum(sizes) == size and max(sizes) - min(sizes) <= 1 and sizes == sorted(sizes)


def drawn(count: int) -> list[search.Params]:
    """Points of drawn causes."""
    draw = random.Random(3)
    kinds = ("contiguous", "scattered", "all", "count", "either", "additive")
    points = []
    for number in range(count):
        units = draw.randint(2, 28)
        need = draw.randint(1, min(units - 1, 7))
        variant: Any = draw.choice(("both", "complements"))
        kind: Any = kinds[number % len(kinds)]
        points.append(search.Params(units, need, kind, variant=variant, flip=0.1 * (number % 4 == 3)))
    return points


def row(point: search.Params, seed: int) -> search.Result:
    ((_, result),) = search.run(point, Context(seed))
    return result


def engine_search(point: search.Params, seed: int, size_of_round: int) -> tuple[str, int]:
    """The set of the engine's search on dapa.oracle, and how many subsets it measured."""
    proposer = SubsetSearch(
        along="subset", size=point.units, of="passes", level=0.5, chunks=point.variant == "both", round=size_of_round
    )
    common: dict[str, Any] = {name: value for name, value in dataclasses.asdict(point).items() if name != "variant"}
    rounds: list[list[Seen]] = []
    while proposal := proposer.propose(rounds):
        results = [next(oracle.run(oracle.Params(str(values["subset"]), **common), Context(seed)))[1] for values in proposal]
        rounds.append([Seen(values=v, results={"passes": (float(r.passes),)}) for v, r in zip(proposal, results, strict=True)])
    finding = proposer.conclude(rounds)
    assert finding.status == "found"
    return str(finding.points[0]["subset"]), finding.evaluations


def test_the_engines_search_gives_these_sets_and_counts_plus_none_and_all() -> None:
    for seed, point in enumerate(drawn(200)):
        cause = causes.cause(point.cause, point.units, point.need, point.start, point.flip, Context(seed))
        counted = CountedOracle(cause.answers, point.units)
        units = ddmin(counted, range(point.units), point.variant == "complements")
        expected = causes.letters(frozenset(units), point.units)
        assert engine_search(point, seed, 1) == (expected, counted.tests + 2), point
        assert {engine_search(point, seed, size)[0] for size in (8, 64)} == {expected}, point
        assert row(point, seed).tests == counted.tests


def test_a_row_says_what_the_search_came_to() -> None:
    result = row(search.Params(8, 3, "contiguous", start=2), 0)
    assert (result.units_found, result.units_needed, result.exact, result.one_minimal, result.passes) == (
        3,
        3,
        True,
        True,
        True,
    )
    assert result.tests <= result.tests_repeated and result.tests_bound == 88
    assert row(search.Params(14, 3, "count"), 0).units_needed is None and row(search.Params(14, 3, "count"), 0).exact is None
    for seed, point in enumerate(drawn(60)):
        result = row(point, seed)
        assert result.one_minimal and result.tests <= result.tests_bound
        assert result.passes or point.flip


def test_either_and_additive_have_sets_that_are_not_least() -> None:
    either = [row(search.Params(12, 3, "either"), seed) for seed in range(40)]
    assert {result.units_needed for result in either} == {1} and {result.units_found for result in either} == {1, 3}
    additive = [row(search.Params(12, 3, "additive"), seed) for seed in range(40)]
    assert {result.units_needed for result in additive} == {3} and max(result.units_found for result in additive) > 3


def test_a_wrong_answer_is_the_same_whenever_it_is_asked() -> None:
    cause = causes.cause("contiguous", 24, 6, 8, 0.3, Context(5))
    subsets = [frozenset(random.Random(number).sample(range(24), 12)) for number in range(400)]
    answers = [cause.answers(subset) for subset in subsets]
    assert answers == [cause.answers(subset) for subset in subsets]
    wrong = sum(answer != cause.passes(subset) for answer, subset in zip(answers, subsets, strict=True))
    assert 80 <= wrong <= 160
    assert cause.answers(frozenset(range(24))) and not cause.answers(frozenset())


def test_one_percent_of_wrong_answers_lose_three_sets_in_ten() -> None:
    rows = [row(search.Params(32, 6, start=12, flip=0.01), seed) for seed in range(300)]
    assert 0.62 <= sum(bool(result.exact) for result in rows) / 300 <= 0.80
    assert all(one.one_minimal for one in rows)


def test_one_minimal_can_fail() -> None:
    assert not one_minimal(needs({1, 2}), [1, 2, 3]) and one_minimal(needs({1, 2}), [1, 2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 8, "need": 9}, "need must be in 1 to 8, the number of units, but got 9"),
        ({"units": 8, "need": 0}, "need must be in 1 to 8"),
        ({"units": 8, "need": 4, "start": 5}, "start must be -1 .* at most 4 of 8 units, but got 5"),
        ({"units": 8, "need": 4, "start": -2}, "start must be -1"),
        ({"units": 8, "need": 8, "cause": "either"}, "either must leave a unit beside the block"),
    ],
)
def test_causes_that_cannot_be_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        row(search.Params(**arguments), 0)


@pytest.mark.parametrize("text", ["0110", "01100000000", "01102000"])
def test_a_subset_of_another_length_or_letters_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="subset must have 8 letters 0 and 1"):
        next(oracle.run(oracle.Params(text, 8), Context(0)))
