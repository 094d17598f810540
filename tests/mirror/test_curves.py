"""Curves of rows made by hand: means, intervals, what is held, what failed."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from orchestrator.fitting.intervals import interval
from orchestrator.mirror.curves import axis, curves, labels

PARAMS = ("d", "beta")


def rows(**columns: list[Any]) -> pl.LazyFrame:
    """Rows of one arm with what is not given filled in."""
    n = len(next(iter(columns.values())))
    given: dict[str, list[Any]] = {
        "arm": ["all"] * n,
        "seed": list(range(n)),
        "step": [0] * n,
        "final": [True] * n,
        "status": ["ok"] * n,
        "generation": [1] * n,
        "d": [2] * n,
        "beta": [1.0] * n,
    }
    return pl.LazyFrame(given | columns)


def test_a_curve_has_a_mean_at_every_x() -> None:
    table = rows(d=[2, 2, 3, 3], y=[1.0, 3.0, 5.0, 9.0])
    (curve,) = curves(table, "d", PARAMS, {"y": "mean"})
    assert curve.table.select("x_index", "d", "y").rows() == [(2, 2, 2.0), (3, 3, 7.0)]


@pytest.mark.parametrize("aggregate", ["mean", "rms", "median", "proportion"])
def test_its_interval_is_the_one_that_claims_use(aggregate: str) -> None:
    values = [0.2, 0.5, 0.1, 0.9, 0.4, 0.3, 0.8]
    (curve,) = curves(rows(y=values), "d", PARAMS, {"y": aggregate})
    expected = interval(pl.Series(values).to_numpy(), aggregate)
    assert curve.table.select("y", "y_lo", "y_hi").row(0) == pytest.approx((expected.estimate, expected.low, expected.high))


def test_one_seed_has_no_interval() -> None:
    (curve,) = curves(rows(y=[1.0]), "d", PARAMS, {"y": "mean"})
    assert curve.table.select("y", "y_lo", "y_hi").row(0) == (1.0, None, None)


def test_a_best_of_seeds_has_no_interval() -> None:
    (curve,) = curves(rows(y=[1.0, 4.0]), "d", PARAMS, {"y": "max"})
    assert curve.table.select("y", "y_lo", "y_hi").row(0) == (4.0, None, None)


def test_equal_seeds_make_an_interval_of_no_width() -> None:
    (curve,) = curves(rows(y=[3.0, 3.0]), "d", PARAMS, {"y": "mean"})
    assert curve.table.select("y_lo", "y_hi").row(0) == (3.0, 3.0)


def test_arms_and_other_params_make_curves_of_their_own() -> None:
    table = rows(arm=["a", "a", "b"], beta=[1.0, 2.0, 1.0], y=[1.0, 2.0, 3.0])
    assert [c.name for c in curves(table, "d", PARAMS, {"y": "mean"})] == ["a, beta=1.0", "a, beta=2.0", "b, beta=1.0"]


def test_a_whole_x_is_its_own_index() -> None:
    table = rows(arm=["a", "a", "b"], d=[2, 4, 4], y=[1.0, 2.0, 3.0])
    assert [c.table["x_index"].to_list() for c in curves(table, "d", PARAMS, {"y": "mean"})] == [[2, 4], [4]]


def test_the_index_of_a_broken_x_is_its_place_in_the_sweep() -> None:
    table = rows(arm=["a", "a", "b"], beta=[0.5, 2.0, 2.0], y=[1.0, 2.0, 3.0])
    assert [c.table["x_index"].to_list() for c in curves(table, "beta", PARAMS, {"y": "mean"})] == [[0, 1], [1]]


def test_a_label_names_what_differs_within_the_arm() -> None:
    table = rows(arm=["a", "a", "b"], beta=[1.0, 2.0, 1.0], y=[1.0, 2.0, 3.0])
    assert labels(curves(table, "d", PARAMS, {"y": "mean"})) == ["a, beta=1.0", "a, beta=2.0", "b"]


def test_a_failed_point_is_counted_and_gives_no_number() -> None:
    table = rows(status=["ok", "error"], y=[1.0, None])
    (curve,) = curves(table, "d", PARAMS, {"y": "mean"})
    assert (curve.failed, curve.seeds, curve.table["y"].to_list()) == (1, 1, [1.0])


def test_an_x_where_all_failed_is_no_point_of_the_curve() -> None:
    table = rows(d=[2, 3], status=["ok", "error"], y=[1.0, None])
    (curve,) = curves(table, "d", PARAMS, {"y": "mean"})
    assert curve.table["d"].to_list() == [2]


def test_partial_rows_do_not_count_along_a_param() -> None:
    table = rows(final=[False, True], y=[100.0, 1.0])
    assert curves(table, "d", PARAMS, {"y": "mean"})[0].table["y"].to_list() == [1.0]


def test_along_the_steps_every_row_counts() -> None:
    table = rows(step=[0, 1, -1], final=[False, True, True], status=["ok", "ok", "error"], y=[4.0, 1.0, None])
    (curve,) = curves(table, "step", PARAMS, {"y": "mean"})
    assert (curve.table.select("x_index", "y").rows(), curve.failed) == ([(0, 4.0), (1, 1.0)], 1)


def test_without_an_x_each_assignment_is_a_curve_of_one_point() -> None:
    table = rows(d=[2, 3], y=[1.0, 2.0])
    assert [c.table.select("x_index", "y").rows() for c in curves(table, None, PARAMS, {"y": "mean"})] == [
        [(0, 1.0)],
        [(0, 2.0)],
    ]


def test_a_kept_seed_makes_a_curve_of_every_point() -> None:
    assert len(curves(rows(y=[1.0, 2.0, 3.0]), None, PARAMS, {"y": "mean"}, keep=["seed"])) == 3


def test_a_truth_value_becomes_its_share() -> None:
    (curve,) = curves(rows(y=[True, False, True, True]), "d", PARAMS, {"y": "proportion"})
    assert curve.table["y"].to_list() == [0.75]


def test_the_axis_is_the_param_with_most_values() -> None:
    assert axis(rows(d=[2, 2, 3], beta=[1.0, 2.0, 3.0], y=[0, 0, 0]), PARAMS) == "beta"


def test_nothing_varies_so_there_is_no_axis() -> None:
    assert axis(rows(y=[0.0]), PARAMS) is None


def test_a_result_named_like_an_end_keeps_its_own_numbers() -> None:
    (curve,) = curves(rows(y=[1.0, 3.0], y_lo=[7.0, 7.0]), "d", PARAMS, {"y": "mean", "y_lo": "mean"})
    assert curve.table.select("y", "y_lo").row(0) == (2.0, 7.0)


def test_the_order_of_rows_changes_no_bit() -> None:
    values = [0.1 * k for k in range(500)]
    table = rows(d=[2, 3, 4, 5, 6] * 100, y=values).collect()
    made = [
        curves(table.sample(fraction=1, shuffle=True, seed=k).lazy(), "d", PARAMS, {"y": "mean"})[0].table for k in range(3)
    ]
    assert made[0].equals(made[1]) and made[0].equals(made[2])
