"""The pages as a reader meets them: in a real browser, with real sweeps behind them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, expect

from orchestrator.store import open_store
from tests.browser.driving import chromium, copied, drawn, opened, serving, shoot
from tests.helpers.toy_store import add, grid, plan, toy_rows

pytestmark = pytest.mark.slow
COMPARED = "/compare?a=toy_two&b=toy_one&y=capacity"
QUERY = "select d, avg(capacity) as capacity from khm_capacity where arm = 'angle' group by d order by d"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a real sweep, and two of the toy that share their points' params, one with failures."""
    path = copied(tmp_path_factory.mktemp("pages"))
    store = open_store(path)
    rows = toy_rows(
        [{**p, "point": f"{p['d']:08d}{int(p['beta']):04d}{p['seed']:04d}"} for p in grid(tuple(range(2, 14)), seeds=4)]
    )
    shifted = toy_rows(
        [
            {
                **p,
                "point": f"b{p['d']:07d}{int(p['beta']):04d}{p['seed']:04d}",
                "capacity": 2.0 ** p["d"] + p["seed"] + 3 + p["seed"] / 9,
            }
            | ({"status": "error", "error": "Traceback\nValueError: too deep", "capacity": None} if p["d"] == 13 else {})
            for p in grid(tuple(range(2, 14)), seeds=4)
        ]
    )
    add(store, rows)
    add(store, shifted)
    plan(store, rows, sweep="toy_one", generation=store.begin({"sweep": "toy_one", "size": "smoke"}))
    plan(store, shifted, sweep="toy_two", generation=store.begin({"sweep": "toy_two", "size": "smoke"}))
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    """Where the pages are served."""
    with serving(home) as found:
        yield found


def test_the_first_page_lists_every_sweep_and_finds_one(browser: Browser, url: str) -> None:
    with opened(browser) as page:
        page.goto(url)
        expect(page.locator("tr[data-sweep]")).to_have_count(3)
        shoot(page, "sweeps")
        page.keyboard.press("/")
        page.keyboard.type("lemma")
        page.keyboard.press("Enter")
        expect(page.locator("tr[data-sweep]")).to_have_count(1)
        expect(page.get_by_text("4 supported")).to_be_visible()
        assert page.url.endswith("?text=lemma")


def test_a_sweep_shows_verdicts_with_their_intervals_and_its_figures(browser: Browser, url: str) -> None:
    with opened(browser) as page:
        page.goto(f"{url}/sweep/khm_capacity")
        expect(page.locator("article.card.supported")).to_have_count(4)
        expect(page.get_by_role("img", name="expected at least 0.1438")).to_be_visible()
        assert drawn(page) == 3
        shoot(page, "sweep")


def test_a_log_switch_draws_anew_and_stands_in_the_address(browser: Browser, url: str) -> None:
    with opened(browser) as page:
        page.goto(f"{url}/sweep/khm_capacity?x=d&y=capacity")
        ticks = page.locator("#explored .plot svg")
        expect(ticks).to_contain_text("200,000")
        page.get_by_label("log y").check()
        page.wait_for_url("**log=y**")
        expect(ticks).to_contain_text("1e4")


def test_a_filter_keeps_rows_and_a_link_shows_the_same(browser: Browser, url: str) -> None:
    with opened(browser) as page:
        page.goto(f"{url}/sweep/khm_capacity")
        page.locator("select[name=column]").select_option("d")
        page.locator("select[name=is]").select_option("≤")
        page.locator("input[name=value]").fill("4")
        page.get_by_role("button", name="Add filter").click()
        expect(page.locator("#rows tbody tr")).to_have_count(9)
        assert "where=d%3Ale%3A4" in page.url
        page.goto(page.url)
        expect(page.locator("#rows tbody tr")).to_have_count(9)
        page.get_by_label("Remove filter").click()
        expect(page.locator("#rows tbody tr")).to_have_count(50)


def test_a_table_is_sorted_and_paged(browser: Browser, url: str) -> None:
    with opened(browser) as page:
        page.goto(f"{url}/sweep/khm_capacity")
        page.get_by_role("link", name="capacity", exact=True).click()
        page.get_by_role("link", name="capacity ↑").click()
        expect(page.locator("th[aria-sort=descending]")).to_contain_text("capacity ↓")
        expect(page.locator("#rows tbody tr").first).to_contain_text("196560")
        page.get_by_role("link", name="next").click()
        expect(page.locator("#rows tbody tr")).to_have_count(19)


def test_failures_stand_with_their_text_and_lead_to_their_point(browser: Browser, url: str) -> None:
    with opened(browser) as page:
        page.goto(f"{url}/sweep/toy_two")
        expect(page.locator("#failures")).to_contain_text("ValueError: too deep")
        page.locator("#failures details a").first.click()
        expect(page.get_by_role("heading", name="Run it again")).to_be_visible()
        expect(page.locator("#again")).to_contain_text("workload: toy.capacity")
        shoot(page, "point")


def test_two_sweeps_stand_side_by_side_with_paired_differences(browser: Browser, url: str) -> None:
    with opened(browser) as page:
        page.goto(url + COMPARED)
        expect(page.locator(".side")).to_have_count(2)
        expect(page.locator("#differences")).to_contain_text("in 22 of 24 settings the interval leaves zero out")
        expect(page.locator("#differences")).to_contain_text("Over all settings")
        assert drawn(page) == 1
        shoot(page, "compare")


def test_a_query_is_answered_as_table_and_chart_and_kept(browser: Browser, url: str) -> None:
    with opened(browser) as page:
        page.goto(f"{url}/sql")
        page.locator("#q").fill(QUERY)
        page.keyboard.press("Control+Enter")
        expect(page.locator("#result tbody tr")).to_have_count(23)
        assert drawn(page) == 1
        page.get_by_label("log y").check()
        page.wait_for_url("**log=y**")
        shoot(page, "sql")
        page.goto(f"{url}/sql")
        expect(page.locator("#history a")).to_have_count(1)
        page.locator("#history a").click()
        expect(page.locator("#result tbody tr")).to_have_count(23)


def test_a_result_is_downloaded_as_csv_and_parquet(browser: Browser, url: str, tmp_path: Path) -> None:
    with opened(browser) as page:
        page.goto(f"{url}/sql?q={quote(QUERY)}")
        for form in ("CSV", "Parquet"):
            with page.expect_download() as waiting:
                page.locator("#result").get_by_role("link", name=form).click()
            waiting.value.save_as(tmp_path / form)
    assert (tmp_path / "CSV").read_text().splitlines()[0] == '"d","capacity"'
    assert pq.read_table(tmp_path / "Parquet").num_rows == 23


def test_pages_fit_a_phone_and_the_dark(browser: Browser, url: str) -> None:
    with opened(browser, viewport={"width": 360, "height": 740}, color_scheme="dark") as page:
        paths = {"sweeps": "/", "sweep": "/sweep/khm_capacity", "sql": f"/sql?q={quote(QUERY)}", "compare": COMPARED}
        for name, path in {**paths, "point": "/point/b000000200010000"}.items():
            page.goto(url + path)
            drawn(page)
            assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
            assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 27)"
            shoot(page, f"phone_{name}")


def test_a_long_title_is_whole_on_a_phone(browser: Browser, url: str) -> None:
    with opened(browser, viewport={"width": 360, "height": 740}) as page:
        page.goto(f"{url}/sweep/khm_capacity")
        drawn(page)
        ends = "e => [...e.querySelectorAll('svg text')].map(t => t.getBoundingClientRect().right)"
        assert max(page.locator("#figures figure.chart").first.evaluate(ends)) <= 352


def test_the_keyboard_alone_reaches_a_sweep(browser: Browser, url: str) -> None:
    with opened(browser) as page:
        page.goto(url)
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        for _ in range(4):
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url("**/sweep/**")


def test_every_field_has_a_name_and_every_page_one_heading(browser: Browser, url: str) -> None:
    fields = "input:not([type=hidden]), select, textarea"
    nameless = f"() => [...document.querySelectorAll('{fields}')].filter(e => !e.labels.length).length"
    with opened(browser) as page:
        for path in ("/", "/sweep/khm_capacity", "/compare", "/sql"):
            page.goto(url + path)
            assert page.evaluate(nameless) == 0
            expect(page.locator("h1")).to_have_count(1)


def test_the_report_needs_no_network(browser: Browser, home: Path) -> None:
    asked: list[str] = []
    with opened(browser, offline=True) as page:
        page.on("request", lambda request: asked.append(request.url.split(":")[0]))
        page.goto((home / "reports/khm_capacity/report.html").as_uri())
        expect(page.locator("figure svg").first).to_be_visible()
        expect(page.get_by_role("heading", name="Verdicts")).to_be_visible()
        shoot(page, "report_offline")
        page.emulate_media(color_scheme="dark")
        page.set_viewport_size({"width": 360, "height": 740})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
        inks = "() => [...document.querySelectorAll('figure svg text')].map(e => getComputedStyle(e).fill)"
        assert set(page.evaluate(inks)) <= {"rgb(230, 230, 227)", "rgb(169, 169, 164)"}
        shoot(page, "phone_report")
    assert set(asked) <= {"file", "data"}


def test_a_page_asks_nobody_else(browser: Browser, url: str) -> None:
    asked: list[str] = []
    with opened(browser) as page:
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{url}/sweep/khm_capacity")
        drawn(page)
    assert {address.split("/")[2] for address in asked} == {url.split("/")[2]}
