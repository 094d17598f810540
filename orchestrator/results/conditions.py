"""Turns SQL conditions over a table of rows into columns of truth values, in a DuckDB that reaches nothing else."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from orchestrator.errors import SpecError, nearest

if TYPE_CHECKING:
    import duckdb
    import polars as pl

RELAXED = {"COMPARE_LESSTHANOREQUALTO": "<=", "COMPARE_GREATERTHANOREQUALTO": ">=", "COMPARE_EQUAL": "="}
PLACE = "lawsweep row"  # no column has a space in its name
SIDED = RELAXED | {"COMPARE_LESSTHAN": "<", "COMPARE_GREATERTHAN": ">"}


@contextlib.contextmanager
def locked(rows: pl.DataFrame, term: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that sees one table, `rows` with what the term may name, and no file; nothing in it can be set."""
    import duckdb

    connection = duckdb.connect(config={"enable_external_access": "false", "threads": "2"})
    try:
        named = [name for name in rows.columns if name.lower() in term.lower()]
        connection.register("rows", rows.select(named).with_row_index(PLACE).to_arrow())
        connection.execute("SET lock_configuration = true")
        yield connection
    finally:
        connection.close()


def truths(rows: pl.DataFrame, condition: str, where: str) -> pl.Series:
    """Whether each row fulfils the condition, in order; null where it has no truth value."""
    return _values(rows, f"CAST(({condition}) AS BOOLEAN)", condition, where)


def numbers(rows: pl.DataFrame, term: str, where: str) -> pl.Series:
    """The term's values over the rows, in their order; SpecError names the column that is not there."""
    return _values(rows, f"CAST(({term}) AS DOUBLE)", term, where)


def _values(rows: pl.DataFrame, term: str, said: str, where: str) -> pl.Series:
    import duckdb
    import polars as pl

    try:
        with locked(rows, term) as connection:
            # Without it DuckDB 2.0 has given rows in another order: two threads, `IN` with five texts.
            table = connection.sql(f'SELECT {term} AS value FROM rows ORDER BY "{PLACE}"').to_arrow_table()
    except duckdb.Error as error:
        raise SpecError(_complaint(where, said, str(error), rows.columns)) from error
    return pl.Series(table.column("value"))


def _complaint(where: str, text: str, error: str, columns: list[str]) -> str:
    missing = re.search(r'Referenced column "([^"]+)"', error)
    if missing:
        return (
            f"{where}: a condition must name columns of the rows, but got '{missing[1]}'{nearest(missing[1], columns)} "
            f"They have {', '.join(columns)}."
        )
    return f"{where}: '{text}' must be an SQL condition over the rows, but {error.splitlines()[0]}; mend it."


@lru_cache(maxsize=256)
def tolerant(condition: str, tolerance: float) -> str:
    """The condition with `<=`, `>=`, `=` and BETWEEN of numbers true up to a relative tolerance; others as they are.

    Below NOT, and between texts, nothing is relaxed.
    """
    tree = _tree(condition)
    return condition if tree is None else _relax(tree, tolerance)


def sides(condition: str) -> tuple[str, str, str] | None:
    """Left side, operator and right side of a condition that is one comparison of numbers; else None."""
    tree = _tree(condition)
    if tree is None or tree["class"] != "COMPARISON" or tree["type"] not in SIDED:
        return None
    return _text(tree["left"]), SIDED[tree["type"]], _text(tree["right"])


NAME = re.compile(rb'"((?:[^"]|"")*)"|([A-Za-z_\x80-\xff][\w$\x80-\xff]*)')


def replaced(condition: str, names: Iterable[str], write: Callable[[str], str]) -> str:
    """The condition with what `write` gives in place of columns of those names, and every other sign of it as it was.

    DuckDB's parser says where a column is named, so that nothing in a text, a comment or a longer name is one.
    """
    spelt = {name.lower(): name for name in names}  # SQL takes no notice of capitals
    tree, whole = _tree(condition) if spelt else None, condition.encode()
    for start, name in sorted(_columns(tree, frozenset()), reverse=True):
        match = NAME.match(whole, start - len("SELECT "))
        if match is not None and name.lower() in spelt:
            whole = whole[: match.start()] + write(spelt[name.lower()]).encode() + whole[match.end() :]
    return whole.decode()


def _columns(tree: Any, bound: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Where the tree names a column without a table, and which; names that a lambda binds are none."""
    if isinstance(tree, list):
        for child in tree:
            yield from _columns(child, bound)
    if not isinstance(tree, dict):
        return
    if tree.get("class") == "COLUMN_REF" and len(tree["column_names"]) == 1:
        if tree["column_names"][0].lower() not in bound:
            yield tree["query_location"], tree["column_names"][0]
        return
    if tree.get("class") == "LAMBDA":
        bound |= {name.lower() for _, name in _columns(tree["lhs"], frozenset())}
    for child in tree.values():
        yield from _columns(child, bound)


def _tree(condition: str) -> dict[str, Any] | None:
    """The condition parsed by DuckDB; None where it does not parse."""
    parsed = json.loads(_ask("SELECT json_serialize_sql(?)", f"SELECT {condition}"))
    if parsed.get("error"):
        return None
    chosen = parsed["statements"][0]["node"]["select_list"]
    return chosen[0] if len(chosen) == 1 else None


def _text(tree: dict[str, Any]) -> str:
    """A parsed expression as SQL."""
    parsed = json.loads(_ask("SELECT json_serialize_sql(?)", "SELECT 1"))
    parsed["statements"][0]["node"]["select_list"] = [tree]
    return _ask("SELECT json_deserialize_sql(?)", json.dumps(parsed)).removeprefix("SELECT ")


def _ask(query: str, argument: str) -> str:
    row = _parser().execute(query, [argument]).fetchone()
    assert row is not None
    return str(row[0])


@lru_cache(maxsize=1)
def _parser() -> duckdb.DuckDBPyConnection:
    """A DuckDB that has no tables and only reads the text of conditions."""
    import duckdb

    return duckdb.connect(config={"enable_external_access": "false", "threads": "1"})


def _relax(tree: dict[str, Any], tolerance: float) -> str:
    if tree["class"] == "CONJUNCTION":
        word = " AND " if tree["type"] == "CONJUNCTION_AND" else " OR "
        return "(" + word.join(_relax(child, tolerance) for child in tree["children"]) + ")"
    if tree["type"] == "COMPARE_BETWEEN":
        middle, low, high = (_text(tree[key]) for key in ("input", "lower", "upper"))
        return f"({_near(low, '<=', middle, tolerance)} AND {_near(middle, '<=', high, tolerance)})"
    if tree["class"] == "COMPARISON" and tree["type"] in RELAXED and not _is_text(tree["left"], tree["right"]):
        return _near(_text(tree["left"]), RELAXED[tree["type"]], _text(tree["right"]), tolerance)
    return f"({_text(tree)})"


def _is_text(*trees: dict[str, Any]) -> bool:
    return any(tree["class"] == "CONSTANT" and tree.get("literal", {}).get("kind") == "STRING" for tree in trees)


def _near(left: str, operator: str, right: str, tolerance: float) -> str:
    close = f"abs(({left}) - ({right})) <= {tolerance!r} * greatest(abs({left}), abs({right}))"
    return f"(({left}) {operator} ({right}) OR {close})"
