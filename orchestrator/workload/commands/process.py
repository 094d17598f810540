"""Runs one program to its end, line by line, and leaves no process of it behind, however this process ends."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import IO

OUT, ERR = "out", "err"
TICK = 0.2  # seconds after which a program that prints nothing is looked at
LONGEST = 2**20  # bytes of a line; a longer one is cut into lines
LINGER = 1.0  # seconds that what a program has begun may outlive it
TOLD = 12  # last lines of standard error in an error's text
Line = tuple[str, str]
"""The stream, OUT or ERR, and a line of it; an empty text from time to time where nothing was printed."""


class CommandError(RuntimeError):
    """A program that failed, or that left processes behind."""


def lines(words: Sequence[str], cwd: str, env: Mapping[str, str], stdin: bytes | None) -> Iterator[Line]:
    """What the program prints, as it comes.

    Raises CommandError where it ends with another code than 0, by a signal, or before what it has begun.
    """
    process = subprocess.Popen(
        words,
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,  # not a session: a new one costs milliseconds where the kernel groups tasks by it
    )
    _guard().watch(process.pid)
    errors: deque[str] = deque(maxlen=TOLD)
    try:
        yield from _printed(process, stdin, errors)
        _check(process, words, errors)
    finally:
        _end(process)
        _guard().watch(0)


def _printed(process: subprocess.Popen[bytes], stdin: bytes | None, errors: deque[str]) -> Iterator[Line]:
    """Lines of both streams until the program has ended; what others hold open is not waited for."""
    streams = {OUT: process.stdout, ERR: process.stderr}
    waiting = {name: b"" for name in streams}
    with selectors.DefaultSelector() as selector:
        for name, stream in streams.items():
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ, name)
        _give(process, stdin)
        # A program whose streams are closed has ended, or says nothing more.
        while selector.get_map() and process.poll() is None:
            for key, _ in selector.select(TICK):
                block = key.fileobj.read(LONGEST)  # type: ignore[union-attr]
                if block == b"":
                    selector.unregister(key.fileobj)
                yield from _split(key.data, waiting, block or b"", errors)
            yield OUT, ""
    while not _ended(process):
        yield OUT, ""
    for name, stream in streams.items():
        yield from _remaining(name, stream, waiting, errors)


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether the program has ended, after a wait of at most a tick."""
    try:
        process.wait(TICK)
    except subprocess.TimeoutExpired:
        return False
    return True


def _remaining(name: str, stream: IO[bytes] | None, waiting: dict[str, bytes], errors: deque[str]) -> Iterator[Line]:
    """What is left in the pipe of a program that has ended."""
    while stream is not None and (block := stream.read(LONGEST)):
        yield from _split(name, waiting, block, errors)
    yield from _split(name, waiting, b"\n" if waiting[name] else b"", errors)


def _split(name: str, waiting: dict[str, bytes], block: bytes, errors: deque[str]) -> Iterator[Line]:
    *whole, partial = (waiting[name] + block).split(b"\n")
    if len(partial) > LONGEST:
        whole, partial = [*whole, partial], b""
    waiting[name] = partial
    for line in whole:
        text = line.decode(errors="replace").rstrip("\r")
        if name == ERR:
            errors.append(text[:400])
        if text:
            yield name, text


def _give(process: subprocess.Popen[bytes], stdin: bytes | None) -> None:
    if stdin is not None and process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.write(stdin)
        with suppress(BrokenPipeError):
            process.stdin.close()


def _check(process: subprocess.Popen[bytes], words: Sequence[str], errors: Sequence[str]) -> None:
    code = process.wait()
    last = "".join(f"\n  {line}" for line in errors if line)
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        memory = "; SIGKILL is also what ends a program when memory runs out" if -code == signal.SIGKILL else ""
        raise CommandError(f"{words[0]} must end by itself, but {name} ended it{memory}.{last}")
    if code:
        raise CommandError(f"{words[0]} must end with code 0, but ended with {code}.{last}")
    until = time.monotonic() + LINGER
    while _alive(process.pid) and time.monotonic() < until:
        time.sleep(0.02)
    if _alive(process.pid):
        raise CommandError(
            f"{words[0]} must end after all that it has begun, but it left processes behind, which were ended; wait for them "
            f"in the program.{last}"
        )


def _alive(group: int) -> bool:
    """Whether a process of the group is there."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the whole group of the program at once; nothing where it is gone."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with suppress(OSError):
                stream.close()


class _Guard:
    """A shell that reads the group which runs now, and ends it when this process is gone, killed or not."""

    SCRIPT = 'while read -r group; do last=$group; done; [ "${last:-0}" -gt 1 ] && kill -s KILL -- "-$last"'

    def __init__(self) -> None:
        quiet = subprocess.DEVNULL
        self.owner = os.getpid()
        self._shell = subprocess.Popen(
            ["/bin/sh", "-c", self.SCRIPT], stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True
        )

    def watch(self, group: int) -> None:
        """From now on end this group; none where it is 0."""
        assert self._shell.stdin is not None
        with suppress(BrokenPipeError):
            self._shell.stdin.write(f"{group}\n".encode())
            self._shell.stdin.flush()


_GUARDS: dict[int, _Guard] = {}


def _guard() -> _Guard:
    """The guard of this process; a copy of it that was forked has none of its own yet."""
    if os.getpid() not in _GUARDS:
        _GUARDS.clear()
        _GUARDS[os.getpid()] = _Guard()
    return _GUARDS[os.getpid()]
