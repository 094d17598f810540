"""Keeps the states that the points of one call save, and writes them now and then as one checkpoint."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

from orchestrator.worker.watchdog import PointAbandoned
from orchestrator.workload import shared_states
from orchestrator.workload.shared_states import Key

EVERY = 5.0  # seconds between two checkpoints of a call
SHARE = 0.05  # of a worker's time that writing them may take
PAUSE = 0.2  # seconds between two questions for a shared state that another process makes
HERE, MAKE, WAIT = "here", "make", "wait"
"""Answers to who asks for a shared state."""


class Vault(Protocol):
    """Where states lie as bytes: the store itself, or a worker's way to the recorder."""

    def keep(self, points: Sequence[str], data: bytes) -> None:
        """Keep one checkpoint of these points durably, in place of the one before it."""

    def kept(self, point: str) -> bytes | None:
        """The latest checkpoint that holds the point; None where there is none."""

    def borrow(self, name: str) -> tuple[str, bytes | None]:
        """A shared state: HERE with its bytes, MAKE where it is to be made by who asks, WAIT where another one makes it."""

    def lend(self, name: str, data: bytes | None) -> None:
        """Keep a shared state durably for all who ask; None: it could not be made, so another may try."""

    def stopping(self) -> bool:
        """Whether the run is being ended."""


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
    away: Callable[[], AbstractContextManager[None]] = nullcontext  # in which a point's time does not run
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
            self._loaded |= {point: None, **shared_states.unpacked(data)} if data else {point: None}
        saved = self._loaded[point]
        self.busy = self.busy or saved is not None
        return None if saved is None else saved["state"]

    def shared(self, key: Key, make: Callable[[], Any]) -> Any:
        """The state of a key: of whoever has made it, else made here; while another one makes it, this waits."""
        name = shared_states.name_of(key)
        with self.away():
            data = self._borrowed(name)
        if data is None:
            data = self._lent(name, make)
        return shared_states.unpacked(data)

    def _borrowed(self, name: str) -> bytes | None:
        """The bytes of a shared state, once they are there; None where this process is to make it."""
        while (answer := self.vault.borrow(name))[0] == WAIT:
            if self.vault.stopping():
                raise PointAbandoned
            time.sleep(PAUSE)
        return answer[1]

    def _lent(self, name: str, make: Callable[[], Any]) -> bytes:
        """The bytes of a state made here and kept; whoever waits may try where it cannot be made."""
        data = None
        try:
            data = shared_states.packed(make())
        finally:
            with self.away():
                self.vault.lend(name, data)
        return data

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
            self.vault.keep(list(states), shared_states.as_bytes(states))
        self._pending.clear()
        self._last_write = time.monotonic()
        self._cost = self._last_write - begun
