"""ndlinear.risk: fits beside lstsq and beside other starts, expected errors beside simulation and other people's figures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from orchestrator.workload.context import Context
from workloads.ndlinear import risk
from workloads.ndlinear.maths import kronecker, regression
from workloads.ndlinear.risk import Params


def measured(params: Params, seeds: int = 1) -> dict[str, list[float]]:
    """The columns of a pack of seeds."""
    (columns,) = risk.run_pack([params] * seeds, [Context(seed) for seed in range(seeds)])
    return columns


def moments(n: int, d: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Inputs and outputs (n, d^2) of a noisy product, and their moments."""
    x, e = torch.randn(2, n, d * d, dtype=torch.float64)
    left, right = torch.randn(2, d, d, dtype=torch.float64)
    y = x @ torch.kron(left, right).mT + 0.1 * e
    return x, y, x.mT @ x, x.mT @ y


def test_the_dense_map_is_that_of_lstsq() -> None:
    x, y, inputs, crossed = moments(60, 3)
    assert torch.allclose(regression.dense(inputs, crossed), torch.linalg.lstsq(x, y).solution.mT, atol=1e-10)


def test_no_small_change_of_the_product_fits_better() -> None:
    x, y, inputs, crossed = moments(40, 3)
    fitted = regression.product(inputs[None], crossed[None], torch.tensor([40.0]), 3)[0]
    factors = torch.linalg.svd(kronecker.rearranged(fitted.unflatten(1, (3, 3)).unflatten(0, (3, 3))))
    assert float(factors.S[1]) < 1e-9 * float(factors.S[0])
    left, right = (factors.U[:, 0] * factors.S[0]).view(3, 3).requires_grad_(), factors.Vh[0].view(3, 3).requires_grad_()
    (x @ torch.kron(left, right).mT - y).square().sum().backward()
    assert max(float(side.grad.abs().max()) for side in (left, right) if side.grad is not None) < 1e-6


def test_the_map_of_rank_one_is_the_best_of_rank_one_on_the_data() -> None:
    x, y, inputs, crossed = moments(60, 3)
    fitted = x @ torch.linalg.lstsq(x, y).solution
    singular = torch.linalg.svdvals(fitted)
    low = regression.low_rank(inputs, crossed)
    assert float((fitted - x @ low.mT).square().sum()) == pytest.approx(float(singular[1:].square().sum()))
    assert int(torch.linalg.matrix_rank(low, rtol=1e-9)) == 1


@pytest.mark.parametrize(
    ("n", "dense"), [(64, 12.0), (128, 3.5604), (256, 1.4795), (512, 0.6821), (1024, 0.3283)]
)  # fmt: skip
def test_expected_errors_are_the_tabled_ones(n: int, dense: float) -> None:
    assert regression.dense_excess(6, n, 0.5) == pytest.approx(dense, rel=1e-4)
    assert regression.product_excess(6, n, 0.5, 0.0) == pytest.approx(0.25 * 71 / n)


@pytest.mark.parametrize(("alpha", "n"), [(0.0, 128), (0.3, 256)])
def test_a_product_errs_as_expected(alpha: float, n: int) -> None:
    columns = measured(Params(6, n, alpha), seeds=40)
    ratios = np.array(columns["excess"]) / np.array(columns["excess_expected"])
    assert abs(ratios.mean() - 1) < 0.05 + 3 * ratios.std() / 40**0.5


def test_dense_and_product_tie_where_foreseen() -> None:
    tie = regression.break_even(6, 128, 0.5, 6)
    assert tie == pytest.approx(0.1123, abs=1e-4)
    near, far = (np.mean(measured(Params(6, 128, factor * tie), seeds=20)["lead"]) for factor in (0.7, 1.4))
    assert near > 0 > far


def test_a_row_is_consistent() -> None:
    columns = measured(Params(3, 50, 0.4, products=4, layer="lowrank"), seeds=3)
    for excess, value, floor in zip(columns["excess"], columns["risk"], columns["floor"], strict=True):
        assert value == pytest.approx(excess + floor + 0.25 * 9)
    assert columns["excess_expected"] == [None] * 3
    assert measured(Params(3, 50, layer="dense"))["lead"] == [0.0]
    assert measured(Params(3, 9))["lead"] == [None] == measured(Params(3, 9))["break_even"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (Params(3, 10, layer="dense"), r"n must be above d\^2 \+ 1 .* got n = 10, d\^2 \+ 1 = 10: .* is infinite"),
        (Params(3, 5, layer="lowrank", products=2), r"n must be above d\^2 \+ 1 for a lowrank map"),
        (Params(2, 50), r"products of the dial must be at most d\^2, but got products = 6, d\^2 = 4"),
    ],
)
def test_params_that_mean_nothing_are_refused(params: Params, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measured(params)
