"""Paired differences against closed forms and simulation."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from orchestrator.errors import QueryError
from orchestrator.results.described import Described
from orchestrator.results.paired_differences import Differences, paired

FIELDS = {
    "d": Described(name="d", role="param"),
    "method": Described(name="method", role="param"),
    "y": Described(name="y", role="result"),
    "r": Described(name="r", role="result", aggregate="rms"),
}


def rows(y: Any, dims: tuple[int, ...] = (2, 3), method: str = "a", **more: Any) -> pl.DataFrame:
    """Final rows of a grid of dims and seeds; `y` has shape (dims, seeds)."""
    values = np.asarray(y, float)
    places = [(i, seed) for i in range(len(dims)) for seed in range(values.shape[1])]
    return pl.DataFrame(
        {
            "point": [f"{method}{i}{seed}" for i, seed in places],
            "seed": [seed for _, seed in places],
            "d": [dims[i] for i, _ in places],
            "method": method,
            "y": [values[i, seed] for i, seed in places],
            "r": [values[i, seed] for i, seed in places],
            "final": True,
            "status": "ok",
            **more,
        }
    )


def drawn(seed: int, shape: tuple[int, int] = (2, 6)) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Normal values."""
    return np.random.default_rng(seed).normal(size=shape)


def test_a_setting_has_the_interval_of_the_paired_t_test() -> None:
    left, right = drawn(0), drawn(1)
    found = paired(rows(left), rows(right, method="b"), "y", FIELDS)
    reference = stats.ttest_rel(left[0], right[0]).confidence_interval(found.level)
    assert found.level == 0.975
    assert (found.settings[0].low, found.settings[0].high) == pytest.approx((reference.low, reference.high))


def test_the_whole_takes_seeds_as_units() -> None:
    left, right = drawn(0), drawn(1)
    whole = paired(rows(left), rows(right), "y", FIELDS).whole
    reference = stats.ttest_1samp((left - right).mean(axis=0), 0).confidence_interval()
    assert whole is not None
    assert (whole.low, whole.high, whole.pairs) == (pytest.approx(reference.low), pytest.approx(reference.high), 6)


def test_a_param_that_sets_the_tables_apart_is_not_paired_on() -> None:
    found = paired(rows(drawn(0)), rows(drawn(1), method="b"), "y", FIELDS)
    assert found.on == ("d",)
    assert found.notes == ("method is a on the left and b on the right",)


def test_a_failed_side_loses_its_pair_and_is_counted() -> None:
    broken = rows(drawn(1)).with_columns(status=pl.when(pl.col("point") == "a00").then(pl.lit("error")).otherwise("status"))
    found = paired(rows(drawn(0)), broken, "y", FIELDS)
    assert [(d.pairs, d.lost) for d in found.settings] == [(5, 1), (6, 0)]


def test_rows_without_a_partner_are_counted() -> None:
    found = paired(rows(drawn(0), dims=(2, 3)), rows(drawn(1), dims=(3, 4)), "y", FIELDS)
    assert ([d.setting for d in found.settings], found.only_left, found.only_right) == ([{"d": 3}], 6, 6)


def test_a_single_pair_has_no_interval() -> None:
    found = paired(rows(drawn(0, (2, 1))), rows(drawn(1, (2, 1))), "y", FIELDS)
    assert [(d.low, d.high, d.apart) for d in found.settings] == [(None, None, False)] * 2


def test_equal_tables_do_not_differ() -> None:
    found = paired(rows(drawn(0)), rows(drawn(0)), "y", FIELDS)
    assert [(d.estimate, d.low, d.high, d.apart) for d in found.settings] == [(0.0, 0.0, 0.0, False)] * 2


def test_an_rms_is_a_difference_of_roots_of_mean_squares() -> None:
    left, right = drawn(0), drawn(1)
    found = paired(rows(left), rows(right), "r", FIELDS).settings[0]
    assert found.estimate == pytest.approx(np.sqrt((left[0] ** 2).mean()) - np.sqrt((right[0] ** 2).mean()))
    assert found.low is not None and found.high is not None and found.low < found.estimate < found.high


def test_a_param_of_one_side_is_averaged_over_and_told() -> None:
    twice = pl.concat([rows(drawn(0), method="a"), rows(drawn(2), method="b")])
    found = paired(twice, rows(drawn(1), method="c").drop("method"), "y", FIELDS)
    assert found.settings[0].left == pytest.approx((drawn(0)[0].mean() + drawn(2)[0].mean()) / 2)
    assert found.notes == ("method varies on the left and is averaged over",)


def test_a_point_that_is_in_two_arms_counts_once() -> None:
    arms = pl.concat([rows(drawn(0)).with_columns(arm=pl.lit(arm)) for arm in ("one", "two")])
    assert paired(arms, rows(drawn(1)), "y", FIELDS) == paired(rows(drawn(0)), rows(drawn(1)), "y", FIELDS)


def test_a_name_that_one_table_lacks_is_answered_with_the_nearest() -> None:
    with pytest.raises(QueryError, match=r"'methd' must be a column of both tables, but is not; did you mean 'method'"):
        paired(rows(drawn(0)), rows(drawn(1)), "y", FIELDS, on=["methd"])


@pytest.mark.parametrize("aggregate", ["y", "r"])
def test_intervals_of_all_settings_together_cover_at_their_level(aggregate: str) -> None:
    hit = 0
    for trial in range(150):
        shared = drawn(trial, (3, 8))
        left, right = (2 + shared + 0.5 * drawn(1000 * k + trial, (3, 8)) for k in (1, 2))
        found: Differences = paired(rows(left, dims=(2, 3, 4)), rows(right, dims=(2, 3, 4)), aggregate, FIELDS)
        hit += all(d.low is not None and d.high is not None and d.low <= 0 <= d.high for d in found.settings)
    assert hit >= 134  # nominal 142.5 of 150; below 134 with a chance of 0.2 % if it covers at 95 %
