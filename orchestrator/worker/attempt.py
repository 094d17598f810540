"""Runs one call of a workload and turns whatever goes wrong in it into a failure with its status."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.worker.watchdog import PointTimeout, Watchdog


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
        return Failed("timeout", "the point took longer than limits.seconds; raise the limit or make the point cheaper.")
    except (Exception, SystemExit) as error:
        if passes():
            raise
        return Failed(_status(error), traceback.format_exc(limit=-12).strip())
    return None


def _status(error: BaseException) -> str:
    """`oom` for every way in which Python and torch say that memory ran out, else `error`."""
    texts = ("can't allocate memory", "out of memory")
    memory = isinstance(error, MemoryError) or any(text in str(error) for text in texts)
    return "oom" if memory else "error"
