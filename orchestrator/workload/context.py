"""What a workload is given beside its params: seed, device, named random streams, checkpoints and shared states."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from orchestrator.workload import shared_states
from orchestrator.workload.shared_states import Key

if TYPE_CHECKING:
    import torch


class States(Protocol):
    """Where the states of the points of one call are kept, by a point's place in the call."""

    def get(self, position: int) -> Any:
        """The state a point saved last; None where it saved none."""

    def put(self, position: int, state: Any) -> None:
        """Take the state of a point; it is read when the workload next yields, so it need not be copied."""

    def shared(self, key: Key, make: Callable[[], Any]) -> Any:
        """The state of a key, from whoever has made it; made here where nobody has."""


@dataclass(frozen=True, slots=True)
class Context:
    """The surroundings of one point; a point is a function of its params and of `seed` alone."""

    seed: int
    device: str = "cpu"
    _states: States | None = field(default=None, repr=False, compare=False)
    _place: int = field(default=0, repr=False, compare=False)

    def generator(self, stream: str = "") -> torch.Generator:
        """A CPU generator that depends on the seed and the stream's name alone, so arms can share data and queries."""
        import torch

        return torch.Generator().manual_seed(stream_seed(self.seed, stream))

    def load(self) -> Any:
        """The state that an earlier attempt at this point saved; None where there is none."""
        return self._states.get(self._place) if self._states is not None else None

    def save(self, state: Any) -> None:
        """Offer a state to resume this point from: a dict of tensors, numbers, texts and such dicts and lists.

        Call it just before a yield, as often as you like: the state is read while the generator waits there, now and then,
        so nothing needs to be copied. A resumed point must yield the steps after the one it saved at.
        """
        if self._states is not None:
            self._states.put(self._place, state)

    def shared(self, key: Key, make: Callable[[], Any]) -> Any:
        """The state that `make()` gives, made once a store and handed to every point that asks with this key.

        It must be a function of the key alone, a dict of plain values with a `version` among them, and hold what `save` may
        hold. Seeds of a training belong into the key; how many points ask, and on which device, must not matter. Raises
        ValueError for a key or a state of another kind. Without a store it is made once a process.
        """
        return self._states.shared(key, make) if self._states is not None else shared_states.in_memory(key, make)


def stream_seed(seed: int, stream: str) -> int:
    """A 63-bit seed for one named stream of a point's seed."""
    digest = hashlib.blake2b(f"{seed}/{stream}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
