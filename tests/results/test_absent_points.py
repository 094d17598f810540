"""Points that are planned and have no row: a plan knows their params, without the workload that would measure them."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import polars as pl
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from orchestrator.driver import measure
from orchestrator.driver.measure import Where
from orchestrator.results.derived_columns import ABSENT
from orchestrator.results.stored_sweep import in_store
from orchestrator.spec import Spec, read
from orchestrator.store import Store, open_store
from tests.helpers.running import HEAD, RUN, SWEEP, home

HERE = Where(executor="inline", progress="quiet")
SEARCH = """\
question: Where does it cross?
workload: ./halves.py
axes: {i: [1, 4]}
search: {boundary: {along: scale, of: half, level: 1, between: [0.1, 4], tolerance: 0.5, round: 2}}
"""
UNTIL = SWEEP.replace("[1, 2, 3]", "[1, 2]") + "seeds: {min: 2, max: 4, until: {rel_halfwidth: 0.5, metric: half}}\n"


def absent(spec: Spec, store: Store) -> pl.DataFrame:
    """The sweep's planned points without a row."""
    return in_store(spec, store).rows.filter(pl.col("status").cast(pl.String) == ABSENT)


def lost(store: Store) -> list[dict[str, object]]:
    """Take the first part away; the rows that were in it."""
    part = store.parts("halves")[0]
    rows = pq.read_table(part.path).filter(pq.read_table(part.path)["final"]).to_pylist()
    part.path.unlink()
    return rows


@pytest.mark.parametrize("text", [SWEEP, SEARCH, UNTIL], ids=["a grid", "a search", "seeds that grow"])
def test_params_of_a_missing_point_are_known_without_its_module(tmp_path: Path, text: str) -> None:
    file = home(tmp_path, RUN, text)
    measure.run(read(file), tmp_path / "store", HERE)
    store = open_store(tmp_path / "store")
    rows = lost(store)
    (tmp_path / "halves.py").unlink()
    sys.modules.pop("halves", None)
    wanted = {(row["point"], row["i"], row["scale"], row["seed"]) for row in rows}
    found = absent(read(file), store)
    assert set(found.select("point", "i", "scale", "seed").rows()) == wanted


def test_params_of_a_module_given_by_hand_are_known(tmp_path: Path) -> None:
    module = types.ModuleType("by_hand")
    sys.modules["by_hand"] = module
    fails = (
        "def run(params, ctx):\n    if params.i == 3:\n        raise ValueError(3)\n    yield 0, Result(half=params.i / 2)\n"
    )
    exec(compile(HEAD + fails, "by_hand.py", "exec"), vars(module))
    (tmp_path / "halves.yaml").write_text(SWEEP)
    spec = read(tmp_path / "halves.yaml")
    measure.run(spec, tmp_path / "store", HERE, workload=module)
    store = open_store(tmp_path / "store")
    for part in store.parts("by_hand"):
        table = pq.read_table(part.path)
        pq.write_table(table.filter(pc.not_equal(table["i"], 1)), part.path)
    del sys.modules["by_hand"]
    rows = in_store(spec, store).rows
    known = {(row["i"], row["status"]) for row in rows.with_columns(pl.col("status").cast(pl.String)).to_dicts()}
    assert known == {(1, ABSENT), (2, "ok"), (3, "error")}


def test_a_plan_has_its_params_as_rows_have_them(tmp_path: Path) -> None:
    measure.run(read(home(tmp_path, RUN, SWEEP)), tmp_path / "store", HERE)
    store = open_store(tmp_path / "store")
    plan, rows = pq.read_schema(store.plan_path(store.latest("halves"))), store.schema("halves")
    assert plan.names == ["arm", "point", "seed", "i", "scale", "label"]
    assert [plan.field(name).type for name in plan.names[1:]] == [rows.field(name).type for name in plan.names[1:]]
