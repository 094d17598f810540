"""Bounds on spherical codes against tabulated numbers, direct integrals and the best codes known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad

from workloads.shared.hopfield import bounds, known_codes

SIXTY = math.pi / 3


@pytest.mark.parametrize(("d", "count"), [(3, 4.0), (4, 5.12), (8, 11.73), (24, 183.1)])
def test_the_greedy_count_at_60_degrees(d: int, count: float) -> None:
    assert float(bounds.greedy_count(d, SIXTY)) == pytest.approx(count, rel=1e-3)


@pytest.mark.parametrize(("d", "count"), [(3, 14.93), (4, 34.68), (8, 788.6), (24, 8.94e7)])
def test_the_hamming_count_at_60_degrees(d: int, count: float) -> None:
    assert float(bounds.hamming_count(d, SIXTY)) == pytest.approx(count, rel=1e-3)


@pytest.mark.parametrize(("d", "count"), [(3, 16.49), (4, 32.77), (8, 309.33), (24, 343910)])
def test_the_rankin_count_at_60_degrees(d: int, count: float) -> None:
    assert float(bounds.rankin_count(d, SIXTY)) == pytest.approx(count, rel=5e-4)


@pytest.mark.parametrize(("d", "angle"), [(3, 0.1), (5, 1.0), (16, 0.7), (64, 1.4), (200, 0.5)])
def test_the_rankin_count_is_its_integral(d: int, angle: float) -> None:
    alpha = math.asin(math.sqrt(2) * math.sin(angle / 2))
    under = quad(lambda t: math.sin(t) ** (d - 2) * (math.cos(t) - math.cos(alpha)), 0, alpha, epsabs=0, epsrel=1e-12)[0]
    over = math.sqrt(math.pi) * math.exp(math.lgamma((d - 1) / 2) - math.lgamma(d / 2)) * math.sin(alpha) * math.tan(alpha)
    assert float(bounds.rankin_count(d, angle)) == pytest.approx(over / (2 * under), rel=1e-9)


def test_rankin_says_nothing_from_90_degrees_on() -> None:
    assert np.isinf(bounds.rankin_count(5, [math.pi / 2, 2.0, math.pi])).all()


@pytest.mark.parametrize("d", [2, 3, 8, 64])
def test_a_cap_is_its_share_of_the_integral(d: int) -> None:
    whole = quad(lambda t: math.sin(t) ** (d - 2), 0, math.pi)[0]
    shares = [quad(lambda t: math.sin(t) ** (d - 2), 0, angle)[0] / whole for angle in (0.5, 1.5, 2.5)]
    assert bounds.cap(d, [0.5, 1.5, 2.5]) == pytest.approx(shares, rel=1e-7)


@pytest.mark.parametrize("d", [2, 3, 8, 64])
def test_the_angle_of_a_cap_inverts_its_share(d: int) -> None:
    shares = np.array([1e-9, 1e-3, 0.2, 0.4, 0.5, 0.7, 0.999])
    assert bounds.cap(d, bounds.cap_angle(d, shares)) == pytest.approx(shares, rel=1e-9)


@pytest.mark.parametrize(
    ("m", "delta"), [(3, 1.5), (4, 4 / 3), (6, 1), (12, 0.552786), (24, 0.289385), (50, 0.142132), (130, 0.055370)]
)
def test_the_bound_of_fejes_toth(m: int, delta: float) -> None:
    assert bounds.fejes_toth(m) == pytest.approx(delta, abs=1e-6)


@pytest.mark.parametrize("m", known_codes.SLOANE)
def test_best_known_codes_in_three_dimensions_lie_between_all_bounds(m: int) -> None:
    delta = bounds.delta_of(math.radians(known_codes.SLOANE[m]))
    uppers = (bounds.delta_upper(3, m), bounds.fejes_toth(m), bounds.upper_sharp(3, m), bounds.upper_printed(3, m))
    assert bounds.lower_printed(3, m) <= delta <= min(uppers) + 1e-8


def test_there_are_63_of_them() -> None:
    assert len(known_codes.SLOANE) == 63


def test_the_printed_pair_in_three_dimensions() -> None:
    pair = (bounds.lower_printed(3, 100), bounds.upper_printed(3, 100), bounds.upper_sharp(3, 100))
    assert pair == pytest.approx((0.667 / 100, 4.0 / math.sqrt(100), 8.0 / 100), rel=1e-3)


@pytest.mark.parametrize(
    ("d", "m", "delta"), [(7, 8, 8 / 7), (7, 5, 5 / 4), (7, 9, 1.0), (7, 14, 1.0), (2, 6, 0.5), (1, 2, 2.0)]
)
def test_small_codes_are_exact(d: int, m: int, delta: float) -> None:
    assert bounds.exact(d, m) == pytest.approx(delta, abs=1e-15)


def test_the_exact_value_ends_after_the_orthoplex() -> None:
    assert bounds.exact(7, 15) is None


@pytest.mark.parametrize(("d", "m"), [(3, 13), (4, 24), (8, 240), (16, 100), (24, 196560), (64, 5000)])
def test_the_converse_angle_is_where_the_count_falls_below_m(d: int, m: int) -> None:
    angle = bounds.angle_converse(d, m)
    assert float(bounds.converse_count(d, angle * (1 - 1e-9))) >= m * (1 - 1e-12)
    assert float(bounds.converse_count(d, angle * (1 + 1e-6))) < m


@pytest.mark.parametrize("m", [5, 11, 20, 50, 200, 1000, 50000])
def test_bounds_grow_with_the_dimension_and_never_cross(m: int) -> None:
    lower = [bounds.delta_greedy(d, m) for d in range(2, 60)]
    upper = [bounds.delta_upper(d, m) for d in range(2, 60)]
    assert lower == sorted(lower) and upper == sorted(upper) and all(a <= b for a, b in zip(lower, upper, strict=True))


@pytest.mark.parametrize("m", [3, 10, 100, 1000, 100000])
def test_the_sufficient_dimension_is_no_less_than_the_necessary_one(m: int) -> None:
    sufficient, necessary = bounds.dimension_sufficient(m, 0.5), bounds.dimension_necessary(m, 0.5)
    assert sufficient is not None and necessary is not None and necessary <= sufficient


@pytest.mark.parametrize(("m", "angle"), [(100, 60.0), (1000, 60.0), (1000, 40.0)])
def test_demanded_dimensions_invert_the_counts(m: int, angle: float) -> None:
    theta = math.radians(angle)
    counted = [next(d for d in range(2, 200) if f(d, theta) >= m) for f in (bounds.greedy_count, bounds.converse_count)]
    delta = bounds.delta_of(theta)
    assert [bounds.dimension_sufficient(m, delta), bounds.dimension_necessary(m, delta)] == counted


def test_a_target_above_the_simplex_has_no_dimension() -> None:
    assert bounds.dimension_sufficient(10, 1.2) is None and bounds.dimension_necessary(10, 1.2) is None


@pytest.mark.parametrize(("m", "delta", "d"), [(10, 10 / 9, 9), (10, 1.0, 5), (6, 0.5, 2), (2, 2.0, 2)])
def test_simplex_orthoplex_and_polygon_count_as_shown(m: int, delta: float, d: int) -> None:
    assert bounds.dimension_sufficient(m, delta) == d == bounds.dimension_necessary(m, delta)


def test_the_rates_at_60_degrees() -> None:
    rates = (bounds.greedy_rate(SIXTY), bounds.kl_rate(SIXTY), bounds.rankin_rate(SIXTY))
    assert rates == pytest.approx((0.144, 0.278, 0.347), abs=5e-4)


@pytest.mark.parametrize("degrees", [5.0, 30.0, 60.0, 62.9, 63.1, 75.0, 89.9])
def test_the_rates_are_ordered(degrees: float) -> None:
    angle = math.radians(degrees)
    assert bounds.greedy_rate(angle) <= bounds.kl_rate(angle) <= bounds.rankin_rate(angle)


@pytest.mark.parametrize(
    ("d", "predicted"),
    [(8, {16: 0.2114, 64: 0.0911, 256: 0.0406, 1024: 0.0182}), (16, {16: 0.4039, 64: 0.2602, 256: 0.1731, 1024: 0.1169})],
)
def test_the_predicted_median_of_random_codes(d: int, predicted: dict[int, float]) -> None:
    assert [bounds.median_random(d, m) for m in predicted] == pytest.approx(list(predicted.values()), abs=6e-5)


@pytest.mark.parametrize(
    ("d", "m", "message"), [(1, 3, "d must be at least 2, but got 1"), (3, 1, "m must be at least 2, but")]
)
def test_a_code_that_cannot_be_is_refused(d: int, m: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bounds.lower_printed(d, m)


def test_a_target_that_is_no_separation_is_refused() -> None:
    with pytest.raises(ValueError, match=r"delta must lie in \(0, 2\], but got 2.5"):
        bounds.dimension_sufficient(5, 2.5)
