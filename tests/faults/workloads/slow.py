"""A number halved after a pause, so that a test has time to kill what measures it.

Source: none; the fault tests drive it.
Symbols: i = the point, pause = how long it takes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

VERSION = 1
MEASURES = "value"


@dataclass(frozen=True)
class Params:
    """Which point this is, and how long it takes."""

    i: Annotated[int, "number of the point"] = 0
    pause: Annotated[float, "how long the point takes", {"unit": "s"}] = 0.02


@dataclass(frozen=True)
class Result:
    """What a point gives."""

    half: Annotated[float, "half of the number"]


def run(params: Params, ctx: Any) -> Iterator[tuple[int, Result]]:
    """One row after the pause."""
    time.sleep(params.pause)
    yield 0, Result(half=params.i / 2)
