"""Known spherical codes: separation, distance distribution, symmetry; and the separation of any memories."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from workloads.shared.hopfield import bounds, known_codes, separation

PHI = (1 + math.sqrt(5)) / 2
SMALL = [key for key in known_codes.CODES if key[0] <= 8]
DISTRIBUTIONS = {
    (3, 12): {1: 1, 1 / math.sqrt(5): 5, -1 / math.sqrt(5): 5, -1: 1},
    (4, 24): {1: 1, 0.5: 8, 0: 6, -0.5: 8, -1: 1},
    (4, 120): {1: 1, PHI / 2: 12, 0.5: 20, (PHI - 1) / 2: 12, 0: 30, (1 - PHI) / 2: 12, -0.5: 20, -PHI / 2: 12, -1: 1},
    (8, 240): {1: 1, 0.5: 56, 0: 126, -0.5: 56, -1: 1},
}


def slope(x: list[int], y: list[float]) -> float:
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def random_memories(d: int, m: int) -> torch.Tensor:
    return torch.randn(m, d, generator=torch.Generator().manual_seed(d * m), dtype=torch.float64)


@pytest.mark.parametrize(("d", "m"), SMALL)
def test_a_known_code_has_the_known_separation(d: int, m: int) -> None:
    code = known_codes.known_code(d, m)
    assert code is not None and code.shape == (m, d)
    assert separation.delta_blocked(code) == pytest.approx(known_codes.known_delta(d, m), abs=1e-12)


@pytest.mark.parametrize(("d", "m"), [(3, 2), (3, 4), (3, 5), (3, 6), (9, 3), (9, 10), (9, 11), (9, 18), (2, 17), (1, 2)])
def test_simplex_orthoplex_and_polygon_are_exact(d: int, m: int) -> None:
    code = known_codes.known_code(d, m)
    assert code is not None and code.shape == (m, d)
    assert float(separation.delta(code)) == pytest.approx(bounds.exact(d, m), abs=1e-12)


@pytest.mark.parametrize(("d", "m"), [*SMALL, (5, 6), (5, 10)])
def test_known_codes_lie_on_the_unit_sphere(d: int, m: int) -> None:
    code = known_codes.known_code(d, m)
    assert code is not None and float((code.norm(dim=1) - 1).abs().max()) < 1e-12


@pytest.mark.parametrize(("d", "m"), DISTRIBUTIONS)
def test_every_corner_sees_the_known_distances(d: int, m: int) -> None:
    code = known_codes.known_code(d, m)
    assert code is not None
    wanted = {round(c, 9) + 0.0: n for c, n in DISTRIBUTIONS[d, m].items()}
    assert all(separation.distribution(code.roll(k, 0)) == wanted for k in range(0, m, 7))


def test_the_leech_lattice_has_its_196560_least_vectors() -> None:
    code = known_codes.leech()
    wanted = {1.0: 1, 0.5: 4600, 0.25: 47104, 0.0: 93150, -0.25: 47104, -0.5: 4600, -1.0: 1}
    assert code.shape == (196560, 24) and separation.distribution(code) == wanted


def test_the_golay_code_has_its_weights() -> None:
    weights, counts = torch.unique(known_codes.golay().sum(1), return_counts=True)
    assert dict(zip(weights.tolist(), counts.tolist(), strict=True)) == {0: 1, 8: 759, 12: 2576, 16: 759, 24: 1}


def test_what_no_table_has_is_none() -> None:
    assert known_codes.known_delta(5, 41) is None and known_codes.known_code(3, 13) is None


@pytest.mark.parametrize(("least", "wanted"), [(4, -0.944), (12, -0.966), (30, -0.977), (60, -0.980)])
def test_best_known_separations_fall_like_one_over_m_in_three_dimensions(least: int, wanted: float) -> None:
    m = [m for m in known_codes.SLOANE if m >= least]
    assert slope(m, [bounds.delta_of(math.radians(known_codes.SLOANE[k])) for k in m]) == pytest.approx(wanted, abs=1e-3)


def test_m_times_delta_nears_the_hexagonal_limit() -> None:
    scaled = 130 * bounds.delta_of(math.radians(known_codes.SLOANE[130]))
    assert scaled == pytest.approx(6.725, abs=1e-3) and scaled < 4 * math.pi / math.sqrt(3)


@pytest.mark.parametrize("m", [7, 8, 9, 10, 11, 12, 24])
def test_cosines_and_angles_of_the_two_tables_agree(m: int) -> None:
    assert bounds.angle_of(1 - known_codes.COSINES[3, m]) == pytest.approx(math.radians(known_codes.SLOANE[m]), abs=1e-8)


@pytest.mark.parametrize(("d", "m"), [(3, 12), (4, 24), (8, 240)])
def test_no_known_code_beats_a_proved_bound(d: int, m: int) -> None:
    best = known_codes.known_delta(d, m)
    assert best is not None and best <= bounds.delta_upper(d, m) + 1e-12


def test_separation_is_free_of_rotation_and_order() -> None:
    x = random_memories(5, 12)
    rotation, _ = torch.linalg.qr(random_memories(5, 5))
    moved = (x @ rotation)[torch.randperm(12, generator=torch.Generator().manual_seed(1))]
    assert float(separation.delta(moved)) == pytest.approx(float(separation.delta(x)), rel=1e-12)


def test_separation_scales_with_the_square_of_the_length() -> None:
    x = random_memories(5, 12)
    assert float(separation.delta(3 * x)) == pytest.approx(9 * float(separation.delta(x)), rel=1e-12)


def test_the_radius_of_unit_memories_is_the_root_of_half_delta() -> None:
    x = separation.normalise(random_memories(5, 12))
    assert float(separation.radius(x)) == pytest.approx(math.sqrt(0.5 * float(separation.delta(x))), rel=1e-12)


def test_separation_in_blocks_is_the_same() -> None:
    x = random_memories(5, 37)
    assert separation.delta_blocked(x, block=100) == pytest.approx(float(separation.delta(x)), abs=1e-15)


def test_separation_is_that_of_loops() -> None:
    x = random_memories(4, 6).numpy()
    by_hand = [x[i] @ x[i] - max(x[i] @ x[j] for j in range(6) if j != i) for i in range(6)]
    assert separation.per_memory(torch.from_numpy(x)).tolist() == pytest.approx(by_hand, rel=1e-12)


def test_a_batch_is_measured_member_by_member() -> None:
    x = random_memories(3, 8).view(2, 4, 3)
    assert torch.equal(separation.delta(x), torch.cat([separation.delta(x[:1]), separation.delta(x[1:])]))
