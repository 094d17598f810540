"""MLflow's own pages in a real browser, on a store with a real sweep: what a reader meets, and the way to the dashboard."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient
from playwright.sync_api import Browser, Page, expect

from orchestrator.mirror.mlflow_server import address, mirror, ui
from orchestrator.store import open_store
from tests.browser.driving import PATIENCE, chromium, copied, serving, shoot

pytestmark = pytest.mark.slow
SWEEP = "khm_capacity"


@dataclass(frozen=True)
class Served:
    """MLflow's server and the dashboard on one store, with the ids of its runs by name."""

    url: str
    dashboard: str
    experiment: str
    runs: dict[str, str]
    said: Path

    def run(self, name: str) -> str:
        """The address of a run's page."""
        return f"{self.url}/#/experiments/{self.experiment}/runs/{self.runs[name]}"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A store that a real sweep was run in, with both servers on it."""
    folder = tmp_path_factory.mktemp("mlflow")
    copied(folder)
    with _port() as port, pytest.MonkeyPatch.context() as patch:
        url = f"http://127.0.0.1:{port}"
        with serving(folder / "store", mlflow=url) as dashboard:
            patch.setenv("LAWSWEEP_DASHBOARD", dashboard)
            patch.delenv("MLFLOW_TRACKING_URI", raising=False)
            store = open_store(folder / "store")
            mirror(store, SWEEP)
            client = MlflowClient(tracking_uri=address(store))
            experiment = client.get_experiment_by_name(SWEEP).experiment_id
            runs = {run.info.run_name: run.info.run_id for run in client.search_runs([experiment])}
            with _serving(*ui(store, port), url, folder / "said.txt"):
                yield Served(url, dashboard, experiment, runs, folder / "said.txt")


@contextlib.contextmanager
def _port() -> Iterator[int]:
    """A port of loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found = int(probe.getsockname()[1])
    yield found


@contextlib.contextmanager
def _serving(argv: list[str], surroundings: dict[str, str], url: str, said: Path) -> Iterator[None]:
    """MLflow's server while it answers; its whole process group ends with it."""
    with said.open("wb") as log:
        process = subprocess.Popen(argv, env=surroundings, start_new_session=True, stdout=log, stderr=log)
        try:
            _await_health(url, process)
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _await_health(url: str, process: subprocess.Popen[Any]) -> None:
    """Return once the server answers."""
    end = time.monotonic() + 150
    while time.monotonic() < end:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"{url}/health", timeout=10):
            return
        time.sleep(0.2)
    pytest.fail(f"no answer from {url}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """One page for all tests, so that MLflow's megabytes of script are read once."""
    context = browser.new_context(viewport={"width": 1500, "height": 1000})
    context.set_default_timeout(PATIENCE)
    with contextlib.closing(context):
        yield context.new_page()


def test_an_experiment_is_a_sweep_with_its_question(page: Page, served: Served) -> None:
    page.goto(f"{served.url}/#/experiments")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name=SWEEP))
    expect(row).to_contain_text("At a fixed angle, does the number of memories grow")
    shoot(page, "mlflow_experiments")


def test_the_parent_says_question_verdicts_and_curves(page: Page, served: Served) -> None:
    page.goto(served.run(f"{SWEEP} smoke, run 1"))
    expect(page.get_by_text("lawsweep.verdict.", exact=False).first).to_be_visible()
    expect(page.get_by_role("link", name="angle").first).to_be_visible()
    expect(page.get_by_role("link", name="Open on the dashboard")).to_have_attribute(
        "href", f"{served.dashboard}/sweep/{SWEEP}?size=smoke"
    )
    shoot(page, "mlflow_parent")


def test_report_figures_and_rows_are_its_artifacts(page: Page, served: Served) -> None:
    page.goto(served.run(f"{SWEEP} smoke, run 1") + "/artifacts/report")
    for name in ("results.parquet", "report.html", "figure_1.png"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    shoot(page, "mlflow_artifacts")


def test_a_metric_is_plotted_along_x(page: Page, served: Served) -> None:
    page.goto(served.run("angle") + "/model-metrics")
    plot = page.locator(".js-plotly-plot").filter(has=page.locator(".scatterlayer .trace")).first
    plot.wait_for()
    drawn = "e => e.data.map(d => Array.from(d.x || []))"
    steps = next(found for found in plot.evaluate(drawn) if found)
    assert steps == sorted(steps) and steps[0] >= 2 and len(steps) > 3
    shoot(page, "mlflow_metrics")


def test_two_curves_are_compared(page: Page, served: Served) -> None:
    names = [name for name in served.runs if "run 1" not in name][:2]
    ids = ",".join(f'"{served.runs[name]}"' for name in names)
    page.goto(f'{served.url}/#/compare-runs?runs=[{ids}]&experiments=["{served.experiment}"]')
    expect(page.get_by_text("Comparing 2 Runs from 1 Experiment")).to_be_visible()
    for name in names:
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    shoot(page, "mlflow_compare")


def test_all_curves_are_compared_along_x_on_one_page(page: Page, served: Served) -> None:
    page.goto(served.run(f"{SWEEP} smoke, run 1"))
    page.goto(str(page.get_by_role("link", name="Compare its curves").first.evaluate("e => e.href")))
    plot = page.locator(".js-plotly-plot").filter(has=page.locator(".scatterlayer .trace:nth-child(3)")).first
    plot.wait_for()
    for name in served.runs:
        expect(page.get_by_role("link", name=name, exact=True)).to_have_count(int("run 1" not in name))
    assert plot.evaluate("e => e.layout.xaxis.title.text") == "d"
    assert plot.evaluate("e => new Set(e.data.map(d => d.name).filter(n => n)).size") == 3
    shoot(page, "mlflow_curves")


def test_the_dashboard_and_mlflow_lead_to_each_other(page: Page, served: Served) -> None:
    page.goto(f"{served.dashboard}/sweep/{SWEEP}?size=smoke")
    page.get_by_role("link", name="In MLflow").click()
    expect(page.get_by_role("link", name=SWEEP)).to_be_visible()
    page.goto(served.run("angle"))
    link = page.get_by_role("link", name="Open its rows on the dashboard").get_attribute("href")
    page.goto(str(link))
    expect(page.get_by_label("Remove filter arm = angle")).to_be_visible()


def test_the_server_gives_no_warning_that_nobody_can_heed(served: Served) -> None:
    assert "DeprecationWarning" not in served.said.read_text()
