"""Shared states: made once a store, the same for all who ask, made anew by another where a maker fails or dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from orchestrator.check import contract
from orchestrator.driver.recorder import Recorder
from orchestrator.results import status
from orchestrator.store import open_store
from orchestrator.store.shared import SharedStates
from orchestrator.worker.desk import PackDesk
from orchestrator.worker.output import Output
from orchestrator.worker.states import Shelf
from orchestrator.worker.watchdog import PointAbandoned
from orchestrator.workload import shared_states
from orchestrator.workload.context import Context
from tests.helpers.running import Basket, batch_of, home, made, measured

KEY = {"artefact": "weights", "version": 1, "width": 4}
SHARES = """
def run(params, ctx):
    with open(LOG, "a") as file:
        file.write("asked\\n")

    def make():
        with open(LOG, "a") as file:
            file.write("made\\n")
        return {"weights": torch.arange(3.0), "scale": SCALE}

    state = ctx.shared({"artefact": "weights", "version": 1}, make)
    state["weights"] += params.i
    yield 0, Result(half=float(state["weights"].sum()) * state["scale"])
"""


def sharing(folder: Path, scale: str = "2.0") -> str:
    """The body of a workload whose points share a state, which notes in a file when it is asked and made."""
    return f"import torch\n\nLOG = {str(folder / 'log')!r}\n" + SHARES.replace("SCALE", scale)


def desk_of(recorder: Recorder, pack: str) -> PackDesk:
    """The desk of a pack that asks a recorder in this process."""
    workload = made("def run(params, ctx):\n    yield 0, Result(half=1.0)\n")
    batch = replace(batch_of(workload, 1), pack=pack)

    def ask(method: str, *arguments: Any) -> Any:
        return getattr(recorder, method)(*arguments)

    return PackDesk(ask, workload, batch, lambda start, stop: None, lambda: False, Output(lambda: None))


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    open_store(tmp_path / "store", create=True)
    return Recorder(str(tmp_path / "store"))


def test_a_state_is_made_once_and_is_a_copy_for_each(recorder: Recorder) -> None:
    calls: list[int] = []

    def make() -> Any:
        calls.append(1)
        return {"weights": torch.ones(3)}

    first = Shelf(["a"], desk_of(recorder, "p")).shared(KEY, make)
    first["weights"] += 5
    second = Shelf(["b"], desk_of(recorder, "q")).shared(dict(reversed(KEY.items())), make)
    assert len(calls) == 1 and second["weights"].tolist() == [1, 1, 1]


def test_who_comes_meanwhile_waits(recorder: Recorder) -> None:
    begun, states = threading.Event(), []

    def slowly() -> Any:
        begun.set()
        time.sleep(0.3)
        return {"weights": 7}

    def never() -> Any:
        raise AssertionError("made twice")

    maker = threading.Thread(target=lambda: states.append(Shelf(["a"], desk_of(recorder, "p")).shared(KEY, slowly)))
    maker.start()
    assert begun.wait(10)
    states.append(Shelf(["b"], desk_of(recorder, "q")).shared(KEY, never))
    maker.join()
    assert states == [{"weights": 7}, {"weights": 7}]


def test_another_takes_over_where_a_maker_dies(recorder: Recorder) -> None:
    name = shared_states.name_of(KEY)
    assert desk_of(recorder, "p").borrow(name) == ("make", None)
    assert desk_of(recorder, "q").borrow(name) == ("wait", None)
    recorder.close("p")  # as the driver does when the process of a pack is gone
    assert Shelf(["b"], desk_of(recorder, "q")).shared(KEY, lambda: 3) == 3


def test_another_may_try_where_a_maker_fails(recorder: Recorder) -> None:
    def fails() -> Any:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        Shelf(["a"], desk_of(recorder, "p")).shared(KEY, fails)
    assert Shelf(["b"], desk_of(recorder, "q")).shared(KEY, lambda: 3) == 3


def test_who_waits_leaves_where_the_run_stops(recorder: Recorder) -> None:
    desk_of(recorder, "p").borrow(shared_states.name_of(KEY))
    waiting = desk_of(recorder, "q")
    stopping = PackDesk(waiting.ask, waiting.workload, waiting.batch, waiting.mark, lambda: True, waiting.output)
    with pytest.raises(PointAbandoned):
        Shelf(["b"], stopping).shared(KEY, lambda: 3)


def test_a_point_that_shares_is_the_same_made_or_read(tmp_path: Path) -> None:
    workload, desk = made(sharing(tmp_path)), Basket()
    _, rows = measured(workload, batch_of(workload, 3), desk)
    assert [row["half"] for row in rows] == [6.0, 12.0, 18.0]
    assert (tmp_path / "log").read_text().split() == ["asked", "made", "asked", "asked"]


def test_without_a_store_it_is_made_once_a_process() -> None:
    key = {"version": 1, "artefact": "only in memory"}
    assert Context(0).shared(key, lambda: [1, 2]) == Context(1).shared(key, lambda: [3]) == [1, 2]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ({"width": 4}, "must hold a version, but holds width"),
        ({"version": 1, "make": print}, "must hold plain values alone"),
        ({"version": 1, "rate": float("nan")}, "must hold plain values alone"),
    ],
)
def test_a_key_of_another_kind_is_refused(key: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shared_states.name_of(key)


@pytest.mark.parametrize("state", [print, {"make": lambda: 1}, Path("x"), {"point": Basket()}])
def test_a_state_that_is_code_is_refused(state: Any) -> None:
    with pytest.raises(ValueError, match="a shared state must be tensors, numbers, texts"):
        shared_states.packed(state)


def test_the_contract_tells_a_state_that_is_no_function_of_its_key(tmp_path: Path) -> None:
    points = [({"i": i, "scale": 1.0, "label": None}, 0) for i in range(2)]
    for scale, passed in (("2.0", True), ("float(params.i)", False)):
        checks = {check.name: check for check in contract.check(made(sharing(tmp_path, scale)), points, tmp_path)}
        check = checks["who made what is shared does not matter"]
        assert check.passed is passed, check.text
    assert "must be the same again" in check.text


@pytest.mark.slow
def test_what_no_unfinished_point_needs_is_dropped(tmp_path: Path) -> None:
    spec = home(tmp_path, sharing(tmp_path))
    command = [sys.executable, "-m", "orchestrator.cli"]
    store = ["--store", str(tmp_path / "store")]
    subprocess.run([*command, "run", str(spec), "--inline", *store], check=True, capture_output=True)
    opened = open_store(tmp_path / "store")
    (state,) = SharedStates(opened).all()
    assert state.workloads == ("halves",) and status.unneeded(opened) == (state,)
    shown = subprocess.run([*command, "status", *store], check=True, capture_output=True, text=True).stdout
    assert "shared states: 1, 0.0 MB" in shown
    next(iter(opened.folder("halves").glob("*.parquet"))).unlink()
    assert status.unneeded(open_store(tmp_path / "store")) == ()
    subprocess.run([*command, "run", str(spec), "--inline", *store], check=True, capture_output=True)
    assert (tmp_path / "log").read_text().split().count("made") == 1
    told = subprocess.run([*command, "compact", "--shared", *store], check=True, capture_output=True, text=True).stdout
    assert "dropped 1 shared states" in told and SharedStates(opened).all() == ()


@pytest.mark.slow
def test_a_maker_that_is_killed_leaves_nothing_half_made(tmp_path: Path) -> None:
    slow = sharing(tmp_path).replace('return {"weights"', 'time.sleep(2)\n        return {"weights"')
    spec = home(tmp_path, slow)
    command = [sys.executable, "-m", "orchestrator.cli", "run", str(spec), "--inline", "--store", str(tmp_path / "store")]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log, deadline = tmp_path / "log", time.monotonic() + 60
    while not (log.exists() and "made" in log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert SharedStates(open_store(tmp_path / "store")).all() == ()
    subprocess.run(command, check=True, capture_output=True)
    subprocess.run(command, check=True, capture_output=True)
    assert log.read_text().split().count("made") == 2 and len(SharedStates(open_store(tmp_path / "store")).all()) == 1
