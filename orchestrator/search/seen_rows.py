"""Turns the parts of a running sweep, as they come, into what a proposer looks at: each point's status and values by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.columns import OK
from orchestrator.store import Store, counting_rule, parts, point_ids, row_format
from orchestrator.workload.describe import Workload


@dataclass
class Reading:
    """What is known of a point: the status of its final row, empty before there is one, and its results by step."""

    status: str = ""
    steps: dict[int, tuple[Any, ...]] = field(default_factory=dict)  # of ok rows, one value for each column asked for
    end: int = -1  # the step of the final ok row


class Readings:
    """The rows of a workload that count, as far as they have come, for some result columns; every part is read once.

    With `retry`, final rows without a result that are there at the start do not count: those points are measured again, and who
    was stopped is decided anew, since a point that failed may now have a value.
    """

    def __init__(self, store: Store, workload: Workload, columns: Sequence[str], retry: bool = False) -> None:
        self._store, self._workload, self._columns = store, workload, tuple(columns)
        self._schema = row_format.row_schema(workload)
        self._taken: set[Path] = set()
        self._points: dict[str, Reading] = {}
        self._rows = parts.read([], self._schema, self._column_names())
        self._take(retry)

    def refresh(self) -> None:
        """Take in the parts that are new."""
        self._take(without_failures=False)

    def ended(self, point: str) -> bool:
        """Whether the point has a final row."""
        return bool(self._points.get(point, NOTHING).status)

    def last(self, point: str) -> Mapping[str, Any] | None:
        """The results of the point's final row; None where it has none, or it is no ok."""
        reading = self._points.get(point, NOTHING)
        return self._by_name(reading.steps[reading.end]) if reading.status == OK else None

    def furthest(self, point: str) -> int:
        """The highest step the point has a result at; -1 where it has none."""
        return max(self._points.get(point, NOTHING).steps, default=-1)

    def upto(self, point: str, step: int) -> dict[int, Mapping[str, Any]]:
        """The results of the point at each of its steps up to that one."""
        steps = self._points.get(point, NOTHING).steps
        return {at: self._by_name(values) for at, values in steps.items() if at <= step}

    def _by_name(self, values: tuple[Any, ...]) -> Mapping[str, Any]:
        return dict(zip(self._columns, values, strict=True))

    def _column_names(self) -> list[str]:
        return list(dict.fromkeys([*counting_rule.COLUMNS, *self._columns]))

    def _take(self, without_failures: bool) -> None:
        new, rows = parts.settled(self._unread)
        self._taken |= new
        if without_failures:
            rows = rows.filter(pc.invert(pc.and_(rows["final"], pc.not_equal(rows["status"], OK))))
        if rows.num_rows:
            self._add(rows)

    def _unread(self) -> tuple[set[Path], pa.Table]:
        """The parts of the workload that are new, and their rows of this VERSION."""
        new = [part for part in self._store.parts(self._workload.name) if part.path not in self._taken]
        mine = [part for part in new if part.version == self._workload.version]
        return {part.path for part in new}, parts.read(mine, self._schema, self._column_names())

    def _add(self, new: pa.Table) -> None:
        """Settle the points that have new rows, with all rows of theirs that came before."""
        among = pc.is_in(self._rows["point"], value_set=pc.unique(new["point"]))
        rows = counting_rule.once(pa.concat_tables([self._rows.filter(among), new]), counting_rule.survivors)
        self._rows = pa.concat_tables([self._rows.filter(pc.invert(among)), rows]).combine_chunks()
        fresh: dict[str, Reading] = {}
        counting = point_ids.readable(counting_rule.once(rows, counting_rule.settle))
        each = zip(*(counting[name].to_pylist() for name in ("point", "step", "final", "status")), strict=True)
        values = zip(*(counting[name].to_pylist() for name in self._columns), strict=True)
        results = values if self._columns else [()] * counting.num_rows
        for (point, step, final, status), result in zip(each, results, strict=True):
            _note(fresh.setdefault(point, Reading()), step, final, status, result)
        self._points |= fresh


def _note(reading: Reading, step: int, final: bool, status: str, result: tuple[Any, ...]) -> None:
    """Put one row that counts into its point's reading."""
    if status == OK:
        reading.steps[step] = result
    if final:
        reading.status, reading.end = status, step


NOTHING = Reading()
