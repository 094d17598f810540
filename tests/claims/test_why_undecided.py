"""An undecided verdict says why: in its record, on the terminal, on its page and in the report."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest
from scipy import stats

from dashboards.blocks import verdict_cards
from orchestrator.claims import Verdict, judge_rows
from orchestrator.claims.case import FINITE
from orchestrator.claims.outlook.remedies import POWER, Ends, explained, remedy
from orchestrator.claims.placing import DRIFT, LOST
from orchestrator.claims.verdict import Finding
from orchestrator.cli import show
from orchestrator.report import page
from tests.helpers.judging import FIELDS, rows_of, spec_of

NS = (1, 2, 4, 8, 16, 32)
POWER_LAW = {"law": "power", "x": "d", "y": "y"}


def judged(noise: float, **claim: Any) -> Verdict:
    table = rows_of(lambda d: d**-0.5, NS, noise=noise)
    (verdict,) = judge_rows(spec_of({"id": "c", **claim}), table, FIELDS)
    return verdict


@pytest.fixture(scope="module")
def wide() -> Verdict:
    """A verdict on an exponent whose interval is wider than what is expected."""
    return judged(0.1, fit=POWER_LAW, expect={"exponent": {"between": [-0.46, -0.4]}})


def test_an_interval_on_both_sides_of_an_edge_says_so_and_how_many_seeds_would_decide(wide: Verdict) -> None:
    assert wide.verdict == "undecided"
    (reason,) = wide.reasons
    assert reason.startswith("exponent: its interval [") and "lies partly in what is expected" in reason
    assert "seeds would decide" in reason or "more seeds are not likely to decide" in reason
    assert reason in wide.sentence


def test_two_laws_of_which_none_is_ahead_say_so() -> None:
    verdict = judged(0.5, prefer={"law": "power", "over": ["exponential"], "x": "d", "y": "y", "aicc": 500})
    assert verdict.verdict == "undecided" and any("one law must be ahead by 500" in reason for reason in verdict.reasons)


def test_a_settled_verdict_gives_no_reason() -> None:
    sure = judged(0.001, fit=POWER_LAW, expect={"exponent": {"between": [-0.6, -0.4]}})
    assert sure.verdict == "supported" and not sure.reasons


def test_it_is_said_on_the_terminal_the_page_and_in_the_report(wide: Verdict, capsys: pytest.CaptureFixture[str]) -> None:
    record = wide.record()
    show.verdicts([record])
    assert f"  c is undecided: {wide.reasons[0]}" in capsys.readouterr().out
    assert verdict_cards.cards([record])[0]["reasons"] == list(wide.reasons)
    assert page._verdict(wide)["reasons"] == list(wide.reasons)


def test_a_verdict_of_an_older_version_says_it_too(wide: Verdict, capsys: pytest.CaptureFixture[str]) -> None:
    record = {**wide.record(), "reasons": []}
    record["findings"] = [{**finding, "reasons": []} for finding in record["findings"]]
    show.verdicts([record])
    assert "lies partly in what is expected" in capsys.readouterr().out
    assert verdict_cards.cards([record])[0]["reasons"] == list(wide.reasons)


def test_an_open_end_is_shown_as_one_and_points_to_the_results_that_are_missing(capsys: pytest.CaptureFixture[str]) -> None:
    table = rows_of(lambda d: 1.0, NS, noise=0.1).with_columns(
        status=pl.when(pl.col("seed") == 0).then(pl.lit("diverged")).otherwise(pl.col("status"))
    )
    claim = {"id": "c", "fit": {"law": "constant", "x": "d", "y": "y"}, "expect": {"intercept": {"at_most": 2}}}
    (verdict,) = judge_rows(spec_of(claim), table, FIELDS)
    show.verdicts([verdict.record()])
    printed = capsys.readouterr().out
    assert "[-∞, ∞]" in printed and "the results that are missing decide it" in printed
    assert remedy(verdict.findings[0], verdict.level).by == "rows"


@pytest.mark.parametrize(("excess", "units"), [(1.3, 4), (2.0, 8), (5.0, 32)])
def test_the_seeds_that_decide_do_so_in_four_of_five_samples(excess: float, units: int) -> None:
    level, half = 0.95, 1.0
    ends = Ends(estimate=0.0, low=-half, high=half, expected=(-half / excess, math.inf), units=units, method="t", level=level)
    n = int(ends.seeds(0.95))
    error = half / stats.t.ppf(0.975, units - 1) * math.sqrt(units)  # of one seed
    shift = half / excess / error
    decided = [1 - stats.nct.cdf(stats.t.ppf(0.975, m - 1), m - 1, shift * math.sqrt(m)) for m in (n - 1, n)]
    # rounding in at n, not yet at n - 1; the sum of two quantiles is a near value of the noncentral t's
    assert decided[0] < POWER + 0.03 and decided[1] > POWER - 0.03


def test_a_share_without_a_miss_needs_the_trials_that_an_exact_interval_takes() -> None:
    ends = Ends(
        estimate=1.0, low=0.83, high=1.0, expected=(0.97, math.inf), units=8, method="exact binomial, 32 trials", level=0.95
    )
    n = int(ends.seeds(0.95))
    first = min(t for t in range(1, 1000) if stats.beta.ppf(0.025, t, 1) >= 0.97)  # Clopper and Pearson, no miss
    assert n == math.ceil(first / 4)


@pytest.mark.parametrize(
    ("reason", "by"),
    [(f"{FINITE}: without the smallest", "x"), (f"{DRIFT}: the law is rejected", "x"), (LOST, "rows"),
     ("neither: the better of 2 laws", "nothing"), ("the values are lower bounds found by search, which", "nothing")],
)  # fmt: skip
def test_what_seeds_do_not_decide_says_what_does(reason: str, by: str) -> None:
    finding = explained(Finding(verdict="undecided", sentence="", reasons=(reason,)), 0.95)
    assert len(finding.reasons) == 2 and remedy(finding, 0.95).by == by
