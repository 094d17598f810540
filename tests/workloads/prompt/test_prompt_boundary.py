"""prompt.boundary against the staircase, brute force, torch's attention and shapes known in closed form."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from orchestrator.workload.context import Context
from workloads.prompt import boundary as workload
from workloads.prompt.boundary import Params
from workloads.prompt.maths.hybrid import Columns, mixed, whole
from workloads.shared.attention import signs
from workloads.shared.attention.polynomial import evaluate, taylor

STAIRCASE = {2: math.sqrt(0.3577), 3: math.sqrt(0.6178), 4: math.sqrt(0.8925)}  # R* of each degree at 1 %


def measure(p: Params, seed: int = 0) -> dict[str, Any]:
    """The row of a point."""
    (columns,) = workload.run_pack([p], [Context(seed=seed)])
    return {name: values[0] for name, values in columns.items()}


def bisected(**given: Any) -> float | None:
    """Largest b_context that is good enough, to 0.1 %; None where none is above 0.001."""
    low, high = 1e-3, 4.0

    def good(b: float) -> bool:
        return measure(Params(b_context=b, rows=0, **given))["log_error_ratio"] <= 0

    if not good(low):
        return None
    while high / low > 1.001:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if good(middle) else (low, middle)
    return low


def columns(n: int, dim: int, seed: int) -> Columns:
    """Keys and values of entries below one half."""
    draw = torch.Generator().manual_seed(seed)
    keys, values = (torch.rand(n, dim, dtype=torch.float64, generator=draw) - 0.5 for _ in range(2))
    return Columns(keys, values)


@pytest.mark.parametrize(("seq_len", "prompt_len", "degree"), [(60, 4, 2), (240, 16, 3), (900, 124, 4)])
def test_under_a_quiet_prompt_the_boundary_is_the_staircase_of_the_total_length(
    seq_len: int, prompt_len: int, degree: int
) -> None:
    dim = math.ceil(math.log2(seq_len + prompt_len))
    found = bisected(seq_len=seq_len, prompt_len=prompt_len, dim=dim, b_prompt=0.1)
    assert found == pytest.approx(STAIRCASE[degree], rel=0.002)


@pytest.mark.parametrize("b_prompt", [0.1, 0.9, 5.0])
@pytest.mark.parametrize("read", ["all", "context"])
def test_with_exact_prompt_columns_the_boundary_ignores_the_prompt(b_prompt: float, read: str) -> None:
    found = bisected(seq_len=240, prompt_len=16, dim=8, b_prompt=b_prompt, method="hybrid", read=read)
    assert found == pytest.approx(STAIRCASE[3], rel=0.002)


def test_the_pure_polynomial_never_survives_a_loud_prompt() -> None:
    assert bisected(seq_len=240, prompt_len=16, dim=8, b_prompt=0.8) is None
    assert bisected(seq_len=240, prompt_len=16, dim=8, b_prompt=0.75) == pytest.approx(STAIRCASE[3], rel=0.002)


@pytest.mark.parametrize("b_prompt", [1.0, 4.0])
def test_read_for_the_context_alone_it_survives_up_to_a_hyperbola(b_prompt: float) -> None:
    found = bisected(seq_len=240, prompt_len=16, dim=8, b_prompt=b_prompt, read="context")
    assert found == pytest.approx(STAIRCASE[3] ** 2 / b_prompt, rel=0.002)


def test_random_signs_reach_the_staircase_from_above() -> None:
    found = bisected(seq_len=256, prompt_len=256, dim=9, b_prompt=0.1, data="sign")
    assert found == pytest.approx(STAIRCASE[3], rel=0.002)
    even = bisected(seq_len=256, prompt_len=256, dim=9, b_prompt=0.1, data="uniform")
    assert even is not None and even > 1.2 * STAIRCASE[3]


def test_the_error_of_entries_is_that_of_every_pair_by_brute_force() -> None:
    p = Params(40, 9, 6, 0.7, 1.1, data="uniform")
    context, prompt = workload._tokens(Context(seed=3), p.data, p.seq_len, p.prompt_len, p.dim)
    queries = torch.cat([1.1 * prompt.queries, 0.7 * context.queries])
    scores = queries @ torch.cat([1.1 * prompt.keys, 0.7 * context.keys]).mT / 6
    row = measure(p, seed=3)
    wrong = (evaluate(scores, taylor(int(row["degree"]))) / scores.exp() - 1).abs().max()
    assert row["rel_error"] == pytest.approx(float(wrong), rel=1e-10)
    assert row["score_max"] == pytest.approx(float(scores.abs().max()), rel=1e-12)
    assert row["score_max"] <= row["score_bound"]


@pytest.mark.parametrize("kind", ["opposed", "sign"])
@pytest.mark.parametrize("pair", [(False, False), (True, False), (False, True)])
def test_codes_of_signs_find_the_ends_of_all_pairs(kind: str, pair: tuple[bool, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = [(40, 11, d) for d in (4, 7, 12)]
    found = [workload._extremes(Context(seed=s), kind, shape, pair) for s in range(3) for shape in shapes]
    monkeypatch.setattr(signs, "CODED", 0)
    workload._extremes.cache_clear()
    assert found == [workload._extremes(Context(seed=s), kind, shape, pair) for s in range(3) for shape in shapes]
    assert len(set(found)) > 1


def test_a_very_long_context_is_looked_at_from_its_begin() -> None:
    row = measure(Params(2**18, 2**12, 19, 1.1, 0.2, rows=0))
    assert row["score_max"] == pytest.approx(1.21) and row["degree"] == 6


def test_exact_attention_over_prompt_and_context_is_that_of_torch() -> None:
    queries, both = columns(7, 5, 0).keys, columns(6, 5, 1) + columns(20, 5, 2)
    own = torch.nn.functional.scaled_dot_product_attention(queries, both.keys, both.values, scale=0.2)
    assert torch.allclose(whole(queries, both, 0.2), own, rtol=1e-13)


def test_a_high_degree_is_exact_attention_pure_and_hybrid() -> None:
    queries, prompt, context = columns(7, 3, 0).keys, columns(6, 3, 1), columns(20, 3, 2)
    exact = whole(queries, prompt + context, 1.0)
    assert torch.allclose(mixed(queries, prompt + context, None, 1.0, taylor(14)), exact, rtol=1e-12)
    assert torch.allclose(mixed(queries, context, prompt, 1.0, taylor(14)), exact, rtol=1e-12)


def test_the_factored_hybrid_is_the_one_written_out_pair_by_pair() -> None:
    queries, prompt, context = columns(7, 3, 0).keys, columns(6, 3, 1), columns(20, 3, 2)
    weights = torch.cat([torch.exp(queries @ prompt.keys.mT), evaluate(queries @ context.keys.mT, taylor(2))], -1)
    own = weights @ (prompt + context).values / weights.sum(-1, keepdim=True)
    assert torch.allclose(mixed(queries, context, prompt, 1.0, taylor(2)), own, rtol=1e-12)


def test_a_huge_prompt_norm_leaves_hybrid_outputs_good() -> None:
    row = measure(Params(200, 14, 8, 0.6, 6.0, method="hybrid", read="context"))
    assert row["log_error_ratio"] < 0 and row["rel_error_output"] < 0.021
    assert measure(Params(200, 14, 8, 0.6, 6.0, read="context"))["rel_error_output"] > 100 * row["rel_error_output"]


def test_a_real_degree_has_no_outputs() -> None:
    with pytest.raises(ValueError, match="outputs must have a whole degree"):
        measure(Params(64, 8, 7, 0.5, 0.5, policy="rank_eq_l"))
