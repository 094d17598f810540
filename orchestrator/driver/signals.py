"""Lets SIGINT and SIGTERM stop a run in order."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from orchestrator.driver.session import Session

FAREWELLS: list[Callable[[str, int], None]] = []
"""Who hears why, and with which exit code, where this process has to end at once."""
INTERRUPTED = "interrupted"


@contextmanager
def interruptible(session: Session) -> Iterator[None]:
    """While inside, SIGINT and SIGTERM end the session in order; a second one ends the process.

    Set after `ray.init`, which sets handlers of its own. Outside the main thread nothing is set: signals go elsewhere.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if session.why == INTERRUPTED:
            os._exit(130)
        session.end(INTERRUPTED)

    # Tune takes SIGUSR1 for good, and its handler would keep ours, and so the plan of a million points, while they are judged.
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
