"""prompt.capacity against cases with a known end, nesting of data and torch's own attention."""

from __future__ import annotations

import pytest
import torch

from orchestrator.workload.context import Context
from workloads.prompt import capacity as workload
from workloads.prompt.capacity import Params, Result
from workloads.prompt.maths import block


def measure(p: Params, seed: int = 0) -> Result:
    """The row of a point."""
    ((_, result),) = workload.run(p, Context(seed=seed))
    return result


def small(pairs: int, prompt_len: int, network: str = "attention") -> Params:
    """A point that is solved in a fraction of a second."""
    return Params(pairs, prompt_len, 4, 1, 1e-3, network, restarts=4, steps=50)


def test_one_pair_is_memorised_by_a_few_tokens() -> None:
    found = measure(small(1, 4))
    assert found.success and found.max_error < 1e-9 < found.error_without


def test_more_numbers_than_the_prompt_has_are_not_met() -> None:
    found = measure(small(6, 2))
    assert not found.success and found.numbers_asked > found.numbers_free
    assert found.max_error >= found.rms_error > 1e-3


def test_more_starts_find_the_same_least_squares() -> None:
    few, many = (measure(Params(4, 2, 4, 1, 1e-3, restarts=n, steps=80)) for n in (4, 12))
    assert many.rms_error == pytest.approx(few.rms_error, rel=0.05)


def test_bisection_finds_a_capacity_that_a_longer_prompt_exceeds() -> None:
    def capacity(prompt_len: int) -> int:
        low, high = 0, 8
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if measure(small(middle, prompt_len)).success else (low, middle)
        return low

    assert 0 <= capacity(1) < capacity(8) <= 8


def test_the_first_pairs_of_a_seed_are_those_of_every_larger_number() -> None:
    network = block.random(4, False, torch.Generator().manual_seed(0))
    few, many = (workload._task(small(n, 3), Context(seed=5), network, "") for n in (2, 5))
    assert torch.equal(few[1], many[1][:2]) and torch.equal(few[2], many[2][:2])


def test_the_attention_network_is_that_of_torch() -> None:
    draw = torch.Generator().manual_seed(0)
    net = block.random(4, False, draw)
    prompt, x = (torch.randn(n, 4, dtype=torch.float64, generator=draw) for n in (3, 5))
    seen = torch.cat([prompt, x])
    own = torch.nn.functional.scaled_dot_product_attention(x @ net.wq, seen @ net.wk, seen @ net.wv)
    assert torch.allclose(net(prompt, x), own, rtol=1e-12)


def test_sharper_keys_are_scores_times_that() -> None:
    net = block.random(3, True, torch.Generator().manual_seed(0))
    assert torch.equal(net.scaled(4.0).wk, 4 * net.wk) and torch.equal(net.scaled(4.0).wq, net.wq)


def test_training_lowers_the_error_of_its_tasks() -> None:
    draw = torch.Generator().manual_seed(0)
    net = block.random(3, True, draw)
    prompts, x, y = (torch.randn(4, n, 3, dtype=torch.float64, generator=draw) for n in (2, 5, 5))
    x, y = x[:, :, None], y[:, :, None]

    def error(found: block.Block) -> float:
        return float((found(prompts[:, None], x) - y).square().mean())

    assert error(block.trained(net, prompts, x, y, 100)) < 0.5 * error(net)


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(ValueError, match="network must be one of attention, random, scaled, pretrained"):
        measure(Params(1, 1, network="mlp"))
