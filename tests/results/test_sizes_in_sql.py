"""In SQL a sweep is one table of all its sizes, and what only makes up other tables is not listed."""

from __future__ import annotations

from pathlib import Path

from orchestrator.claims import judging
from orchestrator.results import query
from orchestrator.results.stored_sweep import in_store
from orchestrator.store import Store
from tests.helpers.judging import fill, spec_of, stored

CLAIM = {"id": "low", "says": "y is low", "holds": "y <= 100"}
AXES = {"d": [2, 4, 8]}
BASE = spec_of(CLAIM, axes=AXES, sizes={"small": {"axes": {"d": [2, 16]}}})
SMALL = BASE.model_copy(update={"size": "small"})


def both(path: Path) -> Store:
    store = stored(path, BASE, lambda d, seed: d)
    fill(store, SMALL, lambda d, seed: d + 0.5)
    return store


def counted(store: Store, sql: str) -> int:
    return int(query.run(store, sql)[0][0].as_py())


def test_each_size_is_found_by_its_name(tmp_path: Path) -> None:
    store = both(tmp_path)
    sizes = {size: counted(store, f"select count(*) from toy_sweep where size = '{size}'") for size in ("base", "small")}
    assert all(sizes.values()) and sum(sizes.values()) == counted(store, "select count(*) from toy_sweep")


def test_the_sql_of_a_verdict_gives_the_rows_of_its_size(tmp_path: Path) -> None:
    store = both(tmp_path)
    for spec in (BASE, SMALL):
        (verdict,) = judging.judge(in_store(spec, store))
        assert len(query.run(store, verdict.sql)) == verdict.rows


def test_only_what_a_query_may_name_is_listed(tmp_path: Path) -> None:
    store = both(tmp_path)
    for listing in ("show tables", "SHOW ALL TABLES;"):
        names = query.run(store, listing)["name"].to_pylist()
        assert names and not [name for name in names if name.startswith("_")]
    assert {"toy_sweep", "toy_law"} <= set(query.run(store, "show all tables")["name"].to_pylist())
