"""Private edit distances against rapidfuzz, exact prefixes, direct sketches and binomial tails."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from rapidfuzz.distance import Levenshtein
from scipy import stats

from orchestrator.workload.context import Context
from orchestrator.workload.describe import load
from workloads.dp_strings import edit
from workloads.dp_strings.edit import Params, Result
from workloads.dp_strings.maths import codes, fingerprints, landau, pairs, private_edit, tree


def measured(params: Params, seed: int = 0) -> Result:
    ((_, result),) = load(edit).run(params, Context(seed=seed))
    return result


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mixed(count: int, longest: int) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Random pairs of any lengths up to the longest, none included; related and unrelated ones."""
    random = np.random.default_rng(0)
    na, nb = random.integers(0, longest + 1, (2, count))
    a = random.integers(0, 2, (count, longest), dtype=np.uint8)
    b = np.where(random.random((count, 1)) < 0.5, a, random.integers(0, 2, (count, longest), dtype=np.uint8))
    na[:3], nb[:3] = (0, 0, 5), (0, 5, 0)
    return a, b, (na, nb)


def test_the_recurrence_is_exact_on_any_strings() -> None:
    a, b, (na, nb) = mixed(1000, 64)
    found = landau.distances(landau.exact(landau.equal(a, b, (na, nb), 64)), (na, nb), 64)
    exact = [Levenshtein.distance(x[:i].tobytes(), y[:j].tobytes()) for x, y, i, j in zip(a, b, na, nb, strict=True)]
    assert found.tolist() == exact


@pytest.mark.parametrize("cap", [0, 3, 10])
def test_distances_above_the_cap_are_censored(cap: int) -> None:
    a, b, (na, nb) = mixed(200, 24)
    found = landau.distances(landau.exact(landau.equal(a, b, (na, nb), cap)), (na, nb), cap)
    exact = [Levenshtein.distance(x[:i].tobytes(), y[:j].tobytes()) for x, y, i, j in zip(a, b, na, nb, strict=True)]
    assert found.tolist() == [w if w <= cap else -1 for w in exact]


@pytest.mark.parametrize("n", [1, 2, 3, 50, 64, 100])
def test_climbing_a_right_tree_finds_the_prefix(n: int) -> None:
    made, shape = pairs.planted(20, n, 4, stream(n)), tree.Shape(n)
    same = landau.equal(made.a, made.b, made.lengths, 6)
    says = tree.differences(~same, np.ones((1, 20, n), dtype=np.uint64) << np.arange(n, dtype=np.uint64) % 64, shape)[0] == 0
    climbed = tree.oracle(tree.tabulated(says, shape), made.lengths, shape, 13)
    exact = landau.exact(same)
    at = np.broadcast_to(np.arange(20)[:, None] % n, (20, 13)).copy()
    inside = at + np.arange(-6, 7) >= 0
    want = exact(at, inside)
    assert (climbed(at, inside)[inside] == want[inside]).all()


@pytest.mark.parametrize(("hashed", "m1"), [("offset", 16), ("rabin", 61)])
def test_without_noise_the_tree_is_right(hashed: str, m1: int) -> None:
    found = measured(Params("tree", 200, 6, 1e6, hash=hashed, m1=m1, pairs=20, probes=1))
    assert found.mean_abs_error == 0


@pytest.mark.parametrize(("hashed", "m1"), [("offset", 5), ("rabin", 40)])
def test_differences_are_those_of_sketches_made_apart(hashed: str, m1: int) -> None:
    own, shape, made = codes.code(hashed, m1, 6), tree.Shape(21), pairs.planted(1, 21, 3, stream())
    words = codes.words(own, 21, stream(1))
    same = landau.equal(made.a, made.b, made.lengths, 3)
    clean = tree.differences(~same, words[:, None], shape)
    h, v, d = 2, 3, 4  # the node of positions 12 to 15, one further on in B
    mine, other = (bits * words[:, :4] for bits in (made.a[0, 12:16], made.b[0, 13:17]))
    apart = np.bitwise_xor.reduce(mine ^ other, axis=1)
    assert clean[:, 0, d, shape.starts[h] + v].tolist() == apart.tolist()


def test_a_mismatch_moves_two_cells_a_row_or_none() -> None:
    own = codes.code("offset", 7, 4)
    bits = np.unpackbits(codes.words(own, 500, stream()).T.copy().view(np.uint8), axis=1, bitorder="little")[:, :28]
    rows = bits.reshape(500, 7, 4).sum(2)
    assert set(rows.flatten().tolist()) == {0, 2}
    assert rows.mean() == pytest.approx(own.odd / 7, rel=0.05)


@pytest.mark.parametrize(
    ("polynomial", "degree", "prime"), [(0b10011, 4, True), (0b11111, 4, True), (0b10101, 4, False), (0b11011, 4, False)]
)
def test_irreducible_polynomials(polynomial: int, degree: int, prime: bool) -> None:
    assert codes.irreducible(polynomial, degree) is prime


def test_there_are_as_many_irreducible_polynomials_as_there_should_be() -> None:
    assert sum(codes.irreducible((1 << 8) | low, 8) for low in range(256)) == 30


def test_two_suffixes_give_a_segment() -> None:
    modulus, start = codes.rabin(61, stream())
    bits = np.random.default_rng(1).integers(0, 2, 100).astype(np.uint8)
    words = codes.rabin_words(codes.code("rabin", 61, 2), 100, stream())[0]
    suffix, tables = fingerprints.suffixes(bits, start, modulus, 61), fingerprints.shifts(6, modulus, 61)
    first, height = np.array([0, 5, 36, 99]), np.array([6, 3, 6, 0])
    found = fingerprints.segment((suffix[first], suffix[first + (1 << height)]), tables, height)
    want = [np.bitwise_xor.reduce(bits[f : f + 2**h] * words[: 2**h]) for f, h in zip(first, height, strict=True)]
    assert found.tolist() == want


def test_fingerprints_asked_for_answer_as_the_table_does() -> None:
    made, shape, modulus, start = pairs.planted(5, 60, 4, stream(2)), tree.Shape(60), *codes.rabin(61, stream())
    own = codes.code("rabin", 61, 2)
    words = codes.rabin_words(own, 60, stream())
    private = np.stack([fingerprints.sketched(row, words[0], shape) for row in made.a])
    public = np.stack([fingerprints.suffixes(row, start, modulus, 61) for row in made.b]), fingerprints.shifts(6, modulus, 61)
    test = fingerprints.lazy_test(private, public, shape, 8, own.threshold(0.0))
    found = landau.distances(tree.oracle(test, made.lengths, shape, 17), made.lengths, 8)
    assert found.tolist() == pairs.true_distances(made.a, made).tolist()


@pytest.mark.parametrize(("hashed", "m1", "eps"), [("offset", 16, 300.0), ("offset", 8, 200.0), ("rabin", 32, 400.0)])
def test_a_test_errs_as_often_as_two_binomials_say(hashed: str, m1: int, eps: float) -> None:
    found = measured(Params("tree", 512, 12, eps, hash=hashed, m1=m1, pairs=1, probes=20000))
    for have, want, error in (
        (found.false_differ, found.false_differ_exact, found.false_differ_se),
        (found.false_equal, found.false_equal_exact, found.false_equal_se),
    ):
        assert have is not None and want is not None and error is not None
        assert abs(have - want) < 4 * error


def test_the_exact_rates_are_near_their_normal_approximation() -> None:
    own, q = codes.code("offset", 16, 10), 0.27
    spread = math.sqrt(own.bits * q * (1 - q))
    normal = stats.norm.cdf(-0.5 * own.odd * (1 - 2 * q) / spread)
    assert private_edit.rates(own, q).differ == pytest.approx(normal, abs=0.03)


@pytest.mark.parametrize(("eps", "low", "high"), [(200, 4, 20), (400, 1.5, 6), (600, 0, 1.5), (800, 0, 0.4)])
def test_the_error_of_the_papers_tree(eps: float, low: float, high: float) -> None:
    assert low <= measured(Params("tree", 512, 12, eps, m1=16, pairs=20, probes=1)).error_floor <= high


@pytest.mark.parametrize(("eps", "low", "high"), [(200, 0.8, 4), (400, 0, 0.6)])
def test_the_error_of_a_tree_of_small_sketches(eps: float, low: float, high: float) -> None:
    assert low <= measured(Params("tree", 512, 12, eps, m1=8, m3=4, pairs=20, probes=1)).error_floor <= high


def test_the_budget_at_which_a_test_is_right_by_three_standard_deviations() -> None:
    own = edit.release(Params("tree", 512, 12, 760.0, m1=16, m3=10))
    q = own.flip(760.0)
    assert (own.levels, q) == (10, pytest.approx(0.085, abs=5e-4))
    assert 0.5 * own.code.odd * (1 - 2 * q) / math.sqrt(own.code.bits * q * (1 - q)) == pytest.approx(3.3, abs=0.2)


@pytest.mark.parametrize(("eps", "error"), [(1, 114), (2, 55.7), (3, 22.0), (4, 8.5), (5, 3.0), (6, 1.23), (8, 0.08)])
def test_the_error_of_flipping_the_bits(eps: float, error: float) -> None:
    found = measured(Params("flat", 512, 12, eps, pairs=100))
    assert found.error_floor == pytest.approx(error, rel=0.25, abs=0.15)  # the table's are means over 10 pairs
    assert found.error_floor < found.flat_bound + 4 * math.sqrt(found.flat_bound / 100)


@pytest.mark.parametrize(("eps", "bound"), [(4, 9.21), (5, 3.43), (6, 1.27)])
def test_the_bound_of_flipping_the_bits(eps: float, bound: float) -> None:
    assert measured(Params("flat", 512, 12, eps, pairs=1)).flat_bound == pytest.approx(bound, abs=0.006)


def test_the_tree_needs_far_more_budget_than_flipping_the_bits() -> None:
    tree_error = measured(Params("tree", 512, 12, 200.0, m1=16, pairs=10, probes=1)).error_floor
    assert tree_error > measured(Params("flat", 512, 12, 6.0, pairs=10)).error_floor + 2


def test_planted_edits_bound_the_distance() -> None:
    made = pairs.planted(200, 512, 12, stream())
    exact = pairs.true_distances(made.a, made)
    assert exact.max() <= 12
    assert exact.mean() == pytest.approx(11.6, abs=0.2)


def test_a_censored_answer_has_no_error() -> None:
    found = measured(Params("tree", 128, 4, 60.0, m1=16, cap=4, edits=4, pairs=20, probes=1))
    assert found.censored > 0
    assert (found.mean_abs_error, found.max_error) == (None, None)


@pytest.mark.parametrize("n", [64, 100])
def test_the_tree_spends_its_budget(n: int) -> None:
    assert measured(Params("tree", n, 3, 300.0, pairs=1, probes=1)).eps_bit == pytest.approx(300, rel=1e-12)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        (Params("treee", 64, 3, 1.0), "variant must be one of tree"),
        (Params("tree", 64, 3, 1.0, hash="md5"), "hash must be one of offset, rabin"),
        (Params("tree", 64, 3, 1.0, hash="rabin", m1=64), r"lie in \[8, 63\]"),
        (Params("tree", 64, 3, 1.0, cap=2), "cap must be at least k = 3"),
        (Params("tree", 64, 3, 0.0), "eps positive"),
    ],
)
def test_what_makes_no_tree_is_refused(params: Params, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        measured(params)
