"""ndlinear.count: counts of the released layer, products in every order, outputs beside torch, torch.kron and the wheel."""

from __future__ import annotations

import itertools
import random

import pytest
import torch
from ndlinear import NdLinear

from orchestrator.workload.context import Context
from workloads.ndlinear import count
from workloads.ndlinear.count import Params
from workloads.ndlinear.maths import layer

COUNTS = [
    ("28x28x3", "64x64x6", 3736), ("64x8x8", "64x8x8", 4304), ("64x8x8", "32x8x8", 2224), ("96x8", "2x2", 212),
    ("32", "64", 2112),
    ("128x8", "64x8", 8328), ("64x8", "10x2", 668), ("3x64", "10x30", 1990), ("768x1", "2800x8", 2153216),
    ("2800x8", "768x1", 2151177), ("11x64", "11x64", 4292), ("32x64", "32x64", 5216),
]  # fmt: skip


def linear_modes(inner: layer.Sizes, outer: layer.Sizes) -> list[torch.nn.Linear]:
    """One of torch's layers for each mode."""
    return [torch.nn.Linear(d, h, dtype=torch.float64) for d, h in zip(inner, outer, strict=True)]


def stacked(modes: list[torch.nn.Linear]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Their weights (1, H, D) and biases (1, H)."""
    return [mode.weight[None] for mode in modes], [mode.bias[None] for mode in modes]


@pytest.mark.parametrize(("shape_in", "shape_out", "numbers"), COUNTS)
def test_counts_are_those_of_the_released_layer(shape_in: str, shape_out: str, numbers: int) -> None:
    inner, outer = layer.pair(shape_in, shape_out)
    assert layer.n_params(inner, outer) == numbers
    assert numbers == sum(d * h + h for d, h in zip(inner, outer, strict=True))


@pytest.mark.parametrize(
    ("order", "expected"), [((0, 1), [[42.5], [16.5], [6.5]]), ((1, 0), [[41.5], [16.5], [8.0]])]
)  # fmt: skip
def test_a_hand_example_comes_out_in_both_orders(order: tuple[int, int], expected: list[list[float]]) -> None:
    x = torch.tensor([[1.0, 2, 3], [4, 5, 6]])[None, None]
    weights = [torch.tensor([[[1.0, 2], [0, 1], [-1, 1]]]), torch.tensor([[[1.0, 0, 2]]])]
    biases = [torch.tensor([[1.0, 0, -1]]), torch.tensor([[0.5]])]
    assert layer.apply(x, weights, biases, order)[0, 0].tolist() == expected
    assert layer.contracted(x, weights, biases, order)[0, 0].tolist() == expected


@pytest.mark.parametrize("shape", [((2, 3), (4, 2)), ((3, 1, 2), (2, 4, 3)), ((5,), (3,))])
def test_without_biases_it_is_a_kronecker_product(shape: tuple[layer.Sizes, layer.Sizes]) -> None:
    inner, outer = shape
    weights = [torch.randn(1, h, d, dtype=torch.float64) for d, h in zip(inner, outer, strict=True)]
    x, whole = torch.randn(1, 7, *inner, dtype=torch.float64), weights[0][0]
    for weight in weights[1:]:
        whole = torch.kron(whole, weight[0])
    for order in itertools.permutations(range(len(inner))):
        assert torch.allclose(layer.apply(x, weights, None, order)[0].flatten(1), x[0].flatten(1) @ whole.mT, atol=1e-12)


@pytest.mark.parametrize("backwards", [False, True])
def test_outputs_are_those_of_the_wheel(backwards: bool) -> None:
    wheel = NdLinear((4, 3, 2), (2, 5, 3), transform_outer=not backwards).double()
    weights, biases = stacked(list(wheel.align_layers))
    x = torch.randn(6, 4, 3, 2, dtype=torch.float64)
    order = layer.modes("reversed" if backwards else "given", (4, 3, 2), (2, 5, 3))
    assert torch.allclose(layer.apply(x[None], weights, biases, order)[0], wheel(x), atol=1e-12)
    assert torch.allclose(layer.contracted(x[None], weights, biases, order)[0], wheel(x), atol=1e-12)


def test_torch_s_first_weights_of_seed_1234_give_the_wheel_s_sum() -> None:
    torch.manual_seed(1234)
    weights, biases = stacked([torch.nn.Linear(2, 4), torch.nn.Linear(3, 2)])
    x = (torch.arange(6.0) / 10).view(1, 1, 2, 3)
    assert layer.apply(x, weights, biases, (0, 1)).sum().item() == pytest.approx(0.1384882927, abs=1e-6)


def test_one_mode_is_torch_s_linear_bit_for_bit() -> None:
    linear, x = torch.nn.Linear(32, 64), torch.randn(100, 32)
    assert torch.equal(layer.apply(x[None], [linear.weight[None]], [linear.bias[None]], (0,))[0], linear(x))


def test_models_of_a_stack_get_what_each_gets_alone() -> None:
    modes = [linear_modes((3, 4, 2), (5, 2, 3)) for _ in range(4)]
    x = torch.randn(4, 6, 3, 4, 2, dtype=torch.float64)
    weights, biases = ([torch.stack([getattr(m[k], name) for m in modes]) for k in range(3)] for name in ("weight", "bias"))
    together = layer.apply(x, weights, biases, (2, 0, 1))
    for model in range(4):
        assert torch.allclose(together[model], layer.apply(x[model : model + 1], *stacked(modes[model]), (2, 0, 1))[0])


def test_the_best_order_is_that_of_all_orders() -> None:
    draw = random.Random(0)
    for _ in range(200):
        n = draw.randint(1, 5)
        inner, outer = (tuple(draw.randint(1, 12) for _ in range(n)) for _ in range(2))
        costs = [layer.macs(inner, outer, order) for order in itertools.permutations(range(n))]
        assert layer.macs(inner, outer, layer.modes("best", inner, outer)) == min(costs)
        assert layer.macs(inner, outer, layer.modes("worst", inner, outer)) == max(costs)


def test_the_smallest_ratio_first_would_be_the_worst_order() -> None:
    inner, outer = (28, 28, 3), (64, 64, 6)
    by_ratio = sorted(range(3), key=lambda k: outer[k] / inner[k])
    assert layer.macs(inner, outer, by_ratio) == layer.macs(inner, outer, layer.modes("worst", inner, outer)) == 1_003_296
    assert layer.macs(inner, outer, (0, 1, 2)) == 568_320


def test_a_block_of_a_language_model_takes_four_times_the_products_in_the_official_order() -> None:
    up, down = ((768, 1), (2800, 8)), ((2800, 8), (768, 1))
    official = sum(layer.macs(*shape, (0, 1)) for shape in (up, down))
    best = sum(layer.macs(*shape, layer.modes("best", *shape)) for shape in (up, down))
    assert official / (2 * 768 * 3072) == pytest.approx(4.11, abs=0.005)
    assert best / (2 * 768 * 3072) == pytest.approx(0.92, abs=0.005)


@pytest.mark.parametrize(("d", "h"), [(128, 128), (768, 2800), (3, 5)])
def test_a_mode_of_one_is_a_dense_layer_and_two_numbers(d: int, h: int) -> None:
    assert layer.n_params((d, 1), (h, 1)) == d * h + h + 2 == layer.n_params_dense((d, 1), (h, 1)) + 2


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_first_outputs_without_biases_have_a_third_for_each_mode(n: int) -> None:
    assert layer.output_variance((64,) * n, range(n)) == pytest.approx(3.0**-n)


@pytest.mark.parametrize("bias", [False, True])
def test_first_outputs_are_as_large_as_foreseen(bias: bool) -> None:
    shapes = ["16" + "x4" * n for n in range(3)]
    rows = [count.run(Params(shape, shape, bias=bias, draws=400), Context(1)) for shape in shapes]
    assert all(abs(row.variance_measured - row.variance_factor) < 4 * row.variance_se for row in rows)
    assert all(row.largest_gap < 1e-13 for row in rows)


@pytest.mark.parametrize(
    ("shape_in", "shape_out", "message"),
    [
        ("4x3", "2", r"shape_in and shape_out must have as many modes, but got '4x3' with 2 and '2' with 1"),
        ("4x0", "2x2", r"shape_in must be sizes of at least 1 .* got '4x0'"),
        ("4,3", "2x2", r"shape_in must be sizes of at least 1 .* got '4,3'; write for example 28x28x3"),
        ("4x3", "", r"shape_out must be sizes of at least 1"),
    ],
)
def test_shapes_that_do_not_go_together_are_refused(shape_in: str, shape_out: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        count.run(Params(shape_in, shape_out), Context(0))
