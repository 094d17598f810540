"""A floor that is not the theory's makes a claim unmet, never refuted; what is above it is judged with the floor measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from orchestrator.claims import Verdict
from orchestrator.errors import SpecError
from tests.helpers.judging import judged, rows_of, spec_of

NS = tuple(2**k for k in range(5, 15))
RATE = {
    "fit": {"law": "power_with_floor", "x": "d", "y": "y", "by": ["beta"]},
    "floor": {"arm": "fresh", "match": ["beta"]},
    "expect": {"decay": {"at_least": "=1/3"}},
    "unmet_if": "floor > 0.5*y or top > 0.1*y",
    "require": {"x_points": 4, "x_decades": 1, "seeds": 8},
}


def measured(
    law: Callable[[float], float], floor: float, gap: float = 0.0, noise: float = 0.05, draw: int = 0, beta: float = 8.0
) -> pl.DataFrame:
    """An arm along n that runs into a floor, and the arm that measures it; `top` is the optimisation gap."""
    finite = rows_of(lambda d: law(d) + floor, NS, noise=noise, draw=draw).with_columns(arm=pl.lit("finite"))
    fresh = rows_of(lambda d: floor, (1,), noise=noise, draw=draw + 1000).with_columns(arm=pl.lit("fresh"))
    return pl.concat([finite, fresh]).with_columns(top=pl.lit(gap), beta=pl.lit(beta))


def rate(rows: pl.DataFrame, **more: Any) -> Verdict:
    return judged({**RATE, **more}, rows, arms={"finite": {}, "fresh": {}}, axes={"d": [*NS, 1]})


def test_a_planted_floor_is_unmet() -> None:
    found = rate(measured(lambda n: 2 * n**-0.4, floor=0.4))
    assert found.verdict == "unmet" and "is unmet (optimisation-limited): " in found.sentence
    assert found.reasons[0].startswith("optimisation-limited: floor > 0.5*y")


def test_a_planted_rate_slower_than_predicted_is_refuted() -> None:
    assert rate(measured(lambda n: 2 * n**-0.2, floor=0.05)).verdict == "refuted"


def test_a_planted_true_rate_is_supported() -> None:
    found = rate(measured(lambda n: 8 * n**-0.5, floor=0.02))
    assert found.verdict == "supported" and found.numbers["decay"]["estimate"] == pytest.approx(0.5, abs=0.05)


def test_an_optimiser_that_stopped_early_is_unmet() -> None:
    slow = measured(lambda n: 2 * n**-0.1, floor=0.001, gap=0.3)
    assert rate(slow).verdict == "unmet"


def test_what_the_floor_dominates_is_left_out_and_told() -> None:
    found = rate(measured(lambda n: 8 * n**-0.5, floor=0.15))
    assert found.verdict == "supported" and found.numbers["x_points"] == 7
    assert "left out, as floor > 0.5*y or top > 0.1*y: at d = 4096, 8192, 16384" in found.sentence


def test_groups_have_a_floor_each() -> None:
    rows = [measured(lambda n: 8 * n**-0.5, floor=f, beta=b) for b, f in ((2.0, 0.02), (4.0, 2.0))]
    found = rate(pl.concat(rows))
    assert [(f.group["beta"], f.verdict) for f in found.findings] == [(2.0, "supported"), (4.0, "unmet")]


def test_a_group_that_is_all_floor_is_unmet() -> None:
    rows = [measured(lambda n: 8 * n**-0.5, floor=0.02, beta=2.0), measured(lambda n: 1e-3, floor=1.0, beta=4.0)]
    found = rate(pl.concat(rows))
    assert found.findings[1].verdict == "unmet" and "nothing is left to judge" in found.findings[1].sentence


def test_an_unknown_gap_is_no_licence_to_refute() -> None:
    slow = measured(lambda n: 2 * n**-0.1, floor=0.001).with_columns(top=pl.lit(None, dtype=pl.Float64))
    assert rate(slow).verdict == "unmet"


def test_a_floor_without_a_result_is_unmet() -> None:
    rows = measured(lambda n: 2 * n**-0.1, floor=0.001)
    assert (
        rate(rows.with_columns(status=pl.when(pl.col("arm") == "fresh").then(pl.lit("oom")).otherwise("status"))).verdict
        == "unmet"
    )


def test_a_floor_dominates_from_half_of_the_error_unless_told() -> None:
    found = rate(measured(lambda n: 2 * n**-0.4, floor=0.4), unmet_if=None)
    assert "floor > 0.5 * y" in found.sentence


def test_a_law_without_a_floor_must_hold_above_it_too() -> None:
    claim = {"fit": {"law": "power", "x": "d", "y": "y"}, "floor": {"arm": "fresh"}, "expect": {"decay": {"at_least": 0.5}}}
    rows = measured(lambda n: 20 * n**-0.52, floor=0.1)
    found = judged(claim, rows, arms={"finite": {}, "fresh": {}}, axes={"d": [*NS, 1]})
    assert found.verdict == "undecided" and "less its floor" in found.sentence


def test_a_floor_of_several_values_in_a_group_is_refused() -> None:
    rows = pl.concat([measured(lambda n: 8 * n**-0.5, floor=0.02, beta=b) for b in (2.0, 4.0)])
    claim = {**RATE, "fit": {**RATE["fit"], "by": []}}
    with pytest.raises(
        SpecError, match=r"claims.c.floor.match: beta must have one value in each group, but has 2; add it to 'by'"
    ):
        judged(claim, rows, arms={"finite": {}, "fresh": {}}, axes={"d": [*NS, 1]})


def test_a_floor_belongs_to_a_curve() -> None:
    with pytest.raises(SpecError, match="a floor must be below a curve"):
        spec_of({"id": "c", "holds": "y > 0", "floor": {"arm": "a"}}, arms={"a": {}})


def test_a_preference_may_be_limited_too() -> None:
    claim = {"prefer": {"law": "power", "over": ["exponential"], "x": "d", "y": "y"}, "unmet_if": "top > 0.1 * y"}
    assert judged(claim, measured(lambda n: 2 * n**-0.5, 0.0, gap=9.0)).verdict == "unmet"


def test_a_trend_of_a_rate_reads_its_fits_floor() -> None:
    parts = [measured(lambda n, e=e: 8 * n**-e, 0.02, beta=b, draw=int(b)) for b, e in ((1.0, 0.4), (2.0, 0.5), (4.0, 0.7))]
    order = {"id": "order", "trend": {"of": "decay", "along": "beta", "is": "increasing"}}
    from orchestrator.claims import judging

    spec = spec_of({"id": "rate", **RATE}, order, arms={"finite": {}, "fresh": {}}, axes={"d": [*NS, 1]})
    assert [v.verdict for v in judging.judge_rows(spec, pl.concat(parts))] == ["supported", "supported"]


@pytest.mark.parametrize("floor", [0.01, 0.1])
def test_a_decay_above_a_measured_floor_covers(floor: float) -> None:
    """Anchored at the floor's own arm, the interval holds the true exponent as often as it says."""
    from orchestrator.fitting.fits import fit
    from orchestrator.fitting.laws import law
    from orchestrator.fitting.series import series

    rng, hits = np.random.default_rng(3), []
    n = np.array(NS, dtype=float)
    for _ in range(300):
        y = (8 * n[:, None] ** -0.5 + floor) * np.exp(0.05 * rng.normal(size=(len(n), 8)))
        curve = series(np.repeat(n, 8), y.ravel(), np.tile(np.arange(8), len(n)))
        own = series(np.zeros(8), floor * np.exp(0.05 * rng.normal(size=8)), np.arange(8))
        found = fit(law("power_with_floor"), curve.above(own)).interval("decay")
        hits.append(found.low <= 0.5 <= found.high)
    assert 0.91 <= np.mean(hits) <= 0.985


def test_a_floor_of_each_x_is_taken_off_there_and_not_refused() -> None:
    xs = [2, 4, 8, 16, 32, 64]
    floor = rows_of(lambda d: 0.2 * d**0.4, xs, noise=0.02, arm="fresh")
    claim = {
        "where": "arm = 'all'",
        "fit": {"law": "power", "x": "d", "y": "y"},
        "floor": {"arm": "fresh", "match": ["d"]},
        "expect": {"exponent": {"at_most": 0.3}},
    }
    verdicts = []
    for error in (lambda d: d**0.1 + 0.2 * d**0.4, lambda d: 0.3 * d**0.4):
        rows = pl.concat([rows_of(error, xs, noise=0.02), floor])
        verdicts.append(judged(claim, rows, arms={"all": {}, "fresh": {}}, axes={"d": xs}).verdict)
    assert verdicts == ["supported", "unmet"]
