"""Opens a DuckDB that reaches no file, network or setting, and reads SQL into the tree that DuckDB's parser makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import duckdb

MEMORY = "4GB"
Tree = dict[str, Any]
# Set while a connection is made: none of it can be undone by SQL once the configuration is locked.
AT_START: dict[str, str | bool | int | float | list[str]] = {
    "temp_directory": "",
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
}
AT_LAST = (
    "autoload_known_extensions = false",
    "allow_community_extensions = false",
    "allow_persistent_secrets = false",
    f"memory_limit = '{MEMORY}'",
    "enable_external_access = false",
    "lock_configuration = true",
)


def connection(threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory; `shut` it once its tables are there."""
    return duckdb.connect(":memory:", config=AT_START | ({} if threads is None else {"threads": threads}))


def shut(opened: duckdb.DuckDBPyConnection) -> None:
    """Keep whoever asks from files, network, extensions and settings, for good."""
    for setting in AT_LAST:
        opened.execute(f"set {setting}")


@lru_cache(maxsize=1)
def _parser() -> duckdb.DuckDBPyConnection:
    """A DuckDB that has no tables and only reads the text of queries."""
    parser = connection(threads=1)
    shut(parser)
    return parser


def statements(sql: str) -> list[duckdb.Statement]:
    """The statements of a text; duckdb.Error where it is none."""
    return _parser().cursor().extract_statements(sql)


def parsed(sql: str) -> Tree:
    """A SELECT as a tree; under `error` is true where it is none."""
    tree = json.loads(_answer("select json_serialize_sql(?)", sql))
    assert isinstance(tree, dict)
    return tree


def text(tree: Tree) -> str:
    """A tree of `parsed` as SQL."""
    return _answer("select json_deserialize_sql(?)", json.dumps(tree))


def _answer(query: str, argument: str) -> str:
    row = _parser().cursor().execute(query, [argument]).fetchone()
    assert row is not None
    return str(row[0])


def nodes(tree: Any, bound: frozenset[str] = frozenset()) -> Iterator[tuple[Tree, frozenset[str]]]:
    """Every object inside a tree, each with the names that lambdas around it bind, in small letters."""
    if isinstance(tree, dict):
        if tree.get("class") == "LAMBDA":
            bound |= {name.lower() for node, _ in nodes(tree["lhs"]) if (name := column(node))}
        yield tree, bound
    for child in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from nodes(child, bound)


def column(node: Tree) -> str:
    """The column that a node names without a table; empty where it names none."""
    names: list[Any] = node["column_names"] if node.get("class") == "COLUMN_REF" else []
    return str(names[0]) if len(names) == 1 else ""
