"""khm.recall against exact codes, closed forms and planted mistakes: what a network gives back, and what it must not."""

from __future__ import annotations

import math

import pytest
import torch

from orchestrator.workload.context import Context
from workloads.khm import recall
from workloads.khm.maths import simulate
from workloads.khm.recall import Params, Result
from workloads.shared.hopfield import known_codes, retrieval, separation


def measured(params: Params, seed: int = 0) -> Result:
    """The result of one point."""
    ((_, result),) = recall.run(params, Context(seed=seed))
    return result


def straight(code: torch.Tensor, beta: float) -> bool:
    """Whether every memory, asked by itself, ends within R of itself: 400 updates written out, one memory at a time."""
    distances = torch.cdist(code, code).fill_diagonal_(math.inf)
    ended = []
    for memory in code:
        x = memory
        for _ in range(400):
            weights = torch.exp(beta * (code @ x))
            x = (weights / weights.sum()) @ code
        ended.append(float((x - memory).norm()))
    return max(ended) < 0.5 * float(distances.min())


@pytest.mark.parametrize(("d", "kissing"), [(2, 6), (3, 12), (4, 24)])
def test_optimal_codes_of_sixty_degrees_are_those_of_the_kissing_numbers(d: int, kissing: int) -> None:
    assert measured(Params("optimal", d, 2.0 * d, angle_deg=60.0)).capacity == kissing


@pytest.mark.parametrize("beta", [3.5, 3.7, 3.75, 9.0])
def test_a_simplex_is_given_back_as_one_memory_after_the_other_says(beta: float) -> None:
    code = known_codes.simplex(8)
    assert simulate.returned(code, beta, torch.zeros_like(code)) == straight(code, beta) == (beta > 3.7186)


def test_a_query_at_the_edge_of_another_ball_is_not_its_memorys() -> None:
    code = known_codes.orthoplex(2)
    assert simulate.returned(code, 20.0, torch.zeros_like(code))
    assert not simulate.returned(code, 20.0, code.roll(1, 0) - code)


@pytest.mark.parametrize("code", ["optimal", "learnt", "random", "uhop_plus"])
def test_a_hot_network_gives_nothing_back(code: str) -> None:
    results = [measured(Params(code, d, 0.5, steps=20), seed) for d in (2, 4) for seed in range(4)]
    assert {(r.capacity, r.separation) for r in results} == {(1, None)}


@pytest.mark.parametrize("code", ["optimal", "annealed"])
def test_a_larger_space_stores_no_less(code: str) -> None:
    numbers = [measured(Params(code, d, 8.0, steps=30, limit=64)).capacity for d in (2, 3, 4)]
    assert numbers == sorted(numbers)


def test_space_holds_the_polygons_of_the_plane() -> None:
    plane, space = (measured(Params("optimal", d, 8.0, steps=30, limit=38)) for d in (2, 3))
    assert plane.capacity == space.capacity == 38 and plane.separation == space.separation


def test_what_the_ball_condition_proves_is_given_back() -> None:
    for d, beta in ((3, 12.0), (4, 16.0), (8, 24.0)):
        result = measured(Params("optimal", d, beta, angle_deg=60.0))
        assert result.capacity_upper is not None and 1 < result.capacity_lower <= result.capacity <= result.capacity_upper


def test_the_largest_code_is_kept_and_the_next_size_is_not() -> None:
    result, ctx = measured(Params("random", 8, 8.0), 3), Context(seed=3)
    kept, lost = (simulate.code_of("random", 8, m, 300, ctx) for m in (result.capacity, result.lost_at or 0))
    assert float(separation.delta(kept)) == result.separation
    search = simulate.Search("random", 8, 8.0, 0.0, 0.5, 200, 300, 1024)
    assert simulate.recalled(search, ctx, kept) is not None and simulate.recalled(search, ctx, lost) is None


def test_orthoplexes_are_the_only_code_of_their_kind() -> None:
    assert [measured(Params("orthoplex", d, 2.0 * d)).capacity for d in (2, 3, 5)] == [4, 6, 10]


def test_limits_are_told() -> None:
    result = measured(Params("optimal", 2, 50.0, limit=16))
    assert (result.capacity, result.lost_at) == (16, None)


def test_a_slower_softmax_turns_the_first_number(monkeypatch: pytest.MonkeyPatch) -> None:
    right = retrieval.separate
    simulate.below.cache_clear()
    monkeypatch.setattr(retrieval, "separate", lambda scores, alpha: right(0.4 * scores, alpha))
    assert measured(Params("optimal", 4, 8.0, angle_deg=60.0)).capacity < 24
    simulate.below.cache_clear()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (Params("best", 4, 8.0), "code must be one of optimal, annealed, .* but got 'best'"),
        (Params("random", 1, 8.0), "d and limit must be at least 2, .* but got d = 1"),
        (Params("random", 4, -1.0), "beta must be positive and finite, .* but got beta = -1.0"),
        (Params("random", 4, 8.0, start=1.0), "start in \\[0, 1\\), but got .* start = 1.0"),
    ],
)
def test_params_that_mean_nothing_are_refused(params: Params, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measured(params)
