"""Turns SQL conditions over a table of rows into columns of truth values, in a DuckDB that reaches nothing else."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

import duckdb
import polars as pl

from orchestrator.errors import SpecError, nearest
from orchestrator.results import sql_engine
from orchestrator.results.sql_engine import Tree

RELAXED = {"COMPARE_LESSTHANOREQUALTO": "<=", "COMPARE_GREATERTHANOREQUALTO": ">=", "COMPARE_EQUAL": "="}
PLACE = "lawsweep row"  # no column has a space in its name
SIDED = RELAXED | {"COMPARE_LESSTHAN": "<", "COMPARE_GREATERTHAN": ">"}


@contextlib.contextmanager
def locked(rows: pl.DataFrame, term: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that sees one table, `rows` with what the term may name, and no file; nothing in it can be set."""
    with contextlib.closing(sql_engine.connection(threads=2)) as connection:
        columns = [name for name in rows.columns if name.lower() in term.lower()]
        connection.register("rows", rows.select(columns).with_row_index(PLACE).to_arrow())
        sql_engine.shut(connection)
        yield connection


def truths(rows: pl.DataFrame, condition: str, where: str) -> pl.Series:
    """Whether each row fulfils the condition, in order; null where it has no truth value."""
    return _values(rows, f"CAST(({condition}) AS BOOLEAN)", condition, where)


def numbers(rows: pl.DataFrame, term: str, where: str) -> pl.Series:
    """The term's values over the rows, in their order; SpecError names the column that is not there."""
    return _values(rows, f"CAST(({term}) AS DOUBLE)", term, where)


def _values(rows: pl.DataFrame, term: str, shown_term: str, where: str) -> pl.Series:
    try:
        with locked(rows, term) as connection:
            # Without it DuckDB 2.0 has given rows in another order: two threads, `IN` with five texts.
            table = connection.sql(f'SELECT {term} AS value FROM rows ORDER BY "{PLACE}"').to_arrow_table()
    except duckdb.Error as error:
        raise SpecError(_complaint(where, shown_term, str(error), rows.columns)) from error
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
    for start, name in sorted(_columns(tree), reverse=True):
        match = NAME.match(whole, start - len("SELECT "))
        if match is not None and name.lower() in spelt:
            whole = whole[: match.start()] + write(spelt[name.lower()]).encode() + whole[match.end() :]
    return whole.decode()


def compared(condition: str) -> Iterator[tuple[str, str]]:
    """Each column of the condition with a text that it is compared with for being equal, or that a list of them holds."""
    for node, _ in sql_engine.nodes(_tree(condition)):
        sides = [node["left"], node["right"]] if node.get("type") in ("COMPARE_EQUAL", "COMPARE_NOTEQUAL") else []
        sides = node["children"] if node.get("type") in ("COMPARE_IN", "COMPARE_NOT_IN") else sides
        columns = [name for side in sides if (name := sql_engine.column(side))]
        for side in sides if len(columns) == 1 else ():
            if _is_text(side):
                yield columns[0], str(side["literal"]["text"])


def _columns(tree: Tree | None) -> Iterator[tuple[int, str]]:
    """Where the tree names a column without a table, and which; names that a lambda binds are none."""
    for node, bound in sql_engine.nodes(tree):
        name = sql_engine.column(node)
        if name and name.lower() not in bound:
            yield node["query_location"], name


def _tree(condition: str) -> Tree | None:
    """The condition parsed by DuckDB; None where it does not parse."""
    parsed = sql_engine.parsed(f"SELECT {condition}")
    if parsed.get("error"):
        return None
    columns: list[Tree] = parsed["statements"][0]["node"]["select_list"]
    return columns[0] if len(columns) == 1 else None


def _text(tree: Tree) -> str:
    """A parsed expression as SQL."""
    parsed = sql_engine.parsed("SELECT 1")
    parsed["statements"][0]["node"]["select_list"] = [tree]
    return sql_engine.text(parsed).removeprefix("SELECT ")


def _relax(tree: Tree, tolerance: float) -> str:
    if tree["class"] == "CONJUNCTION":
        word = " AND " if tree["type"] == "CONJUNCTION_AND" else " OR "
        return "(" + word.join(_relax(child, tolerance) for child in tree["children"]) + ")"
    if tree["type"] == "COMPARE_BETWEEN":
        middle, low, high = (_text(tree[key]) for key in ("input", "lower", "upper"))
        return f"({_near(low, '<=', middle, tolerance)} AND {_near(middle, '<=', high, tolerance)})"
    if tree["class"] == "COMPARISON" and tree["type"] in RELAXED and not _is_text(tree["left"], tree["right"]):
        return _near(_text(tree["left"]), RELAXED[tree["type"]], _text(tree["right"]), tolerance)
    return f"({_text(tree)})"


def _is_text(*trees: Tree) -> bool:
    return any(tree["class"] == "CONSTANT" and tree.get("literal", {}).get("kind") == "STRING" for tree in trees)


def _near(left: str, operator: str, right: str, tolerance: float) -> str:
    close = f"abs(({left}) - ({right})) <= {tolerance!r} * greatest(abs({left}), abs({right}))"
    return f"(({left}) {operator} ({right}) OR {close})"
