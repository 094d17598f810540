"""Turns a call into the most memory that its tensors take at one time."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def peak_bytes(call: Callable[[], object]) -> int:
    """Most bytes of tensors that the call makes and holds at one time; what is inside one operation of torch is not seen."""
    with _LiveTensors() as live:
        call()
    return live.peak


class _LiveTensors(TorchDispatchMode):
    """Counts the memory of tensors while they live."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._users: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The operation's own result, its tensors counted; memory that was there before it is another's."""
        old = {_key(x) for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)} - {*self._users}
        result = func(*args, **(kwargs or {}))
        for x in tree_leaves(result):
            if isinstance(x, Tensor) and _key(x) not in old:
                self._count(x)
        return result

    def _count(self, x: Tensor) -> None:
        address, size = _key(x), x.untyped_storage().nbytes()
        if address not in self._users:
            self.now += size
            self.peak = max(self.peak, self.now)
        self._users[address] = self._users.get(address, 0) + 1
        weakref.finalize(x, self._drop, address, size)

    def _drop(self, address: int, size: int) -> None:
        self._users[address] -= 1
        if not self._users[address]:
            del self._users[address]
            self.now -= size


def _key(x: Tensor) -> int:
    """What tells one piece of memory from another, that of tensors without any numbers (device meta) too."""
    key: int = x.untyped_storage()._cdata
    return key
