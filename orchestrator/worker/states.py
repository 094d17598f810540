"""Keeps the states that the points of one call save, and writes them now and then as one checkpoint."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

EVERY = 5.0  # seconds between two checkpoints of a call
SHARE = 0.05  # of a worker's time that writing them may take


class Vault(Protocol):
    """Where states lie as bytes: the store itself, or a worker's way to the recorder."""

    def keep(self, points: Sequence[str], data: bytes) -> None:
        """Keep one checkpoint of these points durably, in place of the one before it."""

    def kept(self, point: str) -> bytes | None:
        """The latest checkpoint that holds the point; None where there is none."""


Row = tuple[int, list[Any]]  # the step and the values of the row a point had come to


@dataclass
class Shelf:
    """The states of the points of one vectorised call, or of one point; written together or not at all."""

    ids: Sequence[str]
    vault: Vault
    _pending: dict[int, Any] = field(default_factory=dict)
    _loaded: dict[str, Any] = field(default_factory=dict)
    _last_write: float = field(default_factory=time.monotonic)
    _cost: float = 0.0
    busy: bool = False  # whether the workload saves its states, or has gone on from one

    def put(self, position: int, state: Any) -> None:
        """Take the state of a point; it is read when the workload next yields, so it need not be copied."""
        self._pending[position] = state
        self.busy = True

    def get(self, position: int) -> Any:
        """The state a point saved last; None where it saved none."""
        point = self.ids[position]
        if point not in self._loaded:
            data = self.vault.kept(point)
            self._loaded |= {point: None, **_unpacked(data)} if data else {point: None}
        saved = self._loaded[point]
        self.busy = self.busy or saved is not None
        return None if saved is None else saved["state"]

    def rows(self) -> dict[int, Row]:
        """The row at which each point that goes on was saved, by its place in the call."""
        if not self._loaded:
            return {}
        states = {position: self._loaded.get(point) for position, point in enumerate(self.ids)}
        return {position: (saved["step"], saved["values"]) for position, saved in states.items() if saved is not None}

    def due(self) -> bool:
        """Whether states wait to be written, and the last time is long enough ago."""
        return bool(self._pending) and time.monotonic() - self._last_write > max(EVERY, self._cost / SHARE)

    def write(self, rows: Mapping[int, Row]) -> None:
        """Make the waiting states durable as one checkpoint, each with the row its point has come to."""
        begun = time.monotonic()
        states = {
            self.ids[position]: {"state": state, "step": rows[position][0], "values": rows[position][1]}
            for position, state in self._pending.items()
            if position in rows
        }
        if states:
            self.vault.keep(list(states), _packed(states))
        self._pending.clear()
        self._last_write = time.monotonic()
        self._cost = self._last_write - begun


def _packed(states: dict[str, Any]) -> bytes:
    import torch

    sink = io.BytesIO()
    torch.save(states, sink)
    return sink.getvalue()


def _unpacked(data: bytes) -> dict[str, Any]:
    import torch

    states: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return states
