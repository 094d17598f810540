"""Counts how often each file below a folder is opened, by whatever library: Python, Arrow and Polars alike."""

from __future__ import annotations

import ctypes
import os
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

IN_OPEN, IN_CLOSE_WRITE, IN_CLOSE_NOWRITE, IN_ISDIR = 0x20, 0x8, 0x10, 0x40000000
HEAD = struct.Struct("iIII")
ROOM = 1 << 22
"""Bytes of events that are read at once; the kernel keeps 16,384 events."""


@contextmanager
def counted(folder: Path) -> Iterator[Counter[str]]:
    """How often each file below the folder was opened in the block, by its path in the folder; filled when the block ends.

    Linux alone: the kernel tells of every open. Events of closing are asked for too, as equal events in a row are told once.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    events = libc.inotify_init1(os.O_NONBLOCK)
    folders = {}
    for below in (folder, *(path for path in sorted(folder.rglob("*")) if path.is_dir())):
        watch = libc.inotify_add_watch(events, os.fsencode(below), IN_OPEN | IN_CLOSE_WRITE | IN_CLOSE_NOWRITE)
        assert watch >= 0, os.strerror(ctypes.get_errno())
        folders[watch] = below
    counts: Counter[str] = Counter()
    try:
        yield counts
        for watch, name in _opened(os.read(events, ROOM)):
            counts[str((folders[watch] / name).relative_to(folder))] += 1
    finally:
        os.close(events)


def _opened(data: bytes) -> Iterator[tuple[int, str]]:
    """The folder's number and the file's name of each event of a file that was opened."""
    place = 0
    while place < len(data):
        watch, mask, _, length = HEAD.unpack_from(data, place)
        place += HEAD.size
        name = os.fsdecode(data[place : place + length].rstrip(b"\0"))
        place += length
        if mask & IN_OPEN and not mask & IN_ISDIR:
            yield watch, name
