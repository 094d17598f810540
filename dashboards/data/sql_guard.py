"""Turns SQL of whoever looks into a small table, or says why not: read-only, limited in time and size, blind to settings."""

from __future__ import annotations

from dataclasses import dataclass
from threading import BoundedSemaphore

import duckdb
import pyarrow as pa

from orchestrator.errors import QueryError
from orchestrator.results import query, sql_engine
from orchestrator.results.query import Results

SECONDS = 20.0
PAGE_ROWS = 5_000
"""Rows of a result that the page takes."""
FILE_ROWS = 1_000_000
"""Rows that a download takes."""
BYTES = 256 * 2**20
LONGEST = 20_000
"""Characters of a query."""
AT_ONCE = BoundedSemaphore(2)
TABLE_FUNCTIONS = frozenset(
    {"range", "generate_series", "unnest", "repeat", "repeat_row", "summary", "test_all_types", "duckdb_columns",
     "duckdb_tables", "duckdb_views", "duckdb_functions", "duckdb_types", "pragma_table_info", "show", "show_tables",
     "show_tables_expanded", "histogram_values", "histogram"}
)  # fmt: skip
FORBIDDEN = ("setting", "secret", "getenv", "read_", "parquet_", "glob", "getvariable", "write_log", "extension", "database_")
"""Parts of the names of functions and catalogue tables that tell of files, settings or the machine."""
SCHEMAS = ("pg_catalog", "information_schema")


@dataclass(frozen=True, kw_only=True)
class FirstRows:
    """What a query gave: its first rows, and whether there are more."""

    table: pa.Table
    more: bool


def ask(results: Results, sql: str, rows: int = PAGE_ROWS, seconds: float = SECONDS) -> FirstRows:
    """The first rows of what one SELECT over the store gives.

    Raises QueryError for anything but one SELECT over the store's tables, for one that takes longer than `seconds`, for a
    result of more than 256 MB, and where two queries run already.
    """
    text = checked(sql)
    if not AT_ONCE.acquire(timeout=seconds):
        raise QueryError("query: at most two may run at once, but two do; wait until one has ended.")
    try:
        table = query.visible(query.run(results.store, f"select * from (\n{text}\n) limit {rows + 1}", seconds), text)
    finally:
        AT_ONCE.release()
    if table.nbytes > BYTES:
        raise QueryError(f"query: a result must be under {BYTES >> 20} MB, but has {table.nbytes >> 20}; ask for less.")
    return FirstRows(table=table.slice(0, rows), more=table.num_rows > rows)


def checked(sql: str) -> str:
    """The query without its semicolon, where it is one SELECT that names nothing but tables and harmless functions."""
    if len(sql) > LONGEST:
        raise QueryError(f"query: it must have at most {LONGEST:,} characters, but has {len(sql):,}; ask for less.")
    try:
        statements = sql_engine.statements(sql)
    except duckdb.Error as error:
        raise QueryError(f"query: {str(error).splitlines()[0]}; mend the SQL.") from error
    if len(statements) != 1:
        raise QueryError(f"query: it must be one statement, but got {len(statements)}; write one SELECT.")
    text = _bare(sql)
    _check(text)
    return text


def _bare(sql: str) -> str:
    """The one statement without semicolons at its end and comments behind them."""
    words = [start for start, kind in duckdb.tokenize(sql) if kind != duckdb.token_type.comment]
    while words and sql[words[-1]] == ";":
        sql = sql[: words.pop()]
    return sql


def _check(text: str) -> None:
    parsed = sql_engine.parsed(text)
    if parsed.get("error"):
        raise QueryError(
            "query: it must be a SELECT (a PIVOT with its values: on arm in ('a', 'b')), but is none; "
            "results are only read here."
        )
    for node, _ in sql_engine.nodes(parsed):
        function = str(node.get("function_name") or "").lower()
        table = str(node.get("table_name") or "").lower() if node.get("type") == "BASE_TABLE" else ""
        schema = str(node.get("schema_name") or node.get("schema") or "").lower()
        if any(word in name for name in (function, table) for word in FORBIDDEN) or (table and schema in SCHEMAS):
            raise _outside(function or f"{schema}.{table}".strip("."))
        inner = node.get("function") if node.get("type") == "TABLE_FUNCTION" else None
        if isinstance(inner, dict) and str(inner.get("function_name", "")).lower() not in TABLE_FUNCTIONS:
            raise _outside(str(inner.get("function_name")))


def _outside(name: str) -> QueryError:
    return QueryError(f"query: it may read the store's tables alone, but asks for '{name}'; name a table of the store.")
