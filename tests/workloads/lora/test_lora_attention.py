"""Attention operators: polynomial features and their recurrence, F(V) of every kind against a dense softmax, row blocks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from workloads.lora.maths import minimax, outputs
from workloads.shared.attention import degree, operators, polynomial
from workloads.shared.attention.operators import Attention

Kind = Callable[[Tensor, Tensor], Attention]
KINDS: dict[str, Kind] = {
    "exact": lambda q, k: operators.exact(q, k, 0.3),
    "polynomial": lambda q, k: polynomial.polynomial(q, k, 0.3, polynomial.taylor(14)),
    "performer": lambda q, k: operators.performer(q, k, 0.3, uniform(200_000, 3, normal=True)),
    "nystroem": lambda q, k: operators.nystroem(q, k, 0.3, q.shape[-2]),
}


def uniform(*shape: int, seed: int = 0, normal: bool = False) -> Tensor:
    """Entries in [-1, 1], or normal ones."""
    draw = torch.Generator().manual_seed(seed)
    return (torch.randn if normal else torch.rand)(*shape, dtype=torch.float64, generator=draw) * (1 if normal else 2) - (
        0 if normal else 1
    )


def dense(queries: Tensor, keys: Tensor, scale: float = 0.3) -> Tensor:
    """The softmax weights (..., n, m)."""
    return torch.softmax(scale * queries @ keys.mT, dim=-1)


@pytest.mark.parametrize(("dim", "g"), [(1, 5), (3, 0), (3, 1), (4, 3), (6, 4)])
def test_features_give_the_polynomial_of_the_scores(dim: int, g: int) -> None:
    queries, keys = uniform(9, dim), uniform(7, dim, seed=1)
    found = polynomial.entries(queries, keys, 0.7, polynomial.taylor(g))
    scores = 0.7 * queries @ keys.mT
    expected = sum(scores**m / math.factorial(m) for m in range(g + 1))
    assert torch.allclose(found, torch.as_tensor(expected), rtol=0, atol=1e-13)


@pytest.mark.parametrize(("dim", "g"), [(1, 4), (2, 5), (5, 3), (10, 4)])
def test_there_are_as_many_features_as_monomials(dim: int, g: int) -> None:
    found = polynomial.features(uniform(3, dim), g)
    assert found.shape == (math.comb(dim + g, g), 3) and polynomial.rank(dim, g) == len(found)


def test_features_are_all_monomials_once() -> None:
    x = uniform(1, 3)
    expected = sorted(
        math.prod(x[0, j].item() for j in chosen)
        for m in range(5)
        for chosen in itertools.combinations_with_replacement(range(3), m)
    )
    assert sorted(polynomial.features(x, 4)[:, 0].tolist()) == pytest.approx(expected, rel=1e-14)


def test_features_of_a_lower_degree_come_first() -> None:
    x = uniform(4, 5)
    low, high = polynomial.features(x, 2), polynomial.features(x, 4)
    assert torch.equal(high[: len(low)], low)
    assert polynomial.prefixes(5, 4) == tuple(polynomial.rank(5, g) for g in range(5))


def test_a_polynomial_may_have_negative_coefficients() -> None:
    queries, keys, given = uniform(5, 3), uniform(6, 3, seed=1), (1.0, -0.5, 0.25, -2.0)
    scores = 0.4 * queries @ keys.mT
    found = polynomial.entries(queries, keys, 0.4, given)
    assert torch.allclose(found, 1 - 0.5 * scores + 0.25 * scores**2 - 2 * scores**3, atol=1e-14)
    assert torch.allclose(found, polynomial.evaluate(scores, given), atol=1e-14)


@pytest.mark.parametrize(
    ("kind", "tolerance"), [("exact", 1e-14), ("polynomial", 1e-12), ("performer", 2e-3), ("nystroem", 1e-9)]
)
def test_every_operator_is_attention_where_it_is_exact(kind: str, tolerance: float) -> None:
    queries, keys, values = uniform(2, 4, 3), uniform(2, 4, 3, seed=1), uniform(2, 4, 5, seed=2)
    found = KINDS[kind](queries, keys)
    weights = dense(queries, keys)
    assert (found.apply(values) - weights @ values).abs().max() < tolerance
    assert (found.transpose(values) - weights.mT @ values).abs().max() < tolerance * 2


@pytest.mark.parametrize("kind", KINDS)
def test_the_transpose_is_that_of_the_same_weights(kind: str) -> None:
    queries, keys = uniform(12, 3), uniform(12, 3, seed=1)
    found, one = KINDS[kind](queries, keys), torch.eye(12, dtype=torch.float64)
    assert torch.allclose(found.apply(one), found.transpose(one).mT, atol=1e-12)


@pytest.mark.parametrize("kind", ["exact", "polynomial", "performer"])
def test_blocks_of_rows_do_not_change_the_answer(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    queries, keys, values = uniform(2, 50, 3), uniform(2, 40, 3, seed=1), uniform(2, 40, 2, seed=2)
    rows = uniform(2, 50, 2, seed=3)
    if kind == "performer":
        monkeypatch.setitem(KINDS, kind, lambda q, k: operators.performer(q, k, 0.3, uniform(64, 3, normal=True)))
    whole = KINDS[kind](queries, keys)
    expected = whole.apply(values), whole.transpose(rows)
    monkeypatch.setattr(operators, "ELEMENTS", 700)
    assert torch.allclose(whole.apply(values), expected[0], atol=1e-13)
    assert torch.allclose(whole.transpose(rows), expected[1], atol=1e-13)


def test_blocks_are_larger_on_a_gpu() -> None:
    class OnGpu(Tensor):
        is_cuda = True

    small, large = (list(operators.blocks(1 << 14, 1 << 14, like)) for like in (None, torch.empty(0).as_subclass(OnGpu)))
    assert len(small) == operators.WIDE * len(large) and small[-1].stop == large[-1].stop == 1 << 14


def test_exact_attention_is_torchs_own() -> None:
    queries, keys, values = uniform(3, 33, 4), uniform(3, 20, 4, seed=1), uniform(3, 20, 4, seed=2)
    other = torch.nn.functional.scaled_dot_product_attention(queries, keys, values, scale=0.3)
    assert torch.allclose(operators.exact(queries, keys, 0.3).apply(values), other, atol=1e-13)


def test_degree_zero_averages_all_values() -> None:
    found = polynomial.polynomial(uniform(6, 3), uniform(8, 3), 0.5, polynomial.taylor(0))
    values = uniform(8, 2, seed=4)
    assert torch.allclose(found.apply(values), values.mean(0).expand(6, 2), atol=1e-15)


@pytest.mark.parametrize("g", [0, 1, 2, 5])
def test_scores_of_zero_are_averaged_by_every_degree(g: int) -> None:
    zero, values = torch.zeros(6, 3, dtype=torch.float64), uniform(6, 2)
    found = polynomial.polynomial(zero, uniform(6, 3), 0.5, polynomial.taylor(g)).apply(values)
    assert torch.allclose(found, operators.exact(zero, uniform(6, 3), 0.5).apply(values), atol=1e-15)


def test_the_order_of_keys_does_not_matter() -> None:
    queries, keys, values = uniform(5, 3), uniform(9, 3, seed=1), uniform(9, 2, seed=2)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(3))
    for g in (1, 4):
        p = polynomial.taylor(g)
        first = polynomial.polynomial(queries, keys, 0.5, p).apply(values)
        assert torch.allclose(first, polynomial.polynomial(queries, keys[order], 0.5, p).apply(values[order]))


def test_moving_all_keys_changes_the_polynomial_and_not_softmax() -> None:
    queries, keys, values, by = uniform(5, 3), uniform(9, 3, seed=1), uniform(9, 2, seed=2), uniform(1, 3, seed=3)
    p = polynomial.taylor(2)
    exact = [operators.exact(queries, k, 0.5).apply(values) for k in (keys, keys + by)]
    near = [polynomial.polynomial(queries, k, 0.5, p).apply(values) for k in (keys, keys + by)]
    assert torch.allclose(*exact, atol=1e-14) and not torch.allclose(*near, atol=1e-4)


def test_performer_features_have_the_known_variance() -> None:
    q, k = 0.5 * uniform(1, 3), 0.5 * uniform(1, 3, seed=1)
    w = uniform(400_000, 3, normal=True)
    single = torch.exp(w @ q.mT - (q @ q.mT) / 2) * torch.exp(w @ k.mT - (k @ k.mT) / 2)
    relative = float(single.var() / torch.exp(q @ k.mT) ** 2)
    assert relative == pytest.approx(float(torch.exp((q + k).square().sum()) - 1), rel=0.05)


@pytest.mark.parametrize(("b", "features"), [(0.5, 1.7e4), (1.0, 5.4e5), (1.5, 8.1e7)])
def test_performer_needs_as_many_features_as_its_variance_says(b: float, features: float) -> None:
    assert math.expm1(4 * b * b) / 1e-4 == pytest.approx(features, rel=0.02)


def test_performer_features_have_the_tabled_variance() -> None:
    """exp(|q + k|^2) - 1 = 1.2554 of one feature, and a draw's 1.2454."""
    half = math.sqrt(math.log(2.2554)) / 2
    w = uniform(200_000, 1, normal=True)
    single = torch.exp(2 * half * w - half**2) / math.exp(half**2)
    assert float(single.var()) == pytest.approx(1.2554, rel=0.03)


def test_performer_has_a_threshold_of_its_own() -> None:
    def reach(features: float, eps: float) -> float:  # where signs, |q + k|^2 = 4 B^2, have a relative deviation of eps
        return math.log1p(features * eps**2) / 4

    length = 2.0**100
    for gamma, a in ((1.0, 0.0), (1.0, 0.25), (0.5, 0.1)):
        assert reach(length**gamma, length**-a) / math.log(length) == pytest.approx((gamma - 2 * a) / 4, abs=1e-4)
    assert reach(length, length**-0.5) / math.log(length) < 0.003  # dead where Taylor's 0.04328 is not
    w, b = uniform(2_000 * 500, 1, normal=True), math.sqrt(reach(500, 0.1))
    means = torch.exp(2 * b * w - 2 * b**2).reshape(2_000, 500).mean(1)  # estimates of exp(q.k) / exp(q.k), |q| = |k| = b
    assert float(means.std()) == pytest.approx(0.1, rel=0.1)


def test_landmarks_must_divide_the_rows() -> None:
    with pytest.raises(ValueError, match="landmarks must divide the number of rows, but got 5 of 12"):
        operators.nystroem(uniform(12, 3), uniform(12, 3), 0.3, 5)


def test_the_best_polynomial_as_features_keeps_its_error() -> None:
    queries, keys = 2 * uniform(40, 4) ** 0, 2 * uniform(40, 4, seed=1).sign()
    radius = 4.0
    found = polynomial.entries(queries, keys, 0.25, minimax.coefficients(7, radius))
    error = (found / torch.exp(0.25 * queries @ keys.mT) - 1).abs().max()
    assert float(error) <= minimax.error(7, radius) * (1 + 1e-6)


def test_the_error_of_an_entry_is_largest_at_the_ends() -> None:
    queries, keys = uniform(60, 4), uniform(50, 4, seed=1)
    scores = 0.6 * queries @ keys.mT
    ends = degree.taylor_error(torch.stack([scores.min(), scores.max()]).numpy(), 3).max()
    assert outputs.entry_error(queries, keys, 0.6, 3, torch.float64) == pytest.approx(float(ends), rel=1e-9)
