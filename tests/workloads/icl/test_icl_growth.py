"""icl.growth and icl.softmax against closed forms and autograd."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from orchestrator.workload.context import Context
from workloads.icl import growth, softmax
from workloads.icl.maths import curvature


def measure(module: Any, p: Any, seeds: int = 1) -> list[dict[str, Any]]:
    """Results of a point, one for each seed."""
    (columns,) = module.run_pack([p] * seeds, [Context(seed) for seed in range(seeds)])
    return [{name: values[i] for name, values in columns.items()} for i in range(seeds)]


def hessian(p: growth.Params, seed: int) -> torch.Tensor:
    """The Hessian (P, P) at the first weights, by the derivative of the gradient in every direction."""
    start, gradient = growth.gradient_of(p, [Context(seed)])
    full = torch.autograd.functional.jacobian(lambda flat: gradient(flat[None])[0], start[0])
    assert isinstance(full, torch.Tensor)
    return full


def test_a_linear_layer_has_the_smoothness_of_its_inputs() -> None:
    p = growth.Params(depth=1, activation="linear", dim=3, examples=10, steps=5)
    (row,) = measure(growth, p)
    x = torch.randn(11, 3, generator=Context(0).generator("inputs"), dtype=torch.float64)[:-1]
    assert row["smoothness"] == pytest.approx(1.05 * float(torch.linalg.eigvalsh(x.mT @ x / 10)[-1]), rel=1e-6)


def test_on_a_linear_layer_the_worst_errors_add_up_along_the_lowest_curvature() -> None:
    """There an error shrinks by 1 - rate times the lowest eigenvalue a step, and a new one lies on it."""
    p = growth.Params(depth=1, activation="linear", dim=2, examples=8, steps=12, direction="worst", injected=1e-3)
    (row,) = measure(growth, p)
    shrinks = 1.0 - p.rate * float(torch.linalg.eigvalsh(hessian(p, 0))[0])
    expected = p.rate * p.injected * sum(shrinks**k for k in range(p.steps))
    assert row["deviation"] == pytest.approx(expected, rel=1e-9)
    deviations = [p.rate * p.injected * sum(shrinks**k for k in range(steps)) for steps in (6, 12)]
    assert row["growth"] == pytest.approx(math.log(deviations[1] / deviations[0]) / 6, rel=1e-6)


@pytest.mark.parametrize("activation", ["tanh", "softplus"])
def test_power_iteration_finds_the_ends_of_the_spectrum(activation: Any) -> None:
    p = growth.Params(activation=activation, steps=2)
    start, gradient = growth.gradient_of(p, [Context(0)])
    values, vectors = torch.linalg.eigh(hessian(p, 0))
    direction = torch.randn(start.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    size, _ = curvature.largest(gradient, start, curvature.unit(direction), 100)
    assert float(size) == pytest.approx(float(values.abs().max()), rel=1e-6)
    lowest = curvature.lowest_direction(gradient, start, curvature.unit(direction), size, 500)
    assert abs(float(lowest[0] @ vectors[:, 0])) == pytest.approx(1.0, abs=1e-3)


def test_the_bound_is_a_geometric_sum() -> None:
    expected = sum(0.1 * 1.3**k for k in range(7)) * 1e-3
    smoothness = torch.tensor([3.0, 0.0], dtype=torch.float64)
    assert growth.bound(0.1, smoothness, 7, 1e-3).tolist() == pytest.approx([expected, 0.7e-3])


def test_no_network_passes_the_bound_and_half_the_error_is_half_as_far() -> None:
    wide, narrow = (measure(growth, growth.Params(depth=3, injected=size), 4) for size in (2e-7, 1e-7))
    assert all(0 < row["ratio"] <= 1 for row in wide)
    for a, b in zip(wide, narrow, strict=True):
        assert a["deviation"] == pytest.approx(2 * b["deviation"], rel=1e-3)


def test_softmax_at_two_keys_weighs_them_by_tanh() -> None:
    """Two keys with scores z and -z: the weights differ by tanh(delta z), linear attention by delta z."""
    scores, values = torch.tensor([[0.7, -0.7]], dtype=torch.float64), torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    for delta in (1.0, 0.1):
        expected = abs(math.tanh(0.7 * delta) / delta - 0.7) / 0.7
        assert softmax.deviation(softmax.Params(delta=delta), scores, values) == pytest.approx(expected, rel=1e-10)


def test_the_deviation_halves_with_delta() -> None:
    for wide, narrow in zip(*(measure(softmax, softmax.Params(delta=delta), 4) for delta in (2e-4, 1e-4)), strict=True):
        assert wide["deviation"] == pytest.approx(2 * narrow["deviation"], rel=1e-2)
