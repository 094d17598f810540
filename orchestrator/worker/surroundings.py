"""Puts back what a workload has changed in its process: folder, environment, signal handlers, locale and streams."""

from __future__ import annotations

import locale
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Any

STREAMS = {"stdin": (0, "r"), "stdout": (1, "w"), "stderr": (2, "w")}
HANDLED = (signal.SIGINT, signal.SIGTERM)  # SIGALRM is the watchdog's
TIMERS = (signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)  # they end the process where nobody handles them


class Surroundings:
    """The process as it was when this was made; `restore` costs a few microseconds where nothing has changed."""

    def __init__(self) -> None:
        self._main = threading.current_thread() is threading.main_thread()
        self._folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
        self._path = os.getcwd()
        self._environment = dict(_environment())
        self._handlers = [signal.getsignal(number) for number in HANDLED]
        self._locale = locale.setlocale(locale.LC_ALL)
        self._streams: dict[str, Any] = {name: getattr(sys, name) for name in STREAMS}
        self._kept = {number: _duplicate(number) for number, _ in STREAMS.values()}

    def restore(self) -> None:
        """Put back what another point must not find changed; what only a look at the system tells is left to `settle`."""
        if _folder() != self._path:
            os.fchdir(self._folder)
        if _environment() != self._environment:
            self._restore_environment()
        if self._main and [signal.getsignal(number) for number in HANDLED] != self._handlers:
            self._restore_handlers()
        for name, stream in self._streams.items():
            if getattr(sys, name) is not stream or (stream is not None and getattr(stream, "closed", False)):
                self._restore_stream(name)

    def settle(self) -> None:
        """Put back everything, with files that were closed, the locale and timers."""
        self.restore()
        for number, duplicate in self._kept.items():
            if duplicate is not None and not _same(number, duplicate):
                os.dup2(duplicate, number)
        if locale.setlocale(locale.LC_ALL) != self._locale:
            with suppress(locale.Error):
                locale.setlocale(locale.LC_ALL, self._locale)
        for timer in TIMERS if self._main else ():
            if signal.getitimer(timer)[0]:
                signal.setitimer(timer, 0)

    def close(self) -> None:
        """Let go of the files that were kept."""
        for number in (self._folder, *self._kept.values()):
            if number is not None:
                with suppress(OSError):
                    os.close(number)

    def _restore_environment(self) -> None:
        now = {os.fsdecode(name): os.fsdecode(value) for name, value in self._environment.items()}
        for name in set(os.environ) - set(now):
            del os.environ[name]
        os.environ.update({name: value for name, value in now.items() if os.environ.get(name) != value})

    def _restore_handlers(self) -> None:
        for number, handler in zip(HANDLED, self._handlers, strict=True):
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)

    def _restore_stream(self, name: str) -> None:
        """The stream as it was; where it was closed, another on the file that it wrote to."""
        number, mode = STREAMS[name]
        stream, duplicate = self._streams[name], self._kept[number]
        if stream is not None and getattr(stream, "closed", False):
            if duplicate is not None and not _same(number, duplicate):
                os.dup2(duplicate, number)
            target: Any = number if duplicate is not None else os.devnull
            stream = self._streams[name] = open(target, mode, closefd=duplicate is None, errors="backslashreplace")  # noqa: SIM115
        setattr(sys, name, stream)


def _environment() -> Any:
    """The environment as it is kept; compared as a whole it costs a tenth of a copy."""
    return vars(os.environ)["_data"]


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return ""


def _duplicate(number: int) -> int | None:
    """Another descriptor of an open file, out of the way of the first three; None where the file is closed."""
    try:
        import fcntl

        return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 10)
    except OSError:
        return None


def _same(descriptor: int, second: int) -> bool:
    """Whether two descriptors are one file; not where one of them is closed."""
    try:
        return os.path.sameopenfile(descriptor, second)
    except OSError:
        return False
