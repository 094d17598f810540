"""Turns ids of points between what files hold, numbers of 64 bits, and what people read, sixteen letters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

NUMBER = pa.uint64()
POINT = "point"
LETTERS = 16
DIGITS = b"0123456789abcdef"
NO_DIGIT = 255
VALUES = np.full(256, NO_DIGIT, np.uint8)  # of each letter
VALUES[np.frombuffer(DIGITS, np.uint8)] = np.arange(16, dtype=np.uint8)
PAIRS = np.frombuffer(b"".join(f"{byte:02x}".encode() for byte in range(256)), np.uint16)  # of each byte, its two letters


def number(letters: str) -> int | None:
    """The number of one id; None where the text is no id."""
    return int(letters, LETTERS) if len(letters) == LETTERS and set(letters.encode()) <= set(DIGITS) else None


def equal(letters: str) -> pc.Expression:
    """The condition that a row is of the point with that id; no row meets it where the text is no id."""
    return pc.field(POINT) == pa.scalar(number(letters), NUMBER)


def numbers(letters: Sequence[str] | pa.Array | pa.ChunkedArray) -> pa.Array:
    """Ids as the numbers that files hold; ValueError where one is not of sixteen letters, `0` to `9` and `a` to `f`."""
    values = VALUES[np.frombuffer(_joined(letters), np.uint8)]
    if (values == NO_DIGIT).any():
        raise ValueError("an id of a point must be sixteen letters, 0 to 9 and a to f")
    return pa.array((values[0::2] << 4 | values[1::2]).view(">u8").astype(np.uint64))


def _joined(letters: Sequence[str] | pa.Array | pa.ChunkedArray) -> bytes:
    """All letters in a row."""
    if not isinstance(letters, (pa.Array, pa.ChunkedArray)):
        letters = pa.array(letters, pa.string())
    if isinstance(letters, pa.ChunkedArray):
        return b"".join(_joined(chunk) for chunk in letters.chunks)
    if letters.null_count:
        raise ValueError("an id of a point must not be null")
    try:
        fixed = letters.cast(pa.binary()).cast(pa.binary(LETTERS))
    except pa.ArrowInvalid as error:
        raise ValueError("an id of a point must be sixteen letters, 0 to 9 and a to f") from error
    start = fixed.offset * LETTERS
    return bytes(fixed.buffers()[1] or b"")[start : start + len(fixed) * LETTERS]


def letters(ids: pa.Array | pa.ChunkedArray | NDArray[np.uint64]) -> pa.Array:
    """Ids as people read them, as an array of text."""
    numbers_array: NDArray[Any] = np.asarray(ids, dtype=np.uint64)
    text = PAIRS[numbers_array.astype(">u8").view(np.uint8)]
    places = np.arange(len(numbers_array) + 1, dtype=np.int64) * LETTERS
    return pa.LargeStringArray.from_buffers(len(numbers_array), pa.py_buffer(places), pa.py_buffer(text)).cast(pa.string())


def lettered(schema: pa.Schema) -> bool:
    """Whether a file with this schema holds ids as letters, as files of format 1 do."""
    return bool(schema.field(POINT).type != NUMBER)


def in_numbers(schema: pa.Schema) -> pa.Schema:
    """The schema with ids as numbers."""
    return _typed(schema, NUMBER)


def in_letters(schema: pa.Schema) -> pa.Schema:
    """The schema with ids as letters."""
    return _typed(schema, pa.string())


def _typed(schema: pa.Schema, kind: pa.DataType) -> pa.Schema:
    position = schema.get_field_index(POINT)
    return schema if position < 0 else schema.set(position, schema.field(position).with_type(kind))


def numbered(table: pa.Table) -> pa.Table:
    """The table with ids as numbers, whichever way it has them."""
    if POINT not in table.schema.names or not lettered(table.schema):
        return table
    return _with(table, in_numbers(table.schema), numbers(table[POINT]))


def readable(table: pa.Table) -> pa.Table:
    """The table with ids as letters, whichever way it has them."""
    if POINT not in table.schema.names or lettered(table.schema):
        return table
    return _with(table, in_letters(table.schema), letters(table[POINT]))


def _with(table: pa.Table, schema: pa.Schema, points: pa.Array) -> pa.Table:
    position = table.schema.get_field_index(POINT)
    return table.set_column(position, schema.field(position), points).replace_schema_metadata(schema.metadata)
