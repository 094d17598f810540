"""prompt.contextual against counts, collisions known beforehand and nearest pairs by brute force."""

from __future__ import annotations

import math

import pytest
import torch

from orchestrator.workload.context import Context
from workloads.prompt import contextual as workload
from workloads.prompt.contextual import Params, Result
from workloads.prompt.maths import context_ids


def measure(p: Params, seed: int = 0) -> Result:
    """The row of a point."""
    ((_, result),) = workload.run(p, Context(seed=seed))
    return result


@pytest.mark.parametrize(("grid", "dim", "length", "sequences"), [(4, 1, 2, 6), (3, 2, 3, 84), (6, 2, 3, 7140)])
def test_every_set_of_tokens_is_counted_once(grid: int, dim: int, length: int, sequences: int) -> None:
    found = measure(Params(grid, dim, length))
    assert (found.sequences, found.ids) == (sequences, sequences * length) == (math.comb(grid**dim, length), found.ids)


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_generic_weights_of_any_rank_keep_all_ids_apart(rank: int, seed: int) -> None:
    for scale in (1.0, 4.0, 16.0):
        found = measure(Params(4, 2, 3, rank, scale), seed)
        assert found.collisions == 0 and found.separation > 1e-9


def test_uniform_attention_gives_equal_sums_the_same_id() -> None:
    # Sets of three in 1..5 with one sum and one token in common: 125 and 134, 135 and 234, 145 and 235.
    assert measure(Params(5, 1, 3, scale=0.0)).collisions == 6


def test_sharp_attention_loses_all_but_the_largest() -> None:
    assert measure(Params(6, 1, 3, scale=256.0)).collisions > 0


def test_the_closest_two_ids_are_those_of_brute_force() -> None:
    ids = torch.randn(60, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    away = torch.cdist(ids, ids) + 10 * torch.eye(60)
    assert torch.allclose(context_ids.separations(ids), away.amin(1), rtol=1e-9)


def test_ids_follow_their_tokens_when_a_sequence_is_reordered() -> None:
    words = context_ids.vocabulary(3, 2)
    weight, value, prompt = (
        torch.randn(2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(i)) for i in range(3)
    )
    order = torch.tensor([[0, 4, 7]]), torch.tensor([[7, 0, 4]])
    found, turned = (context_ids.context_ids(part, words, prompt, weight, value) for part in order)
    assert torch.allclose(found[0], turned[0, [1, 2, 0]], rtol=1e-13)


def test_a_prompt_changes_every_id() -> None:
    words, eye = context_ids.vocabulary(3, 1), torch.ones(1, 1, dtype=torch.float64)
    chosen = context_ids.sequences(3, 2)
    plain = context_ids.context_ids(chosen, words, torch.zeros(0, 1, dtype=torch.float64), eye, eye)
    prompted = context_ids.context_ids(chosen, words, 5 * eye, eye, eye)
    assert float((plain - prompted).abs().amin()) > 0.1


@pytest.mark.parametrize(("scale", "length", "grid"), [(12.0, 2, 3), (16.0, 2, 4), (28.0, 3, 4)])
def test_the_boltzmann_operator_keeps_its_distance(scale: float, length: int, grid: int) -> None:
    margin = measure(Params(grid, 1, length, scale=scale)).boltzmann_margin
    assert margin is not None and margin > 1


def test_two_boltzmann_means_have_their_closed_form() -> None:
    z = torch.tensor([0.0, math.log(3.0)], dtype=torch.float64)
    assert float(context_ids.boltzmann(z)) == pytest.approx(0.75 * math.log(3.0))


def test_scores_that_lie_close_have_no_such_bound() -> None:
    assert measure(Params(4, 1, 2, scale=4.0)).boltzmann_margin is None


def test_a_rank_above_the_dimension_is_refused() -> None:
    with pytest.raises(ValueError, match="rank must lie between 1 and dim"):
        measure(Params(3, 1, 2, 2))
