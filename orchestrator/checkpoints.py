"""Keeps the states that long points save, so that a point ended in the middle goes on from there, on any node."""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from orchestrator import durable
from orchestrator.store import Store

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
    _found: dict[str, Any] = field(default_factory=dict)
    _written: float = field(default_factory=time.monotonic)
    _cost: float = 0.0
    busy: bool = False  # whether the workload saves its states, or has gone on from one

    def put(self, place: int, state: Any) -> None:
        """Take the state of a point; it is read when the workload next yields, so it need not be copied."""
        self._pending[place] = state
        self.busy = True

    def get(self, place: int) -> Any:
        """The state a point saved last; None where it saved none."""
        point = self.ids[place]
        if point not in self._found:
            data = self.vault.kept(point)
            self._found |= {point: None, **_unpacked(data)} if data else {point: None}
        kept = self._found[point]
        self.busy = self.busy or kept is not None
        return None if kept is None else kept["state"]

    def rows(self) -> dict[int, Row]:
        """The row at which each point that goes on was saved, by its place in the call."""
        if not self._found:
            return {}
        found = {place: self._found.get(point) for place, point in enumerate(self.ids)}
        return {place: (kept["step"], kept["values"]) for place, kept in found.items() if kept is not None}

    def due(self) -> bool:
        """Whether states wait to be written, and the last time is long enough ago."""
        return bool(self._pending) and time.monotonic() - self._written > max(EVERY, self._cost / SHARE)

    def write(self, rows: Mapping[int, Row]) -> None:
        """Make the waiting states durable as one checkpoint, each with the row its point has come to."""
        begun = time.monotonic()
        states = {
            self.ids[place]: {"state": state, "step": rows[place][0], "values": rows[place][1]}
            for place, state in self._pending.items()
            if place in rows
        }
        if states:
            self.vault.keep(list(states), _packed(states))
        self._pending.clear()
        self._written = time.monotonic()
        self._cost = self._written - begun


def _packed(states: dict[str, Any]) -> bytes:
    import torch

    sink = io.BytesIO()
    torch.save(states, sink)
    return sink.getvalue()


def _unpacked(data: bytes) -> dict[str, Any]:
    import torch

    found: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return found


class Checkpoints:
    """The checkpoints of a workload's points in a store: a file of states, and one beside it that says whose they are.

    The second file is written last and replaces the one before, so a checkpoint is there whole or not at all.
    """

    def __init__(self, store: Store, workload: str, version: int) -> None:
        self._folder = store.path / "checkpoints" / workload / str(version)
        self._latest: dict[str, tuple[int, str]] = {}  # of each point: number and file
        self._number = 0
        for path in sorted(self._folder.glob("*.json")):
            said = durable.load(path)
            self._enter(tuple(said["points"]), said["number"], said["file"])

    def keep(self, points: Sequence[str], data: bytes) -> None:
        """Keep one checkpoint of these points durably, in place of the one before it."""
        name = hashlib.blake2b("\n".join(sorted(points)).encode(), digest_size=8).hexdigest()
        number = self._number + 1
        file = f"{name}-{number}.pt"
        durable.write(self._folder / file, data)
        note = {"points": list(points), "number": number, "file": file}
        durable.write(self._folder / f"{name}.json", json.dumps(note).encode())
        self._enter(tuple(points), number, file)
        for old in self._folder.glob(f"{name}-*.pt"):
            if old.name != file:
                old.unlink(missing_ok=True)

    def kept(self, point: str) -> bytes | None:
        """The latest checkpoint that holds the point; None where there is none."""
        found = self._latest.get(point)
        path = self._folder / found[1] if found else None
        return path.read_bytes() if path and path.exists() else None

    def drop(self, points: Collection[str]) -> None:
        """Remove what no point needs any more, now that these are final."""
        files = {self._latest.pop(point)[1] for point in points if point in self._latest}
        wanted = {file for _, file in self._latest.values()}
        for file in files - wanted:
            (self._folder / file).unlink(missing_ok=True)
            (self._folder / f"{file.split('-')[0]}.json").unlink(missing_ok=True)

    def _enter(self, points: tuple[str, ...], number: int, file: str) -> None:
        self._number = max(self._number, number)
        for point in points:
            if number > self._latest.get(point, (0, ""))[0]:
                self._latest[point] = (number, file)
