"""A report reads like a page of results, stands alone, and says what failed and how to check it."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from orchestrator.claims import judging
from orchestrator.figures.draw import substitutes
from orchestrator.report.limitations import spent
from orchestrator.report.page import COUNTS, Report, bar, figure_sql, paths, write
from orchestrator.results import query
from orchestrator.results.stored_sweep import in_store
from orchestrator.store import Store
from tests.helpers.judging import KISSING, spec_of, stored

SPEC = spec_of(
    {
        "id": "grows",
        "says": "y grows <exponentially> in d",
        "basis": {"kind": "derived", "source": "Lemma 2"},
        "prefer": {"law": "exponential", "over": ["power"], "x": "d", "y": "y"},
    },
    {"id": "rate", "fit": {"law": "exponential", "x": "d", "y": "y"}, "expect": {"rate": {"between": [0.5, 0.7]}}},
    {"id": "small", "says": "y stays small", "holds": "y <= 200"},
    figures=[{"kind": "curve", "x": "d", "y": "y", "log": ["y"], "title": "Growth"}],
)


def reported(store: Store) -> Report:
    """The report of the sweep, judged now."""
    sweep = in_store(SPEC, store)
    return write(sweep, judging.judge(sweep))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of a small sweep, one point of which failed."""
    store = stored(
        tmp_path_factory.mktemp("report"),
        SPEC,
        lambda d, seed: KISSING[int(d)] * (1 + 0.01 * seed),
        keep=lambda d, seed: "error" if (d, seed) == (4, 1) else "ok",
    )
    return reported(store)


def test_all_files_are_there(written: Report) -> None:
    names = {p.name for p in written.page.parent.iterdir()}
    assert names == {"report.html", "report.md", "figure_1.png", "figure_1.svg"}


def test_paths_are_by_what_they_are(written: Report) -> None:
    assert list(paths(written)) == ["report", "markdown", "figure"]


def test_the_page_needs_no_network(written: Report) -> None:
    page = written.page.read_text()
    assert not re.search(r"https?://|src=|<script|<link|url\(", page) and "<svg" in page


class Balance(HTMLParser):
    """Counts tags that are opened and not closed."""

    open: list[str]

    def __init__(self) -> None:
        super().__init__()
        self.open = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed(written: Report) -> None:
    balance = Balance()
    balance.feed(written.page.read_text())
    assert balance.open == []


@pytest.mark.parametrize("name", ["page", "markdown"])
def test_a_report_has_every_part(written: Report, name: str) -> None:
    text = getattr(written, name).read_text()
    parts = ("How does it grow?", "a paper", "supported", "refuted", "derived", "rate 0.6", "SELECT arm", "Growth", "error")
    parts += ("lawsweep run toy_sweep", "toy.law", "commit", "Number of memories", "95 %")
    assert [part for part in parts if part not in text] == []


def test_what_users_write_is_text_in_a_page(written: Report) -> None:
    page = written.page.read_text()
    assert "&lt;exponentially&gt;" in page and "&lt;too&gt; large" in page


def test_a_claim_that_quotes_a_paper_leads_the_report(tmp_path: Path) -> None:
    quoted = {"id": "last", "says": "y is small", "basis": {"kind": "quoted", "source": "abstract"}, "holds": "y < 1e9"}
    spec = spec_of({"id": "first", "says": "y is positive", "holds": "y > 0"}, quoted)
    sweep = in_store(spec, stored(tmp_path, spec, lambda d, seed: float(KISSING[int(d)])))
    text = write(sweep, judging.judge(sweep)).markdown.read_text()
    assert 0 < text.index("| y is small |") < text.index("| y is positive |")


@pytest.mark.parametrize("name", ["page", "markdown"])
def test_a_report_says_its_limits(written: Report, name: str) -> None:
    text = getattr(written, name).read_text()
    assert "3 of 3 claims are not quoted from a paper" in text and "1 of 56 points have no result (1 error)" in text
    assert "No sample was measured again" in text


def test_an_audit_is_told_with_what_came_out_otherwise(tmp_path: Path) -> None:
    store = stored(tmp_path, SPEC, lambda d, seed: float(KISSING[int(d)]))
    wrong = {"column": "y", "stored": 6.0, "again": 7.0, "params": {"d": 2}, "seed": 0, "point": "p"}
    found = {
        "points": 4,
        "agreeing": 3,
        "fraction": 0.05,
        "tolerance": 0.0,
        "measures": "value",
        "device": "cpu",
        "mismatches": [wrong],
    }
    store.save("audits", SPEC.name, {**found, "size": "base", "when": "2026-01-02T03:04:05+00:00"})
    page = reported(store).page.read_text()
    assert "3 of 4 points, a random 0.05 of all, came out the same when measured again on cpu (2026-01-02 03:04 UTC)" in page
    assert "y was 6.0 and came out 7.0 at d = 2, seed 0" in page and "1 of 4 points otherwise" in page


def test_what_a_search_spent_is_told(tmp_path: Path) -> None:
    store = stored(tmp_path, SPEC, lambda d, seed: float(KISSING[int(d)]))
    number = store.begin({"sweep": SPEC.name, "size": "base"})
    store.finish(
        number, {"generation": number, "sweep": SPEC.name, "size": "base", "measured": 12, "note": {"rounds": 7, "full": False}}
    )
    assert spent(in_store(SPEC, store)) == [
        ("points measured by the run", "12"), ("rounds of proposals", "7"), ("ended by the limit on points", "no"),
    ]  # fmt: skip


def test_substitutes_for_real_data_are_named() -> None:
    rows = pl.DataFrame({"substitute": [True, False, None, True]})
    assert substitutes(rows) == ["2 of 4 rows rest on a substitute for real data."]


def test_the_sql_beside_counts_and_figures_gives_their_rows(tmp_path: Path) -> None:
    store = stored(tmp_path, SPEC, lambda d, seed: float(KISSING[int(d)]))
    counts = query.run(store, COUNTS.format(table="sweeps.toy_sweep", size="base")).to_pylist()
    assert [list(row.values())[1:] for row in counts] == [[56, 56, 8]]
    assert query.run(store, figure_sql(SPEC, 0)).num_rows == 56


def test_rows_that_break_a_claim_are_listed(written: Report) -> None:
    assert "Rows that break it" in written.page.read_text()


def test_a_report_never_says_proved(written: Report) -> None:
    assert "proved" not in written.page.read_text() + written.markdown.read_text()


def test_a_report_of_the_same_rows_is_the_same(tmp_path: Path) -> None:
    store = stored(tmp_path, SPEC, lambda d, seed: float(KISSING[int(d)]))
    first = reported(store).page.read_bytes()
    assert reported(store).page.read_bytes() == first


def test_a_sweep_without_rows_has_a_report(tmp_path: Path) -> None:
    store = stored(tmp_path, SPEC, lambda d, seed: 1.0, keep=lambda d, seed: None)
    page = reported(store).page.read_text()
    assert "absent" in page and "not measured yet" in page


def test_an_interval_is_drawn_inside_its_region() -> None:
    told = bar({"estimate": 1.0, "low": 0.9, "high": 1.1, "expected_low": 0.5, "expected_high": float("inf")})
    assert 'aria-label="interval [0.9, 1.1]"' in told and told.count("<rect") == 1


def test_judging_and_reporting_load_neither_torch_nor_ray(tmp_path: Path) -> None:
    heavy = "{'torch', 'ray', 'mlflow', 'lmfit', 'pandas', 'scipy.stats'}"
    code = f"""
import sys
import orchestrator.claims
import orchestrator.report.page
print(sorted({heavy} & {{*sys.modules}}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_verdicts_and_report_take_seconds(tmp_path: Path) -> None:
    store = stored(tmp_path, SPEC, lambda d, seed: float(KISSING[int(d)]))
    start = time.process_time()
    reported(store)
    assert time.process_time() - start < 6
