"""Turns what a program answers into rows: JSON lines in a file, its last JSON line, or patterns in its output."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.workload.commands.definition import Definition
from orchestrator.workload.fields import Field

STEP = "step"
Row = tuple[int, dict[str, Any]]
YES, NO = ("true", "yes", "1"), ("false", "no", "0")


class Answers:
    """The rows of one run of a program; the last is held back until it has ended, for what it printed belongs to it."""

    def __init__(self, described: Definition, file: Path) -> None:
        self._described, self._file = described, file
        self._fields = {field.called: field for field in described.results}
        self._place = 0  # bytes of the file that were read
        self._pending: Row | None = None
        self._printed: dict[str, Any] = {}
        self._matched: dict[str, Any] = {}

    def hear(self, line: str) -> None:
        """Take in a line of standard output."""
        if line.startswith("{"):
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            if isinstance(record, dict) and record.keys() & self._fields.keys():
                self._printed = record
        for pattern in self._described.patterns.values():
            if match := pattern.search(line):
                groups = {name: text for name, text in match.groupdict().items() if text is not None}
                self._matched |= {name: _read(text, self._fields[name]) for name, text in groups.items()}

    def rows(self) -> Iterator[Row]:
        """Rows that have come into the file since, but for the last one."""
        with self._file.open("rb") as file:
            file.seek(self._place)
            block = file.read()
        whole, _, _ = block.rpartition(b"\n")
        self._place += len(whole) + 1 if whole or block.startswith(b"\n") else 0
        yield from self._parsed(whole)

    def last(self) -> Iterator[Row]:
        """Rows that are left once the program has ended: the last one has what it printed too.

        Raises ValueError where a result is missing that is not optional.
        """
        yield from self.rows()
        yield from self._parsed(self._file.read_bytes()[self._place :])
        if self._pending is None:
            step = self._printed.get(STEP) if STEP not in self._fields else None
            self._pending = (step if isinstance(step, int) else 0), {}
        step, values = self._pending
        values = self._results(self._printed) | self._matched | values
        missing = [name for name in self._fields if values.get(name) is None and name not in self._described.optional]
        if missing:
            raise ValueError(
                f"the command must give every result, but {', '.join(missing)} came by no line; print a JSON line such as "
                f"{{\"{missing[0]}\": 0.5}}, write it to the file $LAWSWEEP_RESULTS, or give it a pattern under 'match'."
            )
        yield step, values

    def _parsed(self, block: bytes) -> Iterator[Row]:
        for line in block.decode(errors="replace").splitlines():
            if not line.strip():
                continue
            if self._pending is not None:
                yield self._pending
            self._pending = self._row(line)

    def _row(self, line: str) -> Row:
        try:
            record = json.loads(line)
        except ValueError as error:
            raise ValueError(f"a line of $LAWSWEEP_RESULTS must be JSON, but got {line[:200]!r}: {error}.") from error
        if not isinstance(record, Mapping):
            raise ValueError(f"a line of $LAWSWEEP_RESULTS must be a JSON object, but got {line[:200]!r}.")
        before = -1 if self._pending is None else self._pending[0]
        step = record.get(STEP, before + 1) if STEP not in self._fields else before + 1
        unknown = [name for name in record if name not in self._fields and name != STEP]
        if unknown:
            raise ValueError(f"a line of $LAWSWEEP_RESULTS must hold results alone, but got {unknown}; name them in the sweep.")
        return step, self._results(record)

    def _results(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in record.items() if name in self._fields}


def _read(text: str, field: Field) -> Any:
    """A text of the output as a value of the result's type."""
    if field.kind is bool:
        word = text.strip().lower()
        if word not in (*YES, *NO):
            raise ValueError(f"result '{field.called}' must be one of {(*YES, *NO)}, but its pattern found {text!r}.")
        return word in YES
    try:
        return field.kind(text)
    except ValueError as error:
        raise ValueError(
            f"result '{field.called}' must be of type {field.kind.__name__}, but its pattern found {text!r}."
        ) from error
