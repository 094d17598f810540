"""Turns pieces of work into the processor time that each takes when it goes quickest, measured in turn."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import numpy as np

# A measurement lasts at least so long, in seconds: the clock and the call cost a microsecond.
LEAST = 1e-3
# 64-bit words of the reference: what fits into a core's second-level cache, twice.
WORDS = 1 << 14


def quickest(works: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Processor seconds of each piece of work in its quickest round, all measured once in every round.

    Time that other processes take is not counted, and what slows the machine for a while slows all of them in the same rounds.
    The first call, which fills caches, is not counted.
    """
    loops = [max(1, min(1000, math.ceil(LEAST / max(_once(work, 1, warm=True), 1e-9)))) for work in works]
    rounds = [[_once(work, count) for work, count in zip(works, loops, strict=True)] for _ in range(repeats)]
    return [min(times) for times in zip(*rounds, strict=True)]


def _once(work: Callable[[], object], count: int, warm: bool = False) -> float:
    """Processor seconds of one of `count` calls in a row."""
    if warm:
        work()
    begun = time.process_time()
    for _ in range(count):
        work()
    return (time.process_time() - begun) / count


def reference() -> Callable[[], object]:
    """Work whose time says how fast the machine is just now: XOR of two arrays of words, and the count of ones."""
    words = np.random.default_rng(0).integers(0, 1 << 63, (2, WORDS), dtype=np.uint64)
    return lambda: int(np.bitwise_count(words[0] ^ words[1]).sum(dtype=np.int64))
