"""The mark that tells which points a process is on, and the watchdog that ends a point which takes too long."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.worker.watchdog import Mark, PointAbandoned, PointTimeout, Watchdog, read_mark


@pytest.fixture(autouse=True)
def alarm() -> Iterator[None]:
    """The handler of SIGALRM as it was."""
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def script(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What became of a Python script."""
    command = [sys.executable, "-c", textwrap.dedent(text), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_mark_tells_what_is_measured(tmp_path: Path) -> None:
    mark = Mark(tmp_path / "mark")
    assert read_mark(tmp_path / "mark") is None
    mark.set(3, 7)
    assert read_mark(tmp_path / "mark") == (3, 7)
    mark.clear()
    assert read_mark(tmp_path / "mark") is None


def test_a_mark_that_was_never_made_is_none(tmp_path: Path) -> None:
    assert read_mark(tmp_path / "mark") is None
    (tmp_path / "mark").write_bytes(b"half")
    assert read_mark(tmp_path / "mark") is None


def test_a_mark_outlives_a_process_that_is_killed(tmp_path: Path) -> None:
    done = script(
        """
        import os, signal, sys
        from pathlib import Path
        from orchestrator.worker.watchdog import Mark
        Mark(Path(sys.argv[1])).set(4, 5)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        str(tmp_path / "mark"),
    )
    assert (done.returncode, read_mark(tmp_path / "mark")) == (-signal.SIGKILL, (4, 5))


def spin(seconds: float) -> None:
    """Be busy."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_a_point_that_takes_too_long_is_interrupted() -> None:
    dog, begun = Watchdog(0.05), time.monotonic()
    with pytest.raises(PointTimeout, match=r"^$"), dog.watching():
        spin(10)
    assert 0.05 <= time.monotonic() - begun < 5


def test_each_point_has_the_whole_limit() -> None:
    dog, begun = Watchdog(0.2), time.monotonic()
    for _ in range(5):
        with dog.watching():
            spin(0.06)
    assert time.monotonic() - begun > 0.2


def test_nothing_is_interrupted_between_points() -> None:
    dog, begun = Watchdog(0.03), time.monotonic()
    with dog.watching():
        pass
    spin(0.06)
    assert time.monotonic() - begun > 0.03


def test_without_a_limit_only_an_end_of_the_run_interrupts() -> None:
    dog = Watchdog(None)
    threading.Timer(0.05, dog.abandon).start()
    with pytest.raises(PointAbandoned, match=r"^$"), dog.watching():
        spin(10)


def test_an_abandoned_watchdog_spares_what_is_no_point() -> None:
    dog = Watchdog(None)
    dog.abandon()
    spin(0.02)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize("kind", [PointTimeout, PointAbandoned])
def test_a_workload_cannot_swallow_its_end(kind: type[BaseException]) -> None:
    assert not issubclass(kind, Exception)


def test_outside_the_main_thread_no_signal_is_set() -> None:
    before = signal.getsignal(signal.SIGALRM)
    done: list[float] = []

    def work() -> None:
        dog = Watchdog(0.01)
        with dog.watching():
            spin(0.03)
        dog.abandon()
        done.append(1.0)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done and signal.getsignal(signal.SIGALRM) is before


def test_code_that_holds_the_interpreter_lock_is_ended_with_its_traceback(tmp_path: Path) -> None:
    done = script(
        """
        import collections, itertools, sys
        from pathlib import Path
        from orchestrator.worker import watchdog as watch
        watch.GRACE = 0.1
        dog = watch.Watchdog(0.1, Path(sys.argv[1]))
        def hold_the_lock():
            collections.deque(itertools.repeat(0), maxlen=0)
        with dog.watching():
            hold_the_lock()
        """,
        str(tmp_path / "trace"),
    )
    assert done.returncode == 1
    assert "Timeout" in (tmp_path / "trace").read_text() and "hold_the_lock" in (tmp_path / "trace").read_text()


def test_a_closed_watchdog_ends_nothing(tmp_path: Path) -> None:
    dog = Watchdog(60.0, tmp_path / "trace")
    with dog.watching():
        pass
    dog.close()
    assert (tmp_path / "trace").read_text() == ""


EARLY = """
import os, signal
os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGTERM))  # before the engine's own word to a child
from orchestrator.worker.watchdog import Watchdog

def handle(number, frame): pass
handle.__module__ = "orchestrator.driver.signals"
signal.signal(signal.SIGTERM, handle)
dog = Watchdog(None)
child = os.fork()
if not child: os._exit(0)
print(-os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), signal.pthread_sigmask(signal.SIG_BLOCK, ()))
"""


def test_a_signal_that_a_forked_child_gets_too_early_ends_it() -> None:
    """A pool that ends its children at once waits for ever for one whose signal was lost."""
    assert script(EARLY).stdout.split() == [str(int(signal.SIGTERM)), "set()"]
