"""Progress on the pages while a real run goes on beside them, and text that would rather be script."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pyarrow as pa
import pytest
from playwright.sync_api import Browser, expect

from orchestrator.store import Store, open_store
from orchestrator.store.parts import part_bytes
from tests.browser.driving import chromium, drawn, opened, serving, shoot
from tests.helpers.running import HEAD, SWEEP
from tests.helpers.toy_store import add, grid, plan, toy_rows

pytestmark = pytest.mark.slow
SLOW = "def run(params, ctx):\n    time.sleep(0.4)\n    yield 0, Result(half=params.i / 2)\n"
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'`{{7*7}}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    with chromium() as found:
        yield found


def started(folder: Path) -> subprocess.Popen[bytes]:
    """A run of fifteen points of 0.4 s in a process of its own."""
    (folder / "halves.py").write_text(HEAD + SLOW)
    (folder / "halves.yaml").write_text(SWEEP.replace("[1, 2, 3]", "{range: [1, 15, 1]}"))
    command = ["-m", "orchestrator.cli", "run", "halves.yaml", "--inline", "--store", "store", "--quiet"]
    return subprocess.Popen([sys.executable, *command], cwd=folder, stdout=subprocess.DEVNULL)


def test_a_run_is_seen_as_it_goes_on_and_ends_without_loading_the_page_again(browser: Browser, tmp_path: Path) -> None:
    open_store(tmp_path / "store", create=True)
    with serving(tmp_path / "store") as url, opened(browser) as page:
        page.goto(url)
        process = started(tmp_path)
        row = page.locator("tr[data-sweep=halves]")
        expect(row.locator(".state")).to_have_text("running")
        row.locator("a").click()
        expect(page.locator("#standing")).to_contain_text("points a second")
        page.evaluate("() => { window.same = true; }")
        shoot(page, "running")
        expect(page.locator("#told")).to_have_text("The sweep is complete")
        expect(page.locator("#rows")).to_contain_text("Rows 1 to 15 of 15")
        expect(page.locator("article.card.supported")).to_be_visible()
        assert page.evaluate("() => window.same")
    assert process.wait(60) == 0


@pytest.fixture
def hostile(tmp_path: Path) -> Store:
    """A store in which names, questions, error texts, descriptions and verdicts are script."""
    store = open_store(tmp_path / "store", create=True)
    lost = {"status": "error", "error": f"Traceback\n{HOSTILE}", "capacity": None, "host": HOSTILE, "device": HOSTILE}
    rows = toy_rows([{**p, **(lost if p["d"] == 2 else {})} for p in grid()])
    says = [f.with_metadata({**(f.metadata or {}), b"says": HOSTILE.encode(), b"unit": HOSTILE.encode()}) for f in rows.schema]
    add(store, rows.cast(pa.schema(says, metadata=rows.schema.metadata)))
    plan(store, rows, generation=store.begin({"sweep": "toy_capacity", "why": HOSTILE}), question=HOSTILE, source=HOSTILE)
    said = {"id": HOSTILE, "says": HOSTILE, "verdict": HOSTILE, "sentence": HOSTILE, "reasons": [HOSTILE], "sql": HOSTILE}
    offenders = [{"point": HOSTILE, HOSTILE: HOSTILE}]
    store.save(
        "verdicts", "toy_capacity", [{**said, "findings": [{"group": {"arm": HOSTILE}, "numbers": {"offenders": offenders}}]}]
    )
    named = store.path / "plans" / HOSTILE.replace("/", "")
    named.mkdir()
    arms = pa.table({"arm": [HOSTILE] * rows.num_rows, "point": rows["point"], "seed": rows["seed"]})
    (named / "smoke.parquet").write_bytes(part_bytes(arms))
    record = {
        "sweep": named.name,
        "size": "smoke",
        "workload": "toy.capacity",
        "version": 1,
        "created": "2026",
        "generation": 9,
    }
    (named / "smoke.json").write_text(json.dumps({**record, "spec": {"question": HOSTILE}, "question": HOSTILE}))
    return store


def test_script_in_names_and_texts_is_shown_as_text(browser: Browser, hostile: Store) -> None:
    with serving(hostile.path) as url, opened(browser) as page:
        page.goto(url)
        page.get_by_role("link", name="alert(2)").first.click()
        expect(page.locator("h1")).to_have_text(HOSTILE)
        expect(page.locator("#failures details").first).to_contain_text("<script>alert(2)</script>")
        expect(page.locator("#provenance dl")).to_contain_text(HOSTILE)
        page.goto(f"{url}/sweep/toy_capacity")
        expect(page.locator("article h3")).to_have_text(HOSTILE)
        assert drawn(page) == 1
        shoot(page, "hostile")
        page.goto(f"{url}/compare?a=toy_capacity&b=%3Cscript%3Ealert(3)%3C/script%3E")
        expect(page.locator("main")).to_contain_text("<script>alert(3)</script>")
        assert page.locator("main img, main script, main b").count() == 0


def test_script_in_a_result_is_shown_as_text(browser: Browser, store: Store) -> None:
    query = "select d, '<b>x' as \"<script>alert(4)</script>\" from toy_capacity"
    with serving(store.path) as url, opened(browser) as page:
        page.goto(f"{url}/sql?{urlencode({'q': query})}")
        expect(page.locator("#result th").nth(1)).to_have_text("<script>alert(4)</script>")
        assert page.locator("main b, main script").count() == 0
