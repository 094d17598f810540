"""hopfield.features, operations and timing: unbiased estimates, closed variances, counts by hand, calls that agree."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from orchestrator.workload.context import Context
from orchestrator.workload.describe import load
from workloads.hopfield import features, operations, timing
from workloads.hopfield.maths import calls, kernels, masks
from workloads.hopfield.maths.calls import Shape


def row(name: str, seed: int = 0, **params: Any) -> Any:
    """The row of one point of a workload."""
    workload = load(f"hopfield.{name}")
    ((_, result),) = workload.run(workload.module.Params(**params), Context(seed))
    return result


@pytest.mark.parametrize("kind", kernels.KINDS)
@pytest.mark.parametrize("cosine", [1.0, 0.3, -0.6])
def test_random_features_are_unbiased_within_four_standard_errors(kind: str, cosine: float) -> None:
    result = row("features", d=5, features=12, beta=0.5, cosine=cosine, kind=kind, draws=4000)
    assert abs(result.bias_in_se) < 4


@pytest.mark.parametrize(("beta", "cosine"), [(0.25, 1.0), (0.5, 0.0), (0.4, 0.5)])
def test_the_variance_of_independent_features_is_the_closed_one(beta: float, cosine: float) -> None:
    result = row("features", d=4, features=32, beta=beta, cosine=cosine, kind="iid", draws=20000)
    assert result.variance_exact == pytest.approx((math.exp(beta * (2 + 2 * cosine)) - 1) / 32)
    assert result.variance == pytest.approx(result.variance_exact, rel=0.15)


def test_the_closed_variance_is_that_of_numerical_integration() -> None:
    # One feature depends on ω.s alone, a normal variable of variance |s|² = β(2 + 2c).
    beta, cosine = 0.3, 0.4
    square = beta * (2 + 2 * cosine)
    z = torch.linspace(-12, 12, 200001, dtype=torch.float64)
    density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    estimate = torch.exp(math.sqrt(square) * z - square / 2)
    moments = [float(torch.trapezoid(estimate**k * density, z)) for k in (1, 2)]
    assert moments[0] == pytest.approx(1, abs=1e-9)
    assert features.variance(features.Params(features=1, beta=beta, cosine=cosine)) == pytest.approx(moments[1] - 1, rel=1e-9)


def test_orthogonal_directions_are_orthogonal_in_blocks_and_as_long_as_normal_ones() -> None:
    omega = kernels.directions("orthogonal", 6, 4, torch.Generator().manual_seed(0), 3000)
    gram = omega[:, :4] @ omega[:, :4].mT
    off = gram - torch.diag_embed(gram.diagonal(dim1=-2, dim2=-1))
    assert omega.shape == (3000, 6, 4) and float(off.abs().max()) < 1e-10
    assert float(omega.square().sum(-1).mean()) == pytest.approx(4, rel=0.05)
    assert torch.allclose(omega.mean((0, 1)), torch.zeros(4, dtype=torch.float64), atol=0.05)


@pytest.mark.parametrize(
    ("params", "flops", "scores"),
    [
        ({"variant": "dense"}, 4 * 24 * 40 * 6, 2 * 24 * 40 * 6),
        ({"variant": "random", "keep": 5}, 4 * 24 * 5 * 6, 2 * 24 * 5 * 6),
        ({"variant": "window", "keep": 5}, 4 * 24 * 5 * 6, 2 * 24 * 5 * 6),
        ({"variant": "masked", "keep": 5}, 4 * 24 * 5 * 6, 2 * 24 * 5 * 6),
        ({"variant": "top_k", "keep": 5}, 2 * 24 * 40 * 6 + 2 * 24 * 5 * 6, 2 * 24 * 40 * 6),
        ({"variant": "linear"}, 2 * (24 + 40) * 6 * 7, 0),
        ({"variant": "prf", "features": 10}, 2 * (24 + 40) * 10 * (6 + 7), 2 * (24 + 40) * 10 * 6),
    ],
)
def test_operations_are_those_counted_by_hand(params: dict[str, Any], flops: int, scores: int) -> None:
    result = row("operations", m=40, queries=24, d=6, **params)
    assert (result.flops, result.flops_scores) == (flops, scores)


def test_no_call_holds_the_numbers_of_all_pairs() -> None:
    for variant, more in (("dense", {}), ("random", {"keep": 32}), ("top_k", {"keep": 8}), ("linear", {})):
        assert row("operations", variant=variant, m=4096, **more).memory_numbers < 4096**2 / 4


@pytest.mark.parametrize("variant", masks.MASKED)
def test_a_fast_call_gives_what_a_mask_over_all_scores_gives(variant: str) -> None:
    shape = Shape(variant, 30, 30, 5, keep=4)
    inputs = calls.inputs_of(shape, Context(0), torch.float64)
    scores = 2.0 * inputs.queries @ inputs.memories.mT
    mask = masks.top(scores, 4) if inputs.places is None else masks.as_mask(inputs.places, 30)
    expected = torch.softmax(scores.masked_fill(~mask, -torch.inf), -1) @ inputs.memories
    assert torch.allclose(calls.forward(shape, inputs, 2.0)(), expected, atol=1e-12)


def test_time_is_told_beside_dense_retrieval_of_the_same_round() -> None:
    result = row("timing", variant="linear", m=128, repeats=1)
    assert result.speedup == pytest.approx(result.dense_seconds / result.call_seconds)
    assert result.flops == 2 * 256 * 16 * 17 and result.flops_dense == 4 * 128 * 128 * 16 and result.peak_bytes > 0


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"variant": "random", "m": 8, "keep": 9}, "keep must lie in 1..m = 8"),
        ({"variant": "dense", "keep": 2}, "keep must lie in"),
        ({"variant": "prf"}, "features must be at least 1"),
        ({"variant": "linear", "features": 3}, "features must be at least 1 for prf, and 0 else"),
    ],
)
def test_sizes_that_a_variant_cannot_have_are_refused(params: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        operations.refuse(operations.Params(**params))
    with pytest.raises(ValueError, match=told):
        timing.refuse(timing.Params(**params))


@pytest.mark.parametrize("params", [{"beta": -0.1}, {"features": 0}, {"cosine": 1.1}, {"draws": 1}])
def test_features_that_there_cannot_be_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        features.refuse(features.Params(**params))
