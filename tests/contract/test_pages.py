"""What every page and download of the dashboard keeps, the page of the guide too: its parts, its answers, no inline script."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import quote

import pytest

from dashboards import downloads, pages
from orchestrator.store import Store, open_store
from tests.browser.driving import get, serving
from tests.helpers.points import id_of
from tests.helpers.toy_store import add, grid, plan, toy_rows

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "adding-a-page.md").read_text()
FILES = dict(re.findall(r"^```\w+\n(?:# |\{# )([\w.]+)(?: #\})?\n(.*?)^```$", GUIDE, re.S | re.M))
"""The two files of the guide's example by their names."""
PAGES = sorted(
    [module.name for module in pkgutil.iter_modules(pages.__path__)] + [Path(f).stem for f in FILES if f.endswith(".py")]
)
DOWNLOADS = sorted(module.name for module in pkgutil.iter_modules(downloads.__path__))
PRESENT = {"name": "toy_capacity", "workload": "toy.capacity", "point": id_of("2/1.0/0"), "form": "csv"}
ABSENT = {"name": "nobody", "workload": "nobody", "point": "nobody", "form": "csv"}
"""Parts of an address that the store has, and that it has not."""
ASKED_FOR_NOTHING = {"overview": "?text=nobody", "compare": "?a=nobody&b=nobody", "sql": "?q=from+nobody"}
"""For pages without a part to fill in: a query for what is not there."""


@pytest.fixture(scope="module", autouse=True)
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The guide's page among the others, as if its files stood in the folder."""
    folder = tmp_path_factory.mktemp("pages")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    pages.__path__.append(str(folder))
    try:
        yield
    finally:
        pages.__path__.remove(str(folder))
        for name in FILES:
            sys.modules.pop(f"{pages.__name__}.{Path(name).stem}", None)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with one sweep of the toy, judged."""
    store = open_store(tmp_path_factory.mktemp("paged") / "store", create=True)
    rows = toy_rows(grid())
    add(store, rows)
    plan(store, rows, generation=store.begin({"sweep": "toy_capacity", "size": "smoke"}))
    store.save("verdicts", "toy_capacity", [{"id": "grows", "says": "capacity grows", "verdict": "supported"}])
    report = store.path / "reports" / "toy_capacity"
    report.mkdir(parents=True)
    (report / "report.html").write_text("<!doctype html><title>report</title>")
    return store


@pytest.fixture(scope="module")
def url(toy: Store) -> Iterator[str]:
    """Where the pages are served."""
    with serving(toy.path) as address:
        yield address


def page(name: str) -> ModuleType:
    """The module of a page."""
    return importlib.import_module(f"{pages.__name__}.{name}")


def download(name: str) -> ModuleType:
    """The module of a download."""
    return importlib.import_module(f"{downloads.__name__}.{name}")


def address(path: str, parts: dict[str, str]) -> str:
    """The path with its parts filled in."""
    return re.sub(r"\{(\w+):\w+\}", lambda match: quote(parts[match[1]], safe=""), path)


def template(name: str) -> Path:
    """Where the template of a page lies: beside its module."""
    return Path(inspect.getfile(page(name))).with_name(f"{name}.html.j2")


class Inline(HTMLParser):
    """Collects what a strict policy would not run: scripts and styles in the page, handlers, script in addresses."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one tag."""
        values = dict(attrs)
        if tag == "style" or (tag == "script" and not values.get("src")):
            self.faults.append(tag)
        for name, value in values.items():
            if name.startswith("on") or name == "style" or (value or "").strip().lower().startswith("javascript:"):
                self.faults.append(f"{tag} {name}")


def test_the_guide_has_a_page_of_two_files() -> None:
    assert {Path(name).suffix for name in FILES} == {".py", ".j2"}
    assert {name.split(".")[0] for name in FILES} <= set(PAGES)


def test_a_script_in_a_page_would_be_noticed() -> None:
    inline = "<script>1</script><script src='/static/page.js'></script><p onclick='a()' style='x'><a href='javascript:1'>"
    assert Inline(inline).faults == ["script", "p onclick", "p style", "a href"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_a_path_a_view_and_a_template(name: str) -> None:
    module = page(name)
    assert isinstance(module.PATH, str) and module.PATH.startswith("/")
    assert list(inspect.signature(module.view).parameters) == ["cache", "request"]
    assert inspect.getdoc(module) and inspect.getdoc(module.view)
    assert template(name).is_file()
    assert not hasattr(module, "TAB") or "{" not in module.PATH


@pytest.mark.parametrize("name", DOWNLOADS)
def test_a_download_is_a_path_and_an_answer(name: str) -> None:
    module = download(name)
    assert isinstance(module.PATH, str) and module.PATH.startswith("/")
    assert list(inspect.signature(module.answer).parameters) == ["cache", "request"]
    assert inspect.getdoc(module) and inspect.getdoc(module.answer)


def test_no_two_answer_the_same_address() -> None:
    paths = [page(name).PATH for name in PAGES] + [download(name).PATH for name in DOWNLOADS]
    assert len(set(paths)) == len(paths)


def test_every_template_beside_the_pages_is_one_of_a_page() -> None:
    stems = {path.name.removesuffix(".html.j2") for folder in pages.__path__ for path in Path(folder).glob("*.j2")}
    assert stems == set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_results_claims_and_figures_alone(name: str) -> None:
    tree = ast.parse(Path(inspect.getfile(page(name))).read_text())
    sources = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours = {source for source in sources if source.startswith("orchestrator")}
    rooms = ("results", "claims", "figures", "columns", "wording", "errors")
    assert {source for source in ours if source.split(".")[1] not in rooms} == set()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_what_is_there_without_inline_script(name: str, url: str) -> None:
    status, headers, body = get(url + address(page(name).PATH, PRESENT))
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert Inline(body.decode()).faults == []
    assert "script-src 'self'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_explains_what_is_not_there(name: str, url: str) -> None:
    path = page(name).PATH
    status, _, body = get(url + address(path, ABSENT) + ASKED_FOR_NOTHING.get(name, ""))
    text = body.decode()
    assert status < 500 and Inline(text).faults == []
    if "{" in path:
        assert status == 404 and " must " in text and "nobody" in text
    if name in ASKED_FOR_NOTHING:
        assert "No sweep fits" in text or (" must " in text and "nobody" in text)


@pytest.mark.parametrize("name", DOWNLOADS)
def test_a_download_explains_what_is_not_there(name: str, url: str) -> None:
    path = address(download(name).PATH, ABSENT)
    status, _, body = get(url + path + ("?q=from+nobody" if name == "query_result" else ""))
    assert status in (400, 404) and "nobody" in body.decode()
    assert Inline(body.decode()).faults == []
