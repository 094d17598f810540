"""Turns calls into seconds and bytes: all in turn, several times over, so that what slows the machine slows them alike."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Call = Callable[[], Tensor]
SIDE = {"cpu": 1024, "cuda": 8192}
"""Rows of the square matrix whose product says how fast the machine multiplies: a small one would leave a GPU waiting."""


def interleaved(calls: Sequence[Call], repeats: int, device: str) -> list[float]:
    """Least seconds of each call over the rounds; a round runs all of them, and the first of `repeats + 1` does not count.

    Where torch has one thread, seconds are the thread's own, without those in which other programs had the processor.
    """
    rounds = [[_seconds(call, device) for call in calls] for _ in range(repeats + 1)][1:]
    return [min(times) for times in zip(*rounds, strict=True)]


def _seconds(call: Call, device: str) -> float:
    now = time.thread_time if device == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    _settle(device)
    begun = now()
    call()
    _settle(device)
    return now() - begun


def _settle(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def product(rows: int, dtype: torch.dtype, device: str) -> tuple[Call, float]:
    """A product of few rows with a square matrix, and its operations (a multiplication and an addition count as two)."""
    side = SIDE["cpu" if device == "cpu" else "cuda"]
    left, right = (torch.ones(n, side, dtype=dtype, device=device) for n in (rows, side))
    return (lambda: left @ right), 2.0 * rows * side**2


def peak_bytes(call: Call) -> int:
    """Most bytes of tensors that the call makes and holds at one time; what is inside one operation of torch is not seen."""
    with _Held() as held:
        call()
    return held.peak


class _Held(TorchDispatchMode):
    """Counts the memory of tensors while they live."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._users: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The operation's own result, its tensors counted; memory that was there before it is another's."""
        old = {x.untyped_storage().data_ptr() for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)} - {*self._users}
        found = func(*args, **(kwargs or {}))
        for x in tree_leaves(found):
            if isinstance(x, Tensor) and x.untyped_storage().data_ptr() not in old:
                self._count(x)
        return found

    def _count(self, x: Tensor) -> None:
        place, size = x.untyped_storage().data_ptr(), x.untyped_storage().nbytes()
        if place not in self._users:
            self.now += size
            self.peak = max(self.peak, self.now)
        self._users[place] = self._users.get(place, 0) + 1
        weakref.finalize(x, self._drop, place, size)

    def _drop(self, place: int, size: int) -> None:
        self._users[place] -= 1
        if not self._users[place]:
            del self._users[place]
            self.now -= size
