"""Turns a workload's declared params and results into the schema of its rows, each column described."""

from __future__ import annotations

import json

import pyarrow as pa

from orchestrator.columns import ENGINE_COLUMNS
from orchestrator.store.point_ids import NUMBER
from orchestrator.workload.describe import Field, Workload

FORMAT = 2
"""1: ids of points as sixteen letters, plans without params. 2: ids as numbers of 64 bits, plans with params."""
KEY = b"lawsweep"
ROLES = ("engine", "param", "result")
ARROW = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}
KINDS = {
    "uint64": NUMBER,
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "timestamp[us, tz=UTC]": pa.timestamp("us", "UTC"),
}


def engine_schema() -> pa.Schema:
    """Names, types and descriptions of the columns that every row has."""
    return pa.schema(
        pa.field(c.name, KINDS[c.kind], metadata=_notes(says=c.says, unit=c.unit, role="engine")) for c in ENGINE_COLUMNS
    )


def row_schema(workload: Workload) -> pa.Schema:
    """Names, types and descriptions of the rows of a workload: the engine's columns, its params, its results."""
    params = [pa.field(f.name, ARROW[f.kind], metadata=_param_notes(f)) for f in workload.params]
    results = [pa.field(f.name, ARROW[f.kind], metadata=_result_notes(f)) for f in workload.results]
    about = {"workload": workload.name, "version": workload.version, "measures": workload.measures, "format": FORMAT}
    return pa.schema([*engine_schema(), *params, *results], metadata={KEY: json.dumps(about).encode()})


def _param_notes(field: Field) -> dict[str, str]:
    notes = _notes(says=field.says, unit=field.unit, role="param")
    notes |= {"sample": field.sample} if field.sample else {}
    return notes | ({"allowed": field.allowed} if field.allowed else {})


def _result_notes(field: Field) -> dict[str, str]:
    notes = _notes(says=field.says, unit=field.unit, role="result", aggregate=field.aggregate, bound=field.bound)
    extra = {"df": str(field.df), "seedless": field.seedless_where, "claims": field.claims}
    return notes | {name: text for name, text in extra.items() if text}


def claimed(schema: pa.Schema) -> dict[str, str]:
    """Results that have the name of an engine column, each with the name of its column in the files."""
    marked = {field.name: (field.metadata or {}).get(b"claims", b"").decode() for field in schema}
    return {name: inner for inner, name in marked.items() if name}


def _notes(**notes: str) -> dict[str, str]:
    return notes


def _plain(kind: pa.DataType) -> str:
    """A type as our messages name it: Arrow prints float64 as double, and an id is shown as text."""
    return {"double": "float64", "uint64": "string"}.get(str(kind), str(kind))


def role(field: pa.Field) -> str:
    """Whether a column is the engine's, a param or a result."""
    return str((field.metadata or {}).get(b"role", b"result"), "utf-8")


def describe(schema: pa.Schema) -> list[dict[str, str]]:
    """Name, type, role, unit and sentence of every column; where it has them `aggregate, bound, df, seedless, allowed`."""
    notes = [{k.decode(): v.decode() for k, v in (field.metadata or {}).items()} for field in schema]
    keys = ("role", "unit", "says", "aggregate", "bound", "df", "seedless", "allowed")
    return [
        {"name": field.name, "type": _plain(field.type), **{k: note[k] for k in keys if k in note}}
        for field, note in zip(schema, notes, strict=True)
    ]
