"""Turns SQL over a store into a table, in a DuckDB that can reach nothing else."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from orchestrator import spoken_names
from orchestrator.columns import ENGINE_NAMES
from orchestrator.errors import QueryError, nearest
from orchestrator.results import frames, sql_engine, sql_views
from orchestrator.store import Store, open_store, parts, row_format

SECONDS = 60.0
SCHEMAS = ("workloads", "sweeps", "boundaries", "fronts")
SEARCHED = "main,sweeps,workloads"
LISTING = re.compile(r"\s*show\s+(all\s+)?tables\s*;?\s*", re.IGNORECASE)
MISSING_COLUMN = re.compile(r'Referenced column "([^"]+)" not found|does not have a column named "([^"]+)"')
MISSING_TABLE = re.compile(r'(?:Table with name "?([\w.]+)"? does not exist|Referenced table "([^"]+)" not found)')


@dataclass(frozen=True)
class Results:
    """What a store holds, for a notebook: lazy frames by name, and SQL."""

    store: Store

    def table(self, workload: str) -> pl.LazyFrame:
        """The rows of a workload that count: `table("khm.capacity")`."""
        return self._spoken(frames.rows(self.store, workload), workload)

    def sweep(self, name: str, size: str | None = None) -> pl.LazyFrame:
        """The rows of a sweep's points, with `arm`; of one size, or of the latest run's."""
        record = self.store.latest(name, size)
        return self._spoken(frames.of_plan(self.store, record), str(record["workload"]))

    def _spoken(self, rows: pl.LazyFrame, workload: str) -> pl.LazyFrame:
        """The rows with the names that the workload gives its results; engine columns of those names are `_name`."""
        claimed = row_format.claimed(self.store.schema(workload)) if workload in self.store.workloads() else {}
        return rows.rename(spoken_names.outside(claimed), strict=False) if claimed else rows

    def sql(self, text: str) -> pl.DataFrame:
        """What an SQL query gives; see `run`."""
        frame = pl.from_arrow(run(self.store, text))
        assert isinstance(frame, pl.DataFrame)
        return frame


def results(path: str | os.PathLike[str]) -> Results:
    """The results in the store at that path; StoreError where there is none."""
    return Results(open_store(path))


def connect(store: Store) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection that sees the store's tables as they are now, and no file, network, setting or extension.

    Tables: `points, plans, boundaries, fronts, claims, runs`, each workload in schema `workloads`, each sweep in `sweeps`, what
    each search found in `boundaries` and `fronts`; a plain name is looked for in that order: tables, sweeps, workloads.
    """
    connection = sql_engine.connection()
    sources, views = sql_views.views(store)
    for name, source in sources.items():
        connection.register(name, source)
    for statement in (*(f"create schema {name}" for name in SCHEMAS), *views, f"set search_path = '{SEARCHED}'"):
        connection.execute(statement)
    sql_engine.shut(connection)
    return connection


def run(store: Store, sql: str, seconds: float = SECONDS) -> pa.Table:
    """What one SELECT over the store gives.

    Raises QueryError with the nearest right name for a wrong column or table, for any statement that is no query, for a query
    that takes longer than `seconds` or more than 4 GB.
    """
    try:
        return parts.settled(lambda: _once(store, sql, seconds))
    except QueryError as error:
        # Every engine column has a name of its own, of which a table shows the plain one where that is free.
        own = {f"_{name}": name for name in ENGINE_NAMES if f"column '_{name}' must" in str(error)}
        if not own:
            raise
        return run(store, spoken_names.renamed(sql, own), seconds)


def _once(store: Store, sql: str, seconds: float) -> pa.Table:
    with contextlib.closing(connect(store)) as connection:
        with _complaining(connection, sql, seconds):
            _refuse_other(sql)
            # What a SELECT may change (a variable, a table in memory) goes with the transaction.
            connection.begin()
        with _limit(connection, seconds), _complaining(connection, sql, seconds):
            return visible(connection.sql(sql).to_arrow_table(), sql)


def visible(table: pa.Table, sql: str) -> pa.Table:
    """What a query gives; of the list of tables, those that a query may name: what begins with '_' only makes up others."""
    if not LISTING.fullmatch(sql) or "name" not in table.column_names:
        return table
    return table.filter(pc.invert(pc.starts_with(table["name"], "_")))


def _refuse_other(sql: str) -> None:
    statements = sql_engine.statements(sql)
    if len(statements) != 1:
        raise QueryError(f"query: it must be one statement, but got {len(statements)}; write one SELECT.")
    kind = _kind(statements[0])
    if kind not in ("SELECT", "MULTI", "EXPLAIN"):  # MULTI is what a PIVOT without a list of values becomes
        raise QueryError(f"query: it must be a SELECT, but got {kind}: results are only read here; write a SELECT.")


def _kind(statement: duckdb.Statement) -> str:
    """SELECT, COPY and so on; the Python client does not know every kind that the parser does."""
    try:
        return str(statement.type).rsplit(".", 1)[-1]
    except ValueError:
        return "something else"


@contextlib.contextmanager
def _limit(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    timer = threading.Timer(seconds, connection.interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def _complaining(connection: duckdb.DuckDBPyConnection, sql: str, seconds: float) -> Iterator[None]:
    try:
        yield
    except duckdb.InterruptException as error:
        raise QueryError(f"query: it must end within {seconds:g} s, but did not; ask for less, or raise the limit.") from error
    except duckdb.Error as error:
        _raise_if_gone(error)
        raise _explained(str(error), connection, sql) from error


def _raise_if_gone(error: Exception) -> None:
    """A part that `compact` replaced meanwhile is looked for anew by the caller."""
    if "No such file or directory" in str(error) and ".parquet" in str(error):
        raise FileNotFoundError(str(error)) from error


def _explained(message: str, connection: duckdb.DuckDBPyConnection, sql: str) -> QueryError:
    """DuckDB's complaint as ours: the nearest right name of all there are, and what to do."""
    with contextlib.suppress(Exception):
        connection.rollback()
    if match := MISSING_COLUMN.search(message):
        name, names = next(g for g in match.groups() if g), _columns(connection, sql)
        return QueryError(
            f"query: column '{name}' must be in the tables asked, but is not{nearest(name, names)} There are {_list(names)}."
        )
    if match := MISSING_TABLE.search(message):
        name, names = next(g for g in match.groups() if g), _tables(connection)
        return QueryError(
            f"query: table '{name}' must be in the store, but is not{nearest(name, names)} There are {_list(names)}."
        )
    if "Permission Error" in message or "configuration has been locked" in message:
        return QueryError(
            f"query: it may read the store's tables alone, but got: {_first(message)}; name a table of the store."
        )
    return QueryError(f"query: {_first(message)}; mend the SQL, or see the tables with 'show all tables'.")


def _first(message: str) -> str:
    """The sentence of DuckDB's message, without its drawing of the place."""
    return " ".join(message.split("\n\nLINE")[0].split())


def _list(names: list[str]) -> str:
    return ", ".join(names) or "none yet"


def _columns(connection: duckdb.DuckDBPyConnection, sql: str) -> list[str]:
    """Columns of the tables that the query names, else of all."""
    rows = connection.execute(
        "select table_name, column_name from duckdb_columns() where not internal and database_name = 'memory' "
        "order by table_oid, column_index"
    ).fetchall()
    words = set(re.findall(r"\w+", sql.lower()))
    columns = [column for table, column in rows if table.lower() in words]
    return list(dict.fromkeys(columns or [column for _, column in rows]))


def _tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    rows = connection.execute(
        "select view_name from duckdb_views() where not internal and not temporary order by schema_name, view_name"
    ).fetchall()
    return list(dict.fromkeys(name for (name,) in rows))
