"""Keeps a file that tells which points a process is on, and ends a point that takes too long."""

from __future__ import annotations

import faulthandler
import mmap
import shutil
import signal
import struct
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Self

MARK = struct.Struct("<qq")
NOTHING = (-1, -1)
MARK_FILE, TRACE_FILE = "mark", "trace"
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
    trace = (path / TRACE_FILE).read_text() if (path / TRACE_FILE).is_file() else ""
    mark = read_mark(path / MARK_FILE)
    shutil.rmtree(path, ignore_errors=True)
    return mark, trace


class Watchdog:
    """Ends what takes longer than `limit` seconds: by an exception, and where that cannot get through, with the process.

    The exception needs the main thread; the end of the process leaves its traceback in `trace` and needs no interpreter
    lock, so it also ends code that holds it. Without `trace` only the exception is used.
    """

    def __init__(self, limit: float | None, trace: Path | None = None) -> None:
        self._limit = limit
        self._main = threading.current_thread() is threading.main_thread()
        self._trace = trace.open("w") if trace and limit else None
        self._armed = self._began = 0.0
        self._abandoned = self._watching = self._timing = False
        if self._main:
            signal.signal(signal.SIGALRM, self._raise)

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
        if self._limit:
            # One timer serves all points: if it fires for a later point, it is set again for that point's remaining time.
            if self._main and not self._timing:
                self._timing = True
                signal.setitimer(signal.ITIMER_REAL, self._limit)
            # Arming the second line starts a thread (20 µs), so it is done again only once the last one has aged.
            if self._trace and self._began - self._armed > GRACE / 2:
                self._armed = self._began
                faulthandler.dump_traceback_later(self._limit + GRACE, exit=True, file=self._trace)

    def __exit__(self, *error: object) -> None:
        self._watching = False

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
            raise PointTimeout
        self._timing = True
        signal.setitimer(signal.ITIMER_REAL, remaining)
