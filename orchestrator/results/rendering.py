"""Turns a table into text for a terminal, JSON, CSV, or the bytes of a Parquet file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.csv as csv

from orchestrator import answers
from orchestrator.errors import QueryError, nearest
from orchestrator.results import text_table
from orchestrator.store.parts import part_bytes

FORMATS = ("table", "json", "csv", "parquet")


def render(table: pa.Table, format: str = "table") -> str | bytes:
    """The table as text (`table`, `json`: a list of one object a row, `csv`) or as the bytes of a Parquet file (`parquet`).

    JSON has no NaN and no infinity: they are the strings "NaN", "Infinity", "-Infinity" there, and null is an absent value.
    """
    if format == "parquet":
        return part_bytes(table)
    if format == "csv":
        sink = io.BytesIO()
        csv.write_csv(_flat(table), sink)
        return sink.getvalue().decode()
    if format == "json":
        return answers.json_text(table.to_pylist(), indent=1)
    if format == "table":
        return _grid(table)
    raise QueryError(f"--format: it must be one of {', '.join(FORMATS)}, but got '{format}'{nearest(format, FORMATS)}")


def _flat(table: pa.Table) -> pa.Table:
    """The table with nested values as JSON texts: CSV has no others."""
    for index, field in enumerate(table.schema):
        if pa.types.is_nested(field.type):
            values = [None if v is None else answers.json_text(v) for v in table.column(index).to_pylist()]
            table = table.set_column(index, field.name, pa.array(values, pa.string()))
    return table


def _grid(table: pa.Table) -> str:
    """Columns under their names, numbers to the right, and the number of rows at the end."""
    rows = list(zip(*(_cells(column.to_pylist()) for column in table.columns), strict=True))
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    right = [field.name for field in table.schema if any(kind(field.type) for kind in kinds)]
    lines = text_table.lines(table.column_names, rows, right=right, rule=True)
    return "\n".join([*lines, f"({table.num_rows:,} row{'' if table.num_rows == 1 else 's'})"])


def _cells(values: Sequence[Any]) -> list[str]:
    """A column as the terminal shows it; numbers that differ where six digits end have all of theirs."""
    texts = [_cell(value) for value in values]
    meant: dict[str, set[str]] = {}
    for value, cell in zip(values, texts, strict=True):
        if isinstance(value, float):
            meant.setdefault(cell, set()).add(repr(value))
    return [repr(v) if len(meant.get(t, ())) > 1 else t for v, t in zip(values, texts, strict=True)]


def _cell(value: Any) -> str:
    """A value as the terminal shows it: six digits of a float, one line of a text."""
    if value is None:
        return "null"
    if isinstance(value, float):
        return f"{value:.6g}"
    return text_table.plain(str(value))
