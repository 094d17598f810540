"""Subset searches: delta debugging in rounds, with the classic counts at a round of one and the same set at any round."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from typing import Any

import pytest

from orchestrator.errors import SpecError
from orchestrator.search.proposal import Place, SearchCurve, Seen
from orchestrator.search.proposers import subset
from orchestrator.search.proposers.subset import SubsetSearch
from orchestrator.spec.expressions import Expression
from orchestrator.spec.search_kinds.subset import Subset

Measure = Callable[[frozenset[int]], float | None]
Rounds = list[list[Seen]]


def task(size: int, **values: Any) -> SubsetSearch:
    criterion = {} if "share" in values else {"level": 1.0}
    return SubsetSearch(**{"along": "letters", "size": size, "of": "z", "round": 1, **criterion, **values})


def units_of(letters: str) -> frozenset[int]:
    return frozenset(unit for unit, letter in enumerate(letters) if letter == "1")


def rounds_of(search: SubsetSearch, measure: Measure) -> Rounds:
    rounds: Rounds = []
    while proposal := search.propose(rounds):
        answers = [(values, measure(units_of(str(values["letters"])))) for values in proposal]
        rounds.append([Seen(values=values, results={"z": (answer,)}) for values, answer in answers])
    return rounds


def searched(search: SubsetSearch, measure: Measure) -> tuple[str, set[int] | None, int]:
    """The status, the set and how many subsets were measured."""
    finding = search.conclude(rounds_of(search, measure))
    return finding.status, set(units_of(str(finding.points[0]["letters"]))) if finding.points else None, finding.evaluations


def needs(*causes: Collection[int]) -> Measure:
    """Whether all units of one of the causes are there."""
    return lambda units: float(any(set(cause) <= units for cause in causes))


WEIGHTS = (0.02, 0.05, 0.08, 0.30, 0.28, 0.20, 0.05, 0.02)
CLASSIC: list[tuple[int, Measure, set[int], int, set[int], int]] = [
    (8, needs({0, 6, 7}), {0, 6, 7}, 17, {0, 6, 7}, 11),
    (8, needs({5}), {5}, 5, {5}, 4),
    (32, needs({5}), {5}, 7, {5}, 8),
    (32, needs(range(12, 18)), set(range(12, 18)), 38, set(range(12, 18)), 24),
    (18, needs(range(3, 7)), set(range(3, 7)), 25, set(range(3, 7)), 16),
    (8, needs(range(8)), set(range(8)), 26, set(range(8)), 14),
    (32, needs(range(32)), set(range(32)), 122, set(range(32)), 62),
    (8, lambda units: float(len(units) >= 3), {1, 2, 3}, 10, {5, 6, 7}, 6),
    (8, needs({0, 1, 2}, {6}), {0, 1, 2}, 13, {6}, 4),
    (8, needs({0, 1, 2, 3}, {3, 4}), {0, 1, 2, 3}, 11, {0, 1, 2, 3}, 8),
    (8, lambda units: float(sum(WEIGHTS[unit] for unit in units) >= 0.75), {3, 4, 5}, 16, {3, 4, 5}, 10),
    (8, lambda units: float(units in ({1, 4}, set(range(8)))), set(range(8)), 26, set(range(8)), 14),
]


@pytest.mark.parametrize(("size", "measure", "both", "count", "complements", "count_of_complements"), CLASSIC)
def test_a_round_of_one_asks_the_classic_subsets_and_none_and_all(
    size: int, measure: Measure, both: set[int], count: int, complements: set[int], count_of_complements: int
) -> None:
    assert searched(task(size), measure) == ("found", both, count + 2)
    assert searched(task(size, chunks=False), measure) == ("found", complements, count_of_complements + 2)


def causes_of(draw: random.Random) -> tuple[int, Measure]:
    """A drawn number of units and a cause: one set that is needed, or either of two."""
    size = draw.randint(1, 24)
    causes = [draw.sample(range(size), draw.randint(1, min(size, 6))) for _ in range(draw.randint(1, 2))]
    return size, needs(*causes)


def test_the_set_does_not_depend_on_the_round_and_lacks_no_unit() -> None:
    draw = random.Random(0)
    for number in range(60):
        size, measure = causes_of(draw)
        chunks = number % 2 == 0
        status, units, fewest = searched(task(size, chunks=chunks), measure)
        assert status == "found" and units is not None and fewest <= size**2 + 3 * size + 2
        assert measure(frozenset(units)) == 1.0
        assert all(measure(frozenset(units - {unit})) == 0.0 for unit in units)
        for size_of_round in (3, 8, 64):
            search = task(size, chunks=chunks, round=size_of_round)
            rounds = rounds_of(search, measure)
            assert search.conclude(rounds).points == task(size, chunks=chunks).conclude(rounds).points
            assert searched(search, measure)[1] == units
            assert max(map(len, rounds)) <= max(size_of_round, 2) and sum(map(len, rounds)) <= search.forecast()[1]


def test_no_subset_is_asked_twice() -> None:
    for round_size in (1, 8):
        rounds = rounds_of(task(16, round=round_size), needs({1, 5, 14}))
        letters = [assignment.values["letters"] for proposal in rounds for assignment in proposal]
        assert len(set(letters)) == len(letters) and letters[:2] == ["0" * 16, "1" * 16]


@pytest.mark.parametrize(
    ("measure", "status", "units", "evaluations"),
    [
        (lambda units: 1.0, "already", set(), 2),
        (lambda units: 0.5, "absent", None, 2),
        (lambda units: 1.0 if units else None, "failed", None, 2),
        (lambda units: None, "failed", None, 2),
    ],
)
def test_where_none_or_all_decide_nothing_is_searched(
    measure: Measure, status: str, units: set[int] | None, evaluations: int
) -> None:
    assert searched(task(8), measure) == (status, units, evaluations)


def test_a_share_is_a_part_of_the_way_from_none_to_all() -> None:
    def measure(units: frozenset[int]) -> float:
        return 0.2 + 0.1 * len(units & {1, 2, 3, 6})

    assert searched(task(8, share=0.5), measure)[1] == {2, 3}
    assert searched(task(8, share=1.0), measure)[1] == {1, 2, 3, 6}
    assert searched(task(8, share=0.5), lambda units: 0.3)[0] == "absent"
    assert searched(task(8, share=0.5), lambda units: -0.1 * len(units))[0] == "absent"


def test_all_of_the_way_is_all_to_the_last_digit() -> None:
    assert searched(task(4, share=1.0), lambda units: 0.1 + (0.2 if 2 in units else 0.0))[:2] == ("found", {2})


def test_a_failed_subset_does_not_pass_and_leaves_a_set_that_rests_on_it_in_doubt() -> None:
    cause = needs({0, 6, 7})
    early = searched(task(8), lambda units: None if units == {0, 1, 2, 3} else cause(units))
    assert early == ("found", {0, 6, 7}, 19)
    late = searched(task(8), lambda units: None if units == {0, 6} else cause(units))
    assert late == ("failed", {0, 6, 7}, 19)


def test_seeds_combine_before_a_subset_passes() -> None:
    search = task(1, level=0.5, aggregate="max")
    rounds = [
        [Seen(values={"letters": letters}, results={"z": values}) for letters, values in (("0", (0.0, 0.1)), ("1", (0.0, 0.7)))]
    ]
    assert search.conclude(rounds).status == "found" and task(1, level=0.5).conclude(rounds).status == "absent"


def test_an_unfinished_search_has_no_set() -> None:
    search = task(8)
    rounds = rounds_of(search, needs({0, 6, 7}))
    assert [search.conclude(rounds[:count]).status for count in (0, 1, 5)] == ["open"] * 3
    (place,) = search.places(search.conclude(rounds[:5]))
    assert place == Place(along="letters", of="z", level=1.0, columns={"letters": None, "letters_units": None})


def test_the_table_has_the_set_and_its_units() -> None:
    search = task(4, share=0.9)
    (place,) = search.places(search.conclude(rounds_of(search, needs({1, 3}))))
    assert place.columns == {"letters": "0101", "letters_units": 2} and place.level is None


def test_a_model_becomes_a_search() -> None:
    model = Subset(along="letters", size=Expression("2*n"), of="z", share=0.9, variant="complements", round=4)
    curve = SearchCurve(value=lambda cell: 6.0, aggregates={"z": "max"}, kinds={"letters": str})
    search = subset.proposer(model, curve)
    assert search == task(6, share=0.9, chunks=False, round=4, aggregate="max") and search.forecast() == (12, 64)


@pytest.mark.parametrize(
    ("curve", "message"),
    [
        (SearchCurve(value=float, kinds={"letters": int}), "along: a subset must be searched on a param that is text"),
        (SearchCurve(value=lambda cell: 0.0, kinds={"letters": str}), "size: a number of units must be whole and at least 1"),
        (SearchCurve(value=lambda cell: 2.5, kinds={"letters": str}), "size: a number of units must be whole and at least 1"),
    ],
)
def test_a_curve_without_units_is_refused(curve: SearchCurve, message: str) -> None:
    with pytest.raises(SpecError, match=f"^{message}"):
        subset.proposer(Subset(along="letters", size=4, of="z", level=1), curve)
