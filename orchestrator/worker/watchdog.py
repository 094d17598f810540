"""Keeps a file that tells which points a process is on, and ends a point that takes too long."""

from __future__ import annotations

import ctypes
import faulthandler
import mmap
import os
import shutil
import signal
import struct
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Self, TypeVar

T = TypeVar("T")
MARK = struct.Struct("<qq")
NOTHING = (-1, -1)
MARK_FILE, TRACE_FILE = "mark", "trace"
PENDING = 8  # passes of a loop, by the first of which an exception that another thread has set is raised
SOON = 1e-3  # seconds; a timer of no seconds is no timer
GRACE = 2.0  # seconds between the signal that asks a point to end and the end of its process


class PointTimeout(BaseException):
    """A point took longer than it may. No Exception, so that a workload's own `except` does not swallow it."""


class PointAbandoned(BaseException):
    """The run is ending and does not wait for this point any longer."""


class Mark:
    """A mapped file with the places in the batch that are being measured; it outlives the process that writes it."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(MARK.pack(*NOTHING))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), MARK.size)

    def set(self, start: int, stop: int) -> None:
        """Say that the points from `start` up to `stop` are being measured."""
        MARK.pack_into(self._map, 0, start, stop)

    def places(self) -> tuple[int, int] | None:
        """The points that are being measured; None where none is."""
        start, stop = MARK.unpack_from(self._map, 0)
        return None if (start, stop) == NOTHING else (start, stop)

    def clear(self) -> None:
        """Say that no point is being measured."""
        self.set(*NOTHING)


def read_mark(path: Path) -> tuple[int, int] | None:
    """The marked places; None where nothing was marked or the file is not there."""
    try:
        start, stop = MARK.unpack(path.read_bytes())
    except (OSError, struct.error):
        return None
    return None if (start, stop) == NOTHING else (start, stop)


def read_relic(folder: str) -> tuple[tuple[int, int] | None, str]:
    """The mark and the trace that a dead worker left in its folder, which is removed."""
    path = Path(folder)
    trace = (path / TRACE_FILE).read_text(errors="replace") if (path / TRACE_FILE).is_file() else ""
    mark = read_mark(path / MARK_FILE)
    shutil.rmtree(path, ignore_errors=True)
    return mark, trace


class Watchdog:
    """Ends what takes longer than `limit` seconds: by an exception, and where that cannot get through, with the process.

    The exception needs the main thread; the end of the process leaves its traceback in `trace` and needs no interpreter
    lock, so it also ends code that holds it. Without `trace` a thread raises the exception where the signal did not: outside
    the main thread, or where the workload took the signal for itself. Code that waits in C is then not ended.
    """

    def __init__(self, limit: float | None, trace: Path | None = None) -> None:
        self._limit = limit
        self._main = threading.current_thread() is threading.main_thread()
        self._trace = trace.open("w") if trace and limit else None
        self._armed = self._began = 0.0
        self._abandoned = self._watching = self._timing = self._forked = False
        self._thread, self._lock = threading.get_ident(), threading.Lock()
        self._closed, self._thrown = threading.Event(), False
        if self._main:
            signal.signal(signal.SIGALRM, self._raise)
        if limit and not self._trace:
            look_now_and_then(self, Watchdog.overdue, min(GRACE / 4, limit), self._closed)
        _DOGS.add(self)

    def watching(self) -> Self:
        """A context: while inside, the limit counts."""
        return self

    def __enter__(self) -> Self:
        self.begin()
        self._watching = True
        return self

    def begin(self) -> None:
        """Let the limit count anew, from now on."""
        self._began = time.monotonic()
        if self._forked:
            self.part()
        if self._limit:
            if self._timing:
                self._renew()
            # One timer serves all points: if it fires for a later point, it is set again for that point's remaining time.
            if self._main and not self._timing:
                self._timing = True
                signal.setitimer(signal.ITIMER_REAL, self._limit)
            # Arming the second line starts a thread (20 µs), so it is done again only once the last one has aged.
            if self._trace and self._began - self._armed > GRACE / 2:
                self._armed = self._began
                faulthandler.dump_traceback_later(self._limit + GRACE, exit=True, file=self._trace)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *trace: object) -> None:
        if self._forked:
            self.part(error)
        self.settle()

    def settle(self) -> None:
        """Watch no longer, and take in an exception of the other thread that came too late to be raised in the point."""
        with self._lock:
            self._watching = False
            thrown, self._thrown = self._thrown, False
        # Raised here and dropped: withdrawn by SetAsyncExc(None) it leaves CPython 3.11 in an endless loop under a tracer.
        with suppress(PointTimeout):
            for _ in range(PENDING if thrown else 0):
                pass

    @contextmanager
    def away(self) -> Iterator[None]:
        """A context in which the limit does not count: what the engine does in the middle of a point is not the point's."""
        watched, self._watching = self._watching, False
        if self._trace:
            faulthandler.cancel_dump_traceback_later()
        since = time.monotonic()
        try:
            yield
        finally:
            self._began += time.monotonic() - since
            self._watching = watched
        if watched and self._abandoned:
            raise PointAbandoned
        if watched and self._limit:
            self._resume(max(self._limit - (time.monotonic() - self._began), SOON))

    def _resume(self, remaining: float) -> None:
        """Set what ends a point in `remaining` seconds, where it is not running any more."""
        if self._main and not self._timing:
            self._timing = True
            signal.setitimer(signal.ITIMER_REAL, remaining)
        if self._trace:
            self._armed = 0.0  # the next point sets it for itself
            faulthandler.dump_traceback_later(remaining + GRACE, exit=True, file=self._trace)

    def part(self, error: BaseException | None = None) -> None:
        """End this process where it is a copy that the workload has forked: the engine goes on in the first one alone."""
        if self._forked:
            code = error.code if isinstance(error, SystemExit) else int(error is not None)
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError, AttributeError):
                    stream.flush()
            os._exit(code if isinstance(code, int) else int(code is not None))

    def overdue(self) -> None:
        """From another thread: raise the exception in the point where its time is over and the signal has not come."""
        with self._lock:
            late = self._limit is not None and time.monotonic() - self._began > self._limit + GRACE / 2
            if self._watching and late and not self._thrown:
                self._thrown = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(PointTimeout))

    def _renew(self) -> None:
        """Take the signal and its timer back from a workload that has used them, or whose end has left the timer long."""
        if signal.getsignal(signal.SIGALRM) != self._raise:
            signal.signal(signal.SIGALRM, self._raise)
            self._timing = False
        elif not 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= (self._limit or 0):
            self._timing = False

    def rest(self) -> None:
        """Let no time run on while nothing is measured."""
        if self._timing:
            signal.setitimer(signal.ITIMER_REAL, 0)
            self._timing = False
        if self._trace:
            faulthandler.cancel_dump_traceback_later()
            self._armed = 0.0

    def abandon(self) -> None:
        """End the point that is being measured, from another thread, because the run is over."""
        self._abandoned = True
        if self._main:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)

    def close(self) -> None:
        """Watch no more."""
        self.rest()
        self._closed.set()
        _DOGS.discard(self)
        if self._trace:
            self._trace.close()

    def _raise(self, number: int, frame: FrameType | None) -> None:
        if self._abandoned and self._watching:
            raise PointAbandoned
        self._timing = False
        if not (self._watching and self._limit):
            return
        remaining = self._limit - (time.monotonic() - self._began)
        if remaining <= 0:
            self._timing = True
            signal.setitimer(signal.ITIMER_REAL, GRACE)  # once more, where the workload catches it
            raise PointTimeout
        self._timing = True
        signal.setitimer(signal.ITIMER_REAL, remaining)


def look_now_and_then(owner: T, look: Callable[[T], None], seconds: float, closed: threading.Event) -> None:
    """Begin a thread that calls `look` on the owner every so many seconds, until it is closed or nobody else holds it."""
    watched = weakref.ref(owner)

    def looking() -> None:
        while not closed.wait(seconds):
            present = watched()
            if present is None:
                return
            look(present)
            del present

    threading.Thread(target=looking, daemon=True).start()


_DOGS: weakref.WeakSet[Watchdog] = weakref.WeakSet()


_HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
_MASK = threading.local()
"""The signals that a thread of this process had blocked before it began to fork."""


def _before_fork() -> None:
    """Let signals wait while the workload forks: one that a child gets before it is rid of our handlers would be lost."""
    if _DOGS:
        _MASK.before = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)


def _let_come() -> None:
    """Let signals come again."""
    before, _MASK.before = getattr(_MASK, "before", None), None
    if before is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _in_child() -> None:
    """In a process that the workload has forked: keep none of the engine's handlers, and let its engine go no further."""
    for dog in list(_DOGS):
        dog._forked = True
    for number in _HANDLED if _DOGS else ():
        handler = signal.getsignal(number)
        if str(getattr(handler, "__module__", "")).split(".")[0] in ("orchestrator", "ray"):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    _let_come()


os.register_at_fork(before=_before_fork, after_in_parent=_let_come, after_in_child=_in_child)
