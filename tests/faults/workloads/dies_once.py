"""A number halved, except that the first process to try one point dies of it: the second time it goes well.

Source: none; the fault tests drive it.
Symbols: i = the point, at = the point that kills once, marker = file that remembers the first time.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

VERSION = 1
MEASURES = "value"


@dataclass(frozen=True)
class Params:
    """Which point this is, and where the first death is remembered."""

    i: Annotated[int, "number of the point"] = 0
    at: Annotated[int, "the point that kills its first process"] = 3
    marker: Annotated[str, "path of the file that remembers"] = ""


@dataclass(frozen=True)
class Result:
    """What a point gives."""

    half: Annotated[float, "half of the number"]


def run(params: Params, ctx: Any) -> Iterator[tuple[int, Result]]:
    """One row; the first process to reach point `at` leaves the marker and dies."""
    marker = Path(params.marker)
    if params.i == params.at and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    yield 0, Result(half=params.i / 2)
