"""Many models of one shape trained at once: each gets what it would get alone, and what other libraries compute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from orchestrator.workload.context import Context
from workloads.shared.diffusion import network
from workloads.shared.diffusion.network import Shape
from workloads.shared.training import ensemble
from workloads.shared.training.ensemble import Ensemble, Feed, Layout, Recipe, Stack

SHAPE = Shape(depth=1, heads=2, head_dim=3, ff=5, width=6)
LAYOUT = Layout({"in": (2, 6), **SHAPE.shapes()})
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


@dataclass(frozen=True)
class Trial:
    """A model of a test: its seed and what it is trained with."""

    seed: int
    rate: float = 3e-3
    clip: float = 1.0


def begun(trials: list[Trial], dtype: torch.dtype = torch.float32) -> Ensemble:
    """Untrained models."""
    made = [network.initial(LAYOUT.shapes, Context(t.seed).generator("network"), dtype) for t in trials]
    return ensemble.begin(LAYOUT, made)


def recipe(trials: list[Trial], dtype: torch.dtype = torch.float32) -> Recipe:
    """Each trial's own rate and clip."""
    rate, clip = (torch.tensor([getattr(t, name) for t in trials], dtype=dtype) for name in ("rate", "clip"))
    return Recipe(rate=rate, steps=100, clip=clip)


def feed(trials: list[Trial], dtype: torch.dtype = torch.float32) -> Feed:
    """Batches of 16 points of three tokens."""

    def draw(model: int, generator: torch.Generator, steps: int) -> Mapping[str, Tensor]:
        return {"x": torch.randn(steps, 16, 3, 2, generator=generator, dtype=dtype)}

    return Feed([Context(t.seed) for t in trials], draw)


def predict(p: Stack, x: Tensor) -> Tensor:
    """A transformer's outputs (models, points, tokens, 6)."""
    tokens = network.linear(x, p["in"]).permute(0, 3, 2, 1)
    return network.blocks(p, tokens, SHAPE).permute(0, 3, 2, 1)


def loss(p: Stack, x: Tensor) -> Tensor:
    """How far they are from a fixed function of the inputs."""
    return (predict(p, x).sum(-1) - torch.sin(3 * x.sum(-1))).square().mean((1, 2))


def trained(trials: list[Trial], steps: int = 50, dtype: torch.dtype = torch.float32) -> Ensemble:
    """Models after that many steps."""
    models, batches = begun(trials, dtype), feed(trials, dtype)
    ensemble.advance(models, lambda p, step: loss(p, batches(step)["x"]), recipe(trials, dtype), steps)
    return models


TWELVE = [Trial(seed, rate=10 ** (-2 - seed / 12), clip=0.1 * (seed + 1)) for seed in range(12)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_model_gets_in_a_group_of_twelve_what_it_gets_alone(dtype: torch.dtype) -> None:
    group = trained(TWELVE, dtype=dtype).flat
    for place in (0, 5, 11):
        alone = trained([TWELVE[place]], dtype=dtype).flat[0]
        assert float((group[place] - alone).norm() / alone.norm()) < TOLERANCE[dtype]


def test_training_lowers_the_loss_of_every_model() -> None:
    x = feed(TWELVE)(1000)["x"]
    before, after = loss(begun(TWELVE).parameters, x), loss(trained(TWELVE).parameters, x)
    assert bool((after < before).all())


def test_steps_are_those_of_torch() -> None:
    start, gradients = torch.randn(3, 16, dtype=torch.float64), torch.randn(20, 3, 16, dtype=torch.float64)
    models = Ensemble(Layout({"x": (16,)}), start.clone(), torch.zeros_like(start), torch.zeros_like(start))
    own = Recipe(rate=torch.full((3,), 0.05).double(), steps=1, decay=torch.full((3,), 0.1).double(), cosine=False)
    theirs = torch.nn.Parameter(start.clone())
    optimiser = torch.optim.AdamW([theirs], lr=0.05, weight_decay=0.1)
    for gradient in gradients:
        ensemble.update(models, gradient, own)
        theirs.grad = gradient
        optimiser.step()
    assert torch.allclose(models.flat, theirs.detach(), atol=1e-6)


def test_a_gradient_is_clipped_by_its_own_model_s_norm() -> None:
    start = torch.zeros(2, 16)
    models = Ensemble(Layout({"x": (16,)}), start.clone(), start.clone(), start.clone())
    gradient = torch.stack([torch.full((16,), 100.0), torch.full((16,), 0.01)])
    ensemble.update(models, gradient, Recipe(rate=torch.ones(2), steps=1, clip=torch.ones(2)))
    assert (10 * models.mean).norm(dim=1).tolist() == pytest.approx([1.0, 0.04])


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_gradients_are_those_of_torch_func() -> None:
    models, x = begun(TWELVE[:4], torch.float64), feed(TWELVE[:4], torch.float64)(0)["x"]
    flat = models.flat.clone().requires_grad_()
    (own,) = torch.autograd.grad(loss(LAYOUT.views(flat), x).sum(), flat)

    def single(one: Tensor, points: Tensor) -> Tensor:
        return loss(LAYOUT.views(one[None]), points[None])[0]

    theirs = torch.func.vmap(torch.func.grad(single))(models.flat, x)
    assert torch.allclose(own, theirs, atol=1e-12)


def test_a_block_is_torch_s_attention_and_two_linear_maps() -> None:
    x, p = torch.randn(1, 4, 5, 6, dtype=torch.float64), begun([Trial(3)], torch.float64).parameters
    own = {name.removeprefix("block0."): part[0] for name, part in p.items()}
    q, k, v = ((x[0] @ own[name]).view(4, 5, 2, 3).transpose(1, 2) for name in ("query", "key", "value"))
    mixed = torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=1.0).transpose(1, 2).reshape(4, 5, 6)
    after = x[0] + mixed @ own["out"]
    after = after + torch.relu(after @ own["up"] + own["up_bias"]) @ own["down"] + own["down_bias"]
    assert torch.allclose(network.blocks(p, x.permute(0, 3, 2, 1), SHAPE)[0], after.permute(2, 1, 0), atol=1e-12)


def test_many_tokens_attend_as_few_do() -> None:
    q, k, v = torch.randn(3, 2, 2, 3, 7, 4, dtype=torch.float64)  # (models, heads, m, tokens, points) each
    assert torch.allclose(network._few(q, k, v), network._many(q, k, v), atol=1e-12)


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    some, other = feed(TWELVE), feed([TWELVE[7], TWELVE[2]])
    for step in (30, 3, 31):
        assert torch.equal(some(step)["x"][7], other(step)["x"][0])
    assert not torch.equal(some(3)["x"], some(4)["x"])


def test_a_training_that_goes_on_from_its_states_is_bitwise_the_same() -> None:
    whole, half, batches = trained(TWELVE[:3]), trained(TWELVE[:3], steps=21), feed(TWELVE[:3])
    again = ensemble.resume(LAYOUT, [half.saved(i) for i in range(3)])
    ensemble.advance(again, lambda p, step: loss(p, batches(step)["x"]), recipe(TWELVE[:3]), 50)
    assert torch.equal(whole.flat, again.flat)


def test_models_at_different_steps_are_no_ensemble() -> None:
    states = [trained([Trial(0)], steps=k).saved(0) for k in (2, 3)]
    with pytest.raises(ValueError, match="must stand at one step, but stand at \\[2, 3\\]; part them by step"):
        ensemble.resume(LAYOUT, states)


@pytest.mark.parametrize(
    ("states", "places"),
    [([None, None], [[0, 1]]), ([{"step": 5}, None, {"step": 5}], [[0, 2], [1]]), ([], [])],
)
def test_states_of_one_step_are_trained_together(states: list[Any], places: list[list[int]]) -> None:
    assert ensemble.together(states) == places


def test_retraction_keeps_a_parameter_on_its_manifold() -> None:
    def retract(p: Stack, step: int) -> None:
        p["in"].div_(p["in"].norm(dim=(1, 2), keepdim=True))

    models, batches = begun(TWELVE), feed(TWELVE)
    ensemble.advance(models, lambda p, step: loss(p, batches(step)["x"]), recipe(TWELVE), 5, retract)
    assert torch.allclose(models.parameters["in"].norm(dim=(1, 2)), torch.ones(12), atol=1e-6)


def test_a_layout_gives_back_what_it_was_given() -> None:
    made = network.initial(LAYOUT.shapes, Context(1).generator(), torch.float64)
    views = LAYOUT.views(LAYOUT.flat(made)[None])
    assert all(torch.equal(views[name][0], part) for name, part in made.items())
    assert LAYOUT.count == sum(part.numel() for part in made.values())


@pytest.mark.parametrize(
    ("steps", "every", "octaves", "found"),
    [(10, 0, 0, [10]), (10, 4, 0, [4, 8, 10]), (10, 0, 1, [1, 2, 4, 8, 10]), (8, 8, 1, [1, 2, 4, 8]), (1, 0, 3, [1])],
)
def test_rows_are_due_where_they_were_asked_for(steps: int, every: int, octaves: int, found: list[int]) -> None:
    assert ensemble.marks(steps, every, octaves) == found


def test_a_cosine_ends_at_zero() -> None:
    own = Recipe(rate=torch.tensor([2.0]), steps=10)
    assert [float(own.at(step)) for step in (0, 5, 10)] == pytest.approx([2.0, 1.0, 0.0], abs=1e-12)
