"""Turns the parts of a running sweep, as they come, into what a proposer looks at: each point's status and values by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestrator.store import Store
from orchestrator.workload import Workload

BASE = ("point", "version", "step", "final", "status")


@dataclass
class Reading:
    """What is known of a point: the status of its final row, empty before there is one, and its results by step."""

    status: str = ""
    steps: dict[int, tuple[Any, ...]] = field(default_factory=dict)  # of ok rows, one value for each column asked for
    end: int = -1  # the step of the final ok row


class Readings:
    """The rows of a workload as far as they are known, for some result columns; every part is read once.

    With `retry`, final rows without a result that are there at the start do not count: those points are measured again.
    """

    def __init__(self, store: Store, workload: Workload, columns: Sequence[str], retry: bool = False) -> None:
        self._store, self._workload, self._columns = store, workload, tuple(columns)
        self._seen: set[Path] = set()
        self._points: dict[str, Reading] = {}
        self._skip_failures = retry
        self.refresh()
        self._skip_failures = False

    def refresh(self) -> None:
        """Take in the parts that are new."""
        for part in self._store.parts(self._workload.name):
            if part.path not in self._seen and part.version == self._workload.version:
                self._take(part.path, part.schema)
            self._seen.add(part.path)

    def ended(self, point: str) -> bool:
        """Whether the point has a final row."""
        return bool(self._points.get(point, NOTHING).status)

    def status(self, point: str) -> str:
        """The status of the point's final row; empty where it has none."""
        return self._points.get(point, NOTHING).status

    def last(self, point: str) -> Mapping[str, Any] | None:
        """The results of the point's final row; None where it has none, or it is no ok."""
        reading = self._points.get(point, NOTHING)
        return self._named(reading.steps[reading.end]) if reading.status == "ok" else None

    def furthest(self, point: str) -> int:
        """The highest step the point has a result at; -1 where it has none."""
        return max(self._points.get(point, NOTHING).steps, default=-1)

    def upto(self, point: str, step: int) -> dict[int, Mapping[str, Any]]:
        """The results of the point at each of its steps up to that one."""
        steps = self._points.get(point, NOTHING).steps
        return {at: self._named(values) for at, values in steps.items() if at <= step}

    def _named(self, values: tuple[Any, ...]) -> Mapping[str, Any]:
        return dict(zip(self._columns, values, strict=True))

    def _take(self, path: Path, schema: pa.Schema) -> None:
        there = [name for name in self._columns if name in schema.names]
        try:
            table = pq.read_table(path, columns=[*BASE, *there])
        except FileNotFoundError:
            return  # compact has joined it with others: those are read instead
        table = table.filter(pc.equal(table["version"], self._workload.version))
        rows = zip(*(table[name].to_pylist() for name in ("point", "step", "final", "status")), strict=True)
        values = zip(*(table[n].to_pylist() if n in there else [None] * len(table) for n in self._columns), strict=True)
        results = values if self._columns else [()] * len(table)
        for (point, step, final, status), result in zip(rows, results, strict=True):
            self._add(self._points.setdefault(point, Reading()), step, final, status, result)

    def _add(self, reading: Reading, step: int, final: bool, status: str, result: tuple[Any, ...]) -> None:
        """One row: an ok final one counts before any other final one."""
        if status == "ok":
            reading.steps[step] = result
        if final and status == "ok":
            reading.status, reading.end = status, step
        elif final and not reading.status and not self._skip_failures:
            reading.status = status


NOTHING = Reading()
