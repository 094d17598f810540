"""What a workload can do wrong: one point fails with its status, the others are measured, none is recorded twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestrator.driver import measure
from orchestrator.driver.measure import Where
from orchestrator.spec import parsing
from orchestrator.spec.sweep_model import Needs

HERE = Path(__file__).parent
BAD, POINTS = 3, 8
INLINE, RAY = Where(executor="inline", progress="quiet"), Where(cpus=2, progress="quiet")


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """One local Ray for all tests that need one."""
    with RAY.new_executor() as ray:
        ray.begin(())
        ray.slots(Needs())
        yield


def rows_of(store: Path, where: Where, workload: str, params: dict[str, Any], limit: float = 60.0) -> pa.Table:
    """Every row that a run over eight points has written, repeated ones too."""
    text = "\n".join(
        [
            "question: Which point fails?",
            f"workload: ./workloads/{workload}.py",
            f"fixed: {params!r}",
            f"axes: {{i: {list(range(POINTS))}}}",
            f"limits: {{seconds: {limit}}}",
        ]
    )
    measure.run(parsing.parse(text, "faults", path=HERE / "faults.yaml"), store, where)
    return pa.concat_tables(pq.read_table(part) for part in sorted((store / "rows").rglob("*.parquet")))


def statuses(rows: pa.Table) -> dict[int, str]:
    """The status of each point's final row."""
    finals = rows.filter(rows["final"])
    assert set(Counter(finals["point"].to_pylist()).values()) == {1}, "a point must be final exactly once"
    return dict(zip(finals["i"].to_pylist(), finals["status"].to_pylist(), strict=True))


def alone(status: str) -> dict[int, str]:
    """The bad point with that status, all others ok."""
    return {i: status if i == BAD else "ok" for i in range(POINTS)}


CAUGHT = {
    "raise": "error",
    "system_exit": "error",
    "wrong_type": "error",
    "wrong_result": "error",
    "no_result": "error",
    "no_row": "error",
    "second_row": "error",
    "nan": "diverged",
    "inf": "diverged",
    "memory": "oom",
    "tensor": "oom",
}
CAUGHT_IN_PACKS = {
    "raise": "error",
    "raise_late": "error",
    "no_row": "error",
    "wrong_type": "error",
    "wrong_index": "error",
    "wrong_result": "error",
    "wrong_length": "error",
    "nan": "diverged",
    "memory": "oom",
}
DEADLY = {"kill": "lost", "exit": "lost", "hold_lock": "timeout", "sleep": "timeout"}


@pytest.mark.parametrize(("fault", "status"), CAUGHT.items())
def test_a_point_that_goes_wrong_is_a_row(tmp_path: Path, fault: str, status: str) -> None:
    assert statuses(rows_of(tmp_path, INLINE, "faulty", {"fault": fault, "at": BAD})) == alone(status)


@pytest.mark.parametrize(("fault", "status"), CAUGHT_IN_PACKS.items())
def test_a_pack_that_goes_wrong_costs_one_point(tmp_path: Path, fault: str, status: str) -> None:
    assert statuses(rows_of(tmp_path, INLINE, "faulty_packed", {"fault": fault, "at": BAD})) == alone(status)


@pytest.mark.parametrize("workload", ["faulty", "faulty_packed"])
def test_a_point_that_takes_too_long_is_ended(tmp_path: Path, workload: str) -> None:
    rows = rows_of(tmp_path, INLINE, workload, {"fault": "sleep", "at": BAD}, limit=0.3)
    assert statuses(rows) == alone("timeout")


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("workload", ["faulty", "faulty_packed"])
@pytest.mark.parametrize(("fault", "status"), DEADLY.items())
def test_a_point_that_takes_its_process_along_is_the_only_one_lost(
    tmp_path: Path, workload: str, fault: str, status: str
) -> None:
    rows = rows_of(tmp_path, RAY, workload, {"fault": fault, "at": BAD}, limit=1.0)
    assert statuses(rows) == alone(status)


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(("workload", "fault", "status"), [("faulty", "raise", "error"), ("faulty_packed", "memory", "oom")])
def test_a_worker_survives_what_can_be_caught(tmp_path: Path, workload: str, fault: str, status: str) -> None:
    assert statuses(rows_of(tmp_path, RAY, workload, {"fault": fault, "at": BAD})) == alone(status)


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_one_death_blames_nobody(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "store", RAY, "dies_once", {"marker": str(tmp_path / "marker"), "at": BAD})
    assert statuses(rows) == alone("ok")


def test_a_failure_keeps_its_traceback(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, INLINE, "faulty", {"fault": "raise", "at": BAD})
    (error,) = rows.filter(pa.compute.equal(rows["status"], "error"))["error"].to_pylist()
    assert "in _raise" in error and error.endswith("ValueError: this point cannot be measured")


def test_a_failure_without_a_result_stands_at_step_minus_one(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, INLINE, "faulty", {"fault": "raise", "at": BAD}).to_pylist()
    assert [(row["step"], row["half"]) for row in rows if row["i"] == BAD] == [(-1, None)]


def test_rows_before_a_failure_are_kept(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, INLINE, "steps", {"terms": 3, "stop": 3}).to_pylist()
    kept = [(row["step"], row["final"], row["status"]) for row in rows if row["i"] == BAD]
    assert kept == [(0, False, "ok"), (1, False, "ok"), (-1, True, "error")]


def test_only_the_last_step_of_a_point_is_final(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, INLINE, "steps", {"terms": 3}).to_pylist()
    assert [(row["step"], row["final"]) for row in rows if row["i"] == BAD] == [(0, False), (1, False), (2, True)]


def test_a_diverged_point_keeps_its_value(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, INLINE, "faulty", {"fault": "inf", "at": BAD}).to_pylist()
    assert [row["half"] for row in rows if row["i"] == BAD] == [float("inf")]


def test_a_failed_point_is_done(tmp_path: Path) -> None:
    for _ in range(2):
        rows = rows_of(tmp_path, INLINE, "faulty", {"fault": "raise", "at": BAD})
    assert rows.num_rows == POINTS
