"""ndlinear.floor: floors of maps that are known, fits that reach them, errors beside torch.kron, refusals."""

from __future__ import annotations

import math

import pytest
import torch

from orchestrator.workload.context import Context
from orchestrator.workload.describe import load
from workloads.ndlinear import floor
from workloads.ndlinear.floor import Params
from workloads.ndlinear.maths import fitting, kronecker


def measured(params: Params, seed: int = 0) -> floor.Result:
    """The one row of a point."""
    ((_, row),) = load(floor).run(params, Context(seed))
    return row


def laplacian_floor(d: int) -> float:
    """What one product leaves of a Laplacian, by the singular values a +- t of its rearranged map."""
    a, t = math.sqrt((6 * d - 8) * d), 2 * (d - 1)
    return (a - t) ** 2 / ((a - t) ** 2 + (a + t) ** 2)


def test_products_are_those_of_torch() -> None:
    left, right = torch.randn(2, 3, 3, dtype=torch.float64), torch.randn(2, 3, 3, dtype=torch.float64)
    expected = torch.kron(left[0], right[0]) + torch.kron(left[1], right[1])
    assert torch.allclose(kronecker.flattened(kronecker.products(left, right)), expected, atol=1e-14)


def test_one_product_has_rank_one_when_rearranged() -> None:
    left, right = torch.randn(2, 1, 4, 4, dtype=torch.float64)
    expected = torch.outer(left.flatten(), right.flatten())
    assert torch.allclose(kronecker.rearranged(kronecker.products(left, right)), expected, atol=1e-14)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (Params("laplacian", 4), 0.02),
        (Params("laplacian", 8), laplacian_floor(8)),
        (Params("laplacian", 5, terms=2), 0.0),
        (Params("swap", 4), 0.9375),
        (Params("swap", 3, terms=4), 5 / 9),
        (Params("dial", 6, 0.25), 5 / 24),
        (Params("dial", 6, 0.75, terms=3), 0.375),
        (Params("dial", 5, 1.0, products=3, terms=3), 0.0),
    ],
)
def test_floors_of_known_maps_come_out_and_are_reached(params: Params, expected: float) -> None:
    row = measured(params)
    assert row.floor == pytest.approx(expected, abs=1e-12)
    assert row.best == pytest.approx(expected, abs=1e-9) and row.worst == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("fit", ["als", "adam"])
@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_a_map_of_fewer_products_than_the_sum_is_no_trouble(fit: str, alpha: float) -> None:
    row = measured(Params("dial", 4, alpha, products=2, terms=2, fit=fit, sweeps=400))
    assert row.floor == 0 and row.worst < 1e-4


def test_nothing_lies_below_the_floor_though_nothing_is_fitted() -> None:
    row = measured(Params("random", 5, sweeps=1, restarts=32))
    assert row.floor < row.best < row.worst < 1


def test_adam_and_least_squares_end_alike() -> None:
    rows = [measured(Params("random", 4, terms=2, fit=fit, sweeps=sweeps), 3) for fit, sweeps in (("als", 500), ("adam", 800))]
    assert rows[0].best == pytest.approx(rows[1].best, abs=1e-6) and rows[0].floor == rows[1].floor


def test_low_rank_wins_on_low_rank_and_loses_on_the_dial() -> None:
    assert measured(Params("lowrank", 6)).advantage < -0.6
    assert measured(Params("dial", 6, 0.25)).advantage > 0.4
    assert measured(Params("lowrank", 6)).lowrank_floor == 0


def test_a_sum_has_as_many_numbers_as_a_map_of_its_rank() -> None:
    row = measured(Params("random", 4, terms=3))
    assert row.n_params == 3 * (16 + 16) == 3 * 2 * 4**2 and row.n_params_dense == 256


def test_errors_are_the_same_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measured(Params("random", 3, restarts=5))
    monkeypatch.setattr(fitting, "ELEMENTS", 100)
    parts = measured(Params("random", 3, restarts=5))
    assert (parts.best, parts.worst) == (pytest.approx(whole.best), pytest.approx(whole.worst))


def test_no_more_numbers_are_held_than_stated() -> None:
    assert 4096 * 32**2 * 12 * fitting.room(32, 1, 4096) <= fitting.ELEMENTS
    assert fitting.room(6, 1, 8) > 2000


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (Params("swap", 2, terms=5), r"terms must be at most d\^2, but got terms = 5, d\^2 = 4"),
        (Params("dial", 4, products=2, terms=3), r"between terms and d\^2, but got products = 2, terms = 3"),
        (Params("dial", 2, products=6), r"products of the dial must lie between .* d\^2 = 4"),
        (Params("lowrank", 2, rank=5), r"rank must be at most d\^2, but got rank = 5"),
    ],
)
def test_params_that_mean_nothing_are_refused(params: Params, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measured(params)
