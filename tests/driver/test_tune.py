"""Packs on a real local Ray: one cluster with two CPUs and one declared GPU for the whole file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from orchestrator.driver import measure
from orchestrator.driver.measure import Summary, Where
from orchestrator.errors import StoreError, SweepError
from orchestrator.results import frames
from orchestrator.spec import Spec, parse, read
from orchestrator.spec.sweep_model import Needs
from orchestrator.store import open_store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
WHERE = Where(cpus=2, gpus=1, progress="quiet")
WORKLOAD = '''"""A number and when it was measured."""
import time
from dataclasses import dataclass
from typing import Annotated

VERSION = 1
MEASURES = "value"


@dataclass(frozen=True)
class Params:
    i: Annotated[int, "a number"]
    nap: Annotated[float, "how long it takes", {"unit": "s"}] = 0.0


@dataclass(frozen=True)
class Result:
    double: Annotated[float, "twice the number, and a random one"]
    begun: Annotated[float, "when it began", {"unit": "s"}]


def run(params, ctx):
    import torch

    begun = time.time()
    time.sleep(params.nap)
    yield 0, Result(double=2 * params.i + float(torch.rand((), generator=ctx.generator("x"))), begun=begun)
'''
NICE = (
    WORKLOAD[: WORKLOAD.index("@dataclass(frozen=True)\nclass Result")]
    + """
@dataclass(frozen=True)
class Result:
    worker: Annotated[int, "niceness of the process that measures"]
    recorder: Annotated[int, "niceness of the process that writes rows down"]


def run(params, ctx):
    import psutil

    beside = psutil.Process().parent().children()
    recorder = next(process for process in beside if "Recorder" in " ".join(process.cmdline()))
    yield 0, Result(worker=psutil.Process().nice(), recorder=recorder.nice())
"""
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A local Ray, ended after the file."""
    with WHERE.new_executor() as ray:
        ray.begin(())
        ray.slots(Needs())
        yield


def sweep(folder: Path, more: str = "", body: str = WORKLOAD) -> Spec:
    """A sweep of the workload above, in a folder of its own."""
    (folder / "naps.py").write_text(body)
    text = f"question: q\nworkload: ./naps.py\n{more or 'axes: {i: {range: [1, 60, 1]}}'}\n"
    return parse(text, "naps", path=folder / "naps.yaml")


def measured(spec: Spec, folder: Path, where: Where = WHERE) -> tuple[Summary, pl.DataFrame]:
    """The run's summary and its rows in the order of the points."""
    summary = measure.run(spec, folder / "store", where)
    return summary, frames.rows(open_store(folder / "store"), "naps").sort("i", "seed").collect()


@pytest.mark.usefixtures("cluster")
def test_ray_measures_what_this_process_measures(tmp_path: Path) -> None:
    spec = sweep(tmp_path, "axes: {i: {range: [1, 30, 1]}}\nseeds: 3")
    _, rows = measured(spec, tmp_path)
    measure.run(spec, tmp_path / "inline", Where(executor="inline", progress="quiet"))
    inline = frames.rows(open_store(tmp_path / "inline"), "naps").sort("i", "seed").collect()
    assert rows.select("point", "double").equals(inline.select("point", "double"))


@pytest.mark.usefixtures("cluster")
def test_two_packs_share_one_gpu_by_halves(tmp_path: Path) -> None:
    spec = sweep(tmp_path, "axes: {i: {range: [1, 40, 1]}}\nfixed: {nap: 0.2}\nneeds: {cpu: 1, gpu: 0.5}")
    _, rows = measured(spec, tmp_path)
    spans = rows.group_by("pack").agg(pl.col("begun").min().alias("start"), (pl.col("begun") + 0.2).max().alias("end"))
    pairs = spans.join(spans, how="cross").filter(pl.col("pack") < pl.col("pack_right"))
    assert pairs.filter((pl.col("start") < pl.col("end_right")) & (pl.col("start_right") < pl.col("end"))).height >= 1


@pytest.mark.usefixtures("cluster")
def test_no_more_packs_share_a_gpu_than_it_has_room_for(tmp_path: Path) -> None:
    spec = sweep(tmp_path, "axes: {i: {range: [1, 12, 1]}}\nfixed: {nap: 0.2}\nneeds: {cpu: 1, gpu: 1}")
    _, rows = measured(spec, tmp_path)
    begun = rows["begun"].sort()
    assert begun.diff().drop_nulls().min() >= 0.19  # type: ignore[operator]


@pytest.mark.usefixtures("cluster")
def test_a_gpu_that_is_not_there_is_refused_before_the_first_trial(tmp_path: Path) -> None:
    spec = sweep(tmp_path, "axes: {i: [1]}\nneeds: {gpu: 2}")
    with pytest.raises(SweepError, match=r"a pack needs 2 GPU, but the cluster has 1; .*--gpus N"):
        measure.run(spec, tmp_path / "store", WHERE)


@pytest.mark.usefixtures("cluster")
def test_the_same_command_again_measures_nothing(tmp_path: Path) -> None:
    spec = sweep(tmp_path)
    measured(spec, tmp_path)
    assert measured(spec, tmp_path)[0].measured == 0


@pytest.mark.usefixtures("cluster")
def test_a_deadline_ends_a_run_and_keeps_its_rows(tmp_path: Path) -> None:
    begun = time.monotonic()
    measured(sweep(tmp_path, "axes: {i: [0]}"), tmp_path)
    # How long workers take to begin hangs on what else the machine does; all points take four times the deadline.
    deadline = 5 + 3 * (time.monotonic() - begun)
    more = f"axes: {{i: {{range: [1, 200, 1]}}}}\nfixed: {{nap: {deadline / 25:.3f}}}\nlimits: {{deadline: {deadline:.1f}}}"
    summary, rows = measured(sweep(tmp_path, more), tmp_path)
    assert summary.why == "limits.deadline was reached"
    assert 0 < rows.height - 1 == summary.measured < 200


@pytest.mark.usefixtures("cluster")
def test_a_budget_of_gpu_hours_ends_a_run(tmp_path: Path) -> None:
    limits = "needs: {gpu: 0.5}\npack: {seconds: 0.5}\nlimits: {gpu_hours: 0.0003}"
    more = f"axes: {{i: {{range: [1, 200, 1]}}}}\nfixed: {{nap: 0.1}}\n{limits}"
    summary, rows = measured(sweep(tmp_path, more), tmp_path)
    assert summary.why == "limits.gpu_hours was reached"
    assert 0 < rows.height < 200


@pytest.mark.usefixtures("cluster")
def test_a_workload_that_does_not_import_on_a_worker_ends_the_run_with_its_error(tmp_path: Path) -> None:
    body = f"import os\nif os.getpid() != {__import__('os').getpid()}:\n    import not_installed_there\n{WORKLOAD}"
    with pytest.raises(StoreError, match=r"its file must import, but No module named 'not_installed_there'"):
        measured(sweep(tmp_path, body=body), tmp_path)


@pytest.mark.usefixtures("cluster")
def test_torch_is_imported_once_a_worker(tmp_path: Path) -> None:
    _, rows = measured(sweep(tmp_path, "axes: {i: {range: [1, 400, 1]}}"), tmp_path)
    assert rows.filter(pl.col("seconds") > 0.1).height <= 2


@pytest.mark.usefixtures("cluster")
def test_a_worker_has_as_many_threads_as_it_has_cpus(tmp_path: Path) -> None:
    body = WORKLOAD.replace('2 * params.i + float(torch.rand((), generator=ctx.generator("x")))', "torch.get_num_threads()")
    _, rows = measured(sweep(tmp_path, "axes: {i: [1, 2, 3]}\nneeds: {cpu: 2}", body), tmp_path)
    assert rows["double"].unique().to_list() == [2.0] == rows["threads"].unique().cast(pl.Float64).to_list()


@pytest.mark.usefixtures("cluster")
def test_a_module_from_a_notebook_travels_to_the_workers(tmp_path: Path) -> None:
    module = types.ModuleType("made_by_hand")
    exec(compile(WORKLOAD, "made_by_hand", "exec", dont_inherit=True), module.__dict__)
    spec = parse("question: q\nworkload: made_by_hand\naxes: {i: [1, 2, 3]}\n", "by_hand")
    assert measure.run(spec, tmp_path / "store", WHERE, workload=module).measured == 3


@pytest.mark.parametrize("more", [0, 5])
def test_workers_and_the_recorder_run_at_the_priority_of_who_began_the_run(tmp_path: Path, more: int) -> None:
    (tmp_path / "naps.py").write_text(NICE)
    (tmp_path / "naps.yaml").write_text("question: q\nworkload: ./naps.py\naxes: {i: [1, 2, 3]}\n")
    run = [sys.executable, "-m", "orchestrator.cli", "run", str(tmp_path / "naps.yaml"), "--store", str(tmp_path / "store")]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_worker_niceness"}
    subprocess.run(["nice", "-n", str(more), *run, "--cpus", "1"], env=environment, capture_output=True, check=True)
    rows = frames.rows(open_store(tmp_path / "store"), "naps").collect()
    own = os.nice(0)
    assert rows.select("worker", "recorder").unique().rows() == [(own + more, own + more)]


def test_importing_the_runner_imports_no_mlflow() -> None:
    code = "import sys, orchestrator.driver.executors.ray_tune; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.usefixtures("cluster")
def test_a_shipped_gpu_size_is_scheduled_on_a_declared_gpu(tmp_path: Path) -> None:
    whole = read("lora_needle", size="gpu").resolved()
    short = parse(json.dumps({**whole, "axes": {**whole["axes"], "seq_len": [64, 128]}, "seeds": 2}), "needle")
    summary = measure.run(short, tmp_path / "store", WHERE)
    assert short.needs.gpu == 0.25 and (summary.measured, summary.failures) == (52, {})
