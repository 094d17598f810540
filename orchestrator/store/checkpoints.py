"""Keeps the states that long points save, so that a point ended in the middle goes on from there, on any node."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence

from orchestrator.store import durable
from orchestrator.store.store import Store


class Checkpoints:
    """The checkpoints of a workload's points in a store: a file of states, and one beside it that says whose they are.

    The second file is written last and replaces the one before, so a checkpoint is there whole or not at all.
    """

    def __init__(self, store: Store, workload: str, version: int) -> None:
        self._folder = store.path / "checkpoints" / workload / str(version)
        self._latest: dict[str, tuple[int, str]] = {}  # of each point: number and file
        self._number = 0
        for path in sorted(self._folder.glob("*.json")):
            note = durable.load(path)
            self._enter(tuple(note["points"]), note["number"], note["file"])

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
        latest = self._latest.get(point)
        path = self._folder / latest[1] if latest else None
        return path.read_bytes() if path and path.exists() else None

    def drop(self, points: Collection[str]) -> None:
        """Remove what no point needs any more, now that these are final."""
        files = {self._latest.pop(point)[1] for point in points if point in self._latest}
        needed = {file for _, file in self._latest.values()}
        for file in files - needed:
            (self._folder / file).unlink(missing_ok=True)
            (self._folder / f"{file.split('-')[0]}.json").unlink(missing_ok=True)

    def _enter(self, points: tuple[str, ...], number: int, file: str) -> None:
        self._number = max(self._number, number)
        for point in points:
            if number > self._latest.get(point, (0, ""))[0]:
                self._latest[point] = (number, file)
