"""Keeps what a workload prints and logs, with the points that were being measured then."""

from __future__ import annotations

import io
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from orchestrator.worker.batch import Batch

LIMIT = 64 * 1024
"""Letters that are kept of a pack: the last ones."""
Places = tuple[int, int] | None
Entry = dict[str, Any]
"""Some text with the `points` that it belongs to; none for what was printed while the workload was imported."""


class Output:
    """What this process prints while a workload is at work; `places` tells which points of the batch are measured now.

    Prints go on to where they went, those to standard output to `aside` where that is given: a driver writes JSON there.
    """

    def __init__(self, places: Callable[[], Places], aside: bool = False) -> None:
        self._places, self._aside = places, aside
        self._texts: deque[tuple[Places, str]] = deque()
        self._size = 0
        self._lock = threading.RLock()
        self._active = False
        self._streams = sys.stdout, sys.stderr
        self._ours: tuple[Any, ...] = ()

    def open(self) -> None:
        """Stand in for the standard streams, before the workload is imported and its loggers take hold of them."""
        out, err = self._streams = sys.stdout, sys.stderr
        self._ours = _Stream(self, out, err if self._aside else out), _Stream(self, err, err)
        sys.stdout, sys.stderr = self._ours

    def close(self) -> None:
        """Give the standard streams back, unless somebody has put others in their place meanwhile."""
        for name, ours, before in zip(("stdout", "stderr"), self._ours, self._streams, strict=False):
            if getattr(sys, name) is ours:
                setattr(sys, name, before)

    @contextmanager
    def listening(self, on: bool = True) -> Iterator[None]:
        """While inside, what is printed is the workload's; or, with `on` false, ours."""
        before, self._active = self._active, on
        try:
            yield
        finally:
            self._active = before

    @property
    def active(self) -> bool:
        """Whether what is printed now is the workload's."""
        return self._active

    def take(self, text: str) -> None:
        """Keep a text; of too much the last letters."""
        with self._lock:
            self._texts.append((self._places(), text[-LIMIT:]))
            self._size += min(len(text), LIMIT)
            while self._size > LIMIT and len(self._texts) > 1:
                self._size -= len(self._texts.popleft()[1])

    def entries(self, batch: Batch) -> list[Entry]:
        """What was kept since the last call, texts of the same points joined."""
        with self._lock:
            texts, self._texts, self._size = self._texts, deque(), 0
        entries: list[Entry] = []
        for places, text in texts:
            points = batch.ids[slice(*places)] if places is not None else []
            if entries and entries[-1]["points"] == points:
                entries[-1]["text"] += text
            else:
                entries.append({"points": points, "text": text})
        return [{**entry, "text": _storable(entry["text"])} for entry in entries]


def _storable(text: str) -> str:
    """The text as UTF-8 can hold it."""
    return text.encode("utf-8", "backslashreplace").decode()


class _Stream(io.TextIOBase):
    """A standard stream that hands what is written to the output too."""

    def __init__(self, output: Output, under: Any, aside: Any) -> None:
        self._output, self._under, self._aside = output, under, aside

    def write(self, text: str) -> int:
        """Write through, and keep what the workload writes."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        workload = self._output.active
        if workload:
            self._output.take(text)
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
