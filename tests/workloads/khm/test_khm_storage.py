"""Storage criteria, onsets and Lambert-W forms against tabled values, simulation and counterexamples."""

from __future__ import annotations

import math

import pytest
import torch

from workloads.khm.maths import best, onset, simulate, storage
from workloads.shared.hopfield import known_codes, retrieval, separation, symmetric_codes

# code, d: printed beta, onset and its length (arXiv:2410.23126; scalar equations solved apart from this code).
TABLE = {
    ("simplex", 1): (0.3466, 1.00000, 0.0),
    ("simplex", 2): (1.0201, 1.83043, 0.37720),
    ("simplex", 3): (1.4959, 2.41406, 0.50713),
    ("simplex", 7): (2.5540, 3.71857, 0.66857),
    ("simplex", 63): (5.0941, 6.81639, 0.82567),
    ("orthoplex", 2): (2.1383, 2.00000, 0.0),
    ("orthoplex", 4): (2.9856, 3.72893, 0.53909),
    ("orthoplex", 8): (3.7478, 4.98349, 0.72450),
    ("icosahedron", 3): (6.7549, 3.00000, 0.0),
    ("cell600", 4): (34.8022, 4.00000, 0.0),
    ("e8", 8): (13.7255, 8.00000, 0.0),
}


def law(code: str, d: int) -> symmetric_codes.Distribution:
    """The distance distribution of a code that has one."""
    found = symmetric_codes.distribution(code, d)
    assert found is not None
    return found


def built(code: str, d: int) -> torch.Tensor:
    """Coordinates of a code."""
    return best.build(code, *best.shape(code, d, 0))


def ended(code: str, d: int, beta: float, updates: int = 3000) -> float:
    """The largest length of a query that began at a memory."""
    points = built(code, d)[None]
    return float(
        retrieval.iterate(points, points, torch.full((1, 1, 1), beta, dtype=torch.float64), 1.0, updates).x.norm(dim=-1).max()
    )


@pytest.mark.parametrize(("code", "d"), TABLE)
def test_the_printed_beta_is_the_tabled_one(code: str, d: int) -> None:
    points = built(code, d)
    assert storage.beta_needed(float(separation.delta(points)), len(points)) == pytest.approx(TABLE[code, d][0], abs=6e-5)


@pytest.mark.parametrize(("code", "d"), TABLE)
def test_the_onset_is_the_tabled_one(code: str, d: int) -> None:
    found = onset.onset(law(code, d))
    assert found.beta == pytest.approx(TABLE[code, d][1], abs=6e-6)
    # Two of the tabled lengths are off in the fifth digit: 0.668593 and 0.724494 by bisection of the derivative.
    assert found.norm == pytest.approx(TABLE[code, d][2], abs=3e-5)


@pytest.mark.parametrize(("d", "norm"), [(7, 0.66859295), (63, 0.82567139)])
def test_the_length_at_the_onset_is_known_to_eight_digits(d: int, norm: float) -> None:
    assert onset.onset(law("simplex", d)).norm == pytest.approx(norm, abs=5e-8)


@pytest.mark.parametrize(("code", "d"), [*TABLE, ("cell24", 4)])
def test_a_distance_distribution_is_that_of_the_coordinates(code: str, d: int) -> None:
    measured = separation.distribution(built(code, d))
    assert {round(c, 6): n for c, n in measured.items()} == {round(c, 6): n for c, n in law(code, d) if n}


def test_the_orthoplex_is_continuous_up_to_three_dimensions() -> None:
    assert [onset.onset(law("orthoplex", d)).continuous for d in range(2, 8)] == [True, True, False, False, False, False]


@pytest.mark.parametrize(
    ("code", "d"), [("simplex", 3), ("simplex", 7), ("orthoplex", 2), ("orthoplex", 4), ("icosahedron", 3)]
)
def test_simulated_memories_appear_within_half_a_percent_of_the_onset(code: str, d: int) -> None:
    start = onset.onset(law(code, d))
    assert ended(code, d, 0.995 * start.beta) < 1e-3
    assert ended(code, d, 1.005 * start.beta) > max(start.norm, 0.05)


def test_the_weight_on_its_own_memory_is_the_tabled_one() -> None:
    expected = {("simplex", 3): 0.996197, ("orthoplex", 4): 0.961101, ("cell600", 4): 0.127051}
    for (code, d), weight in expected.items():
        points = built(code, d)
        assert float(retrieval.separate(5 * points @ points.mT, 1.0)[0, 0]) == pytest.approx(weight, abs=6e-7)


def test_the_smallest_onset_of_a_simplex_solves_its_own_equation() -> None:
    m = 8
    found = onset.onset(law("simplex", m - 1))
    values = [u * (m - 1) * (math.exp(u) + m - 1) / (m * math.expm1(u)) for u in (k / 1000 for k in range(100, 9000))]
    assert found.beta == pytest.approx(min(values), rel=1e-6)


def test_the_printed_condition_does_not_keep_a_simplex() -> None:
    points = known_codes.simplex(8)
    beta = torch.tensor([2.6, 3.2, 3.7, 3.75], dtype=torch.float64)
    assert all(storage.beta_needed(8 / 7, 8) < b for b in beta.tolist())
    kept = [simulate.returned(points, b, torch.zeros_like(points)) for b in beta.tolist()]
    assert kept == [False, False, False, True]


def test_the_rigorous_condition_keeps_its_balls() -> None:
    generator = torch.Generator().manual_seed(0)
    memories = torch.randn(300, 6, 4, dtype=torch.float64, generator=generator)
    memories = memories / memories.norm(dim=-1, keepdim=True)
    delta, reach = separation.delta(memories), separation.radius(memories)
    for rho in (0.2, 0.5, 0.9):
        beta = torch.tensor([storage.beta_needed(float(x), 6, "rigorous", rho) for x in delta], dtype=torch.float64)
        away = torch.randn(memories.shape, dtype=torch.float64, generator=generator)
        away = away / away.norm(dim=-1, keepdim=True) * rho * reach[:, None, None]
        error = (retrieval.retrieve(memories + away, memories, beta[:, None, None]) - memories).norm(dim=-1)
        assert bool((error <= rho * reach[:, None]).all())


@pytest.mark.parametrize("criterion", ["printed", "rigorous"])
def test_the_three_forms_of_a_condition_are_inverses(criterion: str) -> None:
    beta = storage.beta_needed(0.37, 50, criterion)
    assert storage.memories_allowed(0.37, beta, criterion) == pytest.approx(50, rel=1e-12)
    assert storage.separation_needed(50, beta, criterion) == pytest.approx(0.37, rel=1e-12)


def test_the_ceiling_is_the_derived_one() -> None:
    assert [round(math.log(storage.ceiling(beta)), 2) for beta in (4.0, 8.0, 16.0, 32.0)] == [3.01, 6.96, 14.96, 30.96]
    assert storage.ceiling(8.0) == pytest.approx(1 + math.exp(8) / (2 * math.sqrt(2)))


@pytest.mark.parametrize(
    ("params", "exponent", "base", "number"),
    [((1.0, 3.0, 20, 0.001), 1.2733, 3.1546, 7.413), ((1.0, 1.0, 75, 0.001), -0.9409, 1.3719, 10.97)],
)
def test_published_capacities_by_lambert_are_reproduced(
    params: tuple[float, float, int, float], exponent: float, base: float, number: float
) -> None:
    assert storage.ramsauer_capacity(*params) == pytest.approx((exponent, base, number), rel=4e-4)


@pytest.mark.parametrize("x", [0.0, 1e-9, 0.3, 1.0, math.e, 50.0, 1e40])
def test_lambert_inverts_its_own_function(x: float) -> None:
    w = storage.lambert_w(x)
    assert w * math.exp(w) == pytest.approx(x, rel=1e-12)


def test_lambert_takes_what_leaves_double_precision() -> None:
    w = storage.lambert_w_of_log(5000.0)
    assert w + math.log(w) == pytest.approx(5000.0, rel=1e-15)


def test_lambert_refuses_the_other_branch() -> None:
    with pytest.raises(ValueError, match=r"needs x of at least 0 .* got -0.1"):
        storage.lambert_w(-0.1)


def test_a_closed_error_ends_on_the_fixed_point() -> None:
    code = law("simplex", 7)
    along = 1 - symmetric_codes.closed_error(5.0, code, updates=500)
    assert symmetric_codes.response(5.0 * along, code) == pytest.approx(along, rel=1e-12)
