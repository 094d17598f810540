"""prompt.universality against attention run literally, the printed numbers of tokens, and bounds on both sides."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from orchestrator.workload.context import Context
from workloads.prompt import universality as workload
from workloads.prompt.maths import attention, counting, kernel
from workloads.prompt.universality import Params


def measure(*given: Any, seed: int = 0, **named: Any) -> dict[str, Any]:
    """The row of a point."""
    (columns,) = workload.run_pack([Params(*given, **named)], [Context(seed=seed)])
    return {name: values[0] for name, values in columns.items()}


@pytest.mark.parametrize(
    ("dim", "seq_len", "eps", "tokens"),
    [(1, 1, 0.5, 4), (1, 2, 0.5, 64), (1, 2, 0.1, 1600), (2, 2, 0.5, 8192), (2, 2, 0.1, 5.12e6), (2, 3, 0.1, 4.1e10)],
)
def test_the_sufficient_length_has_its_printed_values(dim: int, seq_len: int, eps: float, tokens: float) -> None:
    assert counting.sufficient(eps, dim, seq_len) == pytest.approx(tokens, rel=0.02)


def test_twenty_five_bits_are_needed_at_one_twentieth_in_two_dimensions() -> None:
    assert counting.bumps(0.05, 2) == pytest.approx(25)
    assert counting.needed(0.05, 2, bits=5, token_dim=1) == pytest.approx(5)


def shortest(dim: int, eps: float) -> int:
    """Fewest tokens an axis within 0.1 % of eps, by bisection."""
    low, high = 2, math.ceil(1 / eps)
    while high - low > 1:
        middle = (low + high) // 2
        good = measure(middle, dim, eps)["log_error_ratio"] <= math.log10(1.001)
        low, high = (low, middle) if good else (middle, high)
    return high


@pytest.mark.parametrize(("dim", "powers"), [(1, (4, 5, 6, 7, 8, 9)), (2, (4, 5, 6))])
def test_the_shortest_prompt_has_half_of_one_over_eps_tokens_an_axis(dim: int, powers: tuple[int, ...]) -> None:
    assert [shortest(dim, 2.0**-k) for k in powers] == [2 ** (k - 1) for k in powers]


def test_two_dimensions_at_a_small_eps_take_that_number_too() -> None:
    assert measure(64, 2, 2.0**-7)["sup_error"] <= 1.001 * 2.0**-7
    assert measure(60, 2, 2.0**-7)["sup_error"] > 1.001 * 2.0**-7


def test_a_prompt_that_works_lies_between_the_two_bounds() -> None:
    for row in (measure(16, 1, 2.0**-5), measure(16, 2, 2.0**-5), measure(8, 3, 2.0**-4)):
        assert row["sup_error"] <= 1.001 * row["amplitude"] / 4
        assert row["tokens_necessary"] <= row["tokens_bumps"] <= row["prompt_len"] <= row["tokens_sufficient"]


def test_axis_by_axis_is_attention_over_all_tokens() -> None:
    c, x = kernel.centres(5), kernel.query_grid(5, 1)
    h = 0.3 / 5
    tokens, queries = (torch.cartesian_prod(part, part) for part in (c, x))
    # Keys carry -|c|²/2 in a coordinate of their own, which a query meets with 1: scores up to what all tokens share.
    keys = torch.cat([tokens, -tokens.square().sum(-1, keepdim=True) / 2], -1) / h**2
    scores = torch.cat([queries, torch.ones(len(queries), 1, dtype=torch.float64)], -1) @ keys.mT
    values = kernel.bump([c, c], torch.ones(1, 1, dtype=torch.float64))
    literal = attention.attend(scores, values.reshape(-1, 1)).reshape(len(x), len(x))
    weights = torch.softmax(kernel.scores(x, c, h), -1)
    assert torch.allclose(kernel.smoothed(weights, values), literal, atol=1e-12)
    assert kernel.span(x, c, 2) / h**2 == pytest.approx(float((scores.amax(1) - scores.amin(1)).max()), rel=1e-12)


def test_bumps_are_one_lipschitz_and_as_high_as_half_their_width() -> None:
    x = torch.linspace(0, 1, 1001, dtype=torch.float64)
    f = kernel.bump([x], torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64))
    assert float(f.diff().abs().max()) <= (1 + 1e-9) / 1000
    assert (float(f.max()), float(f.min())) == pytest.approx((0.125, -0.125))


def test_the_universal_and_the_efficient_norm_do_not_overlap() -> None:
    rows = [measure(n, d, 1 / (2 * n)) for d, n in ((1, 8), (1, 256), (2, 8), (2, 64))]
    assert all(row["b_needed"] > 10 * row["b_efficient"] for row in rows)
    assert rows[1]["b_needed"] / rows[0]["b_needed"] == pytest.approx(32, rel=0.1)


def test_within_the_efficient_norm_longer_prompts_learn_nothing() -> None:
    errors = [measure(n, 1, 0.125, scores="bounded")["sup_error"] for n in (8, 32, 128)]
    assert min(errors) > 0.25
    best = measure(32, 1, 0.125, scores="bounded", values="fitted")
    assert 0.2 < best["sup_error"] < 0.25
    assert best["b_needed"] == pytest.approx(best["b_efficient"])


def test_fitted_values_are_no_worse_than_sampled_ones_at_the_same_bound() -> None:
    c, x = kernel.centres(6), kernel.query_grid(6, 1)
    weights = torch.softmax(kernel.scores(x, c, 0.2), -1)
    wanted = kernel.bump([x], torch.ones(1, dtype=torch.float64))
    own = kernel.bump([c], torch.ones(1, dtype=torch.float64))
    best = kernel.fitted(weights, wanted, float(own.max()))
    assert float((weights @ best - wanted).abs().max()) <= float((weights @ own - wanted).abs().max())
    assert float(best.abs().max()) <= float(own.max()) + 1e-9


def test_a_width_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a whole number"):
        measure(8, 1, 0.1)
