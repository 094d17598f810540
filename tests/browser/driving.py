"""A headless Chromium, the pages served on a free port of loopback, and stores to show in them."""

from __future__ import annotations

import atexit
import contextlib
import shutil
import socket
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect, sync_playwright

import orchestrator
from dashboards.app import build
from dashboards.web.door import LOOPBACK
from orchestrator.results.query import results
from tests.browser.install import executable

SHOTS = Path(__file__).parent / "shots"
PATIENCE = 40_000
"""Milliseconds that a page may take on a busy machine."""


@lru_cache(maxsize=1)
def swept() -> Path:
    """A store in which a real sweep was run, once for all tests of a process; who adds to it takes a copy."""
    folder = Path(tempfile.mkdtemp(prefix="lawsweep-browser-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    orchestrator.run("khm_capacity", size="smoke", store=folder / "store", inline=True, progress="quiet")
    return folder / "store"


def copied(folder: Path) -> Path:
    """A copy of that store in a folder."""
    return Path(shutil.copytree(swept(), folder / "store"))


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The Chromium of this machine; a test that needs it fails where there is none."""
    path = executable()
    if path is None:
        pytest.fail("these tests need a browser, but there is no Chromium; install one: make browser", pytrace=False)
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def serving(store: Path, **options: Any) -> Iterator[str]:
    """The address of the pages on a store, served by a thread."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        options = {"hosts": frozenset(LOOPBACK), **options}
        server = uvicorn.Server(uvicorn.Config(build(results(store), **options), log_level="warning", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        listening.listen()
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)


@contextlib.contextmanager
def opened(browser: Browser, **options: Any) -> Iterator[Page]:
    """A page of a browser without memory; an error of a script, a broken policy or a dialog fails the test."""
    wrong: list[str] = []
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console", lambda said: wrong.append(said.text) if said.type == "error" and "Failed to load" not in said.text else None
    )
    page.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    try:
        yield page
    finally:
        context.close()
    assert wrong == []


def drawn(page: Page) -> int:
    """How many figures there are, once all are drawn."""
    figures = page.locator("figure.chart").all()
    for figure in figures:
        figure.locator(".plot svg").first.wait_for()
    return len(figures)


def shoot(page: Page, name: str) -> None:
    """Keep a picture of the whole page."""
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


def get(url: str, headers: Mapping[str, str] | None = None) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and body of an address; nothing is followed."""
    opener = urllib.request.build_opener(_Stay)
    try:
        with opener.open(urllib.request.Request(url, headers=dict(headers or {})), timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirection."""

    def redirect_request(self, *_: Any) -> None:
        """No request."""
        return
