"""khm.codes: what each method reaches, what bounds it, and that a point is a function of its params and seed alone."""

from __future__ import annotations

import dataclasses
import math
import statistics

import numpy as np
import pytest

from orchestrator.workload.context import Context
from orchestrator.workload.describe import load
from workloads.khm import codes
from workloads.khm.codes import Params, Result
from workloads.khm.maths import making

QUICK = [
    Params(3, 7, iterations=60, restarts=3),
    Params(5, 9, "linear", iterations=60, restarts=3),
    Params(5, 9, "linear", feature_dim=3, iterations=60, bias=True),
    Params(4, 11, "ce", iterations=60, restarts=3),
    Params(3, 13, "uhop", iterations=20),
    Params(3, 13, "uhop", variant="max", iterations=20),
    Params(5, 9, "uhop_plus", feature_dim=7),
    Params(5, 9, "uhop_plus", variant="shipped", bias=True),
    Params(3, 13, "random"),
    Params(8, 240, "known"),
]


def measure(params: Params, seeds: int = 1) -> list[Result]:
    return [
        r for _, _, r in sorted(codes.run_pack([params] * seeds, [Context(seed=s) for s in range(seeds)]), key=lambda x: x[0])
    ]


def median(params: Params, seeds: int) -> float:
    return statistics.median(r.delta for r in measure(params, seeds))


def test_a_point_does_not_depend_on_its_pack() -> None:
    points = [(p, Context(seed=s)) for s in (0, 3, 5) for p in QUICK]
    packed = {i: (step, r) for i, step, r in codes.run_pack([p for p, _ in points], [c for _, c in points])}
    alone = {i: next(load(codes).run(p, c)) for i, (p, c) in enumerate(points)}
    assert packed == alone


def test_a_point_does_not_depend_on_how_its_batch_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measure(QUICK[0], 5)
    monkeypatch.setitem(making.BLOCK, "cpu", 100)
    assert measure(QUICK[0], 5) == whole


@pytest.mark.parametrize("params", QUICK)
def test_every_method_stays_within_the_proved_bounds(params: Params) -> None:
    assert all(-1e-12 <= r.delta <= r.delta_upper + 1e-9 for r in measure(params, 3))


@pytest.mark.parametrize(("m", "cosine"), [(7, 0.2101383127), (8, 0.2612038750), (10, 0.4043943252), (12, 1 / math.sqrt(5))])
def test_annealed_codes_reach_the_best_known(m: int, cosine: float) -> None:
    (result,) = measure(Params(3, m))
    assert 0.995 <= result.delta / (1 - cosine) <= 1 + 1e-9
    assert result.delta_ratio == pytest.approx(result.delta / (1 - cosine), rel=1e-9)


def test_the_angle_and_the_radius_are_those_of_delta() -> None:
    (result,) = measure(Params(3, 12, "known"))
    assert result.angle_deg == pytest.approx(63.4349488, abs=1e-7) and result.radius == pytest.approx(0.525731, abs=1e-6)


def test_the_printed_upper_bound_is_loose_and_the_sharp_one_is_its_square() -> None:
    (r,) = measure(Params(8, 240, "known"))
    assert r.delta <= r.delta_upper <= r.delta_upper_sharp < r.delta_upper_printed
    assert r.delta_upper_sharp == pytest.approx(r.delta_upper_printed**2 / 2, rel=1e-12)


def test_what_no_table_knows_is_absent() -> None:
    (result,) = measure(Params(5, 41, "random"))
    assert result.delta_known is None and result.delta_ratio is None


@pytest.mark.parametrize(
    ("d", "measured"),
    [(8, {16: 0.2205, 64: 0.0924, 256: 0.0405}), (16, {16: 0.3983, 64: 0.2613, 256: 0.1730})],
)
def test_the_median_of_random_memories(d: int, measured: dict[int, float]) -> None:
    medians = [median(Params(d, m, "random"), 200) for m in measured]
    assert medians == pytest.approx(list(measured.values()), rel=0.1)


def test_random_medians_are_as_predicted() -> None:
    results = measure(Params(8, 64, "random"), 200)
    assert statistics.median(r.delta for r in results) == pytest.approx(results[0].delta_random, rel=0.1)


@pytest.mark.parametrize("d", [5, 8])
def test_random_separations_fall_with_twice_the_exponent_of_the_best(d: int) -> None:
    m = [16, 64, 256]
    slope = np.polyfit(np.log(m), [math.log(median(Params(d, k, "random"), 200)) for k in m], 1)[0]
    assert slope == pytest.approx(-4 / (d - 1), rel=0.1)


def test_a_linear_map_makes_a_simplex_of_independent_memories() -> None:
    assert median(Params(5, 4, "linear", iterations=800), 3) == pytest.approx(4 / 3, rel=1e-4)


def test_a_linear_map_gains_nothing_beyond_the_dimension_of_the_data() -> None:
    narrow, wide = (median(Params(5, 10, "linear", feature_dim=features), 5) for features in (5, 20))
    assert narrow == pytest.approx(wide, rel=0.03) and narrow < 0.8


def test_a_bias_is_worth_one_dimension() -> None:
    plain, affine = (median(Params(5, 10, "linear", feature_dim=20, bias=bias), 5) for bias in (False, True))
    assert plain < affine < 1.0


def test_the_bounds_of_a_linear_map_are_those_of_its_rank() -> None:
    shapes = [(5, 20, False), (5, 20, True), (5, 3, True)]
    ranks = [making.Recipe("linear", d, 10, features, bias=bias).dimension for d, features, bias in shapes]
    assert ranks == [5, 6, 3]


def test_published_maps_beat_raw_memories() -> None:
    raw, uhop, plus = (median(Params(5, 8, method), 40) for method in ("random", "uhop", "uhop_plus"))
    assert raw < plus and raw < median(Params(5, 8, "linear", iterations=300), 10) and uhop > 0


def test_arms_share_their_memories() -> None:
    memories = [making._memories(making.Recipe(method, 4, 6), [Context(seed=3).generator]) for method in ("random", "linear")]
    assert bool((memories[0] == memories[1]).all())


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (Params(1, 3), "d must be at least 2, but got 1"),
        (Params(3, 1), "m must be at least 2, but got 1"),
        (Params(3, 13, "known"), r"'known' must have coordinates of m = 13 in d = 3, but has none"),
        (Params(3, 13, "anealed"), "method must be one of .*, but got 'anealed'"),
        (Params(3, 13, "uhop", feature_dim=4), "feature_dim of method 'uhop' must be d = 3, but got 4"),
        (Params(3, 13, variant="max"), "variant of method 'annealed' must be left out, but got 'max'"),
        (Params(3, 13, "uhop", variant="mx"), "variant of method 'uhop' must be average, max, but got 'mx'"),
        (Params(3, 13, bias=True), "bias must be false for method 'annealed'"),
        (Params(3, 13, restarts=0), "restarts must be at least 1, but got 0"),
    ],
)
def test_params_that_make_no_code_are_refused(params: Params, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(load(codes).run(params, Context(seed=0)))


def test_results_are_plain_numbers() -> None:
    (result,) = measure(Params(3, 12, "random"))
    assert {type(v) for v in dataclasses.asdict(result).values()} <= {float, int, type(None)}


def test_more_draws_leave_the_first_random_code_as_it_is() -> None:
    (one,), (many,) = (measure(Params(8, 64, "random", restarts=draws)) for draws in (1, 200))
    assert one.delta == many.delta == one.delta_typical and many.delta_typical == pytest.approx(0.0924, rel=0.1)


def test_a_map_tells_the_separation_that_it_started_from() -> None:
    (mapped,), (raw,) = (measure(Params(5, 9, method)) for method in ("uhop", "random"))
    assert mapped.delta_raw == raw.delta and raw.delta_raw is None
