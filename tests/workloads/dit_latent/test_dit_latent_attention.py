"""dit_latent.attention: degrees and ranks of the paper's notes, errors within their bound, gradients against autograd."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import special

from orchestrator.workload.context import Context
from workloads.dit_latent import attention
from workloads.dit_latent.attention import Params, Result
from workloads.dit_latent.maths import criterion
from workloads.shared.attention import operators, polynomial

LENGTHS = (256, 1024, 4096, 16384, 65536)


def measure(params: Params) -> Result:
    """The row of one point."""
    ((_, result),) = attention.run(params, Context(0))
    return result


def test_degrees_and_ranks_at_a_bound_of_one_are_the_tabled_ones() -> None:
    degrees = [criterion.least_degree(1.0, 1 / length) for length in LENGTHS]
    assert degrees == [4, 5, 5, 6, 6]
    assert [polynomial.rank(4, g) for g in degrees] == [70, 126, 126, 210, 210]
    assert [polynomial.rank(8, g) for g in degrees] == [495, 1287, 1287, 3003, 3003]


@pytest.mark.parametrize(("share", "low", "high"), [(0.25, 0.68, 0.97), (0.5, 1.28, 1.49), (1.0, 2.28, 2.47)])
def test_in_the_critical_family_features_are_the_tabled_power_of_the_length(share: float, low: float, high: float) -> None:
    for length in LENGTHS:
        dim = round(np.log2(length))
        degree = criterion.least_degree(share**2 * np.log(length), 1 / length)
        assert low < criterion.exponent(polynomial.rank(dim, degree), length) < high


@pytest.mark.parametrize("radius", [0.3, 1.0, 4.0])
def test_a_chebyshev_interpolant_is_near_the_best_polynomial(radius: float) -> None:
    # The coefficients of exp are Bessel functions; what an interpolant leaves is at most twice what is cut off.
    for degree in (3, 6):
        cut = 2 * 2 * special.iv(np.arange(degree + 1, degree + 40), radius).sum()
        x = np.linspace(-radius, radius, 999)
        left = np.abs(np.polynomial.polynomial.polyval(x, criterion.coefficients(radius, degree)) - np.exp(x)).max()
        assert left <= cut


@pytest.mark.parametrize("cross", [False, True])
@pytest.mark.parametrize("scale", attention.SCALES)
def test_errors_stay_within_their_bound(cross: bool, scale: str) -> None:
    for power in (0.5, 1.0, 1.5):
        row = measure(Params(200, dim=3, b=0.8, scale=scale, cross=cross, power=power, repeats=1))
        assert row.max_error is not None and row.max_error <= row.error_bound


def test_queries_and_keys_keep_to_their_bound() -> None:
    for cross in (False, True):
        queries, keys, values = attention.data(Params(300, b=0.7, cross=cross), Context(1))
        assert max(float(part.abs().max()) for part in (queries, keys)) <= 0.7 + 1e-12
        assert float(values.abs().max()) <= 1


def test_the_gradient_by_products_alone_is_that_of_autograd() -> None:
    queries, keys, values = attention.data(Params(40, dim=3), Context(0))
    turn = torch.eye(3, dtype=torch.float64, requires_grad=True)
    found = torch.softmax(queries @ turn @ keys.mT / 3, -1) @ values
    (theirs,) = torch.autograd.grad((found - values).square().sum() / 2, turn)
    own = attention._gradient(queries, keys, values, 1 / 3, operators.exact(queries, keys, 1 / 3))
    assert torch.allclose(own, theirs, atol=1e-12)


def test_a_longer_sequence_s_gradient_is_more_precise() -> None:
    rows = [measure(Params(length, b=1.0, gradient=True, repeats=1)) for length in (64, 256, 1024)]
    assert all(row.gradient_error is not None and row.gradient_error < 1 / 64 for row in rows)
    assert [row.degree for row in rows] == sorted(row.degree for row in rows)


def test_too_many_features_are_counted_and_not_computed() -> None:
    row = measure(Params(256, dim=16, b=1.5, repeats=1))
    assert row.rank > attention.MOST
    assert (row.max_error, row.seconds_low_rank) == (None, None)
    assert row.rank_exponent > 1


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (Params(1), "seq_len must be at least 2, .* but got 1, 4"),
        (Params(64, b=0.0), "b and power above 0, but got 64, 4, 3, 0.0"),
        (Params(64, scale="practice"), "scale must be theory .* but got 'practice'"),
        (Params(64, b=9.0), "a degree below 60 must reach relative error 0.015625 at scores up to 81"),
    ],
)
def test_attention_that_means_nothing_is_refused(params: Params, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure(params)
