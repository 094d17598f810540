"""The statuses of rows: one table says what each means, and whoever counts points tells the same of them."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from dashboards.blocks import row_table, sweep_card
from dashboards.data.cache import Cache
from dashboards.pages import point
from orchestrator.cli import cli
from orchestrator.columns import ENGINE_COLUMNS, OK, STATUSES, failures, unfinished
from orchestrator.driver import measure
from orchestrator.driver.measure import Where
from orchestrator.results import query
from orchestrator.results.status import status
from orchestrator.spec import read
from orchestrator.store import Store, open_store, point_ids
from tests.helpers.running import HEAD
from tests.search.test_growth import HALVING, LEARN

ROOT = Path(__file__).parents[2]
ELSEWHERE = {
    "orchestrator/claims/sources.py": 1,
    "orchestrator/columns.py": 2,
    "orchestrator/store/counting_rule.py": 2,
    "orchestrator/report/page.py": 1,
}
"""Literals 'ok' that are no status to be compared with: the table itself, how a search ends, names of columns."""


def test_one_status_has_results_and_none_is_both() -> None:
    assert [one.name for one in STATUSES if one.result] == [OK]
    assert not [one.name for one in STATUSES if one.result and one.failure]
    assert failures({one.name: 1 for one in STATUSES}).keys() == {one.name for one in STATUSES if one.failure}
    assert unfinished({one.name: 1 for one in STATUSES}) == {"stopped": 1}


def test_the_schema_and_the_guide_name_every_status() -> None:
    (column,) = (column for column in ENGINE_COLUMNS if column.name == "status")
    assert column.says == f"One of {', '.join(one.name for one in STATUSES)}."
    guide = (ROOT / "docs" / "architecture.md").read_text()
    rows = [f"| `{s.name}` | {'yes' if s.result else 'no'} | {'yes' if s.failure else 'no'} | {s.says} |" for s in STATUSES]
    assert [row for row in rows if row not in guide] == []


def test_no_module_decides_by_itself_what_a_status_means() -> None:
    found = {}
    for folder in ("orchestrator", "dashboards"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            nodes = ast.walk(ast.parse(path.read_text()))
            texts = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
            number = sum(text == "ok" or "status = 'ok'" in text for text in texts)
            if number:
                found[str(path.relative_to(ROOT))] = number
    assert found == ELSEWHERE
    templates = [path.name for path in (ROOT / "dashboards").rglob("*.j2") if '"ok"' in path.read_text()]
    assert templates == []


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> tuple[measure.Summary, measure.Summary, Store]:
    """A sweep that stops eight of its nine points, run twice."""
    folder = tmp_path_factory.mktemp("raced")
    (folder / "halves.py").write_text(HEAD + LEARN)
    (folder / "cross.yaml").write_text(HALVING)
    first, again = (
        measure.run(read(folder / "cross.yaml"), folder / "store", Where(executor="inline", progress="quiet")) for _ in "12"
    )
    return first, again, open_store(folder / "store")


def test_points_that_were_stopped_failed_for_nobody(raced: tuple[measure.Summary, measure.Summary, Store]) -> None:
    first, again, store = raced
    assert (first.exit_code, first.failures, again.exit_code, again.held_failed) == (0, {}, 0, 0)
    assert first.note == again.note == {"assignments": 9, "finished": 1}
    (one,) = status(store, "cross")
    assert (one.statuses, one.failures) == ({"ok": 1, "stopped": 8}, ())
    assert (one.row()["state"], one.row()["failed"]) == ("complete, 8 stopped", "none")
    cache = Cache(query.results(store.path))
    cache.warm()
    card = sweep_card.card(cache.sweep("cross"))
    assert (card["done"], card["failed"], card["unfinished"]) == (9, {}, {"stopped": 8})
    assert row_table.failures(cache.rows(cache.sweep("cross")).frame) == []
    counted = query.run(store, "select status, count(*) n from halves where final group by status order by status").to_pylist()
    assert {row["status"]: row["n"] for row in counted} == one.statuses


def test_the_command_tells_of_stopped_points_without_calling_them_failed(
    raced: tuple[measure.Summary, measure.Summary, Store],
) -> None:
    told = CliRunner().invoke(cli, ["status", "cross", "--store", str(raced[2].path)])
    assert told.exit_code == 0 and "8 stopped" in told.output and "none" in told.output and "stopped ×" not in told.output
    asked = CliRunner().invoke(cli, ["status", "cross", "--json", "--store", str(raced[2].path)])
    assert json.loads(asked.output)[0]["failures"] == []


def test_the_page_of_a_stopped_point_offers_no_retry(raced: tuple[measure.Summary, measure.Summary, Store]) -> None:
    store = raced[2]
    ended = {row["status"]: row["point"] for row in point_ids.readable(store.finals("halves")).to_pylist()}
    cache = Cache(query.results(store.path))
    cache.warm()
    assert point.point(cache, ended["stopped"])["failed"] is False
