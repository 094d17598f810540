"""Checks, which only a bug can break: what they say, where they stand, and that they are no claims."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.check import bug_guards
from orchestrator.claims import judging
from orchestrator.claims.verdict import check_tally, tallies, tally_text
from orchestrator.errors import SpecError
from orchestrator.report.page import write
from orchestrator.results.stored_sweep import in_store
from orchestrator.spec import Spec, parse
from tests.helpers.judging import FIELDS, rows_of, spec_of, stored

HOLDS = {"id": "capped", "says": "y stays below its cap", "holds": "y <= top"}
BREAKS = {"id": "small", "says": "y stays small", "holds": "y < 5"}
CLAIM = {"id": "grows", "says": "y is positive", "holds": "y > 0"}


def with_checks(*checks: Mapping[str, Any], **more: Any) -> Spec:
    return spec_of(CLAIM, checks=list(checks), **more)


def words(spec: Spec, **more: Any) -> dict[str, str]:
    rows = rows_of(lambda d: d, (2, 4, 8), seeds=2, **more)
    return {result.id: result.check for result in bug_guards.look_at_rows(spec, rows, FIELDS)}


def test_a_check_passes_or_is_broken() -> None:
    assert words(with_checks(HOLDS, BREAKS)) == {"capped": "passes", "small": "broken"}


def test_a_check_is_open_where_no_row_speaks_of_it() -> None:
    assert words(with_checks({**HOLDS, "where": "d > 100"})) == {"capped": "open"}
    assert words(with_checks(HOLDS), status="error") == {"capped": "open"}


def test_a_broken_check_names_its_rows() -> None:
    (result,) = bug_guards.look_at_rows(with_checks(BREAKS), rows_of(lambda d: d, (2, 4, 8), seeds=1), FIELDS)
    assert [row["d"] for row in result.offenders] == [8] and "fails on 1 of 3 rows" in result.sentence


def test_a_check_is_no_claim_and_takes_no_share_of_the_level() -> None:
    rows = rows_of(lambda d: d, (2, 4, 8), seeds=2)
    with_one, without = (judging.judge_rows(spec, rows, FIELDS) for spec in (with_checks(BREAKS), with_checks()))
    assert with_one == without and [verdict.id for verdict in with_one] == ["grows"]


def test_checks_of_every_size_are_kept(tmp_path: Path) -> None:
    spec = with_checks(HOLDS, sizes={"more": {"seeds": 9}})
    store = stored(tmp_path, spec, lambda d, seed: d)
    base = in_store(spec, store)
    bug_guards.look(base)
    store.save("checks", spec.name, [*(store.load("checks", spec.name) or []), {"id": "x", "size": "more", "check": "broken"}])
    bug_guards.look(base)
    assert {(c["id"], c["size"]) for c in store.load("checks", spec.name)} == {("capped", "base"), ("x", "more")}
    assert [check["id"] for check in base.checks] == ["capped"]


def test_a_store_without_checks_gets_no_file(tmp_path: Path) -> None:
    spec = spec_of(CLAIM)
    store = stored(tmp_path, spec, lambda d, seed: d)
    assert bug_guards.look(in_store(spec, store)) == () and not (store.path / "checks").exists()


def test_the_report_has_a_section_of_checks(tmp_path: Path) -> None:
    spec = with_checks(HOLDS, BREAKS)
    sweep = in_store(spec, stored(tmp_path, spec, lambda d, seed: d))
    bug_guards.look(sweep)
    report = write(sweep, judging.judge(sweep))
    text, page = report.markdown.read_text(), report.page.read_text()
    head, section = text.split("## Checks")
    assert "| y stays small | **broken** |" in section.split("## Limitations")[0] and "y stays small" not in head
    assert "Verdicts: 1 supported. Checks: 1 pass, 1 broken." in text
    assert '<tr id="check-small">' in page and "Checks: 1 pass, 1 broken." in page


def test_a_report_without_checks_has_no_such_section(tmp_path: Path) -> None:
    spec = spec_of(CLAIM)
    sweep = in_store(spec, stored(tmp_path, spec, lambda d, seed: d))
    assert "Checks" not in write(sweep, judging.judge(sweep)).markdown.read_text()


def test_claims_that_are_no_theory_are_counted_apart() -> None:
    counted = tallies(
        [("derived", "supported"), ("measured", "supported"), ("hypothesis", "refuted"), ("quoted", "refuted"), ("", "unmet")]
    )
    assert tally_text(counted) == (
        "2 of theory: 1 supported, 1 refuted; 1 with a threshold from data: 1 supported; 1 of rules of thumb: 1 refuted; "
        "1 without a basis: 1 unmet"
    )
    assert tally_text(tallies([("derived", "supported")] * 2)) == "2 supported"
    assert tally_text(tallies([("measured", "supported")])) == "1 with a threshold from data: 1 supported"
    assert check_tally([{"check": "passes"}, {"check": "open"}]) == "1 pass, 1 open"


@pytest.mark.parametrize(
    ("basis", "opening"),
    [
        ("measured", "A threshold that came from data and speaks for no theory (pilots) is supported"),
        ("hypothesis", "A rule of thumb (pilots) is supported"),
    ],
)
def test_a_sentence_says_that_it_is_no_theory(basis: str, opening: str) -> None:
    spec = spec_of({**CLAIM, "basis": {"kind": basis, "source": "pilots"}})
    (verdict,) = judging.judge_rows(spec, rows_of(lambda d: d, (2, 4)), FIELDS)
    assert verdict.sentence.startswith(opening)


@pytest.mark.parametrize(
    ("checks", "told"),
    [
        ([{**HOLDS, "id": "grows"}], r"checks\[0\]\.id: ids must differ, but claims\[0\] is 'grows' too; rename one\."),
        ([HOLDS, {**HOLDS}], r"checks\[1\]\.id: ids must differ, but checks\[0\] is 'capped' too"),
        ([{"id": "a", "says": "b"}], r"checks\[0\]\.holds: a value must stand here"),
        ([{**HOLDS, "basis": {"kind": "derived", "source": "x"}}], r"checks\[0\]\.basis: a key must be one of id, says, holds"),
        ([{**HOLDS, "from": "boundary"}], r"checks\[0\]\.from: 'from: boundary' must have a 'search'"),
        ([{**HOLDS, "from": "row"}], r"checks\[0\]\.from: 'from' must be rows, boundary or sweep:NAME, but got 'row'"),
    ],
)
def test_a_wrong_check_is_told_where(checks: list[Mapping[str, Any]], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        with_checks(*checks)


def test_a_saved_spec_keeps_its_checks() -> None:
    spec = with_checks(HOLDS)
    again = parse(json.dumps(spec.resolved()), spec.name)
    assert again.checks == spec.checks and again.checks[0].holds == "y <= top"
