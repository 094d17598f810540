"""prompt.gate and prompted attention against closed forms, torch and invariances."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from orchestrator.workload.context import Context
from workloads.prompt import gate
from workloads.prompt.gate import Params
from workloads.prompt.maths import attention


def measure(*params: Params) -> list[dict[str, Any]]:
    """Rows of a pack, by point."""
    rows: dict[int, dict[str, Any]] = {}
    for columns in gate.run_pack(params, [Context(seed=i) for i in range(len(params))]):
        for place, index in enumerate(columns["index"]):
            rows[index] = {name: values[place] for name, values in columns.items()}
    return [rows[i] for i in range(len(params))]


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    """Normal numbers."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_a_zero_prompt_has_the_gate_p_over_p_plus_z() -> None:
    prompt, scores = torch.zeros(3, 5, dtype=torch.float64), drawn(3, 7)
    found = attention.split(prompt, drawn(5, 2), scores, drawn(7, 2)).gate
    assert torch.allclose(found, 5 / (5 + scores.exp().sum(-1)), rtol=1e-14)


def test_a_zero_prompt_and_a_zero_context_share_by_length() -> None:
    (row,) = measure(Params(prompt_len=3, seq_len=9, prompt_scale=0.0, context_scale=0.0))
    assert row["gate_mean"] == pytest.approx(3 / 12, rel=1e-14)
    assert row["gate_zero"] == pytest.approx(3 / 12, rel=1e-14)


@pytest.mark.parametrize("scale", [0.0, 1.0, 6.0])
@pytest.mark.parametrize("prompt_len", [1, 5, 64])
def test_every_identity_holds_to_rounding(scale: float, prompt_len: int) -> None:
    rows = measure(*(Params(prompt_len=prompt_len, dim=d, prompt_scale=scale) for d in (2, 8, 16)))
    for name in ("identity_error", "relative_error", "order_error", "copies_error", "sdpa_error"):
        assert max(row[name] for row in rows) < 1e-12


def test_no_gate_falls_as_the_prompt_grows() -> None:
    rows = measure(*(Params(prompt_len=40, prompt_scale=s) for s in (0.0, 1.0, 6.0)))
    assert all(row["gate_rise"] >= 0 for row in rows)
    (alone,) = measure(Params(prompt_len=1))
    assert alone["gate_rise"] is None


def test_the_gate_of_the_whole_prompt_is_that_of_its_longest_prefix() -> None:
    prompt, scores = drawn(4, 6), drawn(4, 9, seed=1)
    whole = attention.split(prompt, drawn(6, 3), scores, drawn(9, 3)).gate
    assert torch.allclose(attention.gates(prompt, scores)[..., -1], whole, rtol=1e-13)


def test_k_copies_of_a_prompt_are_a_shift_of_ln_k() -> None:
    prompt, values, scores, context = drawn(4, 6), drawn(6, 3), drawn(4, 9, seed=1), drawn(9, 3, seed=2)
    copied = attention.split(prompt.repeat(1, 3), values.repeat(3, 1), scores, context)
    shifted = attention.split(prompt + math.log(3), values, scores, context)
    assert torch.allclose(copied.output, shifted.output, rtol=1e-13)


def test_a_longer_prompt_of_the_same_token_opens_the_gate() -> None:
    rows = measure(*(Params(prompt_len=n, prompt_scale=0.0) for n in (1, 4, 16)))
    means = [row["gate_mean"] for row in rows]
    assert means == sorted(means) and means[0] < means[-1]


def test_an_unknown_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="score_scale must be one of theory, practice, unit, but got 'one'"):
        measure(Params(score_scale="one"))


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        measure(Params(prompt_len=0))
