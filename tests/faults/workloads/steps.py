"""Partial sums of 1 / k, a row after each term, so that a test can stop a point half way.

Source: none; the fault tests drive it.
Symbols: i = the point, terms = how many rows, stop = the term before which the point raises (0 for never).
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
    """Which point this is, and how far it gets."""

    i: Annotated[int, "number of the point"] = 0
    terms: Annotated[int, "number of rows"] = 3
    stop: Annotated[int, "term before which the point raises; 0 for never"] = 0
    pause: Annotated[float, "pause before each term", {"unit": "s"}] = 0.0


@dataclass(frozen=True)
class Result:
    """What is known after a term."""

    total: Annotated[float, "sum of the terms so far"]


def run(params: Params, ctx: Any) -> Iterator[tuple[int, Result]]:
    """A row for each term; step counts the terms from 0."""
    total = 0.0
    for k in range(1, params.terms + 1):
        time.sleep(params.pause)
        if k == params.stop:
            raise ValueError(f"term {k} cannot be measured")
        total += 1 / k
        yield k - 1, Result(total=total)
