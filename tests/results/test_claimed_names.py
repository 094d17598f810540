"""A result may have the name of an engine column: each is found by its own name, in SQL, frames, claims and figures."""

from __future__ import annotations

from pathlib import Path

import pytest

import lawsweep
from orchestrator.results import query
from orchestrator.store import open_store

MEASURE = """
from typing import TypedDict


class Result(TypedDict):
    error: float
    status: int
    step: int
    size: int
    seconds: float
    time: float


def measure(n: int, seed: int) -> Result:
    if n == 9:
        raise ValueError("nine")
    return {"error": 1 / n, "status": n, "step": 5 * n, "size": 2 * n, "seconds": -1.0, "time": n / 2}
"""
SWEEP = """question: What?
workload: ./named.py
axes: {n: [1, 2, 4, 8]}
seeds: 3
derive: {twice: 2 * error}
claims:
  - id: falls
    says: it falls
    basis: {kind: derived, source: us}
    fit: {law: power, x: n, y: error}
    expect: {exponent: {between: [-1.1, -0.9]}}
  - id: holds
    says: it holds
    basis: {kind: derived, source: us}
    where: "_status = 'ok' and step > 0"
    holds: size <= 2 * status and twice <= 2
figures: [{kind: curve, x: size, y: error}]
"""


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> lawsweep.Result:
    folder = tmp_path_factory.mktemp("claimed")
    (folder / "named.py").write_text(MEASURE)
    (folder / "named.yaml").write_text(SWEEP)
    return lawsweep.run(folder / "named.yaml", store=folder / "results", inline=True, progress="quiet")


def test_claims_on_such_names_are_judged_by_the_results(result: lawsweep.Result) -> None:
    assert not result.warnings, result.warnings
    assert [(v["id"], v["verdict"]) for v in result.verdicts] == [("falls", "supported"), ("holds", "supported")]


def test_each_name_is_its_own_in_sql(result: lawsweep.Result) -> None:
    sql = "select error, status, step, size, seconds, time, _status, _step, _error from sweeps.named where n = 4 and seed = 0"
    row = query.run(open_store(result.summary.store), sql).to_pylist()
    assert row == [
        {
            "error": 0.25,
            "status": 4,
            "step": 20,
            "size": 8,
            "seconds": -1.0,
            "time": 2.0,
            "_status": "ok",
            "_step": 0,
            "_error": None,
        }
    ]


def test_each_published_query_runs(result: lawsweep.Result) -> None:
    store = open_store(result.summary.store)
    assert [query.run(store, verdict["sql"]).num_rows for verdict in result.verdicts] == [12, 12]


def test_each_name_is_its_own_in_frames(result: lawsweep.Result) -> None:
    store = lawsweep.open(result.summary.store)
    for rows in (store.sweep("named"), store.table("named")):
        assert rows.collect()["status"].unique().sort().to_list() == [1, 2, 4, 8]
        assert rows.collect()["_status"].unique().to_list() == ["ok"]


def test_where_a_name_is_free_both_names_are_the_engines(tmp_path: Path) -> None:
    from tests.helpers.running import home

    told = lawsweep.run(home(tmp_path), store=tmp_path / "results", inline=True, progress="quiet")
    sql = "select status, _status, _seed from sweeps.halves limit 1"
    assert query.run(open_store(told.summary.store), sql).to_pylist()[0]["status"] == "ok"
