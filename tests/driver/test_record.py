"""The recorder: what it is handed is on disk, counted once, and answered with the stop flag."""

from __future__ import annotations

import pickle
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from orchestrator.driver.recorder import Recorder, Whereabouts
from orchestrator.errors import StoreError
from orchestrator.results import frames
from orchestrator.store import open_store
from orchestrator.store.parts import part_bytes, part_name
from tests.helpers.running import RUN, Basket, batch_of, made, measured

HALVES = made(RUN)
HERE = Whereabouts(node="n", folder="f")


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    """A recorder of a new store."""
    open_store(tmp_path / "store", create=True)
    return Recorder(str(tmp_path / "store"))


def handed(recorder: Recorder, n: int = 2, pack: str = "p", **tally: Any) -> bool:
    """Hand over n measured points; the recorder's answer."""
    desk = Basket()
    measured(HALVES, batch_of(HALVES, n), desk)
    table = pa.concat_tables(desk.tables)
    counts = {"failures": {}, "underway": {}, **tally}
    return recorder.write("halves", part_name(table), part_bytes(table), pack, list(range(100, 100 + n)), counts)


def test_what_is_acknowledged_is_on_disk(recorder: Recorder, tmp_path: Path) -> None:
    assert handed(recorder) is False
    assert frames.rows(open_store(tmp_path / "store"), "halves").collect().height == 2


def test_a_part_handed_over_twice_is_one_part(recorder: Recorder, tmp_path: Path) -> None:
    handed(recorder)
    handed(recorder)
    assert len(list((tmp_path / "store" / "rows").rglob("*.parquet"))) == 1


def test_points_and_failures_are_counted(recorder: Recorder) -> None:
    assert recorder.progress().first is None
    handed(recorder, 2, failures={"error": 1})
    handed(recorder, 3, failures={"error": 1, "oom": 1})
    seen = recorder.progress()
    assert (seen.points, seen.failures) == (5, {"error": 2, "oom": 1})
    assert seen.first is not None and seen.life == recorder.progress().life


def test_another_recorder_has_another_life(recorder: Recorder, tmp_path: Path) -> None:
    assert Recorder(str(tmp_path / "store")).progress().life != recorder.progress().life


def test_the_answer_after_a_stop_is_stop(recorder: Recorder) -> None:
    assert recorder.beat() is False
    recorder.stop()
    assert recorder.beat() is handed(recorder) is True


def test_a_pack_is_fetched_once_it_was_offered(recorder: Recorder) -> None:
    assert recorder.fetch("p", HERE) is None
    batch = batch_of(HALVES, 2)
    recorder.offer({"p": pickle.dumps(batch)})
    assert pickle.loads(recorder.fetch("p", HERE) or b"") == batch


def test_a_closed_pack_tells_what_it_recorded_and_where_it_ran(recorder: Recorder) -> None:
    recorder.offer({"p": pickle.dumps(batch_of(HALVES, 2))})
    recorder.fetch("p", HERE)
    handed(recorder)
    assert recorder.close("p") == ([100, 101], HERE)
    assert (recorder.close("p"), recorder.fetch("p", HERE)) == (([], None), None)


def test_rows_that_cannot_be_written_are_not_counted(recorder: Recorder, tmp_path: Path) -> None:
    (tmp_path / "store" / "rows").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="rows"):
        handed(recorder)
    assert (recorder.progress().points, recorder.close("p")) == (0, ([], None))


def test_workers_may_hand_over_at_once(recorder: Recorder, tmp_path: Path) -> None:
    threads = [threading.Thread(target=handed, args=(recorder, n, f"p{n}")) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert recorder.progress().points == sum(range(1, 9))
    assert [len(recorder.close(f"p{n}")[0]) for n in range(1, 9)] == list(range(1, 9))
