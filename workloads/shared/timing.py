"""Turns calls into the seconds that each takes when it goes quickest: all in turn, so that what slows the machine slows all.

`quickest` is the one timer; a clock is handed to it: the process's, or that of the device on which the calls work.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

Call = Callable[[], object]
Clock = Callable[[], float]
# A measurement lasts at least so long, in seconds: the clock and the call cost a microsecond.
LEAST = 1e-3
# 64-bit words of the reference: what fits into a core's second-level cache, twice.
WORDS = 1 << 14
SIDE = {"cpu": 1024, "cuda": 8192}
"""Rows of the square matrix whose product says how fast the machine multiplies: a small one would leave a GPU waiting."""


def quickest(calls: Sequence[Call], repeats: int, now: Clock = time.process_time, least: float = LEAST) -> list[float]:
    """Seconds of each call in its quickest round, all measured once in every round, by the clock `now`.

    A call that takes less than `least` seconds is repeated until a measurement lasts so long; with 0 each round calls once. The
    first call, which fills caches, is not counted. The process's own clock does not count the time of other processes.
    """
    loops = [_loops(call, now, least) for call in calls]
    rounds = [[_seconds(call, count, now) for call, count in zip(calls, loops, strict=True)] for _ in range(repeats)]
    return [min(times) for times in zip(*rounds, strict=True)]


def _loops(call: Call, now: Clock, least: float) -> int:
    call()
    return max(1, min(1000, math.ceil(least / max(_seconds(call, 1, now), 1e-9)))) if least else 1


def _seconds(call: Call, count: int, now: Clock) -> float:
    """Seconds of one of `count` calls in a row."""
    begun = now()
    for _ in range(count):
        call()
    return (now() - begun) / count


def clock(device: str) -> Clock:
    """Seconds of work on a device, which a GPU has finished when they are read.

    Where torch has one thread they are the thread's own, without those in which other programs had the processor.
    """
    if not device.startswith("cuda"):
        return time.thread_time if torch.get_num_threads() == 1 else time.perf_counter

    def settled() -> float:
        """The time once the device has finished what it was given."""
        torch.cuda.synchronize()
        return time.perf_counter()

    return settled


def reference() -> Call:
    """Work whose time says how fast the machine is just now: XOR of two arrays of words, and the count of ones."""
    words = np.random.default_rng(0).integers(0, 1 << 63, (2, WORDS), dtype=np.uint64)
    return lambda: int(np.bitwise_count(words[0] ^ words[1]).sum(dtype=np.int64))


def product(rows: int, dtype: torch.dtype, device: str) -> tuple[Callable[[], Tensor], float]:
    """A product of few rows with a square matrix, and its operations (a multiplication and an addition count as two)."""
    side = SIDE["cpu" if device == "cpu" else "cuda"]
    few, square = (torch.ones(n, side, dtype=dtype, device=device) for n in (rows, side))
    return (lambda: few @ square), 2.0 * rows * side**2
