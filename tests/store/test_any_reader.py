"""Whoever reads Parquet reads the rows: given the folder of all rows, a workload's, one file, or a glob."""

from __future__ import annotations

import glob
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas
import polars as pl
import pyarrow.parquet as pq
import pytest

from orchestrator.results import query
from orchestrator.store import Store
from orchestrator.store.compact import compact
from tests.helpers.toy_store import add, grid, toy_rows

Reader = Callable[[str], int]


def _duckdb(path: str) -> int:
    pattern = f"{path}/**/*.parquet" if Path(path).is_dir() else path
    return int(duckdb.sql(f"select count(*) from '{pattern}'").fetchall()[0][0])


READERS: dict[str, Reader] = {
    "pandas": lambda path: len(pandas.read_parquet(sorted(glob.glob(path)) if "*" in path else path)),
    "pyarrow": lambda path: pq.read_table(sorted(glob.glob(path)) if "*" in path else path).num_rows,
    "polars": lambda path: len(pl.read_parquet(path)),
    "duckdb": _duckdb,
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("place", ["rows", "rows/toy.capacity", "rows/toy.capacity/*.parquet", "file"])
def test_every_reader_reads_the_rows(store: Store, name: str, place: str) -> None:
    add(store, toy_rows(grid(dims=(7,)), generation=2))
    first = next(iter(store.parts("toy.capacity")))
    path, rows = (str(first.path), first.rows) if place == "file" else (str(store.path / place), 24)
    assert READERS[name](path) == rows


def test_a_store_of_an_older_version_is_read_and_compact_moves_its_rows(store: Store) -> None:
    new, old = store.folder("toy.capacity"), store.path / "rows/workload=toy.capacity"
    new.rename(old)
    assert store.workloads() == ("toy.capacity",)
    add(store, toy_rows(grid()))
    assert not new.exists()  # the same part again changes nothing
    add(store, toy_rows(grid(dims=(7,)), generation=2))
    assert query.run(store, "select count(*) from workloads.toy_capacity")[0][0].as_py() == 24
    compact(store)
    assert not list(old.iterdir()) and READERS["pandas"](str(store.path / "rows")) == 24
