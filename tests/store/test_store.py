"""The store: durable parts, one schema, one row a point and step, runs and plans."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from dashboards.data.cache import Cache
from orchestrator.columns import ENGINE_COLUMNS, STATUSES
from orchestrator.errors import StoreError
from orchestrator.results import frames, query
from orchestrator.results.status import status
from orchestrator.search.seen_rows import Readings
from orchestrator.store import Store, open_store
from orchestrator.store.compact import compact
from orchestrator.store.merge import merge
from orchestrator.store.parts import part_name
from orchestrator.store.row_format import row_schema
from tests.helpers import storing
from tests.helpers.points import id_of, named, names_of
from tests.helpers.storing import NAME, Row, changed, counting, echo, new, plan, put, row

KINDS = ("ok", *(status.name for status in STATUSES), "censored")  # the last one is of older stores


def script(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    """A Python script run in a process of its own."""
    env = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-c", textwrap.dedent(code), *args]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)


@some.composite
def rows(draw: Callable[..., object]) -> list[Row]:
    """Up to twelve rows of two points, any of which may repeat, disagree or fail; each has a pack of its own."""
    kinds = some.tuples(
        some.sampled_from("ab"), some.integers(-1, 2), some.booleans(), some.sampled_from(KINDS), some.integers(1, 3)
    )
    made = draw(some.lists(kinds, max_size=12))
    assert isinstance(made, list)
    return [
        row(point, step=step, final=final, status=kind, generation=generation, pack=f"p{n:02d}", delay=float(n))
        for n, (point, step, final, kind, generation) in enumerate(made)
    ]


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """A function that gives a new folder at each call."""
    return lambda: tmp_path_factory.mktemp("store") / "s"


anything = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@anything
@given(made=rows(), cut=some.integers(0, 12))
def test_every_reader_counts_the_same_rows(folder: Callable[[], Path], made: list[Row], cut: int) -> None:
    store = new(folder(), row("z", seed=1), *made[:cut])
    if made[cut:]:
        put(store, *made[cut:])
    wanted = counting([row("z", seed=1), *made])
    by_sql = storing.seen(pl.DataFrame(query.run(store, "select * from echo_sound")).to_dicts())
    finals = {(r["point"], r["status"]) for r in wanted if r["final"]}
    assert storing.read(store) == by_sql == wanted
    assert store.finals(NAME).num_rows == len(finals)
    assert {(r["point"], r["status"]) for r in named(store.finals(NAME).to_pylist())} == finals
    assert searched(Readings(store, echo(), ["delay"])) == looked_up(wanted)
    assert on_pages(store) == told(store) == dict(Counter(kind for _, kind in finals))


def searched(readings: Readings) -> dict[str, Any]:
    """What a search knows of each point: whether it ended, its last results, and all by step."""
    return {p: (readings.ended(id_of(p)), readings.last(id_of(p)), readings.upto(id_of(p), 9)) for p in "abz"}


def looked_up(wanted: list[Row]) -> dict[str, Any]:
    """The same, of the rows that count."""
    known: dict[str, Any] = {}
    for p in "abz":
        mine = [r for r in wanted if r["point"] == p]
        ends = [r for r in mine if r["final"]]
        good = {r["step"]: {"delay": r["delay"]} for r in mine if r["status"] == "ok"}
        known[p] = (bool(ends), good[ends[0]["step"]] if ends and ends[0]["status"] == "ok" else None, good)
    return known


def on_pages(store: Store) -> dict[str, int]:
    """Points by status as the pages count them."""
    plan(store, {"all": "abz"}, version=1)
    cache = Cache(query.results(store.path))
    cache.warm()
    (sweep,) = cache.sweeps()
    assert sweep.standing is not None
    return dict(sweep.standing.statuses)


def told(store: Store) -> dict[str, int]:
    """Points by status as `lawsweep status` counts them."""
    return status(store)[0].statuses


@anything
@given(made=rows(), cuts=some.lists(some.integers(0, 12), max_size=3), shuffled=some.randoms(use_true_random=False))
def test_what_a_search_sees_does_not_depend_on_how_rows_came(
    folder: Callable[[], Path], made: list[Row], cuts: list[int], shuffled: random.Random
) -> None:
    store = new(folder(), row("z"))
    readings = Readings(store, echo(), ["delay"])
    mixed = shuffled.sample(made, len(made))
    ends = sorted({0, *cuts, len(made)})
    for number, (start, end) in enumerate(pairwise(ends)):
        if mixed[start:end]:
            put(store, *mixed[start:end], name=f"{shuffled.random()}-{number}")
        readings.refresh()
    assert searched(readings) == searched(Readings(store, echo(), ["delay"])) == looked_up(counting([row("z"), *made]))


@pytest.mark.parametrize("merged", [False, True])
def test_of_two_ok_rows_a_search_takes_the_one_that_all_others_take(tmp_path: Path, merged: bool) -> None:
    ids = [f"{n:016x}" for n in range(40)]
    store, other = new(tmp_path / "s"), new(tmp_path / "o")
    for number, name in enumerate(ids):
        put(store, row(name, delay=1.0), name=f"{number * 7919 % 40:02d}x")
        put(other if merged else store, row(name, delay=2.0, generation=2), name=f"{number * 104729 % 40:02d}y")
    merge(store, other)
    readings = Readings(store, echo(), ["delay"])
    taken = [(readings.last(name) or {})["delay"] for name in ids]
    assert taken == [r["delay"] for r in storing.read(store)] == [2.0] * 40


def test_a_status_that_no_version_writes_any_more_is_read_as_a_failure(tmp_path: Path) -> None:
    store = new(tmp_path / "s", row("a", status="censored"), row("b"))
    plan(store, {"all": "ab"}, version=1)
    cache = Cache(query.results(store.path))
    cache.warm()
    standing = cache.sweep("well").standing
    assert standing is not None and standing.failed == {"censored": 1}
    assert status(store, "well")[0].row()["failed"] == "1 censored"
    assert query.run(store, "select status from echo_sound order by point")["status"].to_pylist() == ["censored", "ok"]


@anything
@given(made=rows(), cut=some.integers(0, 12))
def test_compacting_early_changes_nothing_that_comes_later(folder: Callable[[], Path], made: list[Row], cut: int) -> None:
    store = new(folder(), row("z"), *made[:cut])
    compact(store)
    if made[cut:]:
        put(store, *made[cut:])
    before = storing.read(store)
    compact(store)
    assert storing.read(store) == before == counting([row("z"), *made])


def test_ok_final_row_hides_the_failures_of_its_point(tmp_path: Path) -> None:
    store = new(tmp_path / "s", row("a", step=-1, status="lost", generation=2), row("a", step=3, generation=1))
    assert [(r["step"], r["status"]) for r in storing.read(store)] == [(3, "ok")]


def test_failure_beats_an_older_failure(tmp_path: Path) -> None:
    store = new(tmp_path / "s", row("a", step=-1, status="error"), row("a", step=-1, status="timeout", generation=2))
    assert named(store.finals(NAME).to_pylist()) == [{"point": "a", "status": "timeout"}]


def test_a_partial_row_is_not_final(tmp_path: Path) -> None:
    store = new(tmp_path / "s", row("a", final=False), row("b"))
    assert names_of(store.finals(NAME)["point"]) == ["b"]


def test_finals_of_one_version_leave_out_the_others(tmp_path: Path) -> None:
    store = new(tmp_path / "s", row("a"))
    put(store, row("b", version=2), schema=changed(version=2))
    assert names_of(store.finals(NAME, 2)["point"]) == ["b"]
    assert store.finals(NAME).num_rows == 2


def test_finals_of_a_workload_without_rows_are_an_empty_table(tmp_path: Path) -> None:
    assert new(tmp_path / "s").finals("no.such").schema == pa.schema([("point", pa.uint64()), ("status", pa.string())])


def test_seconds_have_params_and_ok_points_alone(tmp_path: Path) -> None:
    store = new(tmp_path / "s", row("a", d=7, seconds=3.0), row("b", status="error", step=-1))
    assert [(r["d"], r["seconds"]) for r in store.seconds(NAME).to_pylist()] == [(7, 3.0)]
    assert store.seconds("no.such").num_rows == 0


def test_every_column_keeps_its_type_unit_and_sentence(tmp_path: Path) -> None:
    described = {c["name"]: c for c in new(tmp_path / "s", row("a")).describe(NAME)}
    assert list(described) == [*(c.name for c in ENGINE_COLUMNS), "d", "loud", "delay", "word"]
    says = {"role": "result", "unit": "s", "says": "time until the echo", "aggregate": "rms", "bound": "lower"}
    assert described["delay"] == {"name": "delay", "type": "float64", **says}
    assert all(described[c.name]["says"] == c.says and described[c.name]["unit"] == c.unit for c in ENGINE_COLUMNS)


def test_a_column_that_a_workload_gained_is_null_in_older_parts(tmp_path: Path) -> None:
    store = new(tmp_path / "s", row("a", generation=2))
    put(store, row("b", depth=4), schema=changed(depth=pa.int64()))
    by_sql = query.run(store, "select depth from echo_sound order by point").to_pylist()
    assert [r["depth"] for r in storing.read(store)] == [r["depth"] for r in by_sql] == [None, 4]
    compact(store)
    assert [r["depth"] for r in storing.read(store)] == [None, 4]


def test_a_column_that_changed_its_type_is_refused_with_part_and_types(tmp_path: Path) -> None:
    store = new(tmp_path / "s")
    name = put(store, row("a", delay="slow"), schema=changed(delay=pa.string())).stem
    wanted = rf"part {name} holds column 'delay' as string, this run has float64; VERSION of 'echo.sound' was not raised"
    with pytest.raises(StoreError, match=wanted):
        store.check(echo())
    put(store, row("b"))
    with pytest.raises(StoreError, match=r"holds column 'delay' as .* VERSION of 'echo.sound' was not raised"):
        store.finals(NAME)


def test_a_raised_version_may_change_a_type(tmp_path: Path) -> None:
    store = new(tmp_path / "s")
    put(store, row("a", delay="slow", d=1), schema=changed(delay=pa.string()))
    put(store, row("b", d=2.5, version=2), schema=changed(version=2, d=pa.float64()))
    store.check(replace(echo(), version=3))
    assert [(r["delay"], r["d"]) for r in storing.read(store)] == [(None, 1.0), (1.0, 2.5)]
    by_sql = query.run(store, "select delay, d from echo_sound order by point").to_pylist()
    assert [(r["delay"], r["d"]) for r in by_sql] == [(None, 1.0), (1.0, 2.5)]
    compact(store)
    assert len(store.parts(NAME)) == 2


def test_the_name_of_a_part_is_its_identity() -> None:
    one, again, other = (storing.as_table([row("a", delay=d, generation=g)]) for d, g in ((1.0, 1), (2.0, 1), (1.0, 2)))
    assert part_name(one) == part_name(again) != part_name(other)


def test_the_same_part_again_is_the_same_file(tmp_path: Path) -> None:
    store = new(tmp_path / "s")
    assert put(store, row("a")) == put(store, row("a"))
    assert len(store.parts(NAME)) == 1


@pytest.mark.parametrize("cut", [10, -10, 0])
def test_a_truncated_part_is_named_with_what_to_do(tmp_path: Path, cut: int) -> None:
    path = put(new(tmp_path / "s"), *(row(f"{n}") for n in range(50)))
    path.write_bytes(path.read_bytes()[:cut])
    told = rf"part .*{path.stem}.parquet: .* move the file out of the store and run the sweep again"
    for reader in (Store.finals, frames.rows):
        with pytest.raises(StoreError, match=told):
            reader(Store(tmp_path / "s"), NAME)


def test_a_part_damaged_inside_is_named(tmp_path: Path) -> None:
    path = put(new(tmp_path / "s"), *(row(f"{n}") for n in range(500)))
    data = path.read_bytes()
    path.write_bytes(data[:4] + bytes(400) + data[404:])
    with pytest.raises(StoreError, match=rf"part .*{path.stem}.parquet: .* move the file out of the store"):
        open_store(tmp_path / "s").finals(NAME)


def test_a_foreign_parquet_file_is_named(tmp_path: Path) -> None:
    store = new(tmp_path / "s")
    put(store, row("a"), schema=changed(drop=["workload"]))
    with pytest.raises(StoreError, match=r"must hold rows that lawsweep wrote, but it lacks .*'workload'"):
        store.finals(NAME)


def test_what_a_killed_writer_left_is_no_part(tmp_path: Path) -> None:
    store = new(tmp_path / "s", row("a"))
    (store.folder(NAME) / ".x.parquet.1.ab.tmp").write_bytes(b"half")
    assert store.finals(NAME).num_rows == 1


def test_a_full_disk_is_a_clear_error_and_leaves_nothing(tmp_path: Path) -> None:
    new(tmp_path / "s", row("a"))
    told = script(
        """
        import resource, sys
        from orchestrator.errors import StoreError
        from orchestrator.store import open_store
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            open_store(sys.argv[1]).put("echo.sound", "big", bytes(100_000))
        except StoreError as error:
            print(error)
        """,
        str(tmp_path / "s"),
    ).stdout
    assert "big.parquet: the disk must have room for it" in told and "give the same command again" in told
    assert sorted(p.suffix for p in (tmp_path / "s" / "rows").rglob("*.*") if p.is_file()) == [".parquet"]


def test_a_store_that_may_not_be_written_is_refused() -> None:
    with pytest.raises(StoreError, match=r"/sys/.*: it must be readable and writable, but got '.*'; .*'--store'"):
        open_store("/sys/lawsweep", create=True)


def test_a_store_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="must be a folder, but it is a file; name another with '--store'"):
        open_store(tmp_path / "file", create=True)


def test_a_store_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="must be a folder that 'lawsweep run' made, but nothing is there"):
        open_store(tmp_path / "none")
    with pytest.raises(StoreError, match=r"but no store\.json is in it"):
        open_store(tmp_path)


def test_a_folder_with_other_things_is_no_new_store(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(StoreError, match=r"must have a folder of its own, but this one holds \['thesis.tex'\]"):
        open_store(tmp_path, create=True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"format": 3}', "must have format 2 or older, but it has 3: a newer lawsweep made it; upgrade"),
        ('{"format": "x"}', "'format' must be a number, but got 'x'"),
        ("{", "must be JSON, but"),
    ],
)
def test_a_store_of_another_making_is_refused(tmp_path: Path, text: str, told: str) -> None:
    new(tmp_path / "s").path.joinpath("store.json").write_text(text)
    with pytest.raises(StoreError, match=told):
        open_store(tmp_path / "s")


def test_a_store_that_was_moved_keeps_working(tmp_path: Path) -> None:
    store = new(tmp_path / "s", row("a"))
    plan(store, {"all": ["a"]})
    moved = open_store(store.path.rename(tmp_path / "elsewhere"))
    assert frames.sweep(moved, "well").collect().height == 1
    assert query.run(moved, "select * from well").num_rows == 1


def test_generations_are_counted_once_each(tmp_path: Path) -> None:
    new(tmp_path / "s")
    code = "import sys; from orchestrator.store import open_store as o; print([o(sys.argv[1]).begin({}) for _ in range(20)])"
    env = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    both = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "s")], env=env, stdout=subprocess.PIPE) for _ in range(2)
    ]
    counted = [n for one in both for n in eval(one.communicate(timeout=60)[0])]
    assert sorted(counted) == list(range(1, 41))


def test_a_run_is_remembered_with_what_it_came_to(tmp_path: Path) -> None:
    store = new(tmp_path / "s")
    store.finish(store.begin({"sweep": "well"}), {"measured": 3})
    assert [(r["generation"], r["sweep"], r["measured"]) for r in store.runs()] == [(1, "well", 3)]


def test_a_run_that_died_as_it_began_keeps_its_number(tmp_path: Path) -> None:
    store = new(tmp_path / "s")
    (store.path / "runs").mkdir()
    (store.path / "runs" / "000001.json").touch()
    assert (store.begin({}), store.runs()[0]) == (2, {"generation": 1})


def test_a_second_holder_is_told_who_holds_the_sweep(tmp_path: Path) -> None:
    store = new(tmp_path / "s")
    with store.hold("well"), pytest.raises(StoreError, match=rf"'well' .* process {os.getpid()} on .* \(since 20.*\) runs it"):
        store.hold("well").__enter__()
    with store.hold("well"):
        pass


def test_a_killed_holder_lets_go(tmp_path: Path) -> None:
    store = new(tmp_path / "s")
    code = """
        import os, sys
        from orchestrator.store import open_store
        with open_store(sys.argv[1]).hold("well"):
            os.kill(os.getpid(), 9)
        """
    assert script(code, str(store.path)).returncode == -signal.SIGKILL
    with store.hold("well"):
        pass


def test_the_latest_plan_of_a_sweep_counts(tmp_path: Path) -> None:
    store = new(tmp_path / "s", row("a"), row("b"))
    plan(store, {"all": ["a", "b"]}, size="paper", generation=1)
    plan(store, {"x": ["a"], "y": ["a", "missing"]}, generation=2)
    latest = frames.sweep(store, "well").sort("arm").select("arm", "sweep", "size", "point").collect()
    assert latest.rows() == [("x", "well", "smoke", id_of("a")), ("y", "well", "smoke", id_of("a"))]
    assert frames.sweep(store, "well", "paper").collect().height == 2
    assert store.plan("well")["arm"].to_pylist() == ["x", "y", "y"]


def test_a_sweep_without_rows_is_an_empty_table(tmp_path: Path) -> None:
    store = new(tmp_path / "s")
    plan(store, {"all": ["a"]}, size=None)
    assert frames.sweep(store, "well", "base").collect().height == 0


def test_an_unknown_sweep_or_workload_is_answered_with_the_nearest(tmp_path: Path) -> None:
    store = new(tmp_path / "s", row("a"))
    plan(store, {"all": ["a"]})
    with pytest.raises(StoreError, match=r"plan of sweep 'wel', but has none; did you mean 'well'"):
        frames.sweep(store, "wel")
    with pytest.raises(StoreError, match=r"workload 'echo.sond', but it has none; did you mean 'echo.sound'"):
        frames.rows(store, "echo.sond")


def test_a_damaged_plan_is_named(tmp_path: Path) -> None:
    store = new(tmp_path / "s", row("a"))
    plan(store, {"all": ["a"]})
    store.plan_path(store.latest("well")).write_bytes(b"x")
    with pytest.raises(StoreError, match=r"plan .*smoke\.parquet: it must be a whole Parquet file"):
        store.plan("well")


@pytest.mark.parametrize("name", ["../out", "a/b", "", ".hidden", "a b"])
def test_a_name_that_could_leave_the_store_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="must be named by letters"):
        new(tmp_path / "s").put(name, "part", b"")


def test_what_is_said_of_a_sweep_is_kept(tmp_path: Path) -> None:
    store = new(tmp_path / "s")
    store.save("claims", "well", {"id": 1})
    assert (store.load("claims", "well"), store.load("claims", "other")) == ({"id": 1}, None)


def test_writing_and_finals_import_neither_polars_nor_duckdb(tmp_path: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        from tests.helpers import storing
        store = storing.new(Path(sys.argv[1]), storing.row("a"), storing.row("a", generation=2))
        assert store.finals(storing.NAME).num_rows == store.seconds(storing.NAME).num_rows == 1
        print({"polars", "duckdb", "torch"} & set(sys.modules))
        """
    assert script(code, str(tmp_path / "s")).stdout == "set()\n"


def test_the_schema_says_what_the_workload_is() -> None:
    wanted = b'{"workload": "echo.sound", "version": 1, "measures": "value", "format": 2}'
    assert row_schema(echo()).metadata[b"lawsweep"] == wanted
