"""khm.capacity against known codes, brackets and ceilings, and the sweep that says where the paper's slogan holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest

from orchestrator.claims import judge_rows
from orchestrator.plan import expand
from orchestrator.results.described import Described
from orchestrator.spec import read
from orchestrator.workload.context import Context
from orchestrator.workload.describe import load
from workloads.khm import capacity as workload
from workloads.khm.capacity import Params, Result
from workloads.khm.maths import best, growth, storage
from workloads.shared.hopfield import bounds, known_codes, separation

# beta: d -> bracket of ln(capacity) under the printed condition (derived apart from this code, on a grid of separations).
BRACKETS = {
    8.0: {2: (1.39, 1.91), 4: (2.08, 3.29), 8: (2.77, 4.47), 16: (3.47, 5.47), 32: (4.16, 6.20), 64: (4.85, 6.64)},
    16.0: {2: (1.58, 2.18), 4: (2.56, 4.03), 8: (3.72, 6.00), 16: (5.07, 8.13), 32: (6.56, 10.21), 64: (8.08, 11.99)},
    64.0: {4: (4.01, 5.63), 8: (6.62, 9.43), 16: (10.16, 14.58), 32: (14.78, 21.25), 64: (20.35, 29.28)},
}
KISSING = {2: 6, 3: 12, 4: 24, 5: 40, 6: 72, 7: 126, 8: 240}
MIXED = [
    Params(8, angle_deg=60.0),
    Params(8, angle_deg=45.0),
    Params(5, beta=8.0),
    Params(5, beta=11.0),
    Params(5, beta=11.0, criterion="rigorous"),
    Params(6, "random", angle_deg=50.0),
    Params(6, "random", beta=9.0),
    Params(8, "E8", beta=15.0),
]


def measure(*params: Params, seeds: list[int] | None = None) -> list[dict[str, Any]]:
    """Rows of a pack, by point."""
    rows: dict[int, dict[str, Any]] = {}
    for columns in workload.run_pack(params, [Context(seed=s) for s in seeds or [0] * len(params)]):
        for place, index in enumerate(columns["index"]):
            rows[index] = {name: values[place] for name, values in columns.items() if name not in ("index", "step")}
    return [rows[i] for i in range(len(params))]


@pytest.mark.parametrize("beta", BRACKETS)
def test_brackets_at_a_fixed_beta_are_the_tabled_ones(beta: float) -> None:
    rows = measure(*(Params(d, beta=beta) for d in BRACKETS[beta]))
    found = [(math.log(r["capacity_lower"]), math.log(r["capacity_upper"])) for r in rows]
    assert np.allclose(found, list(BRACKETS[beta].values()), atol=0.05)


def test_the_best_codes_of_sixty_degrees_are_the_kissing_numbers() -> None:
    rows = measure(*(Params(d, angle_deg=60.0) for d in (*KISSING, 24)))
    assert [r["capacity"] for r in rows] == [*KISSING.values(), 196560]


def test_their_logarithm_is_linear_with_the_tabled_slope() -> None:
    rows = measure(*(Params(d, angle_deg=60.0) for d in KISSING))
    slope, intercept = np.polyfit(list(KISSING), [r["ln_capacity"] for r in rows], 1)
    assert (slope, intercept) == pytest.approx((0.602, 0.665), abs=1e-3)


@pytest.mark.parametrize("beta", [2.0, 4.0, 8.0, 16.0, 64.0])
def test_what_is_found_lies_between_what_is_proved(beta: float) -> None:
    for row in measure(*(Params(d, beta=beta, criterion=c) for d in range(2, 34) for c in ("printed", "rigorous"))):
        assert row["capacity_lower"] <= row["capacity"] * (1 + 1e-12) <= row["capacity_upper"] * (1 + 1e-9)


@pytest.mark.parametrize("angle", [20.0, 45.0, 60.0, 75.0, 89.0, 90.0, 100.0, 150.0, 180.0])
def test_what_is_found_at_an_angle_lies_between_what_is_proved(angle: float) -> None:
    for row in measure(*(Params(d, angle_deg=angle) for d in range(2, 34))):
        assert row["capacity_lower"] <= row["capacity"] <= row["capacity_upper"] * (1 + 1e-9)


def test_no_dimension_passes_the_ceiling_of_a_fixed_beta() -> None:
    rows = measure(*(Params(d, beta=4.0) for d in (2, 8, 16, 64, 512)))
    assert all(r["capacity_upper"] <= max(r["ceiling"], d + 1) for r, d in zip(rows, (2, 8, 16, 64, 512), strict=True))
    assert rows[-1]["capacity"] == rows[-2]["capacity"] == 24.0


def test_growth_at_a_fixed_beta_is_concave_in_the_dimension() -> None:
    dims = [2, 4, 8, 16, 32, 64]
    upper = [math.log(r["capacity_upper"]) for r in measure(*(Params(d, beta=16.0) for d in dims))]
    slopes = np.diff(upper) / np.diff(dims)
    assert bool((np.diff(slopes) < 0).all())


def test_a_larger_beta_and_a_larger_dimension_never_store_less() -> None:
    found = np.array([[r["capacity"] for r in measure(*(Params(d, beta=b) for d in range(2, 26)))] for b in (3.0, 6.0, 9.0)])
    assert bool((np.diff(found, axis=0) >= 0).all() and (np.diff(found, axis=1) >= 0).all())


def test_a_wide_angle_is_settled_by_rankin() -> None:
    rows = measure(*(Params(5, angle_deg=a) for a in (90.0, 95.0, 101.0, 110.0, 130.0, 180.0)))
    assert [r["capacity"] for r in rows] == [10.0, 6.0, 6.0, 3.0, 2.0, 2.0]


def test_what_is_needed_of_beta_stores_just_that_many() -> None:
    (row,) = measure(Params(8, angle_deg=60.0))
    assert row["beta_needed"] == pytest.approx(13.7255, abs=6e-5)
    assert measure(Params(8, beta=row["beta_needed"] * 1.0001))[0]["capacity"] >= 240


def test_every_listed_code_obeys_the_proved_bounds() -> None:
    for d in range(2, 25):
        for m, delta in best.sizes(d):
            assert m <= float(growth.most(d, np.array(delta))) * (1 + 1e-6) or delta >= 1


def test_listed_binary_codes_are_no_better_than_known_ones() -> None:
    golay = 1.0 - 2.0 * known_codes.golay().double()
    assert float(separation.delta(golay[:512] / math.sqrt(24))) >= 2 / 3 - 1e-12
    assert (4096, pytest.approx(2 / 3)) in [(m, delta) for m, delta in best.sizes(24)]


def test_random_codes_reach_what_poisson_predicts() -> None:
    rows = measure(*[Params(8, "random", angle_deg=60.0)] * 200, seeds=list(range(200)))
    pairs = 5 * 4 / 2
    expected = math.exp(-pairs * float(bounds.cap(8, math.pi / 3)))
    assert float(np.mean([r["capacity"] >= 5 for r in rows])) == pytest.approx(expected, abs=0.1)


def test_a_random_code_is_the_longest_start_that_meets_the_condition() -> None:
    (row,) = measure(Params(6, "random", beta=9.0), seeds=[4])
    m, code = int(row["capacity"]), separation.random_unit(6, 200, Context(seed=4).generator("memories"))
    deltas = [float(separation.delta(code[:n])) for n in (m, m + 1)]
    assert m <= storage.memories_allowed(deltas[0], 9.0)
    assert m + 1 > storage.memories_allowed(deltas[1], 9.0)


def test_a_random_code_that_reaches_its_limit_says_so() -> None:
    (row,) = measure(Params(40, "random", angle_deg=60.0, limit=8))
    assert (row["capacity"], row["cut"]) == (8.0, True)


def test_a_named_code_counts_its_part() -> None:
    rows = measure(Params(8, "E8", beta=12.0), Params(8, "e8", beta=14.0), Params(8, "e8", angle_deg=61.0))
    assert [r["capacity"] for r in rows] == [math.floor(storage.memories_allowed(0.5, 12.0)), 240.0, 2.0]


def test_a_point_does_not_depend_on_its_pack() -> None:
    points, seeds = [p for p in MIXED for _ in range(2)], [0, 3] * len(MIXED)
    packed = measure(*points, seeds=seeds)
    alone = [measure(p, seeds=[s])[0] for p, s in zip(points, seeds, strict=True)]
    assert [repr(r) for r in packed] == [repr(r) for r in alone]


def test_run_gives_the_row_of_the_pack() -> None:
    ((step, row),) = load(workload).run(MIXED[0], Context(seed=0))
    assert (step, row) == (0, Result(**measure(MIXED[0])[0]))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (Params(4), "exactly one of angle_deg and beta must be given, but got angle_deg = None, beta = None"),
        (Params(4, angle_deg=60.0, beta=8.0), "exactly one .* but got angle_deg = 60.0, beta = 8.0"),
        (Params(4, angle_deg=0.0), "angle_deg must lie in \\(0, 180\\], but got 0.0"),
        (Params(4, beta=-1.0), "beta must be positive and finite, but got -1.0"),
        (Params(4, criterion="lucky", beta=8.0), "criterion must be one of printed, rigorous, but got 'lucky'"),
        (Params(1, beta=8.0), "d and limit must be at least 2 .* got d = 1"),
        (Params(4, "e8", beta=8.0), "code 'e8' has d = 8 and m = 240, but got d = 4"),
        (Params(4, "simplx", beta=8.0), "but got 'simplx'; did you mean 'simplex'\\?"),
        (Params(4, "annealed", beta=8.0), "code must be a known or a random one, but got 'annealed'"),
    ],
)
def test_params_that_mean_nothing_are_refused(params: Params, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure(params)


def swept(swap: Mapping[str, str]) -> dict[str, str]:
    """Verdicts of the sweep's smoke size, its arms renamed first."""
    spec = read("khm_capacity", size="smoke")
    known_as = load(spec.workload)
    plan = expand(spec, known_as)
    params = [Params(**{name: values[i] for name, values in plan.params.items()}) for i in range(len(plan.ids))]
    table = pl.DataFrame(
        {"point": plan.ids, "seed": plan.seeds, **plan.params, **pl.DataFrame(measure(*params)).to_dict()}, strict=False
    ).with_columns(status=pl.lit("ok"), final=pl.lit(True), step=pl.lit(0))
    arms = [table[indices].with_columns(arm=pl.lit(swap.get(arm, arm))) for arm, indices in plan.arms]
    fields = {f.name: Described(name=f.name, role="result", bound=f.bound) for f in known_as.results}
    return {v.id: v.verdict for v in judge_rows(spec, pl.concat(arms), fields)}


def test_the_sweep_supports_the_slogan_at_a_fixed_angle_and_its_limit_at_a_fixed_beta() -> None:
    assert set(swept({}).values()) == {"supported"}


def test_the_two_verdicts_flip_when_the_data_are_swapped() -> None:
    found = swept({"angle": "beta", "beta": "angle"})
    assert (found["exponential_at_fixed_angle"], found["not_at_fixed_beta"]) == ("refuted", "refuted")
