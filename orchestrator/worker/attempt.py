"""Runs one call of a workload and turns whatever goes wrong in it into a failure with its status."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.worker import error_text
from orchestrator.worker.watchdog import PointAbandoned, PointTimeout, Watchdog


@dataclass(frozen=True)
class Failed:
    """How a measurement ended that gave no result: a status and the error's text."""

    status: str
    error: str


def attempt(measure: Callable[[], None], watchdog: Watchdog, passes: Callable[[], bool] = lambda: False) -> Failed | None:
    """What went wrong in a measurement; None where nothing did. The one place where any error is a row.

    An error that comes while `passes` says so is raised: it is none of the measurement's.
    """
    try:
        with watchdog.watching():
            measure()
    except PointTimeout:
        watchdog.settle()  # which did not happen where the exception came on the way out
        return Failed("timeout", "the point took longer than limits.seconds; raise the limit or make the point cheaper.")
    except PointAbandoned:
        raise
    except BaseException as error:
        # Outside a run, which takes SIGINT itself, a KeyboardInterrupt is the user's.
        typed = isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if typed or passes():
            raise
        text = error_text.of_error(error)
        return Failed(_status(error, text), text)
    return None


def _status(error: BaseException, text: str) -> str:
    """`oom` for every way in which Python and torch say that memory ran out, else `error`."""
    message = text.rpartition("\n  ")[2]
    memory = isinstance(error, MemoryError) or any(words in message for words in ("can't allocate memory", "out of memory"))
    return "oom" if memory else "error"
