"""Takes in what C code, libraries and child processes write to the descriptors of standard output and error."""

from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any

STANDARD = (1, 2)
PIECE = 1 << 20
"""Bytes that are taken in at once."""


class Descriptors:
    """A file that both descriptors lead to while they are redirected; a pipe would stop code that holds the interpreter lock.

    What was written is passed on, as it is taken in, to where standard error went.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile("ab+", buffering=0)  # noqa: SIM115 - appended to, by whoever writes
        self._before = [os.dup(number) for number in STANDARD]
        self._taken = 0

    def stream(self, stream: Any, number: int) -> Any:
        """A stream that writes to where the descriptor led, in place of one that writes to the descriptor; else the same."""
        try:
            same = stream.fileno() == number
        except (AttributeError, OSError, ValueError):  # a notebook's or a test's own stream, or none
            return stream
        if not same:
            return stream
        stream.flush()
        return open(os.dup(number), "w", buffering=1, encoding=stream.encoding, errors=stream.errors)

    def redirect(self) -> None:
        """Let both descriptors lead into the file."""
        flush_c()
        for number in STANDARD:
            os.dup2(self._file.fileno(), number)

    def restore(self) -> None:
        """Let them lead where they led."""
        flush_c()
        for number, before in zip(STANDARD, self._before, strict=True):
            os.dup2(before, number)

    def pieces(self) -> Iterator[bytes]:
        """What was written since the last call."""
        flush_c()
        descriptor = self._file.fileno()
        size = os.fstat(descriptor).st_size
        while self._taken < size:
            piece = os.pread(descriptor, min(PIECE, size - self._taken), self._taken)
            if not piece:
                break
            self._taken += len(piece)
            with suppress(OSError):  # nobody reads there any more
                os.write(self._before[1], piece)
            yield piece
        if self._taken > PIECE:
            os.ftruncate(descriptor, 0)
            self._taken = 0

    def close(self) -> None:
        """Leave no file open."""
        for number in self._before:
            os.close(number)
        self._file.close()


def flush_c() -> None:
    """Let what C code has printed go out of its buffers."""
    _library().fflush(None)


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None)
