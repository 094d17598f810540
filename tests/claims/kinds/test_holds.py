"""A condition holds on every row, exactly or beyond its noise, and the rows that break it are listed."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from orchestrator.errors import SpecError
from orchestrator.results.conditions import sides, tolerant, truths
from tests.helpers.judging import judged, rows_of


def rows(**columns: Any) -> pl.DataFrame:
    return rows_of(lambda d: d, range(2, 7), seeds=4).with_columns(**columns)


def test_a_condition_that_is_true_of_all_rows_is_supported() -> None:
    found = judged({"holds": "y <= top"}, rows())
    assert found.verdict == "supported" and "all 20 rows" in found.sentence


def test_a_row_that_breaks_it_is_listed() -> None:
    found = judged({"holds": "y <= 5.5"}, rows())
    assert found.verdict == "refuted" and found.numbers["broken"] == 4
    assert [r["d"] for r in found.numbers["offenders"]] == [6] * 4


def test_rounding_breaks_nothing() -> None:
    assert judged({"holds": "y <= top"}, rows(top=pl.col("y") * (1 - 1e-12))).verdict == "supported"
    assert judged({"holds": "y <= top"}, rows(top=pl.col("y") * (1 - 1e-6))).verdict == "refuted"


def test_a_claim_sets_its_tolerance() -> None:
    assert judged({"holds": "y = top", "tolerance": 0.01}, rows(top=pl.col("y") * 1.005)).verdict == "supported"


def test_a_failed_row_leaves_it_undecided() -> None:
    broken = rows(status=pl.when((pl.col("d") == 2) & (pl.col("seed") == 0)).then(pl.lit("timeout")).otherwise(pl.lit("ok")))
    found = judged({"holds": "y <= top"}, broken)
    assert (found.verdict, found.failed) == ("undecided", {"timeout": 1})


def test_a_row_without_a_value_is_counted_and_left_out() -> None:
    found = judged({"holds": "y <= top"}, rows(top=pl.when(pl.col("d") > 2).then(pl.col("top"))))
    assert found.verdict == "supported" and found.numbers["without_value"] == 4


def test_a_condition_without_any_value_is_unmet() -> None:
    assert judged({"holds": "y <= top"}, rows(top=pl.lit(None, dtype=pl.Float64))).verdict == "unmet"


def test_a_condition_on_text_is_exact() -> None:
    assert judged({"holds": "arm = 'all' and error is null"}, rows(error=pl.lit(None, dtype=pl.String))).verdict == "supported"


def test_texts_of_two_columns_compare() -> None:
    assert judged({"holds": "arm <= status"}, rows()).verdict == "supported"


def test_groups_have_a_verdict_each() -> None:
    found = judged({"holds": "y <= 5.5", "by": ["d"]}, rows())
    assert [f.verdict for f in found.findings] == ["supported"] * 4 + ["refuted"]


@pytest.mark.parametrize(("gap", "verdict"), [(-1.0, "supported"), (0.0, "undecided"), (1.0, "refuted")])
def test_a_noisy_condition_is_judged_beyond_its_noise(gap: float, verdict: str) -> None:
    claim = {"holds": "y <= top", "se": "beta"}
    assert judged(claim, rows(top=pl.col("y") - gap, beta=pl.lit(0.1))).verdict == verdict


def test_many_noisy_rows_share_one_level() -> None:
    three_off = rows(top=pl.col("y") - 0.3, beta=pl.lit(0.1))
    assert judged({"holds": "y <= top", "se": "beta"}, three_off).verdict == "undecided"
    assert judged({"holds": "y <= top", "se": "beta"}, three_off.head(1)).verdict == "refuted"


def test_a_noisy_condition_is_one_comparison() -> None:
    with pytest.raises(SpecError, match=r"claims\.c\.holds: with 'se' it must be one comparison"):
        judged({"holds": "y <= top and y > 0", "se": "beta"}, rows())


def test_an_unknown_column_names_the_nearest() -> None:
    with pytest.raises(SpecError, match=r"claims\.c\.holds: .* got 'topp'; did you mean 'top'"):
        judged({"holds": "y <= topp"}, rows())


def test_a_condition_that_does_not_parse_is_told() -> None:
    with pytest.raises(SpecError, match=r"claims.c.holds: 'y <= ' must be an SQL condition"):
        judged({"holds": "y <= "}, rows())


def test_nothing_below_not_is_relaxed() -> None:
    assert "abs" not in tolerant("not (a <= b)", 1e-9)


def test_between_is_relaxed_at_both_ends() -> None:
    assert tolerant("a between 1 and b", 1e-9).count("abs((") == 2


def test_sides_of_a_comparison_are_sql() -> None:
    assert sides("a + 1 < 2 * b") == ("(a + 1)", "<", "(2 * b)")


def test_a_row_that_is_no_number_supports_nothing() -> None:
    found = judged({"holds": "y > 0"}, rows(y=pl.when(pl.col("d") > 2).then(pl.col("y")).otherwise(float("nan"))))
    assert found.verdict == "undecided" and found.numbers["lost"] == 4


def test_rows_keep_their_order_in_a_condition_on_many_texts() -> None:
    names = [f"arm{i % 9}" for i in range(20_000)]
    frame = pl.DataFrame({"arm": names})
    wanted = ", ".join(f"'arm{i}'" for i in range(6))
    assert truths(frame, f"arm in ({wanted})", "here").to_list() == [int(name[3:]) < 6 for name in names]


def test_truth_values_are_compared_as_such() -> None:
    rows = rows_of(lambda d: d, (2.0, 4.0, 8.0))
    assert judged({"holds": "(y > 3) = (top > 6)"}, rows).verdict == "supported"
    assert judged({"holds": "(y > 3) = (top > 9)"}, rows).verdict == "refuted"
