"""Keeps what a workload prints and logs, in whatever language, with the points that were being measured then."""

from __future__ import annotations

import io
import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from orchestrator.worker.batch import Batch
from orchestrator.worker.descriptors import Descriptors
from orchestrator.worker.watchdog import look_now_and_then

LIMIT = 64 * 1024
"""Letters that are kept of a pack: the last ones."""
EVERY = 0.5
"""Seconds between two looks at what C code and child processes have written."""
Places = tuple[int, int] | None
Entry = dict[str, Any]
"""Some text with the `points` that it belongs to; none for what was printed while the workload was imported."""


class Output:
    """What this process prints while a workload is at work; `places` tells which points of the batch are measured now.

    Prints go on to where they went, those to standard output to `aside` where that is given: a driver writes JSON there. What
    C code and child processes write goes on to standard error, a moment later.
    """

    def __init__(self, places: Callable[[], Places], aside: bool = False) -> None:
        self._places, self._aside = places, aside
        self._texts: deque[tuple[Places, str]] = deque()
        self._size = 0
        self._first: int | None = None  # the first place that may have written what was not taken in yet
        self._lock = threading.RLock()
        self._active = False
        self._streams = sys.stdout, sys.stderr
        self._ours: tuple[_Stream, ...] = ()
        self._descriptors: Descriptors | None = None
        self._closed = threading.Event()
        self._copied = False  # whether this process is a child that the workload has forked

    def open(self) -> None:
        """Stand in for the standard streams, before the workload is imported and its loggers take hold of them."""
        out, err = self._streams = sys.stdout, sys.stderr
        with suppress(OSError):  # a descriptor is closed, or no file can be made: streams alone are listened to
            self._descriptors = Descriptors()
            out, err = (self._descriptors.stream(stream, number) for stream, number in ((out, 1), (err, 2)))
            look_now_and_then(self, Output.listen, EVERY, self._closed)  # while a long point is measured too
        self._ours = _Stream(self, out, err if self._aside else out, 1), _Stream(self, err, err, 2)
        sys.stdout, sys.stderr = self._ours
        _OPEN.add(self)

    def close(self) -> None:
        """Give the standard streams back, unless somebody has put others in their place meanwhile."""
        self._closed.set()
        _OPEN.discard(self)
        for name, ours, before in zip(("stdout", "stderr"), self._ours, self._streams, strict=False):
            ours.rest_on(before)  # a logger may have taken hold of it
            if getattr(sys, name) is ours:
                setattr(sys, name, before)
        if self._descriptors is not None:
            with self._lock:
                self._descriptors.close()
                self._descriptors = None

    @contextmanager
    def listening(self, on: bool = True) -> Iterator[None]:
        """While inside, what is printed is the workload's; or, with `on` false, ours."""
        before, self._active = self._active, on
        redirected = self._descriptors if on and not before else None
        if redirected:
            redirected.redirect()
        try:
            yield
        finally:
            if redirected:
                self.listen()
                redirected.restore()
            self._active = before

    @property
    def active(self) -> bool:
        """Whether what is printed now is the workload's."""
        return self._active

    def listen(self, over: bool = False) -> None:
        """Take in what C code and child processes have written until now: it is of the points since this was called last.

        The points that are measured now are the last of them; `over` says that they will print no more.
        """
        with self._lock:
            now = self._places()
            first = self._first if now and self._first is not None else now and now[0]
            for piece in self._descriptors.pieces() if self._descriptors is not None else ():
                self._keep(piece.decode("utf-8", "backslashreplace"), now and (min(first or 0, now[0]), now[1]))
            self._first = now[over] if now else None

    def take(self, text: str) -> bool:
        """Keep a text, behind what others have written before it; of too much the last letters.

        False where this is a child that the workload has forked: it is heard by what it writes to its descriptor.
        """
        if self._copied:
            return False
        with self._lock:
            self.listen()
            self._keep(text, self._places())
        return True

    def copied(self) -> None:
        """This process is a forked child: nobody will ask it for texts, and a lock may be held that nobody lets go."""
        self._copied, self._lock = self._descriptors is not None, threading.RLock()

    def _keep(self, text: str, places: Places) -> None:
        self._texts.append((places, text[-LIMIT:]))
        self._size += min(len(text), LIMIT)
        while self._size > LIMIT and len(self._texts) > 1:
            self._size -= len(self._texts.popleft()[1])

    def entries(self, batch: Batch) -> list[Entry]:
        """What was kept since the last call, texts of the same points joined."""
        self.listen()
        with self._lock:
            texts, self._texts, self._size, self._first = self._texts, deque(), 0, None
        entries: list[Entry] = []
        for places, text in texts:
            points = batch.ids[slice(*places)] if places is not None else []
            if entries and entries[-1]["points"] == points:
                entries[-1]["text"] += text
            else:
                entries.append({"points": points, "text": text})
        return [{**entry, "text": _storable(entry["text"])} for entry in entries]


_OPEN: weakref.WeakSet[Output] = weakref.WeakSet()


def _in_child() -> None:
    for output in list(_OPEN):
        output.copied()


os.register_at_fork(after_in_child=_in_child)


def _storable(text: str) -> str:
    """The text as UTF-8 can hold it."""
    return text.encode("utf-8", "backslashreplace").decode()


class _Stream(io.TextIOBase):
    """A standard stream that hands what is written to the output too."""

    def __init__(self, output: Output, under: Any, aside: Any, number: int) -> None:
        self._output, self._under, self._aside, self._number = output, under, aside, number

    @property
    def direct(self) -> Any:
        """The stream below, where the engine may write while the workload is at work."""
        return self._under

    def rest_on(self, under: Any) -> None:
        """Write to that stream alone from now on."""
        self._under = self._aside = under

    def write(self, text: str) -> int:
        """Write through, and keep what the workload writes."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        workload = self._output.active
        if workload and not self._output.take(text):
            with suppress(OSError):
                os.write(self._number, text.encode("utf-8", "backslashreplace"))
            return len(text)
        with suppress(OSError, ValueError, AttributeError):  # a stream that is closed takes nothing, which ends no point
            (self._aside if workload else self._under).write(text)
        return len(text)

    def writelines(self, lines: Sequence[str]) -> None:  # type: ignore[override]
        """Write each of the lines."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Let what was written through be seen."""
        for stream in {id(self._under): self._under, id(self._aside): self._aside}.values():
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()

    def close(self) -> None:
        """Nothing: the stream below belongs to the process."""

    def isatty(self) -> bool:
        """Whether the stream below is a terminal."""
        return bool(self._under is not None and self._under.isatty())

    def fileno(self) -> int:
        """The file below."""
        if self._under is None:
            raise io.UnsupportedOperation("fileno")
        return int(self._under.fileno())

    def writable(self) -> bool:
        """It is."""
        return True

    @property
    def buffer(self) -> Any:
        """A stream of bytes, which are kept as text."""
        return _Bytes(self)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the stream below."""
        return str(getattr(self._under, "encoding", None) or "utf-8")

    @property
    def errors(self) -> str:  # type: ignore[override]
        """What becomes of letters that the encoding has not."""
        return str(getattr(self._under, "errors", None) or "backslashreplace")

    def __getattr__(self, name: str) -> Any:
        """Everything else is the stream's below."""
        return getattr(self._under, name)


class _Bytes(io.RawIOBase):
    """The bytes below a standard stream."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream

    def write(self, data: Any) -> int:
        """Write bytes as the text that they are."""
        self._stream.write(bytes(data).decode("utf-8", "backslashreplace"))
        return len(data)

    def flush(self) -> None:
        """Let what was written be seen."""
        self._stream.flush()

    def writable(self) -> bool:
        """It is."""
        return True
