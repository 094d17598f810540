"""What a worker needs of its surroundings while it measures: a place to mark, to deliver rows and to keep states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Desk(Protocol):
    """Where a worker reports: what it is about to measure, what it has measured, and whether to go on."""

    def mark(self, start: int, stop: int) -> None:
        """The points from `start` up to `stop` of the batch are measured next."""

    def deliver(self, table: Any, places: list[int], failures: dict[str, int]) -> None:
        """Keep these rows durably; `places` are the batch's points that they finish, `failures` counts the bad ones."""

    def stopping(self) -> bool:
        """Whether the run is being ended."""

    def keep(self, points: Sequence[str], data: bytes) -> None:
        """Keep one checkpoint of these points durably."""

    def kept(self, point: str) -> bytes | None:
        """The latest checkpoint that holds the point."""
