"""khm.dimension: linear maps saturate at the dimension of the data, free ones grow, and demand brackets what is found."""

from __future__ import annotations

import statistics
from itertools import pairwise

import pytest

from orchestrator.workload.context import Context
from orchestrator.workload.describe import load
from workloads.khm import dimension
from workloads.khm.dimension import Params, Result
from workloads.shared.hopfield import bounds


def measure(params: Params, seeds: int = 1) -> list[Result]:
    pack = dimension.run_pack([params] * seeds, [Context(seed=s) for s in range(seeds)])
    return [r for _, _, r in sorted(pack, key=lambda x: x[0])]


def median(params: Params, seeds: int = 5) -> float:
    return statistics.median(r.delta for r in measure(params, seeds) if r.delta is not None)


def test_a_point_does_not_depend_on_its_pack() -> None:
    params = [Params(9, 5, f, how, angle, 3, 50) for f in (3, 7) for how in dimension.METHODS for angle in (50.0, 80.0)]
    points = [(p, Context(seed=s)) for s in (0, 2) for p in params]
    packed = {i: (step, r) for i, step, r in dimension.run_pack([p for p, _ in points], [c for _, c in points])}
    assert packed == {i: next(load(dimension).run(p, c)) for i, (p, c) in enumerate(points)}


def test_a_linear_map_saturates_at_the_dimension_of_the_data() -> None:
    at, beyond = (median(Params(12, 4, features, "linear", iterations=800)) for features in (4, 16))
    assert beyond == pytest.approx(at, rel=0.03)


def test_a_linear_map_to_fewer_dimensions_separates_less() -> None:
    assert median(Params(12, 4, 2, "linear", iterations=400)) < 0.9 * median(Params(12, 4, 4, "linear", iterations=400))


def test_a_free_map_keeps_growing() -> None:
    found = [median(Params(12, 4, features, "free", iterations=600), 1) for features in (2, 3, 4, 6, 11)]
    assert found == sorted(found) and found[-1] == pytest.approx(12 / 11, rel=1e-3)


def test_an_affine_map_gains_one_dimension() -> None:
    (linear,), (affine,) = (measure(Params(9, 4, 9, how, iterations=50)) for how in ("linear", "affine"))
    assert (linear.dimension, affine.dimension) == (4, 5)


@pytest.mark.parametrize(("m", "d"), [(12, 3), (24, 4), (56, 7), (240, 8), (196560, 24)])
def test_demand_brackets_the_dimension_of_known_codes(m: int, d: int) -> None:
    (result,) = measure(Params(m, method="bounds", angle_deg=60.0))
    assert result.demand_lower is not None and result.demand is not None and result.demand_lower <= result.demand <= d


def test_demand_knows_the_codes_of_the_tables() -> None:
    results = [measure(Params(m, method="bounds", angle_deg=60.0))[0].demand for m in (6, 24, 25, 240, 241, 196560)]
    assert results == [2, 4, 5, 8, 9, 24] and bounds.dimension_sufficient(24, 0.5) == 12


def test_the_dimension_that_is_proved_grows_like_the_logarithm_of_m() -> None:
    steps = [bounds.dimension_sufficient(10**k, 0.5) or 0 for k in (3, 4, 5, 6)]
    gaps = [b - a for a, b in pairwise(steps)]
    assert max(gaps) - min(gaps) <= 2


def test_bounds_alone_measure_nothing() -> None:
    (result,) = measure(Params(1000, method="bounds"))
    assert result.delta is None and result.reached is None and result.delta_exists <= result.delta_upper


def test_a_target_that_no_dimension_meets_is_absent() -> None:
    (result,) = measure(Params(10, method="bounds", angle_deg=120.0))
    assert result.demand is None and result.demand_lower is None


@pytest.mark.parametrize(("angle", "reached"), [(79.0, True), (81.0, False)])
def test_the_target_is_reached_where_the_code_allows_it(angle: float, reached: bool) -> None:
    (result,) = measure(Params(10, d=4, angle_deg=angle, iterations=600))
    assert result.reached is reached


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (Params(10, method="nonlinear"), "method must be one of linear, affine, free, bounds, but got 'nonlinear'"),
        (Params(10, angle_deg=0.0), r"angle_deg must lie in \(0, 180\], but got 0.0"),
        (Params(1), "m must be at least 2, but got 1"),
        (Params(10, feature_dim=1), "feature_dim must be at least 2, but got 1"),
    ],
)
def test_params_that_cannot_be_are_refused(params: Params, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(load(dimension).run(params, Context(seed=0)))
