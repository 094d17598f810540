"""What a workload is given beside its params: seed, device, named random streams and checkpoints."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Context:
    """The surroundings of one point; a point is a function of its params and of `seed` alone."""

    seed: int
    device: str = "cpu"

    def generator(self, stream: str = "") -> torch.Generator:
        """A CPU generator that depends on the seed and the stream's name alone, so arms can share data and queries."""
        import torch

        return torch.Generator().manual_seed(stream_seed(self.seed, stream))

    def load(self) -> Any:
        """The state that an earlier attempt at this point saved; None where there is none."""
        return None

    def save(self, state: Any) -> None:
        """Keep a state to resume this point from."""


def stream_seed(seed: int, stream: str) -> int:
    """A 63-bit seed for one named stream of a point's seed."""
    digest = hashlib.blake2b(f"{seed}/{stream}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
