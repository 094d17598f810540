"""prompt.length, its closed forms and its solver against the digits of an example worked by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from orchestrator.workload.context import Context
from workloads.prompt import length as workload
from workloads.prompt.length import Params
from workloads.prompt.maths import levenberg, token_counts

# Contexts {e_2, q} and {-e_2, q}, targets (.2, .4) and (.2, .1): solved by hand.
TARGETS = torch.tensor([[0.2, 0.4], [0.2, 0.1]], dtype=torch.float64)
MASS = (token_counts.SHARE, token_counts.SHARE)
LN_S, UQ, ACROSS = math.log(2.9483848382), -0.4697312499, 0.5652812499
FLOORS = {1: 1.12442, 2: 1.09174, 4: 1.06082, 8: 1.03652, 32: 1.01079, 128: 1.00283}


def measure(*params: Params) -> list[dict[str, Any]]:
    """Rows of a pack, by point."""
    rows: dict[int, dict[str, Any]] = {}
    for columns in workload.run_pack(params, [Context(seed=0)] * len(params)):
        for place, index in enumerate(columns["index"]):
            rows[index] = {name: values[place] for name, values in columns.items()}
    return [rows[i] for i in range(len(params))]


def test_attention_without_a_prompt_has_the_digits_of_the_example() -> None:
    expected = [[0.7310585786, 0.2689414214], [0.7310585786, -0.2689414214]]
    assert token_counts.contexts(2).tolist() == [pytest.approx(row, abs=1e-10) for row in expected]
    assert pytest.approx(3.718281828) == token_counts.SHARE


def test_two_targets_ask_for_one_mean_and_one_sum() -> None:
    found = token_counts.demanded(TARGETS, token_counts.contexts(2), MASS)
    assert found.u.tolist() == pytest.approx([UQ, ACROSS], abs=1e-8)
    assert found.s == pytest.approx(2.9483848382, rel=1e-8)
    assert found.s / (found.s + token_counts.SHARE) == pytest.approx(0.4422577257, rel=1e-8)
    assert found.s * math.exp(-float(found.u[0])) == pytest.approx(4.716, abs=5e-4)
    assert found.residual < 1e-18


def test_targets_the_wrong_way_round_ask_for_what_no_prompt_gives() -> None:
    swapped = torch.tensor([[0.0, -1.0], [0.0, 1.0]], dtype=torch.float64)
    assert token_counts.demanded(swapped, token_counts.contexts(2), MASS).residual > 1.9


def test_the_example_needs_exactly_five_tokens() -> None:
    assert token_counts.least_tokens(LN_S, UQ) == 5
    rows = measure(*(Params(n, LN_S, UQ, ACROSS, problem=kind) for kind in ("sums", "pair") for n in (3, 4, 5, 6)))
    assert [row["solved"] for row in rows] == [False, False, True, True] * 2
    assert [row["possible"] for row in rows] == [False, False, True, True] * 2


def test_the_solver_leaves_the_residuals_of_the_example() -> None:
    three, four = measure(*(Params(n, LN_S, UQ, ACROSS) for n in (3, 4)))
    assert three["squared_residual"] == pytest.approx(1.02, abs=0.005)
    assert four["squared_residual"] == pytest.approx(0.165, abs=0.0005)


@pytest.mark.parametrize("tokens", FLOORS)
def test_the_least_error_of_the_unreachable_pair_has_its_digits(tokens: int) -> None:
    assert token_counts.floor(tokens) == pytest.approx(FLOORS[tokens], abs=5e-6)


def test_no_prompt_beats_that_floor_and_a_search_comes_near() -> None:
    (row,) = measure(Params(2, problem="swapped", restarts=2, steps=300))
    assert row["error_floor"] - 1e-9 <= row["max_error"] <= 1.01 * row["error_floor"]


def test_one_token_serves_where_its_score_is_ln_s_and_nowhere_else() -> None:
    rows = measure(Params(1, 0.7, 0.7), Params(1, 0.7, 0.5), Params(1, 0.7, 0.9))
    assert [row["solved"] for row in rows] == [True, False, False] == [row["possible"] for row in rows]


def test_a_mean_score_above_ln_s_is_out_of_reach_at_every_length() -> None:
    rows = measure(*(Params(n, 0.7, 1.1) for n in (2, 8, 32)))
    assert not any(row["solved"] or row["possible"] for row in rows)
    assert all(row["tokens_least"] is None for row in rows)


def test_bisection_over_the_solver_finds_the_shortest_prompt() -> None:
    low, high = 1, 32
    while high - low > 1:
        middle = (low + high) // 2
        (row,) = measure(Params(middle, 1.0, -1.57))
        low, high = (low, middle) if row["solved"] else (middle, high)
    assert high == math.ceil(math.exp(2.57)) == 14


def test_damped_moves_solve_linear_equations() -> None:
    matrix = torch.randn(5, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x, cost = levenberg.solve(lambda x, a: a @ x - 1, torch.zeros(5, 4, dtype=torch.float64), (matrix,), 60)
    assert cost.max() < 1e-24
    assert torch.allclose((matrix @ x[..., None])[..., 0], torch.ones(5, 3, dtype=torch.float64))


def test_equations_without_a_solution_end_at_least_squares() -> None:
    matrix = torch.randn(2, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    x, _ = levenberg.solve(lambda x, a: a @ x - 1, torch.zeros(2, 3, dtype=torch.float64), (matrix,), 60)
    best = torch.linalg.lstsq(matrix, torch.ones(2, 6, 1, dtype=torch.float64)).solution[..., 0]
    assert torch.allclose(x, best, atol=1e-6)


def test_one_dimension_is_refused() -> None:
    with pytest.raises(ValueError, match="dim at least 2"):
        measure(Params(2, dim=1))
