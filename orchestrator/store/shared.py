"""Keeps states that many points share: one file a key, written whole or not at all, with who has asked for it beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.store import durable
from orchestrator.store.store import Store


@dataclass(frozen=True, kw_only=True)
class SharedState:
    """A shared state of a store: its name, its bytes on disk, and the workloads whose points have asked for it."""

    name: str
    bytes: int
    workloads: tuple[str, ...]


class SharedStates:
    """The shared states of a store, in its folder `shared`: `NAME.pt` with the state, written first, and `NAME.json`."""

    def __init__(self, store: Store) -> None:
        self._folder = store.path / "shared"

    def read(self, name: str, workload: str) -> bytes | None:
        """The bytes of a state, noting that a workload has asked; None where nobody has made it."""
        path = self._data(name)
        if not path.exists():
            return None
        self._note(name, workload)
        return path.read_bytes()

    def write(self, name: str, workload: str, data: bytes) -> None:
        """Keep the bytes of a state durably; StoreError where the disk is full or may not be written."""
        durable.write(self._data(name), data)
        self._note(name, workload)

    def all(self) -> tuple[SharedState, ...]:
        """Every shared state, sorted by name."""
        paths = sorted(self._folder.glob("*.pt"))
        return tuple(SharedState(name=p.stem, bytes=p.stat().st_size, workloads=self._workloads(p.stem)) for p in paths)

    def drop(self, name: str) -> None:
        """Remove a state; a point that asks for it has it made again."""
        self._data(name).unlink(missing_ok=True)
        self._about(name).unlink(missing_ok=True)

    def _note(self, name: str, workload: str) -> None:
        workloads = self._workloads(name)
        if workload not in workloads:
            durable.write(self._about(name), durable.json_bytes({"workloads": sorted({*workloads, workload})}))

    def _workloads(self, name: str) -> tuple[str, ...]:
        path = self._about(name)
        return tuple(durable.load(path)["workloads"]) if path.exists() else ()

    def _data(self, name: str) -> Path:
        return self._folder / f"{name}.pt"

    def _about(self, name: str) -> Path:
        return self._folder / f"{name}.json"
