"""A run while it goes on: packs out, outcomes and deaths in, and what ends it."""

from __future__ import annotations

import functools
import gc
import signal
import subprocess
import sys
import textwrap
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from orchestrator.driver.pack_queue import Death, Queue
from orchestrator.driver.session import Session
from orchestrator.driver.signals import INTERRUPTED, interruptible
from orchestrator.plan import expand
from orchestrator.results import frames
from orchestrator.store import open_store
from orchestrator.worker.batch import Batch, Outcome
from tests.helpers.running import RUN, SWEEP, made, spec_of, terms_of

HALVES = made(RUN)


def session(folder: Path, rest: str = "", rate: float | None = 0.01) -> Session:
    """A session of three points, of which each pack holds one shape."""
    spec = spec_of(SWEEP + rest)
    plan = expand(spec, HALVES)
    queue = Queue(groups=[[0], [1], [2]], workers=1, rates=[rate] * 3)
    return Session(spec, plan, queue, open_store(folder / "store", create=True), terms_of())


def done(pack: Any, **given: Any) -> Outcome:
    """The outcome of a pack that went well."""
    return Outcome(pack=pack.pack, **{"done": len(pack), "seconds": 0.1, **given})


def taken(run: Session) -> Batch:
    """The next pack, which is there."""
    batch = run.next()
    assert batch is not None
    return batch


def test_packs_hold_the_plans_points(tmp_path: Path) -> None:
    run = session(tmp_path)
    batch = run.next()
    assert batch is not None and batch.ids == [run.plan.ids[i] for i in batch.index]
    assert run.total == 3 and run.next() is None


def test_outcomes_add_up(tmp_path: Path) -> None:
    run = session(tmp_path, rate=None)
    while (batch := run.next()) is not None:
        run.finished(done(batch, failures={"error": 1}))
    assert (run.done, run.failures, run.busy > 0, run.queue.exhausted) == (3, {"error": run.queue.taken}, True, True)


def test_what_is_handed_back_comes_again(tmp_path: Path) -> None:
    run = session(tmp_path)
    batch = taken(run)
    run.finished(done(batch, done=1, left=batch.index[1:]))
    again = run.next()
    assert again is not None and sorted(again.index) == sorted(batch.index[1:])


def test_a_point_beyond_doubt_at_fault_becomes_a_failure_row(tmp_path: Path) -> None:
    run = session(tmp_path, rate=None)
    batch = taken(run)
    run.died(batch.pack, [], Death(status="timeout", error="held on", suspects=(0, 1)))
    (row,) = frames.rows(run.store, "halves").collect().to_dicts()
    assert (row["point"], row["status"], row["error"], row["step"], row["final"]) == (
        batch.ids[0],
        "timeout",
        "held on",
        -1,
        True,
    )
    assert (run.done, run.failures) == (1, {"timeout": 1})


def test_workers_that_die_before_they_begin_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.driver.session.STILLBORN", 3)
    run = session(tmp_path)
    died = Death(status="lost", error="the worker died and left no word", blame=False)
    for _ in range(2):
        run.died(taken(run).pack, [], died)
    assert not run.stopping()
    batch = taken(run)
    run.finished(done(batch, done=1, left=batch.index[1:]))  # a point that went well: the others were bad luck
    for _ in range(3):
        assert not run.stopping()
        run.died(taken(run).pack, [], died)
    assert (run.stopping(), run.done) == (True, 1)
    assert run.halted.startswith("a worker must live to begin its first point, but 3 in a row died before it")


def test_what_a_dead_worker_recorded_is_done(tmp_path: Path) -> None:
    run = session(tmp_path)
    batch = taken(run)
    run.died(batch.pack, batch.index[:2], Death(status="lost", error="killed", blame=False))
    assert (run.done, run.queue.waiting, run.failures) == (2, 1, {})


def test_the_first_reason_to_end_counts(tmp_path: Path) -> None:
    run = session(tmp_path)
    run.end("one")
    run.end("another")
    assert (run.why, run.stopping(), run.next()) == ("one", True, None)


def test_a_worker_that_cannot_go_on_halts_the_run(tmp_path: Path) -> None:
    run = session(tmp_path)
    batch = taken(run)
    run.finished(done(batch, done=0, left=batch.index, halt="the disk is full"))
    assert (run.halted, run.why, run.stopping()) == ("the disk is full", "halted", True)


def test_a_passed_deadline_stops_the_run(tmp_path: Path) -> None:
    run = session(tmp_path, "limits: {deadline: 0.000001}\n")
    assert run.stopping() and run.why == "limits.deadline was reached"


@pytest.mark.parametrize(("seconds", "why"), [(1799.0, ""), (1801.0, "limits.gpu_hours was reached")])
def test_gpu_hours_are_counted_by_the_share_of_a_gpu(tmp_path: Path, seconds: float, why: str) -> None:
    run = session(tmp_path, "needs: {gpu: 0.5}\nlimits: {gpu_hours: 0.25}\n")
    batch = taken(run)
    run.finished(done(batch, seconds=seconds))
    assert run.why == why


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_session_and_the_handlers_come_back(tmp_path: Path, number: signal.Signals) -> None:
    run, before = session(tmp_path), signal.getsignal(number)
    with interruptible(run):
        signal.raise_signal(number)
    assert run.why == INTERRUPTED and signal.getsignal(number) is before


def test_what_a_runner_hangs_on_our_handlers_is_let_go(tmp_path: Path) -> None:
    run, before = session(tmp_path), signal.getsignal(signal.SIGUSR1)
    with interruptible(run):
        signal.signal(signal.SIGUSR1, functools.partial(print, signal.getsignal(signal.SIGINT)))  # as Tune does, for good
    gone = weakref.ref(run)
    del run
    gc.collect()
    assert gone() is None and signal.getsignal(signal.SIGUSR1) is before


def test_outside_the_main_thread_no_signal_is_set(tmp_path: Path) -> None:
    run, before, seen = session(tmp_path), signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with interruptible(run):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_second_signal_ends_the_process() -> None:
    code = """
        import signal, types
        from orchestrator.driver.session import Session; from orchestrator.driver.signals import interruptible
        run = Session.__new__(Session)
        run.why, run.end = "", lambda why: setattr(run, "why", why)
        with interruptible(run):
            signal.raise_signal(signal.SIGINT)
            print("first", flush=True)
            signal.raise_signal(signal.SIGTERM)
            print("second", flush=True)
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (130, "first\n")
