"""What a page of docs/papers says of a claim is what its judge says of the rows that are kept; ACCEPT=1 writes it anew."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path

import pytest

from orchestrator.spec import read, shipped
from tests.mutants.rewriting import word
from tests.mutants.test_mutants import material

PAPERS = Path(__file__).parents[2] / "docs" / "papers"
PAGES = sorted(PAPERS.glob("*.md"))
SAID = re.compile(r"`(\w+)\.(\w+)` (\w+)")
ACCEPT = "ACCEPT=1 python -m pytest tests/contract/test_paper_pages.py"


@lru_cache(maxsize=256)
def judged(sweep: str, claim_id: str) -> str:
    """The verdict of a claim on the rows that are kept of its sweep at size smoke."""
    whole = material(sweep)
    (claim,) = [claim for claim in whole.spec.claims if claim.id == claim_id]
    return word(whole, claim)


def test_there_are_pages() -> None:
    assert PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_verdicts_on_a_page_are_those_of_the_rows_kept(page: Path) -> None:
    text = page.read_text()
    mended = SAID.sub(lambda said: f"`{said[1]}.{said[2]}` {judged(said[1], said[2])}", text)
    if os.environ.get("ACCEPT"):
        page.write_text(mended)
    assert page.read_text() == mended, f"a verdict changed; look at it, then type {ACCEPT}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_names_every_quoted_claim_of_its_sweeps(page: Path) -> None:
    named = {(sweep, claim) for sweep, claim, _ in SAID.findall(page.read_text())}
    own = [sweep for sweep in shipped() if sweep.startswith(f"{page.stem}_")]
    quoted = {(sweep, c.id) for sweep in own for c in read(sweep).claims if c.basis is not None and c.basis.kind == "quoted"}
    assert quoted and quoted <= named


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_sentence_has_claims_or_a_reason(page: Path) -> None:
    rows = [line.split("|")[1:-1] for line in page.read_text().splitlines() if re.match(r"\| [A-Z]\d+ \|", line)]
    assert rows and all("“" in cells[1] and (SAID.search(cells[2]) or cells[3].strip()) for cells in rows)
