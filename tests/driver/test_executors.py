"""What every executor holds to, the shipped ones and one that the tests bring: rows, resume, stop, failures, blame, states."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestrator.driver import measure
from orchestrator.driver.executors.choice import EXECUTORS
from orchestrator.driver.executors.executor import Executor, Resources
from orchestrator.driver.measure import Summary, Where
from orchestrator.driver.signals import INTERRUPTED
from orchestrator.errors import StoreError
from orchestrator.spec import parse
from orchestrator.spec.sweep_model import Needs
from tests.helpers.process_pool import ProcessPool

pytestmark = pytest.mark.timeout(240)
WORKLOADS = Path(__file__).parents[1] / "faults" / "workloads"
BAD, POINTS = 3, 8
NAMES = {"inline": (), "ray": pytest.mark.slow, "processes": pytest.mark.slow}  # what starts processes is slow
# A point of six steps that saves its state at each; it writes down the step at which it begins.
STATES = '''"""A count that goes on from its state."""
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch  # writes states; a run that stops does not wait for its import

VERSION = 1
MEASURES = "value"
STEPS = "steps"


@dataclass(frozen=True)
class Params:
    i: Annotated[int, "a number"]
    log: Annotated[str, "file that says where a process begins"]
    steps: Annotated[int, "steps"] = 100


@dataclass(frozen=True)
class Result:
    total: Annotated[int, "sum of the steps"]


def run(params, ctx):
    state = ctx.load() or {"step": 0, "total": 0}
    with Path(params.log).open("a") as log:
        log.write(f"{state['step']} ")
    total = state["total"]
    for step in range(state["step"], params.steps):
        time.sleep(0.05)
        total += step
        ctx.save({"step": step + 1, "total": total})
        yield step, Result(total=total)
'''


@pytest.fixture(scope="module", params=[pytest.param(name, marks=marks) for name, marks in NAMES.items()])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    """An executor of two CPUs that has begun; one Ray serves the whole file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(EXECUTORS, "processes", ProcessPool)
        if request.param == "ray":
            from orchestrator.driver.executors import ray_tune

            patch.setattr(ray_tune, "LAST", 120.0)  # a driver that leaves without its workers would take the tests along
        with EXECUTORS[request.param](Resources(cpus=2)) as made:
            made.begin(())
            yield made
            made.close()


@pytest.fixture
def apart(executor: Executor) -> Executor:
    """An executor whose packs are measured in processes of their own."""
    if executor.light:
        pytest.skip("it measures in the driver's own process: a point that ends its process, or holds its lock, ends the run")
    return executor


def swept(executor: Executor, folder: Path, workload: str, rest: str, retry: bool = False) -> Summary:
    """What came of a sweep of one of the workloads in the folder."""
    text = f"question: What comes of it?\nworkload: ./{workload}.py\n{rest}\n"
    spec = parse(text, "swept", path=folder / "swept.yaml")
    return measure.run(spec, folder / "store", Where(progress="quiet"), retry=retry, executor=executor)


def rows(folder: Path) -> pa.Table:
    """Every row that was written, repeated ones too, in the order of the points."""
    tables = [pq.read_table(part, partitioning=None) for part in sorted((folder / "store" / "rows").rglob("*.parquet"))]
    return pa.concat_tables(tables).sort_by([("i", "ascending"), ("step", "ascending")])


def finals(folder: Path) -> list[dict[str, Any]]:
    """The final rows, of which each point has one."""
    table = rows(folder)
    final = table.filter(table["final"]).to_pylist()
    assert len({row["point"] for row in final}) == len(final), "a point must be final exactly once"
    return final


def faulty(executor: Executor, folder: Path, workload: str, limit: float = 60.0, **fixed: Any) -> dict[int, str]:
    """The status of each of eight points, one of which goes wrong."""
    shutil.copy(WORKLOADS / f"{workload}.py", folder)
    rest = f"fixed: {fixed | {'at': BAD}!r}\naxes: {{i: {list(range(POINTS))}}}\nlimits: {{seconds: {limit}}}"
    assert swept(executor, folder, workload, rest).missing == 0
    return {row["i"]: row["status"] for row in finals(folder)}


def alone(status: str) -> dict[int, str]:
    """The bad point with that status, all others ok."""
    return {i: status if i == BAD else "ok" for i in range(POINTS)}


def slow(executor: Executor, folder: Path, points: int, more: str = "", pause: float = 0.0) -> Summary:
    """What came of a sweep of that many points that pause."""
    shutil.copy(WORKLOADS / "slow.py", folder)
    return swept(executor, folder, "slow", f"fixed: {{pause: {pause}}}\naxes: {{i: {{range: [0, {points - 1}, 1]}}}}\n{more}")


def test_every_executor_is_tried() -> None:
    assert NAMES.keys() >= EXECUTORS.keys()


def test_it_says_how_many_packs_it_measures_at_once(executor: Executor) -> None:
    assert executor.slots(Needs()) == (1 if executor.light else 2)
    assert not executor.remote


def test_every_point_becomes_a_row(executor: Executor, tmp_path: Path) -> None:
    summary = slow(executor, tmp_path, 60)
    assert (summary.measured, summary.missing, summary.failures, summary.exit_code) == (60, 0, {}, 0)
    assert summary.first is not None and summary.first > 0
    assert [(row["i"], row["half"], row["status"]) for row in finals(tmp_path)] == [(i, i / 2, "ok") for i in range(60)]


def test_what_is_there_is_not_measured_again(executor: Executor, tmp_path: Path) -> None:
    slow(executor, tmp_path, 10)
    assert slow(executor, tmp_path, 10).measured == 0
    assert slow(executor, tmp_path, 14).measured == 4
    assert [row["i"] for row in finals(tmp_path)] == list(range(14))


def interrupt(folder: Path, pattern: str, after: float = 0.0) -> None:
    """Send this process SIGINT so many seconds after a file like that has come into the folder."""

    def wait() -> None:
        while not list(folder.glob(pattern)):
            time.sleep(0.02)
        time.sleep(after)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=wait, daemon=True).start()


def test_an_interrupt_stops_a_run_in_order_and_the_same_again_finishes_it(executor: Executor, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    interrupt(tmp_path, "store/rows/*/*.parquet")
    summary = slow(executor, tmp_path, 60, pause=0.1)
    assert (summary.why, summary.exit_code) == (INTERRUPTED, 130)
    assert 0 < len(finals(tmp_path)) == summary.measured < 60
    assert signal.getsignal(signal.SIGINT) is before
    again = slow(executor, tmp_path, 60, pause=0.1)
    assert (again.held, again.measured, again.missing) == (summary.measured, 60 - summary.measured, 0)
    assert [row["i"] for row in finals(tmp_path)] == list(range(60))


def test_a_deadline_ends_a_run_and_keeps_its_rows(executor: Executor, tmp_path: Path) -> None:
    seconds = 2 if executor.light else 12  # a process may take a while to come up
    summary = slow(executor, tmp_path, 200, f"limits: {{deadline: {seconds}s}}", pause=0.2)
    assert (summary.why, summary.exit_code) == ("limits.deadline was reached", 3)
    assert 0 < len(finals(tmp_path)) == summary.measured < 200


@pytest.mark.parametrize(("fault", "status"), [("raise", "error"), ("nan", "diverged"), ("memory", "oom")])
def test_a_point_that_fails_is_a_row(executor: Executor, tmp_path: Path, fault: str, status: str) -> None:
    assert faulty(executor, tmp_path, "faulty", fault=fault) == alone(status)


def test_a_failed_point_is_measured_again_only_where_that_is_asked(executor: Executor, tmp_path: Path) -> None:
    assert faulty(executor, tmp_path, "faulty", fault="raise") == alone("error")
    rest = f"fixed: {{fault: raise, at: {BAD}}}\naxes: {{i: {list(range(POINTS))}}}"
    assert swept(executor, tmp_path, "faulty", rest).measured == 0
    again = swept(executor, tmp_path, "faulty", rest, retry=True)
    assert (again.measured, again.failures) == (1, {"error": 1})


@pytest.mark.parametrize("workload", ["faulty", "faulty_packed"])
def test_a_point_that_takes_longer_than_its_limit_is_ended(executor: Executor, tmp_path: Path, workload: str) -> None:
    assert faulty(executor, tmp_path, workload, limit=0.5, fault="sleep") == alone("timeout")


@pytest.mark.parametrize(("fault", "status"), [("kill", "lost"), ("exit", "lost"), ("hold_lock", "timeout")])
def test_a_point_that_takes_its_process_along_is_the_only_one_lost(
    apart: Executor, tmp_path: Path, fault: str, status: str
) -> None:
    assert faulty(apart, tmp_path, "faulty", limit=1.0, fault=fault) == alone(status)


def test_one_death_blames_nobody(apart: Executor, tmp_path: Path) -> None:
    assert faulty(apart, tmp_path, "dies_once", marker=str(tmp_path / "marker")) == alone("ok")


def test_a_workload_that_does_not_import_there_ends_the_run_with_its_error(apart: Executor, tmp_path: Path) -> None:
    body = (WORKLOADS / "slow.py").read_text()
    (tmp_path / "broken.py").write_text(
        body.replace("import time\n", f"import os\nimport time\nif os.getpid() != {os.getpid()}:\n    import absent\n")
    )
    with pytest.raises(StoreError, match="its file must import, but No module named 'absent'"):
        swept(apart, tmp_path, "broken", "axes: {i: [1, 2]}")


def test_a_point_goes_on_from_its_state(executor: Executor, tmp_path: Path) -> None:
    (tmp_path / "states.py").write_text(STATES)
    rest = f"fixed: {{log: '{tmp_path / 'begins'}'}}\naxes: {{i: [0]}}\n"
    interrupt(tmp_path, "begins", after=1.0)
    stopped = swept(executor, tmp_path, "states", rest)
    states = list(tmp_path.glob("store/checkpoints/**/*.pt"))
    assert (stopped.why, stopped.measured, len(states)) == (INTERRUPTED, 0, 1)
    assert swept(executor, tmp_path, "states", rest).measured == 1
    first, second = map(int, (tmp_path / "begins").read_text().split())
    assert first == 0 < second < 100
    (row,) = finals(tmp_path)
    assert (row["step"], row["total"]) == (99, sum(range(100)))
    assert set(rows(tmp_path)["step"].to_pylist()) == set(range(100))
    assert not list(tmp_path.glob("store/checkpoints/**/*.pt"))


def test_a_sweep_that_grows_is_measured_to_its_end(executor: Executor, tmp_path: Path) -> None:
    body = (WORKLOADS / "slow.py").read_text().replace("half=params.i / 2", "half=params.i / 2 + ctx.seed % 3")
    (tmp_path / "noisy.py").write_text(body)
    seeds = "seeds: {min: 3, max: 12, until: {metric: half, rel_halfwidth: 0.2}}"
    summary = swept(executor, tmp_path, "noisy", f"axes: {{i: [1, 2]}}\n{seeds}")
    assert (summary.missing, summary.failures) == (0, {}) and summary.measured > 6
