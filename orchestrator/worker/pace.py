"""How many points a worker measures in one call, so that a call is neither too short nor too long."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

CHUNK = 0.5  # seconds a vectorised call should take: it bounds how long a stop waits
FIRST_CHUNK = 32  # points of a shape whose cost is unknown


@dataclass
class Pace:
    """Points per vectorised call for each shape, learnt as calls are made; `warm` after a process's first call.

    `caps` remembers the shapes of which a call ran out of memory.
    """

    sizes: dict[Any, int] = field(default_factory=dict)
    caps: dict[Any, int] = field(default_factory=dict)
    warm: bool = False

    def size(self, shape: Any, most: int | None = None) -> int:
        """How many points of the shape to measure in the next call: as many as wanted, or as fit half a second."""
        return min(most or self.sizes.get(shape, FIRST_CHUNK), self.caps.get(shape, sys.maxsize))

    def cap(self, shape: Any, n: int) -> None:
        """A call on more than `n` points of the shape ran out of memory."""
        self.caps[shape] = min(max(n, 1), self.caps.get(shape, sys.maxsize))

    def learn(self, shape: Any, n: int, seconds: float) -> None:
        """A call on `n` points took `seconds`; grow at most eightfold, for a first call pays start-up."""
        self.sizes[shape] = max(1, int(n * min(8.0, CHUNK / max(seconds, 1e-6))))
