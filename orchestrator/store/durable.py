"""Turns bytes into files that survive a crash, and one file into a lock that dies with its process."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.errors import StoreError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
SHUT = (errno.EACCES, errno.EPERM, errno.EROFS)


def write(path: Path, data: bytes) -> None:
    """Put the bytes at the path so that a reader sees all of them or the file that was there before.

    Written beside, synced, renamed, and the folder synced: when this returns, a power cut keeps the file.
    Raises StoreError where the disk is full or may not be written, and leaves no half file.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        folder(path.parent)
        try:
            _fill(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), data)
            os.replace(beside, path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
        sync(path.parent)
    except OSError as error:
        raise refusal(path, error) from error


def try_out(folder: Path) -> None:
    """Write and remove a file in the folder; StoreError where that cannot be."""
    write(folder / ".probe", b"")
    (folder / ".probe").unlink(missing_ok=True)


def is_shut(error: StoreError) -> bool:
    """Whether something was not written because it may not be: no right to it, or a disk that may only be read."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in SHUT


def create(path: Path, data: bytes) -> bool:
    """Whether the file was made by this call: False where it was there before; StoreError where it cannot be."""
    try:
        folder(path.parent)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return False
    except OSError as error:
        raise refusal(path, error) from error
    try:
        _fill(handle, data)
        sync(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise refusal(path, error) from error
    return True


def now() -> str:
    """This moment, as records note it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def text(value: Any) -> str:
    """The value as JSON, keys sorted."""
    return json.dumps(value, indent=1, sort_keys=True, default=str)


def json_bytes(value: Any) -> bytes:
    """The value as the bytes of a JSON file."""
    return f"{text(value)}\n".encode()


def load(path: Path) -> Any:
    """The JSON in a file; an empty object for an empty file, which a run leaves that dies as it begins."""
    try:
        return json.loads(path.read_bytes() or b"{}")
    except OSError as error:
        raise refusal(path, error) from error
    except ValueError as error:
        raise StoreError(f"{path}: it must be JSON, but {error}; delete it and run the sweep again.") from error


def folder(path: Path) -> None:
    """Make the folder, durably, with those above it."""
    if not path.is_dir():
        folder(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)


def sync(path: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def refusal(path: Path, error: OSError) -> StoreError:
    """The StoreError for a file that cannot be written or read: which, why, and what to do."""
    reason = error.strerror or str(error)
    if error.errno in FULL:
        advice = "free some space or choose another '--store', then give the same command again: it goes on where it stopped."
        return StoreError(f"{path}: the disk must have room for it, but got '{reason}'; {advice}")
    if error.errno in SHUT:
        advice = "give yourself the right to it, or choose another '--store'."
        return StoreError(f"{path}: it must be readable and writable, but got '{reason}'; {advice}")
    return StoreError(f"{path}: it must be a file of a store, but got '{reason}'; mend the path or choose another '--store'.")


@contextlib.contextmanager
def lock(path: Path, what: str) -> Iterator[None]:
    """Hold the file for as long as the block runs; the kernel lets go when the process dies.

    Raises StoreError with pid, host and time of the holder where another process has it.
    """
    try:
        folder(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise refusal(path, error) from error
    try:
        try:
            _seize(handle, what)
        except OSError as error:
            raise refusal(path, error) from error
        yield
    finally:
        os.close(handle)


def _seize(handle: int, what: str) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StoreError(
            f"{what} must be run by one process at a time, but {_holder(handle)} runs it; "
            "wait until it ends, stop it, or choose another '--store'."
        ) from error
    since = datetime.now(UTC).isoformat(timespec="seconds")
    os.ftruncate(handle, 0)
    os.pwrite(handle, text({"pid": os.getpid(), "host": socket.gethostname(), "since": since}).encode(), 0)


def _holder(handle: int) -> str:
    """Who wrote the lock; it may have been taken a moment ago and not be written yet."""
    try:
        holder = json.loads(os.pread(handle, 4096, 0))
    except ValueError:
        return "another process"
    return f"process {holder.get('pid')} on {holder.get('host')} (since {holder.get('since')})"


def _fill(handle: int, data: bytes) -> None:
    """All bytes into the open file, synced and closed."""
    try:
        remaining = memoryview(data)
        while remaining:
            remaining = remaining[os.write(handle, remaining) :]
        os.fsync(handle)
    finally:
        os.close(handle)
