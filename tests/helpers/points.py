"""Ids of points for tests: short names that can be read, as the sixteen letters and the number that a store holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from orchestrator.store import point_ids

LONGEST = 8  # letters of a name that fit into 64 bits


def id_of(name: str) -> str:
    """The id that stands for a name, in the order of the names and different for each; an id stands for itself."""
    if point_ids.number(name) is not None:
        return name
    raw = name.encode()
    return (raw.ljust(LONGEST, b"\0") if len(raw) <= LONGEST else hashlib.blake2b(raw, digest_size=8).digest()).hex()


def number_of(name: str) -> int:
    """The number that a store holds for a name."""
    return int(id_of(name), 16)


def name_of(point: str | int) -> str:
    """The name that an id or its number stands for; its letters where it stands for none. A name stands for itself."""
    letters = f"{point:016x}" if isinstance(point, int) else point
    if point_ids.number(letters) is None:
        return letters
    raw = bytes.fromhex(letters).rstrip(b"\0")
    return raw.decode() if raw.isascii() and raw.decode().isprintable() else letters


def names_of(points: pa.ChunkedArray) -> list[str]:
    """The names of a column of ids or numbers."""
    return [name_of(point) for point in points.to_pylist()]


def named(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows with the names of their points."""
    return [{**row, "point": name_of(row["point"])} for row in rows]
