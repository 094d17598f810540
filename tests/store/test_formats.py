"""A store of format 1, made by the version before: read, extended, compacted, merged and mirrored without loss."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import orchestrator
from orchestrator.claims import judging
from orchestrator.driver import measure
from orchestrator.driver.measure import Where
from orchestrator.errors import StoreError
from orchestrator.mirror import sweep_files
from orchestrator.results import frames
from orchestrator.results.status import status
from orchestrator.results.stored_sweep import StoredSweep, in_store
from orchestrator.spec import read
from orchestrator.store import Store, open_store, point_ids
from orchestrator.store.compact import compact
from orchestrator.store.merge import merge
from orchestrator.store.parts import part_bytes, part_name
from tests.helpers import storing

GOLDEN = Path(__file__).parents[1] / "golden" / "store_format_1"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())
HERE = Where(executor="inline", progress="quiet")


@pytest.fixture
def old(tmp_path: Path) -> Store:
    """A copy of the store of format 1, beside its sweeps."""
    shutil.copytree(GOLDEN, tmp_path / "old")
    return open_store(tmp_path / "old" / "store")


def asked(store: Store) -> dict[str, Any]:
    """What the queries give, as they were recorded."""
    results = orchestrator.open(store.path)
    answers = {name: results.sql(query["sql"]).to_dicts() for name, query in EXPECTED["queries"].items()}
    found: dict[str, Any] = json.loads(json.dumps(answers, default=str))
    return found


RECORDED = {name: query["rows"] for name, query in EXPECTED["queries"].items()}


def formats(store: Store) -> set[bool]:
    """Whether parts of the store hold ids as letters."""
    return {point_ids.lettered(pq.read_schema(part.path)) for part in store.parts("wells")}


def mark(store: Store) -> int:
    """The format that store.json names."""
    return int(json.loads((store.path / "store.json").read_text())["format"])


def test_a_store_of_format_1_reads_as_it_did(old: Store) -> None:
    assert formats(old) == {True} and mark(old) == 1
    assert asked(old) == RECORDED
    assert [one.row() for one in status(old)] == EXPECTED["status"]
    columns = ("point", "status", "echo")
    recorded = [tuple(row[name] for name in columns) for row in RECORDED["rows of a workload"]]
    assert str(rows_of(old).select(columns).rows()) == str(recorded)  # as text, nan is like nan
    assert mark(old) == 1, "a store that is only read stays as it is"


def test_verdicts_are_what_they_were(old: Store) -> None:
    judging.judge(in_store(read(old.path.parent / "wells.yaml"), old))
    assert [verdict_of(v) for v in old.load("verdicts", "wells")] == [verdict_of(v) for v in EXPECTED["verdicts"]]


def verdict_of(verdict: dict[str, Any]) -> dict[str, Any]:
    """What a verdict says, without the SQL and the words, which newer versions may change."""
    return {key: verdict[key] for key in ("id", "verdict", "claim_hash", "changed", "numbers")}


def test_a_run_extends_it(old: Store) -> None:
    file = old.path.parent / "wells.yaml"
    again = measure.run(read(file), old.path, HERE)
    assert again.measured == 0 and set(old.plan("wells").column_names) > {"depth", "loud", "wall"}
    file.write_text(file.read_text().replace("[1, 4]", "[1, 2, 4]"))
    more = measure.run(read(file), old.path, HERE)
    assert more.measured == 4 and more.held == more.points - 4
    assert formats(old) == {True, False} and mark(old) == 2
    new = asked(old)["rows of a workload"]
    assert [row for row in new if row["depth"] != 2] == RECORDED["rows of a workload"]
    search = measure.run(read(old.path.parent / "heard.yaml"), old.path, HERE)
    assert search.measured == 2, "two of its points were taken out, to be missing"


def test_compacting_turns_it_into_format_2(old: Store) -> None:
    compact(old)
    assert formats(old) == {False} and mark(old) == 2 and len(old.parts("wells")) == 1
    assert asked(old) == RECORDED and [one.row() for one in status(old)] == EXPECTED["status"]
    shutil.copytree(GOLDEN / "store" / "rows", old.path / "rows", dirs_exist_ok=True)  # as if it had died before the end
    assert asked(old) == RECORDED and formats(old) == {True, False}


def test_one_part_without_repeats_is_compacted_too(old: Store, tmp_path: Path) -> None:
    compact(old)
    (part,) = old.parts("wells")
    single = open_store(tmp_path / "single", create=True)
    single.put("wells", part.name, part_bytes(point_ids.readable(pq.read_table(part.path))))
    assert formats(single) == {True}
    compact(single)
    assert formats(single) == {False} and rows_of(single).equals(rows_of(old))


def rows_of(store: Store) -> pl.DataFrame:
    """The rows of the wells."""
    return frames.rows(store, "wells").sort("point", "step").collect()


@pytest.mark.parametrize("first", ["old", "new"])
def test_stores_of_both_formats_are_merged(old: Store, tmp_path: Path, first: str) -> None:
    new = open_store(tmp_path / "new", create=True)
    measure.run(read(old.path.parent / "heard.yaml"), new.path, HERE)
    store, other = (old, new) if first == "old" else (new, old)
    assert merge(store, other) == () and mark(store) == 2
    assert store.finals("wells").num_rows == len(RECORDED["points"]) + 2, "those that had been taken out"
    known = [row["point"] for row in RECORDED["rows of a workload"]]
    assert rows_of(store)["point"].is_in(known).sum() == len(known)


def test_files_of_a_sweep_go_from_either_format_to_the_other(old: Store, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    record = old.latest("wells")
    sweep_files.tables(StoredSweep(store=old, record=record), tmp_path / "files")
    for name in (sweep_files.ROWS, sweep_files.PLAN):  # as an older lawsweep reads them
        assert pq.read_schema(tmp_path / "files" / name).field("point").type == pa.string()
    about = {"plan": record, "runs": old.runs(), "claims": None, "verdicts": None}
    (tmp_path / "files" / sweep_files.ABOUT).write_text(json.dumps(about))
    copy = open_store(tmp_path / "copy", create=True)
    sweep_files.unpack(tmp_path / "files", copy)
    assert formats(copy) == {False} and asked(copy)["rows of a sweep"] == RECORDED["rows of a sweep"]


def test_ids_that_are_none_are_named_with_their_part(old: Store) -> None:
    part = pq.read_table(old.parts("wells")[0].path)
    wrong = part.set_column(0, part.schema.field(0), pa.array(["a point"] * part.num_rows))
    old.put("wells", part_name(wrong), part_bytes(wrong))
    with pytest.raises(StoreError, match=rf"part .*{part_name(wrong)}.parquet: .*sixteen letters"):
        old.finals("wells")


@pytest.mark.parametrize("letters", ["0123456789abcdef", "ffffffffffffffff", "0000000000000000"])
def test_ids_are_the_same_as_letters_and_numbers(letters: str) -> None:
    many = pa.chunked_array([[letters, "00000000000000aa"], [letters]])
    numbers = point_ids.numbers(many.slice(1))
    assert numbers.to_pylist() == [0xAA, int(letters, 16)] and point_ids.letters(numbers).to_pylist() == [
        "00000000000000aa",
        letters,
    ]
    shown = frames.shown(pl.LazyFrame({"point": pl.Series(numbers.to_pylist(), dtype=pl.UInt64)})).collect()
    assert shown["point"].to_list() == ["00000000000000aa", letters]


@pytest.mark.parametrize("letters", ["0123456789abcdef", "ffffffffffffffff", "0000000000000000", "8000000000000000"])
def test_a_point_is_looked_up_by_its_letters(tmp_path: Path, letters: str) -> None:
    path = storing.put(store := storing.new(tmp_path / "s"), storing.row(letters), storing.row("another"))
    storing.plan(store, {"all": [letters, "another"], "some": [letters], "none": ["another"]})
    assert [row["point"] for row in frames.every_row(store, letters, {str(path)})] == [letters]
    assert frames.arms(store, store.latest("well"), letters) == ["all", "some"]
    assert frames.every_row(store, "no id", {str(path)}) == () and frames.arms(store, store.latest("well"), "no id") == []


@pytest.mark.parametrize("wrong", ["", "abc", "0123456789abcdeF", "0123456789abcdeg", "0123456789abcdef0"])
def test_what_is_no_id_has_no_number(wrong: str) -> None:
    assert point_ids.number(wrong) is None
    with pytest.raises(ValueError, match="sixteen letters"):
        point_ids.numbers([wrong])
