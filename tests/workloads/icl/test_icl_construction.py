"""icl.construction against exact cases, autograd, literal and dense layers, counts, invariances, and a planted mistake."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

from orchestrator.workload.context import Context
from workloads.icl import construction
from workloads.icl.construction import Params
from workloads.icl.maths import activations, construct, descent, layers, problems
from workloads.icl.maths.activations import ACTIVATIONS
from workloads.icl.maths.layers import Attention, Products, Tokens
from workloads.icl.maths.problems import Problem

DYADIC = Params(problem="dyadic", width=2, dim=2, examples=4)
SINES = Params(problem="sines")


def measure(p: Params, seeds: int = 1) -> list[dict[str, Any]]:
    """Results of a point, one for each seed."""
    (columns,) = construction.run_pack([p] * seeds, [Context(seed) for seed in range(seeds)])
    return [{name: values[i] for name, values in columns.items()} for i in range(seeds)]


def last(p: Params, task: Problem) -> list[Tensor]:
    """The transformer's last weights."""
    return construction.applied(p, construction.build(p, task.x), task, task.query).last


def ways(p: Params, task: Problem) -> tuple[list[Tensor], list[Tensor]]:
    """Weights after all steps, of the transformer and of gradient descent."""
    options = {"rate": p.rate, "box": p.box, "steps": p.steps}
    return last(p, task), descent.descend(task.weights, task.x, task.y, ACTIVATIONS[p.activation], **options).last  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("steps", "first_layer", "second_layer", "loss"),
    [
        (1, [0.53125, -0.228125, 0.2671875, 0.5109375], [1.01015625, 0.51953125], 0.10048717487957329),
        (2, None, None, 0.08166125276664717),
        (
            3,
            [0.5845484316186224, -0.19008477929345097, 0.2988648198509637, 0.5288179085800655],
            [1.0305509012057774, 0.5534890370719863],
            0.06618351350001414,
        ),
    ],
)
def test_the_dyadic_case_is_exact(steps: int, first_layer: Any, second_layer: Any, loss: float) -> None:
    p = dataclasses.replace(DYADIC, steps=steps)
    task = construction.start(p, [Context(0)])
    for weights in ways(p, task):
        assert float(descent.loss(weights, task.x, task.y, ACTIVATIONS["relu"])) == pytest.approx(loss, abs=1e-15)
        if first_layer is not None:
            assert weights[0].flatten().tolist() == pytest.approx(first_layer, abs=1e-15)
            assert weights[1].flatten().tolist() == pytest.approx(second_layer, abs=1e-15)


def test_the_sines_have_the_losses_that_were_computed_elsewhere() -> None:
    (row,) = measure(SINES)
    assert row["loss_first"] == pytest.approx(0.1911328936247051, abs=1e-12)
    assert row["loss_last"] == pytest.approx(0.1642897210158572, abs=1e-12)
    assert row["least_active"] == pytest.approx(3.4e-3, rel=0.02)


@pytest.mark.parametrize("depth", [2, 3, 4, 6])
@pytest.mark.parametrize("steps", [1, 20])
def test_relu_networks_are_trained_exactly(depth: int, steps: int) -> None:
    rows = measure(Params(depth=depth, width=6, dim=4, outputs=2, examples=12, steps=steps, rate=0.05, ramp=1e9), 4)
    steep = [row for row in rows if row["ramp_needed"] < 1e9]
    assert steep and max(row["error_max"] for row in steep) < 1e-12


def test_one_layer_within_the_active_half_follows_the_closed_form() -> None:
    """N = 1 with positive pre-activations alone: w* + (1 - eta H)^L (w0 - w*)."""
    p = Params(depth=1, width=1, dim=2, examples=6, steps=15, rate=0.1)
    x = torch.rand(1, 6, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + 0.5
    w0, y = torch.tensor([[[0.7, 0.4]]], dtype=torch.float64), x @ torch.tensor([[0.9], [0.6]], dtype=torch.float64)
    hessian = x[0].mT @ x[0] / 6
    best = torch.tensor([0.9, 0.6], dtype=torch.float64)
    expected = best + torch.linalg.matrix_power(torch.eye(2, dtype=torch.float64) - 0.1 * hessian, 15) @ (w0[0, 0] - best)
    for weights in ways(p, Problem([w0], x, y, x[:, 0])):
        assert torch.allclose(weights[0][0, 0], expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("depth", [1, 3])
def test_the_gradient_is_that_of_autograd(activation: str, depth: int) -> None:
    task = problems.random_problem(
        Params(depth=depth, width=5, dim=3, examples=7), 2, ACTIVATIONS[activation], [Context(0), Context(1)]
    )
    weights = [weight.clone().requires_grad_() for weight in task.weights]
    ours, _ = descent.gradient(task.weights, task.x, task.y, ACTIVATIONS[activation])
    theirs = torch.autograd.grad(descent.loss(weights, task.x, task.y, ACTIVATIONS[activation]).sum(), weights)
    assert all(torch.allclose(a, b, rtol=0, atol=1e-14) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize(
    "p", [SINES, Params(depth=3, steps=3), Params(depth=2, activation="tanh", pieces=16, outputs=2, steps=2)]
)
def test_tokens_that_hold_everything_give_the_same(p: Params) -> None:
    literal = dataclasses.replace(p, tokens="literal")
    task = construction.start(p, [Context(0), Context(1)])
    assert float(descent.largest_difference(last(p, task), last(literal, task)).max()) < 1e-14


def test_every_literal_token_ends_with_the_same_weights() -> None:
    p = dataclasses.replace(SINES, tokens="literal")
    task = construction.start(p, [Context(0)])
    built = construction.build(p, task.x)
    tokens = built.tokens(task.weights, task.x, task.y, task.query, literal=True)
    built.step(tokens)
    for slots in built.slots.weights:
        held = tokens.read(layers.entries(slots))
        assert torch.allclose(held, held[:, :1].expand_as(held), rtol=0, atol=1e-15)
    assert not bool(tokens.read(layers.entries(built.slots.scratch)).any())


def dense(layer: Attention, h: Tensor, examples: int) -> Tensor:
    """The layer by full matrices Q, K and V of each head, on tokens (T, D) whose last column is the constant 1."""
    size, constant, added = h.shape[1], h.shape[1] - 1, torch.zeros_like(h)
    for part in layer.parts:
        terms = zip(part.combine.scale.tolist(), part.combine.bias.tolist(), part.combine.weight.tolist(), strict=True)
        for scale, bias, weight in terms:
            for unit in range(len(part.key)):
                q, k, v = (torch.zeros(size, size, dtype=h.dtype) for _ in range(3))
                for r in range(len(part.query)):
                    q[r, part.query.index[r]], k[r, part.key.index[unit, r]] = 1.0, scale
                q[size - 1, constant], k[size - 1, constant] = 1.0, bias
                v[part.out.index[unit], part.value.index] = weight * part.factor
                added += torch.relu((h @ q.mT) @ (h @ k.mT).mT) @ (h @ v.mT) / examples
    return added


def test_attention_layers_are_matrices_of_queries_keys_and_values() -> None:
    p = dataclasses.replace(SINES, tokens="literal", examples=5, width=3)
    task = construction.start(p, [Context(0)])
    built = construction.build(dataclasses.replace(p, ramp=50.0), task.x)
    tokens = built.tokens(task.weights, task.x, task.y, task.query, literal=True)
    for layer in built.layers:
        before = torch.cat([tokens.own[0], torch.ones(6, 1, dtype=torch.float64)], 1)
        layer(tokens)
        if isinstance(layer, Attention):
            after = torch.cat([tokens.own[0], torch.ones(6, 1, dtype=torch.float64)], 1)
            assert torch.allclose(before + dense(layer, before, 5), after, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("depth", "layers_of_a_step"), [(1, 6), (2, 8), (3, 10), (4, 12), (6, 16)])
def test_a_step_has_2n_plus_4_layers(depth: int, layers_of_a_step: int) -> None:
    (row,) = measure(Params(depth=depth, steps=3))
    assert row["layers"] == row["layers_expected"] == 3 * layers_of_a_step


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_layers_have_the_heads_of_the_table(depth: int) -> None:
    """K a layer on the way there, 2 N K for the derivatives and 2 N K for the gradient; products and MLPs have none."""
    width = 5
    p = Params(depth=depth, width=width, outputs=width)
    counted = [layer.heads for layer in construction.build(p, torch.empty(0, dtype=torch.float64)).layers]
    assert counted == [width] * depth + [2 * depth * width, 0] + [0] * depth + [2 * depth * width, 0]


def test_the_order_of_examples_does_not_matter() -> None:
    p = Params(depth=3, examples=8)
    task = construction.start(p, [Context(0)])
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    turned = Problem(task.weights, task.x[:, order], task.y[:, order], task.query)
    assert float(descent.largest_difference(last(p, task), last(p, turned))) < 1e-14


@pytest.mark.parametrize("tokens", ["literal", "collapsed"])
def test_no_query_moves_a_weight(tokens: Any) -> None:
    assert all(row["query_moves"] == 0 for row in measure(Params(depth=3, tokens=tokens), 3))


def test_a_box_that_clips_in_every_step_is_kept_exactly() -> None:
    drawn = construction.start(Params(depth=3, width=5, dim=4, examples=12), [Context(0)])
    box = max(float(weight.abs().max()) for weight in drawn.weights)
    task = Problem(drawn.weights, drawn.x, 20.0 + drawn.y, drawn.query)
    for steps in range(1, 11):
        p = Params(depth=3, width=5, dim=4, examples=12, steps=steps, rate=0.2, box=box)
        ours, theirs = ways(p, task)
        assert max(float(weight.abs().max()) for weight in ours) == pytest.approx(box, abs=1e-14)
        assert float(descent.largest_difference(ours, theirs)) < 1e-13
        free = last(dataclasses.replace(p, box=1e6), task)
        assert max(float(weight.abs().max()) for weight in free) > box


@pytest.mark.parametrize(("pieces", "error"), [(4, 0.0625), (8, 0.015625), (32, 2**-10)])
def test_a_square_is_off_by_one_over_the_squared_pieces(pieces: int, error: float) -> None:
    like = torch.empty(0, dtype=torch.float64)
    t = torch.linspace(-1, 1, 8 * pieces + 1, dtype=torch.float64)
    made = activations.interpolant(torch.square, pieces, 1.0, like)
    assert len(made.weight) == pieces + 1
    assert float((made(t) - t.square()).abs().max()) == pytest.approx(error, rel=1e-12)


@pytest.mark.parametrize(("pieces", "error"), [(16, 1.18e-2), (32, 3.63e-3), (64, 9.59e-4), (128, 2.43e-4)])
def test_the_slope_of_a_sigmoid_is_off_as_computed_elsewhere(pieces: int, error: float) -> None:
    made = activations.interpolant(ACTIVATIONS["sigmoid"].slope, pieces, 8.0, torch.empty(0, dtype=torch.float64))
    t = torch.linspace(-8, 8, 100_001, dtype=torch.float64)
    assert float((made(t) - ACTIVATIONS["sigmoid"].slope(t)).abs().max()) == pytest.approx(error, rel=0.01)


@pytest.mark.parametrize(("form", "low", "high"), [("shifted", 0.0, 0.01), ("centred", -0.005, 0.005)])
def test_a_ramp_is_exact_outside_of_its_width(form: str, low: float, high: float) -> None:
    made = activations.ramp(100.0, form, torch.empty(0, dtype=torch.float64))
    t = torch.tensor([-1e6, -0.1, low - 1e-9, high + 1e-9, 0.1, 1e6], dtype=torch.float64)
    assert made(t).tolist() == pytest.approx([0, 0, 0, 1, 1, 1], abs=1e-15)
    assert float(made(torch.tensor([(low + high) / 2], dtype=torch.float64))) == pytest.approx(0.5)


@contextmanager
def a_wrong_sign(depth: int) -> Iterator[None]:
    """One product layer of each step adds its products with the wrong sign."""
    right = construct._signal_products

    class Wrong(Products):
        def __call__(self, tokens: Tokens) -> None:
            for left, other, out in self.factors:
                tokens.add(out, -tokens.read(left) * tokens.read(other))

    construct._signal_products = lambda slots, layer: (
        Wrong(right(slots, layer).factors) if layer == depth else right(slots, layer)
    )
    try:
        yield
    finally:
        construct._signal_products = right


def test_a_wrong_sign_in_one_product_layer_breaks_what_is_exact() -> None:
    p = Params(depth=3, steps=1, ramp=1e9)
    with a_wrong_sign(1):
        assert max(row["error_max"] for row in measure(p, 4)) > 1e-4
    assert all(row["error_max"] < 1e-12 for row in measure(p, 4) if row["ramp_needed"] < 1e9)


@pytest.mark.parametrize(
    ("p", "words"),
    [
        (Params(outputs=5, width=4), "outputs must be at most width"),
        (Params(problem="dyadic"), "problem: dyadic has sizes of its own"),
        (Params(tokens="literal", examples=5000, width=8), r"2\^28"),
        (Params(box=0.1), "starting weights must lie in the box"),
    ],
)
def test_what_contradicts_itself_is_refused(p: Params, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        list(construction.run_pack([Params(), p], [Context(0), Context(1)]))
