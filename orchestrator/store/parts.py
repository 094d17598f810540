"""Turns the Parquet parts of one workload into one table: their schemas made one, and of repeated rows the one that counts."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.columns import ENGINE_COLUMNS
from orchestrator.errors import StoreError
from orchestrator.store import point_ids
from orchestrator.store.row_format import KEY, ROLES, _plain, role

if TYPE_CHECKING:
    import pyarrow.dataset as ds

IDENTITY = ("point", "step", "status", "generation")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Part:
    """One immutable Parquet file of rows, as its footer describes it.

    The schema is that of format 2, whatever the file's; `lettered` says that the file holds ids as letters, as format 1 does.
    """

    path: Path
    workload: str
    version: int
    measures: str
    deduplicated: bool
    rows: int
    schema: pa.Schema
    lettered: bool

    @property
    def name(self) -> str:
        """The hash that is its file's name."""
        return self.path.stem


def part_name(table: pa.Table) -> str:
    """Name of the part that holds these rows: a hash of which points, steps, statuses and generations they are."""
    every = pa.array(range(table.num_rows), pa.int64())  # a copy: a slice of a longer table has its own bytes
    identity = pa.table({name: table[name].take(every) for name in IDENTITY}).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, identity.schema) as stream:  # ten times as fast as hashing Python values
        stream.write_table(identity)
    return hashlib.blake2b(sink.getvalue(), digest_size=12).hexdigest()


def part_bytes(table: pa.Table, rows: int = 131_072, repeating: Sequence[str] | None = None) -> bytes:
    """The table as one Parquet file, `rows` rows to a row group; `repeating` are the columns that get a dictionary."""
    sink = pa.BufferOutputStream()
    columns = repeating_columns(table.schema) if repeating is None else repeating
    pq.write_table(table, sink, compression="zstd", row_group_size=rows, use_dictionary=columns)
    return bytes(sink.getvalue())


def repeating_columns(schema: pa.Schema) -> list[str]:
    """The columns whose values repeat; a dictionary of the others would only cost time."""
    return [
        f.name for f in schema if f.name != "point" and not pa.types.is_floating(f.type) and not pa.types.is_timestamp(f.type)
    ]


def listing(folder: Path) -> tuple[Path, ...]:
    """Paths of the parts in a folder, sorted; half-written files are none."""
    return tuple(folder / name for name in names(folder))


def names(folder: Path) -> list[str]:
    """File names of the parts in a folder, sorted: for who lists thousands of them for every page.

    Read until two looks agree: one look may miss a part that `compact` adds and those that it then removes.
    """
    before: list[str] | None = None
    while before != (now := sorted(_names_in(folder))):
        before = now
    return now


def _names_in(folder: Path) -> list[str]:
    with contextlib.suppress(FileNotFoundError):  # a workload that was never measured has no folder
        return [name for name in os.listdir(folder) if name.endswith(".parquet") and not name.startswith(".")]
    return []


def settled(read: Callable[[], T]) -> T:
    """What the read gives; once more where `compact` has replaced a part between listing and reading."""
    for _ in range(20):
        with contextlib.suppress(FileNotFoundError):
            return read()
    try:
        return read()
    except FileNotFoundError as error:
        raise unreadable(Path(error.filename or "of the store"), error) from error


def footers(folder: Path) -> tuple[Part, ...]:
    """The parts of a workload's folder, sorted by name; StoreError names one that cannot be read."""
    return tuple(of(path) for path in listing(folder))


def of(path: Path) -> Part:
    """The part in that file; StoreError where it cannot be read."""
    stat = path.stat()
    return _part(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=65_536)
def _part(path: Path, size: int, changed: int) -> Part:
    """A part's description; parts never change, so size and time are enough of a key."""
    try:
        meta = pq.read_metadata(path)
        schema = meta.schema.to_arrow_schema()
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, error) from error
    about = json.loads((schema.metadata or {}).get(KEY, b"{}"))
    missing = [c.name for c in ENGINE_COLUMNS if c.name not in schema.names]
    if missing or "version" not in about:
        raise StoreError(
            f"part {path}: it must hold rows that lawsweep wrote, but it lacks {missing or 'their description'}; "
            "move the file out of the store."
        )
    return Part(
        path=path,
        workload=about["workload"],
        version=about["version"],
        measures=about["measures"],
        deduplicated=about.get("deduplicated", False),
        rows=meta.num_rows,
        schema=point_ids.in_numbers(schema),
        lettered=point_ids.lettered(schema),
    )


def unreadable(path: Path, error: Exception) -> StoreError:
    """The StoreError for a damaged part."""
    return StoreError(
        f"part {path}: it must be a whole Parquet file, but got '{str(error).splitlines()[0]}'; "
        "move the file out of the store and run the sweep again: it measures what is missing."
    )


def unify(parts: Sequence[Part]) -> pa.Schema:
    """One schema for all parts: engine, params, results; a column that only some have is null in the others.

    Where VERSION was raised and a column changed its type, the newest version's type counts (numbers become floats).
    Raises StoreError where two parts of one version disagree about a type.
    """
    newest = sorted(parts, key=lambda p: (-p.version, -len(p.schema), p.name))
    fields: dict[str, tuple[pa.Field, Part]] = {}
    for part in newest:
        for field in part.schema:
            first, source = fields.setdefault(field.name, (field, part))
            if field.type != first.type and part.version == source.version:
                raise _clash(part, field, first.type, f"part {source.name}")
            if {field.type, first.type} == {pa.int64(), pa.float64()}:
                fields[field.name] = (first.with_type(pa.float64()), source)
    ordered = sorted((field for field, _ in fields.values()), key=lambda f: ROLES.index(role(f)))
    return pa.schema(ordered, metadata=newest[0].schema.metadata)


def check(parts: Iterable[Part], schema: pa.Schema, version: int) -> None:
    """Raise StoreError where a part of the same version holds a column of the schema as another type."""
    for part in parts:
        for field in schema if part.version == version else ():
            index = part.schema.get_field_index(field.name)
            if index >= 0 and part.schema.field(index).type != field.type:
                raise _clash(part, part.schema.field(index), field.type, "this run")


def _clash(part: Part, field: pa.Field, other: pa.DataType, holder: str) -> StoreError:
    return StoreError(
        f"store {part.path.parents[2]}: part {part.name} holds column '{field.name}' as {_plain(field.type)}, {holder} has "
        f"{_plain(other)}; VERSION of '{part.workload}' was not raised, or the store belongs to another project: "
        "raise VERSION, or choose another '--store'."
    )


def readable(parts: Sequence[Part], schema: pa.Schema) -> pa.Schema:
    """The columns of the schema that parts of one version can give: not those that they hold as a type that does not fit."""
    kinds = {field.name: field.type for part in parts for field in part.schema}
    fits = [f for f in schema if kinds.get(f.name, f.type) in (f.type, *([pa.int64()] if f.type == pa.float64() else []))]
    return pa.schema(fits, metadata=schema.metadata)


def dataset(parts: Sequence[Part], schema: pa.Schema) -> ds.Dataset:
    """Parts of one version and format as one lazily read table; those of format 1 have ids as letters."""
    import pyarrow.dataset as ds  # brings pandas along where that is installed, which writers need not wait for

    kinds = point_ids.in_letters(schema) if parts[0].lettered else schema
    return ds.dataset([str(p.path) for p in parts], schema=kinds, format="parquet")


def by_version(parts: Sequence[Part]) -> tuple[tuple[Part, ...], ...]:
    """The parts of each version, newest version first."""
    versions = sorted({p.version for p in parts}, reverse=True)
    return tuple(tuple(p for p in parts if p.version == version) for version in versions)


def by_file(parts: Sequence[Part]) -> tuple[tuple[Part, ...], ...]:
    """The parts that can be read as one: of one version and one format, newest version first."""
    split = (tuple(p for p in group if p.lettered is lettered) for group in by_version(parts) for lettered in (False, True))
    return tuple(group for group in split if group)


def alone(parts: Sequence[Part]) -> bool:
    """Whether no row can be there twice: each version has one part, and that one was deduplicated when it was written."""
    return all(p.deduplicated for p in parts) and len({p.version for p in parts}) == len(parts)


def read(parts: Sequence[Part], schema: pa.Schema, columns: Sequence[str], keep: ds.Expression | None = None) -> pa.Table:
    """Columns of the parts' rows, in the schema's types; no row is dropped but by `keep`."""
    read_schema = pa.schema([schema.field(name) for name in columns], metadata=schema.metadata)
    tables = [pa.table({f.name: pa.array([], f.type) for f in read_schema}, schema=read_schema)]
    for group in by_file(parts):
        fits = readable(group, schema)
        have = [name for name in columns if name in fits.names]
        tables.append(_scan(dataset(group, fits), group, have, keep))
    return pa.concat_tables(tables, promote_options="default").cast(read_schema)


def _scan(source: ds.Dataset, parts: Sequence[Part], columns: list[str], keep: ds.Expression | None) -> pa.Table:
    try:
        if parts[0].lettered and keep is not None:
            return _turned(source).filter(keep).select(columns)
        return point_ids.numbered(source.to_table(columns=columns, filter=keep))
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise culprit((part.path for part in parts), error) from error


def _turned(source: ds.Dataset) -> pa.Table:
    """All columns of parts of format 1, as format 2 has them: a condition may ask for a point, or for what is not wanted."""
    return point_ids.numbered(source.to_table())


def culprit(paths: Iterable[Path], error: Exception) -> Exception:
    """The StoreError that names the damaged part among those of a failed scan."""
    for path in paths:
        try:
            point_ids.numbered(pq.read_table(path, partitioning=None))
        except FileNotFoundError as gone:
            return gone
        except (pa.ArrowException, OSError, ValueError) as reason:
            return unreadable(path, reason)
    return error
