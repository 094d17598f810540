"""An undecided verdict says why: in its record, on the terminal, on its page and in the report."""

from __future__ import annotations

from typing import Any

import pytest

from dashboards.blocks import verdict_cards
from orchestrator.claims import Verdict, judge_rows
from orchestrator.cli import show
from orchestrator.report import page
from tests.helpers.judging import FIELDS, rows_of, spec_of

NS = (1, 2, 4, 8, 16, 32)
POWER = {"law": "power", "x": "d", "y": "y"}


def judged(noise: float, **claim: Any) -> Verdict:
    table = rows_of(lambda d: d**-0.5, NS, noise=noise)
    (verdict,) = judge_rows(spec_of({"id": "c", **claim}), table, FIELDS)
    return verdict


@pytest.fixture(scope="module")
def wide() -> Verdict:
    """A verdict on an exponent whose interval is wider than what is expected."""
    return judged(0.1, fit=POWER, expect={"exponent": {"between": [-0.46, -0.4]}})


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
    sure = judged(0.001, fit=POWER, expect={"exponent": {"between": [-0.6, -0.4]}})
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
