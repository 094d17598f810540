"""Degrees, ranks and the asymptotic law against the tables that were computed apart from this code, and limits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from orchestrator.workload.context import Context
from workloads.lora import degree as workload
from workloads.lora.degree import Params
from workloads.lora.maths import minimax
from workloads.shared.attention import degree

DEGREES = (1, 2, 3, 4, 5, 6, 8, 10)
REACH = {
    0.1: (0.3917, 0.7050, 1.0131, 1.3158, 1.6146, 1.9103, 2.4955, 3.0750),
    0.01: (0.1352, 0.3577, 0.6178, 0.8925, 1.1732, 1.4567, 2.0266, 2.5971),
    0.001: (0.0441, 0.1739, 0.3657, 0.5925, 0.8391, 1.0974, 1.6331, 2.1818),
}
BEST = {0.01: (0.200, 0.625, 1.194, 1.849, 2.561, 3.311, 4.893), 0.001: (0.063, 0.289, 0.665, 1.150, 1.712, 2.332, 3.689)}
LEAST = {  # b: (Taylor, best) at eps = 1e-1, 1e-2, 1e-3, 1e-4, 1e-6
    0.5: ((1, 1), (2, 2), (3, 2), (4, 3), (5, 4)),
    1.0: ((3, 2), (5, 3), (6, 4), (7, 5), (9, 7)),
    1.5: ((8, 4), (9, 5), (11, 6), (12, 8), (15, 10)),
    2.0: ((14, 6), (15, 7), (17, 9), (19, 10), (21, 13)),
    2.5: ((22, 8), (23, 10), (25, 12), (27, 14), (30, 16)),
    3.0: ((31, 11), (33, 13)),
}
WIDEST = (31, 33, 35, 36, 40)  # Taylor's at b = 3
RANKS = {  # log2 L: features at g = 1, 2, 3, 4, 6, 8; largest g within L; within the root of L
    6: (7, 28, 84, 210, 924, 3003, 2, 1),
    8: (9, 45, 165, 495, 3003, 12870, 3, 1),
    10: (11, 66, 286, 1001, 8008, 43758, 4, 1),
    12: (13, 91, 455, 1820, 18564, 125970, 4, 1),
    14: (15, 120, 680, 3060, 38760, 319770, 5, 2),
    17: (18, 171, 1140, 5985, 100947, 1081575, 6, 2),
    20: (21, 231, 1771, 10626, 230230, 3108105, 7, 2),
}
LAW = {  # (c, gamma): t, b at a = 0, 0.5, 1
    (1 / math.log(2), 1.0): (0.4239, 0.11804, 0.04328, 0.01425),
    (1 / math.log(2), 0.5): (0.1512, 0.04211, 0.00201, 0.00007),
    (1.0, 1.0): (0.5422, 0.15099, 0.06975, 0.02985),
    (1.0, 0.5): (0.1779, 0.04954, 0.00385, 0.00024),
    (0.5, 1.0): (1.1168, 0.31099, 0.21634, 0.14710),
    (2.0, 1.0): (0.3558, 0.09907, 0.02955, 0.00771),
}
STAIRS = {  # log2 L: g, B* at eps = 0.01, dim = log2 L
    6: (2, 0.598), 8: (3, 0.786), 10: (4, 0.945), 12: (4, 0.945), 14: (5, 1.083), 16: (5, 1.083), 18: (6, 1.207),
    20: (7, 1.320), 24: (8, 1.424), 32: (10, 1.612), 40: (13, 1.858), 60: (19, 2.270), 100: (31, 2.923),
}  # fmt: skip


def stair(power: int) -> float:
    return math.sqrt(degree.reach(degree.affordable("rank_le_l", 2**power, power), 0.01))


@pytest.mark.parametrize("eps", REACH)
def test_taylor_polynomials_reach_as_far_as_tabled(eps: float) -> None:
    assert [degree.reach(g, eps) for g in DEGREES] == pytest.approx(REACH[eps], abs=6e-5)


@pytest.mark.parametrize("eps", BEST)
def test_the_best_polynomials_reach_as_far_as_tabled(eps: float) -> None:
    assert [minimax.reach(g, eps) for g in DEGREES[:7]] == pytest.approx(BEST[eps], abs=6e-4)


@pytest.mark.parametrize("b", LEAST)
def test_least_degrees_are_those_of_the_table(b: float) -> None:
    eps = (1e-1, 1e-2, 1e-3, 1e-4, 1e-6)[: len(LEAST[b])]
    assert tuple((degree.least_degree(b * b, e), minimax.least_degree(b * b, e)) for e in eps) == LEAST[b]


def test_taylor_degrees_at_the_widest_range_are_those_of_the_table() -> None:
    assert tuple(degree.least_degree(9.0, eps) for eps in (1e-1, 1e-2, 1e-3, 1e-4, 1e-6)) == WIDEST


@pytest.mark.parametrize("power", RANKS)
def test_ranks_are_those_of_the_table(power: int) -> None:
    found = [degree.features(power, g) for g in (1, 2, 3, 4, 6, 8)]
    found += [degree.affordable(policy, 2**power, power) for policy in ("rank_le_l", "rank_le_sqrt_l")]
    assert tuple(found) == RANKS[power]


@pytest.mark.parametrize(("dim", "g", "count"), [(10, 2, 10_626), (10, 4, 3_108_105), (14, 4, 30_260_340)])
def test_the_printed_rank_is_far_larger(dim: int, g: int, count: int) -> None:
    assert degree.printed_features(dim, g) == count


@pytest.mark.parametrize(("c", "gamma"), LAW)
def test_the_law_has_the_tabled_constants(c: float, gamma: float) -> None:
    found = degree.law(c, gamma)[0], *(degree.law(c, gamma, a)[1] for a in (0.0, 0.5, 1.0))
    assert found == pytest.approx(LAW[c, gamma], abs=6e-5)


def test_at_a_constant_error_the_law_is_lambert_w() -> None:
    t, b = degree.law(1.3, 0.8)
    assert b / t == pytest.approx(0.2784645, rel=1e-6)


@pytest.mark.parametrize("power", STAIRS)
def test_the_staircase_is_the_predicted_one(power: int) -> None:
    g, b = STAIRS[power]
    assert (degree.affordable("rank_le_l", 2**power, power), stair(power)) == (g, pytest.approx(b, abs=6e-4))


@pytest.mark.parametrize(("powers", "exponent"), [((6, 14), 0.566), ((10, 20), 0.504), ((20, 60), 0.509)])
def test_the_staircase_grows_like_the_root_of_the_logarithm(powers: tuple[int, int], exponent: float) -> None:
    every = [k for k in range(powers[0], powers[1] + 1)]
    slope = np.polyfit(np.log(every), np.log([stair(k) for k in every]), 1)[0]
    assert slope == pytest.approx(exponent, abs=0.006)


def test_the_real_degree_nears_the_predicted_prefactor() -> None:
    powers = (20, 200, 900)
    found = [math.sqrt(degree.reach(degree.affordable("rank_eq_l", 2**k, k), 0.01) / (k * math.log(2))) for k in powers]
    gaps = [x - math.sqrt(degree.law(1 / math.log(2), 1)[1]) for x in found]
    assert gaps[0] > gaps[1] > gaps[2] > 0 and gaps[2] < 0.002


@pytest.mark.parametrize("x", [-3.0, -0.2, 0.3, 4.0])
@pytest.mark.parametrize("g", [0, 1, 4])
def test_the_remainder_is_what_the_sum_leaves(x: float, g: int) -> None:
    series = sum(x**m / math.factorial(m) for m in range(g + 1))
    assert float(degree.taylor_error(x, g)) == pytest.approx(abs(series * math.exp(-x) - 1), rel=1e-9)


def test_a_real_degree_lies_between_whole_ones() -> None:
    errors = [float(degree.taylor_error(-1.0, g)) for g in (2, 2.3, 2.7, 3)]
    assert errors == sorted(errors, reverse=True)
    assert degree.features(7, 2) < degree.features(7, 2.5) < degree.features(7, 3)


def test_the_best_constant_is_known() -> None:
    assert minimax.error(0, 0.7) == pytest.approx(math.tanh(0.7), rel=1e-12)


@pytest.mark.parametrize("g", [1, 3, 6])
def test_the_best_polynomial_alternates(g: int) -> None:
    x = np.linspace(-2, 2, 20_001)
    error = np.polynomial.polynomial.polyval(x, minimax.coefficients(g, 2.0)) * np.exp(-x) - 1
    assert np.abs(error).max() == pytest.approx(minimax.error(g, 2.0), rel=1e-6)
    assert (np.diff(np.sign(error)) != 0).sum() == g + 1


def test_a_row_has_both_degrees() -> None:
    ((_, row),) = workload.run(Params(b=1.0, eps=1e-3, dim=14), Context(seed=0))
    assert (row.degree, row.degree_minimax, row.rank, row.score_max) == (6, 4, 38760, pytest.approx(1.0))


def test_the_formula_is_absent_where_the_range_is_wide() -> None:
    ((_, row),) = workload.run(Params(b=3.0, eps=0.1), Context(seed=0))
    assert row.degree_formula is None and row.degree == 31


@pytest.mark.parametrize("params", [Params(b=0.0), Params(b=1.0, eps=1.0), Params(b=1.0, dim=0)])
def test_params_that_mean_nothing_are_refused(params: Params) -> None:
    with pytest.raises(ValueError, match=f"but got b = {params.b}, eps = {params.eps}, dim = {params.dim}"):
        next(workload.run(params, Context(seed=0)))


def test_an_unknown_policy_is_told_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"policy must be one of rank_le_l, .*, but got 'rank'"):
        degree.affordable("rank", 64, 6)
