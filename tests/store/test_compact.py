"""Compacting: one part for many, the same table before, after and between."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestrator.errors import StoreError
from orchestrator.results import query
from orchestrator.store import Store, parts
from orchestrator.store import compact as compacting
from orchestrator.store.compact import compact
from orchestrator.store.parts import part_bytes
from tests.helpers import storing
from tests.helpers.points import names_of
from tests.helpers.storing import NAME, changed, counting, new, plan, put, row


def many(store: Store, parts: int = 6) -> list[storing.Row]:
    """Rows of several parts, some of them measured twice."""
    rows = [row(f"{n % 9}", generation=n, d=n % 3, delay=float(n), pack=f"p{n}") for n in range(1, 2 * parts + 1)]
    for n in range(parts):
        put(store, *rows[2 * n : 2 * n + 2])
    return rows


def test_many_parts_become_one_without_repeats(tmp_path: Path) -> None:
    store = new(tmp_path / "s")
    rows = many(store)
    (report,) = compact(store)
    assert (report.parts_before, report.rows_before, report.rows) == (6, 12, 9)
    (part,) = store.parts(NAME)
    assert part.deduplicated and part.rows == 9
    assert storing.read(store) == counting(rows)


def test_compacting_twice_changes_nothing(tmp_path: Path) -> None:
    store = new(tmp_path / "s")
    many(store)
    compact(store)
    before = {p.path: p.path.stat().st_mtime_ns for p in store.parts(NAME)}
    compact(store)
    assert {p.path: p.path.stat().st_mtime_ns for p in store.parts(NAME)} == before


def test_the_part_is_sorted_by_params_and_packed_by_zstd(tmp_path: Path) -> None:
    store = new(tmp_path / "s")
    many(store)
    compact(store, NAME)
    (part,) = store.parts(NAME)
    assert pq.read_table(part.path)["d"].to_pylist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert pq.read_metadata(part.path).row_group(0).column(0).compression == "ZSTD"


def test_descriptions_survive(tmp_path: Path) -> None:
    store = new(tmp_path / "s")
    many(store)
    before = store.describe(NAME)
    compact(store)
    assert store.describe(NAME) == before


def test_old_and_new_part_together_are_the_same_table(tmp_path: Path) -> None:
    store = new(tmp_path / "s")
    many(store)
    old = {part.path: part.path.read_bytes() for part in store.parts(NAME)}
    before = storing.read(store)
    compact(store)
    for path, data in old.items():  # as if the process had died between writing the new part and removing the old ones
        path.write_bytes(data)
    assert storing.read(store) == before == storing.seen(query.run(store, "select * from echo_sound").to_pylist())
    assert store.finals(NAME).num_rows == 9
    compact(store)
    assert len(store.parts(NAME)) == 1 and storing.read(store) == before


def test_rows_written_meanwhile_are_kept(tmp_path: Path) -> None:
    store = new(tmp_path / "s")
    many(store)
    found = store.parts(NAME)
    late = put(store, row("late"))
    compacting._version(store, NAME, found)
    assert late.exists() and "late" in names_of(store.finals(NAME)["point"])


def test_a_reader_sees_every_point_while_parts_are_compacted(tmp_path: Path) -> None:
    store, done = new(tmp_path / "s", row("first")), threading.Event()
    counts: list[tuple[int, int]] = []

    def watch() -> None:
        while not done.is_set():
            counts.append((store.finals(NAME).num_rows, query.run(store, "select point from echo_sound").num_rows))

    reader = threading.Thread(target=watch)
    reader.start()
    for n in range(25):
        put(store, row(f"{n}", d=n))
        compact(store)
    done.set()
    reader.join()
    assert [f for f, _ in counts] == sorted(f for f, _ in counts) and [q for _, q in counts] == sorted(q for _, q in counts)


def test_versions_keep_parts_of_their_own(tmp_path: Path) -> None:
    store = new(tmp_path / "s", row("a"), row("b"))
    put(store, row("c", version=2), schema=changed(version=2))
    assert [(r.version, r.rows) for r in compact(store)] == [(2, 1), (1, 2)]
    assert store.finals(NAME, 2).num_rows == 1


def test_old_leftovers_go_and_new_ones_stay(tmp_path: Path) -> None:
    store = new(tmp_path / "s", row("a"))
    old, fresh = (store.folder(NAME) / f".{name}.parquet.1.ab.tmp" for name in ("old", "new"))
    for path in (old, fresh):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    compact(store)
    assert (old.exists(), fresh.exists()) == (False, True)


def test_a_damaged_part_stops_compacting_and_nothing_is_lost(tmp_path: Path) -> None:
    store = new(tmp_path / "s", row("a"))
    bad = put(store, row("b"))
    bad.write_bytes(bad.read_bytes()[:-20])
    with pytest.raises(StoreError, match=rf"part .*{bad.stem}"):
        compact(store)
    assert len(parts.listing(store.folder(NAME))) == 2


def test_a_store_without_rows_is_compact(tmp_path: Path) -> None:
    assert compact(new(tmp_path / "s")) == ()


def test_plans_still_find_their_points(tmp_path: Path) -> None:
    store = new(tmp_path / "s")
    many(store)
    plan(store, {"all": [str(n) for n in range(9)]})
    compact(store)
    assert query.run(store, "select count(*) as n from well").to_pylist() == [{"n": 9}]


@pytest.mark.slow
@pytest.mark.timed
def test_a_million_rows_are_asked_in_half_a_second(tmp_path: Path) -> None:
    store = new(tmp_path / "s")
    big(store, 1_000_000)
    compact(store)
    assert min(timed(store) for _ in range(5)) < 0.5


def timed(store: Store) -> float:
    """Seconds from a store on disk to the answer."""
    begun = time.perf_counter()
    assert query.run(store, "select d, avg(delay) as delay from echo_sound group by d order by d").num_rows == 8
    return time.perf_counter() - begun


def big(store: Store, count: int) -> None:
    """As many rows in one part, fast."""
    schema = changed()
    one = row("")
    numbers = pa.array(range(count), pa.int64())
    own = {
        "point": numbers.cast(pa.string()),
        "d": pa.array([n % 8 for n in range(count)]),
        "delay": numbers.cast(pa.float64()),
    }
    columns = [own.get(f.name) for f in schema]
    filled = [
        pa.repeat(pa.scalar(one[f.name], f.type), count) if c is None else c for f, c in zip(schema, columns, strict=True)
    ]
    store.put(NAME, "big", part_bytes(pa.table(filled, schema=schema)))
