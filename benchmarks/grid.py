"""The points that the engine and its peers all measure, and the clock they are all read by."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

SIZES_D = (8, 16, 32, 64)
SIZES_M = (32, 64, 128, 256)
BETAS = (1.0, 2.0, 4.0, 8.0, 16.0)
WORKERS = 2
CELLS = len(SIZES_D) * len(SIZES_M) * len(BETAS)

Point = tuple[int, int, float, int]


def grid(seeds: int) -> Iterator[Point]:
    """Every (d, m, beta, seed) of the benchmark, seeds last; `seeds` times 80 points."""
    yield from itertools.product(SIZES_D, SIZES_M, BETAS, range(seeds))


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What one way of measuring the grid took: `seconds` of work for `points`, start-up not counted.

    `total` is the sum of all errors, which must be the same for all ways that measured the same points.
    """

    name: str
    points: int
    seconds: float
    total: float
    startup: float = 0.0
    note: str = ""

    @property
    def each(self) -> float:
        """Milliseconds a point."""
        return 1_000 * self.seconds / self.points
