"""lora.gradient: the tiny exact case, automatic differentiation, the bound on random problems, slopes, packs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from orchestrator.workload.context import Context
from workloads.lora import gradient as workload
from workloads.lora.gradient import Params
from workloads.lora.maths import adaptation_gradient, problem
from workloads.lora.maths.adaptation_gradient import Adapter
from workloads.lora.maths.problem import Problem
from workloads.shared.attention import operators as attention
from workloads.shared.attention import polynomial
from workloads.shared.attention.operators import Attention

DA = [-0.084479020044786, -0.018648298322957]
DB = [-0.018648298322957, 0.000980830200418]
CHAINED = {0: 1.1457e-3, 1: 2.2913e-4, 2: 1.0168e-5, 3: 9.242e-7, 4: 3.812e-8, 6: 6.06e-11, 8: 5.3e-14}


def measure(*params: Params, seeds: list[int] | None = None) -> list[dict[str, Any]]:
    """Rows of a pack, by point."""
    rows: dict[int, dict[str, Any]] = {}
    for columns in workload.run_pack(params, [Context(seed=s) for s in seeds or [0] * len(params)]):
        for place, index in enumerate(columns["index"]):
            rows[index] = {name: values[place] for name, values in columns.items() if name not in ("index", "step")}
    return [rows[i] for i in range(len(params))]


def matrix(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def tiny() -> tuple[Problem, torch.Tensor, torch.Tensor]:
    """The case of three tokens: the problem, its keys and its values; W* = I, s = 1/2, Y = 0."""
    inputs = 0.5 * matrix([1, 0], [0, 1], [1, -1])
    keys, values = 0.5 * matrix([1, 1], [0, 1], [-1, 0]), matrix([1, 0], [0, 2], [1, 1])
    queries, zero = Adapter(inputs, matrix([1], [0]), matrix([0, 1])), matrix([0], [0])
    adapters = {"queries": queries, "keys": Adapter(keys, zero, zero.mT), "values": Adapter(values, zero, zero.mT)}
    return Problem(adapters, torch.zeros_like(inputs), 0.5, ("queries", "values")), keys, values


def chained(queries: torch.Tensor, keys: torch.Tensor, degree: int) -> Attention:
    return polynomial.polynomial(queries, keys, 0.5, polynomial.taylor(degree))


def drawn(seed: int, adapt: str = "full", b: float = 0.8) -> Problem:
    found = problem.draw(Context(seed=seed), "uniform", "normal", 24, 4, 2, adapt)
    return problem.stack([found], [b], 0.25)


def exact(of: Problem) -> Attention:
    return attention.exact(of.adapted_rows("queries"), of.adapted_rows("keys"), of.scale)


def test_the_tiny_case_has_its_digits() -> None:
    case, keys, values = tiny()
    weights = attention.exact(case.adapted_rows("queries"), keys, 0.5)
    scores = 0.5 * case.adapted_rows("queries") @ keys.mT
    assert scores.tolist() == [[0.25, 0.125, -0.125], [0.125, 0.125, 0], [0.125, 0, -0.125]]
    assert weights.apply(values).square().sum().item() / 2 == pytest.approx(2.0643286323058514, rel=1e-14)
    da, db = problem.gradients(case, weights)[0]["queries"]
    assert da[0].tolist() == pytest.approx(DA, abs=1e-14) and db[:, 0].tolist() == pytest.approx(DB, abs=1e-14)


@pytest.mark.parametrize("g", CHAINED)
def test_the_tiny_case_chained_is_off_as_tabled(g: int) -> None:
    case, keys, _ = tiny()
    da, _ = problem.gradients(case, chained(case.adapted_rows("queries"), keys, g))[0]["queries"]
    exact_da, _ = problem.gradients(case, attention.exact(case.adapted_rows("queries"), keys, 0.5))[0]["queries"]
    error = (da[0] - exact_da[0]).abs().max()
    assert error.item() == pytest.approx(CHAINED[g], rel=2e-3 if g < 7 else 0.05)


@pytest.mark.parametrize("adapt", ["partial", "full"])
@pytest.mark.parametrize("seed", range(3))
def test_the_closed_form_is_automatic_differentiation(adapt: str, seed: int) -> None:
    case = drawn(seed, adapt)
    found, expected = problem.gradients(case, exact(case))[0], problem.autograd(case)
    assert found.keys() == expected.keys() and len(found) == (3 if adapt == "full" else 2)
    for name in found:
        for ours, other in zip(found[name], expected[name], strict=True):
            assert torch.allclose(ours, other, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(("kind", "tolerance"), [("nystroem", 1e-9), ("performer", 0.03), ("polynomial", 1e-10)])
def test_every_fast_operator_gives_a_gradient(kind: str, tolerance: float) -> None:
    case, draw = drawn(0), torch.Generator().manual_seed(5)
    queries, keys = case.adapted_rows("queries"), case.adapted_rows("keys")
    directions = torch.randn(100_000, 4, dtype=torch.float64, generator=draw)
    operators = {
        "nystroem": lambda: attention.nystroem(queries, keys, case.scale, 24),
        "performer": lambda: attention.performer(queries, keys, case.scale, directions),
        "polynomial": lambda: polynomial.polynomial(queries, keys, case.scale, polynomial.taylor(14)),
    }
    found, expected = problem.gradients(case, operators[kind]())[0], problem.autograd(case)
    for name in found:
        for ours, other in zip(found[name], expected[name], strict=True):
            assert (ours - other).norm() <= tolerance * other.norm()


def test_the_loss_passes_gradcheck() -> None:
    case = drawn(1)
    of = case.adapters["queries"]

    def loss(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        queries = of.inputs + of.inputs @ left @ right
        weights = torch.softmax(case.scale * queries @ case.adapted_rows("keys").mT, dim=-1)
        return (weights @ case.adapted_rows("values") - case.target).square().sum() / 2

    assert torch.autograd.gradcheck(loss, (of.down.requires_grad_(), of.up.requires_grad_()))


def test_the_slope_is_the_dense_one_and_its_rows_sum_to_zero() -> None:
    case = drawn(2)
    weights = torch.softmax(case.scale * case.adapted_rows("queries") @ case.adapted_rows("keys").mT, dim=-1)
    residual = weights @ case.adapted_rows("values") - case.target
    products = residual @ case.adapted_rows("values").mT
    dense = weights * (products - (weights * products).sum(-1, keepdim=True))
    found = adaptation_gradient.slope(exact(case), case.adapted_rows("values"), case.target)
    one = torch.eye(24, dtype=torch.float64).expand(1, 24, 24)
    assert torch.allclose(found.apply(one), dense, atol=1e-13) and torch.allclose(found.transpose(one), dense.mT, atol=1e-13)
    assert found.apply(torch.ones(1, 24, 1, dtype=torch.float64)).abs().max() < 1e-13


def test_degree_zero_has_a_gradient() -> None:
    case = drawn(0)
    found = chained(case.adapted_rows("queries"), case.adapted_rows("keys"), 0)
    means = case.adapted_rows("values").mean(-2, keepdim=True)
    assert torch.allclose(found.apply(case.adapted_rows("values")), means.expand(-1, 24, -1), atol=1e-14)
    assert problem.gradients(case, found)[0]["queries"][1].abs().max() > 0.01


def test_the_slope_at_degree_zero_is_what_each_row_leaves_of_its_mean() -> None:
    case = drawn(0)
    values, one = case.adapted_rows("values"), torch.eye(24, dtype=torch.float64).expand(1, 24, 24)
    products = (values.mean(-2, keepdim=True) - case.target) @ values.mT  # M = c V^T, and p = (M - row means of M) / L
    found = adaptation_gradient.slope(chained(case.adapted_rows("queries"), case.adapted_rows("keys"), 0), values, case.target)
    assert torch.allclose(found.apply(one), (products - products.mean(-1, keepdim=True)) / 24, atol=1e-14)


@pytest.mark.parametrize("adapt", ["partial", "full"])
def test_at_a_high_degree_the_chain_is_automatic_differentiation(adapt: str) -> None:
    rows = measure(*(Params(96, 4, b, 16, adapt=adapt, reference="autograd") for b in (0.5, 1.0, 2.0)))
    assert max(max(row["error_a"], row["error_b"]) for row in rows) < 1e-10
    assert min(row["grad_a"] for row in rows) > 1e-3


def test_no_error_exceeds_its_bound_on_random_problems() -> None:
    points = [
        Params(40, d, b, g, r, adapt, kind, values, reference="autograd")
        for d, r in ((2, 1), (5, 3))
        for b in (0.3, 1.0, 1.7)
        for g in (1, 2, 5)
        for adapt in ("partial", "full")
        for kind, values in (("sign", "normal"), ("uniform", "linear"), ("planted", "needle"))
    ]
    found = [row["bound_use"] for row in measure(*points)]
    uses = [use for use in found if use is not None]
    assert len(uses) > 90 and 0 < max(uses) < 0.3


def test_the_bound_is_not_looser_than_the_printed_one() -> None:
    case, eps = drawn(3), torch.tensor([0.05], dtype=torch.float64)
    residual = problem.gradients(case, exact(case))[1]
    found = adaptation_gradient.bound(eps, case.adapted_rows("values"), residual)
    size = max(adaptation_gradient.largest(case.adapted_rows("values")).item(), adaptation_gradient.largest(residual).item())
    printed = 8 * 4 * (2 * 0.05 / 0.95) * adaptation_gradient.largest(case.adapted_rows("values")).item() * size
    assert found.slope.item() <= printed


def test_without_a_relative_error_below_one_there_is_no_bound() -> None:
    (row,) = measure(Params(40, 4, 3.0, 1, data="sign"))
    assert row["rel_error"] > 1 and row["bound_a"] is None and row["bound_use"] is None


@pytest.mark.parametrize("g", [1, 2, 3, 4])
def test_errors_grow_like_the_score_to_the_degree_and_one(g: int) -> None:
    b = np.geomspace(0.2, 0.6, 4)
    rows = measure(*(Params(256, 6, float(x), g, values="normal") for x in b))
    slopes = [np.polyfit(2 * np.log(b), np.log([row[c] for row in rows]), 1)[0] for c in ("rel_error", "rel_error_b")]
    assert slopes == pytest.approx([g + 1, g + 1], abs=0.15)


def test_queries_and_keys_keep_the_bound() -> None:
    case = drawn(4, b=0.37)
    assert [adaptation_gradient.largest(case.adapted_rows(n)).item() for n in ("queries", "keys")] == pytest.approx(
        [0.37, 0.37], rel=1e-14
    )
    assert case.norm.item() >= 0.37


def test_a_batch_is_its_problems() -> None:
    single = [problem.draw(Context(seed=s), "sign", "normal", 20, 3, 2, "full") for s in (1, 2)]
    both = problem.stack(single, [0.5, 0.9], 1 / 3)
    found = problem.gradients(both, exact(both))[0]
    for place, b in enumerate((0.5, 0.9)):
        alone = problem.stack([single[place]], [b], 1 / 3)
        expected = problem.gradients(alone, exact(alone))[0]
        assert all(torch.allclose(found[n][i][place], expected[n][i][0], atol=1e-13) for n in found for i in (0, 1))


def test_a_point_does_not_depend_on_its_pack() -> None:
    points, seeds = [p for p in workload.EXAMPLES for _ in range(2)], [0, 3] * len(workload.EXAMPLES)
    assert measure(*points, seeds=seeds) == [measure(p, seeds=[s])[0] for p, s in zip(points, seeds, strict=True)]


def test_memory_does_not_grow_with_the_square_of_the_length() -> None:
    n = 1 << 15
    rows = torch.rand(n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = chained(rows, rows, 2).apply(rows)  # the weights alone would take 8 GB
    assert found.shape == (n, 2) and math.isfinite(found.sum().item())


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (Params(40, 3, 0.5, 2, adapt="half"), "adapt must be partial or full, but got 'half'"),
        (Params(40, 3, 0.5, -1), "degree at least 0.* got .*degree = -1"),
        (Params(40, 3, 0.5, 2, lora_rank=4), r"lora_rank in 1..dim.* lora_rank = 4"),
        (Params(40, 3, 0.5, 2, reference="torch"), "reference must be exact or autograd.* got reference = 'torch'"),
    ],
)
def test_params_that_mean_nothing_are_refused(params: Params, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure(params)
