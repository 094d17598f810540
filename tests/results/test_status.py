"""What a store says of each sweep: how far it is, and why points failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.driver.measure import Where, run
from orchestrator.errors import StoreError
from orchestrator.results.status import status
from orchestrator.spec import read
from orchestrator.store import Store, open_store, point_ids
from tests.helpers.running import RUN, SWEEP, home

ODD = "def run(params, ctx):\n    assert params.i % 2 == 0, 'odd'\n    yield 0, Result(half=params.i / 2)\n"
SIZES = SWEEP + "sizes: {more: {axes: {i: [1, 2, 3, 4]}}}\n"


def ran(folder: Path, text: str = ODD, size: str | None = None) -> Store:
    """The store of a sweep that ran."""
    run(read(home(folder, text, SIZES), size=size), folder / "store", Where(executor="inline", progress="quiet"))
    return open_store(folder / "store")


def test_an_empty_store_has_no_sweeps(tmp_path: Path) -> None:
    assert status(open_store(tmp_path / "store", create=True)) == ()


def test_a_complete_sweep_is_complete(tmp_path: Path) -> None:
    (found,) = status(ran(tmp_path, RUN))
    row = found.row()
    assert (row.pop("last run")[:2], row) == (
        "20",
        {"sweep": "halves", "size": "base", "points": 3, "done": 3, "state": "complete", "failed": "none"},
    )


def test_failures_are_counted_by_status(tmp_path: Path) -> None:
    (found,) = status(ran(tmp_path))
    assert (found.statuses, found.row()["failed"]) == ({"ok": 1, "error": 2}, "2 error")


def test_only_of_one_sweep_it_is_told_why_points_failed(tmp_path: Path) -> None:
    kept = ran(tmp_path)
    assert status(kept)[0].failures == ()
    (failure,) = status(kept, "halves")[0].failures
    assert (failure["status"], failure["points"]) == ("error", 2) and "AssertionError: odd" in failure["error"]
    assert point_ids.number(failure["example"]) in kept.plan("halves")["point"].to_pylist()


def test_each_size_is_told(tmp_path: Path) -> None:
    ran(tmp_path)
    found = status(ran(tmp_path, size="more"), "halves")
    assert [(one.size, one.points, one.done) for one in found] == [("base", 3, 3), ("more", 4, 4)]


def test_points_that_were_not_measured_are_missing(tmp_path: Path) -> None:
    kept = ran(tmp_path, RUN)
    kept.save_plan(kept.plan("halves"), {**kept.latest("halves"), "version": 2})
    assert status(kept)[0].row()["state"] == "3 missing"


def test_a_part_that_is_damaged_inside_is_named(tmp_path: Path) -> None:
    store = ran(tmp_path, RUN)
    path = next(store.folder("halves").glob("*.parquet"))
    data = path.read_bytes()
    path.write_bytes(data[:4] + bytes(400) + data[404:])
    with pytest.raises(StoreError, match=rf"{path.name}: it must be a whole Parquet file"):
        status(store)


def test_a_sweep_that_never_ran_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"must hold a plan of sweep 'halfs', but has none; did you mean 'halves'\?"):
        status(ran(tmp_path), "halfs")
