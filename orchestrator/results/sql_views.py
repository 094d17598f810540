"""Turns a store into what SQL sees: sources that can be read, and the views over them by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from orchestrator import spoken_names
from orchestrator.errors import QueryError
from orchestrator.store import Store, durable, parts, point_ids, row_format
from orchestrator.store.counted_rows import View
from orchestrator.workload.describe import table_name

S, F, N = pa.string(), pa.float64(), pa.int64()
RUNS = {"generation": N, "sweep": S, "size": S, "started": S, "ended": S, "todo": N, "measured": N, "why": S}
RUNS |= {"commit": S, "dirty": pa.bool_(), "host": S, "record": S}
CLAIMS = {
    "sweep": S,
    "id": S,
    "says": S,
    "verdict": S,
    "sentence": S,
    "basis": S,
    "source": S,
    "size": S,
    "rows": N,
    "seeds": N,
}
CLAIMS |= {"claim_hash": S, "changed": S, "sql": S, "record": S}
PLANS = {"sweep": S, "size": S, "workload": S, "arm": S, "point": S, "seed": N}
BOUNDARIES = {
    "sweep": S,
    "size": S,
    "arm": S,
    "curve": S,
    "along": S,
    "of": S,
    "level": F,
    "position": F,
    "lower": F,
    "upper": F,
}
BOUNDARIES |= {"evaluations": N, "status": S}
FRONTS = {name: BOUNDARIES[name] for name in ("sweep", "size", "arm", "curve")}
Sources = dict[str, pa.Table | ds.Dataset]


def views(store: Store) -> tuple[Sources, list[str]]:
    """What is to be registered by name, and the statements that make tables, schemas `workloads` and `sweeps` of it."""
    sources: Sources = {"_runs": _records(store.runs(), RUNS), "_claims": _claims(store)}
    sources |= {"_plans": _empty(PLANS), "_points": row_format.engine_schema().empty_table()}
    statements = [f"create view {name} as select * from _{name}" for name in ("runs", "claims")]
    workloads = identifiers(store.workloads())
    seen_views = {name: store.view(name) for name in workloads}
    for name, identifier in workloads.items():
        statements.extend(_workload_view(seen_views[name], identifier, sources))
    statements += _sweep_views(store, workloads, {name: view.schema for name, view in seen_views.items()}, sources)
    statements += [*_boundary_views(store, sources), *_front_views(store, sources)]
    statements.append(_points_view(workloads.values()))
    return sources, statements


def identifiers(names: Iterable[str]) -> dict[str, str]:
    """A name in SQL for each name, no two alike: khm.capacity is khm_capacity."""
    taken_names: dict[str, str] = {}
    for name in sorted(names):
        identifier, count = table_name(name), 1
        while identifier.casefold() in {g.casefold() for g in taken_names.values()}:
            count += 1
            identifier = f"{table_name(name)}_{count}"
        taken_names[name] = identifier
    return taken_names


def _workload_view(view: View, identifier: str, sources: Sources) -> list[str]:
    """The views of the rows that count: what is read from the parts but for contested points, and what was settled of those.

    `_<identifier>` has ids as numbers, for other views to join on; what a user sees has them as text.
    """
    _refuse_one_name_twice(view.schema.names, identifier)
    key = f"_{identifier}"
    selects = []
    without = ""
    if len(view.contested):
        sources |= {f"{key}_contested": pa.table({"point": view.contested}), f"{key}_settled": view.settled}
        without = f" anti join {_quoted(key + '_contested')} using (point)"
        selects.append(f"select * from {_quoted(key + '_settled')}")
    for number, (group, readable) in enumerate(view.groups):
        sources[f"{key}_{number}"] = parts.dataset(group, readable)
        columns = ", ".join(_column(field, readable, group[0].lettered) for field in view.schema)
        selects.append(f"select * from (select {columns} from {_quoted(f'{key}_{number}')}){without}")
    return [
        f"create temporary view {_quoted(f'{key}_rows')} as {' union all '.join(selects)}",
        f"create view workloads.{_quoted(identifier)} as select {_selected_columns(view.schema)} from {_quoted(f'{key}_rows')}",
    ]


def _selected_columns(schema: pa.Schema, table: str = "") -> str:
    """The columns of the rows as a user sees them: ids as text, and results by the names that the workload gives them."""
    names = spoken_names.outside(row_format.claimed(schema))
    columns = []
    for field in schema:
        source = table + _quoted(field.name)
        value = _letters_of(source) if field.name == "point" else source
        columns.append(f"{value} as {_quoted(names.get(field.name, field.name))}")
    return ", ".join(columns)


def _refuse_one_name_twice(names: Sequence[str], identifier: str) -> None:
    """SQL does not tell small from large letters: it would give one column for both."""
    folded = [name.casefold() for name in names]
    twice = [name for name in names if folded.count(name.casefold()) > 1]
    if twice:
        raise QueryError(
            f"query: columns of '{identifier}' must differ in more than the size of letters, but it has {twice}; rename one "
            "in the workload, or read the rows with orchestrator.open(store).table(...)."
        )


def _column(field: pa.Field, readable: pa.Schema, lettered: bool) -> str:
    """The column, or its absence in the parts of an older version; ids as numbers."""
    if field.name == "point" and lettered:
        return f"{_number('point')} as point"
    if field.name in readable.names:
        return _quoted(field.name)
    return f"null::{SQL_TYPES[field.type]} as {_quoted(field.name)}"


def _letters(column: str) -> str:
    """An id of a point as text: sixteen letters."""
    return f"{_letters_of(column)} as point"


def _letters_of(column: str) -> str:
    return f"lower(lpad(hex({column}), 16, '0'))"


def _number(column: str) -> str:
    """The number of an id that is stored as text, as format 1 has it."""
    return f"('0x' || {column})::ubigint"


SQL_TYPES = {S: "varchar", F: "double", N: "bigint", pa.bool_(): "boolean"}
SQL_TYPES |= {pa.uint64(): "ubigint", pa.timestamp("us", "UTC"): "timestamptz"}


def _sweep_views(store: Store, workloads: Mapping[str, str], schemas: Mapping[str, pa.Schema], sources: Sources) -> list[str]:
    """A view for each sweep, of the plans of all its sizes and their points' rows, and the table of all plans."""
    plans = store.plans()
    names = identifiers({record["sweep"] for record in plans})
    rows_of: dict[str, list[str]] = {name: [] for name in names.values()}
    all_plans = ["select * from _plans"]
    for record in plans:
        key = f"_plan_{len(all_plans)}"
        sources[key], number = _plan(store, record)
        labels = {name: _literal(record[name]) for name in ("sweep", "size", "workload")}
        columns = f"{labels['sweep']}, {labels['size']}, {labels['workload']}, arm, {_letters(number)}, seed"
        all_plans.append(f"select {columns} from {key}")
        rows = _quoted(f"_{workloads[record['workload']]}_rows") if record["workload"] in workloads else "_points"
        schema = schemas.get(record["workload"], row_format.engine_schema())
        says = spoken_names.outside(row_format.claimed(schema))
        arm, sweep, size = (_quoted(says.get(label, label)) for label in ("arm", "sweep", "size"))
        rows_of[names[record["sweep"]]].append(
            f"select p.arm as {arm}, {labels['sweep']} as {sweep}, {labels['size']} as {size}, "
            f"{_selected_columns(schema, 'r.')} "
            f"from (select arm, {number} as point from {key}) p join {rows} r on p.point = r.point"
        )
    statements = [f"create view sweeps.{_quoted(name)} as {' union all by name '.join(s)}" for name, s in rows_of.items()]
    return [*statements, f"create view plans as {' union all '.join(all_plans)}"]


def _plan(store: Store, record: Mapping[str, Any]) -> tuple[ds.Dataset, str]:
    """The points of a plan without their params, which the rows have too, and their ids as numbers in SQL."""
    plan = ds.dataset(str(store.plan_path(record)), format="parquet")
    points = plan.replace_schema(pa.schema([plan.schema.field(name) for name in ("arm", "point", "seed")]))
    return points, _number("point") if point_ids.lettered(plan.schema) else "point"


def _boundary_views(store: Store, sources: Sources) -> list[str]:
    """A view in schema `boundaries` for each sweep that searched, with all it has, and one table of what they share."""

    def shared(names: Sequence[str]) -> str:
        return f'arm, curve, "along", "of", level, {_bracket(names)}, evaluations, status'

    return _views_of_searches("boundaries", BOUNDARIES, store, Store.boundaries_path, shared, sources)


def _front_views(store: Store, sources: Sources) -> list[str]:
    """The same for fronts, in schema `fronts`: a row a point that no other beats."""
    return _views_of_searches("fronts", FRONTS, store, Store.fronts_path, lambda _: "arm, curve", sources)


def _views_of_searches(
    schema: str,
    columns: Mapping[str, pa.DataType],
    store: Store,
    path: Callable[[Store, str, str | None], Path],
    shared: Callable[[Sequence[str]], str],
    sources: Sources,
) -> list[str]:
    """A view for each sweep with such a file, of its latest size, and one of `columns`, which `shared` selects, over all."""
    records = [record for record in store.plans() if path(store, record["sweep"], record["size"]).exists()]
    latest = {record["sweep"]: record for record in records}
    names, statements, selects = identifiers(latest), [], [f"select * from _{schema}"]
    sources[f"_{schema}"] = _empty(columns)
    for number, record in enumerate(records):
        key = f"_{schema}_{number}"
        table = ds.dataset(str(path(store, record["sweep"], record["size"])), format="parquet")
        sources[key] = table
        labels = f"{_literal(record['sweep'])} as sweep, {_literal(record['size'])} as size"
        selects.append(f"select {labels}, {shared(table.schema.names)} from {key}")
        if latest[record["sweep"]] is record:
            statements.append(f"create view {schema}.{_quoted(names[record['sweep']])} as select {labels}, * from {key}")
    return [*statements, f"create view {schema} as {' union all '.join(selects)}"]


def _bracket(names: Sequence[str]) -> str:
    """The position on a line and its bracket; nothing of a level set, whose positions have several coordinates."""
    along = [n for n in names if f"{n}_lower" in names and f"{n}_upper" in names]
    ends = [along[0], f"{along[0]}_lower", f"{along[0]}_upper"] if len(along) == 1 else []
    return ", ".join(_quoted(name) for name in ends) or "null::double, null::double, null::double"


def _points_view(identifiers: Iterable[str]) -> str:
    """One row for each point that has ended, with what the engine knows of it."""
    columns = ", ".join(_letters("point") if f.name == "point" else _quoted(f.name) for f in row_format.engine_schema())
    tables = ["_points", *(f"_{i}_rows" for i in identifiers)]
    return f"create view points as {' union all '.join(f'select {columns} from {_quoted(t)} where final' for t in tables)}"


def _claims(store: Store) -> pa.Table:
    """The verdicts on all sweeps' claims."""
    records = []
    for path in sorted((store.path / "verdicts").glob("[!.]*.json")):
        for verdict in store.verdicts(path.stem):
            records.append({**verdict, "sweep": path.stem})
    return _records(records, CLAIMS)


def _records(records: Sequence[Mapping[str, Any]], columns: Mapping[str, pa.DataType]) -> pa.Table:
    """Records as a table of those columns; `record` is all of it as JSON, and a number of another kind is null."""
    rows = [{**record, "record": durable.text(record)} for record in records]
    return pa.table({name: pa.array([_fitting(row.get(name), kind) for row in rows], kind) for name, kind in columns.items()})


def _fitting(value: Any, kind: pa.DataType) -> Any:
    if kind == S and value is not None:
        return value if isinstance(value, str) else durable.text(value)
    return value if type(value) is {N: int, pa.bool_(): bool}.get(kind) else None


def _empty(columns: Mapping[str, pa.DataType]) -> pa.Table:
    return pa.schema(list(columns.items())).empty_table()


def _quoted(name: str) -> str:
    """The name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    """The text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"
