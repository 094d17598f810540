"""What a worker needs of its surroundings while it measures: a place to mark, to deliver rows and to keep states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from orchestrator.store.parts import part_bytes, part_name
from orchestrator.worker.batch import Batch
from orchestrator.worker.output import Output
from orchestrator.worker.row_table import underway
from orchestrator.workload.describe import Workload


class Desk(Protocol):
    """Where a worker reports: what it is about to measure, what it has measured, and whether to go on."""

    def mark(self, start: int, stop: int, /) -> None:
        """The points from `start` up to `stop` of the batch are measured next."""

    def deliver(self, table: Any, places: list[int], failures: dict[str, int]) -> None:
        """Keep these rows durably; `places` are the batch's points that they finish, `failures` counts the bad ones."""

    def stopping(self) -> bool:
        """Whether the run is being ended."""

    def listen(self) -> None:
        """The points that were marked last are over: what was printed until now is theirs, or of earlier ones."""

    def keep(self, points: Sequence[str], data: bytes) -> None:
        """Keep one checkpoint of these points durably."""

    def kept(self, point: str) -> bytes | None:
        """The latest checkpoint that holds the point."""

    def borrow(self, name: str) -> tuple[str, bytes | None]:
        """A shared state, or whether to make it or to wait for it."""

    def lend(self, name: str, data: bytes | None) -> None:
        """Keep a shared state durably; None where it could not be made."""


Ask = Callable[..., Any]
"""Calls a method of the run's recorder, wherever that is: `ask("write", ...)` returns once the rows are on disk."""


@dataclass(frozen=True)
class PackDesk:
    """The desk of one pack: its rows go to the recorder as a part, its states as checkpoints of the workload.

    `mark` and `stopping` are fields, so that a cheap point pays for one call and not for two.
    """

    ask: Ask
    workload: Workload
    batch: Batch
    mark: Callable[[int, int], None]
    stopping: Callable[[], bool]
    output: Output

    def _ask(self, method: str, *arguments: Any) -> Any:
        """Ask the recorder; what is printed meanwhile is not the workload's."""
        with self.output.listening(False):
            return self.ask(method, *arguments)

    def listen(self) -> None:
        """Take in what C code and child processes have printed until now."""
        self.output.listen(over=True)

    def tell(self) -> None:
        """Hand over what the workload has printed since the last time."""
        entries = self.output.entries(self.batch)
        if entries:
            self._ask("log", self.workload.name, self.batch.pack, entries)

    def deliver(self, table: Any, places: list[int], failures: dict[str, int]) -> None:
        """Hand rows over and wait until they are on disk."""
        tally = {"failures": failures, "underway": underway(table, self.batch, self.workload)}
        index = [self.batch.index[at] for at in places]
        self._ask("write", self.workload.name, part_name(table), part_bytes(table), self.batch.pack, index, tally)
        self.tell()

    def keep(self, points: Sequence[str], data: bytes) -> None:
        """Hand states over and wait until they are on disk."""
        self._ask("keep", self.workload.name, self.workload.version, list(points), data)

    def kept(self, point: str) -> bytes | None:
        """The latest states that hold the point's, whichever process wrote them."""
        states: bytes | None = self._ask("kept", self.workload.name, self.workload.version, point)
        return states

    def borrow(self, name: str) -> tuple[str, bytes | None]:
        """A shared state, or whether this pack is to make it or to wait for another one."""
        word, data = self._ask("borrow", self.workload.name, name, self.batch.pack)
        return word, data

    def lend(self, name: str, data: bytes | None) -> None:
        """Hand a shared state over and wait until it is on disk."""
        self._ask("lend", self.workload.name, name, self.batch.pack, data)
