"""Turns SQL conditions over a table of rows into columns of truth values, in a DuckDB that reaches nothing else."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import duckdb
import polars as pl

from orchestrator.errors import SpecError, nearest
from orchestrator.results import sql_engine
from orchestrator.results.formulas.sql_parts import identifier
from orchestrator.results.sql_engine import Tree

RELAXED = {"COMPARE_LESSTHANOREQUALTO": "<=", "COMPARE_GREATERTHANOREQUALTO": ">=", "COMPARE_EQUAL": "="}
NARROW = 2**31
"""Whole numbers up to this size have products that fit in 64 bits."""
PLACE = "lawsweep row"  # no column has a space in its name
SIDED = RELAXED | {"COMPARE_LESSTHAN": "<", "COMPARE_GREATERTHAN": ">"}
NULLS = ("OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL")
NOWHERE = ("above", "below", "absent")
"""How a search ends that has looked everywhere and found nothing."""
NUMBERS = SIDED | {"COMPARE_NOTEQUAL": "<>"}


@contextlib.contextmanager
def locked(rows: pl.DataFrame, term: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that sees one table, `rows` with what the term may name, and no file; nothing in it can be set."""
    with contextlib.closing(sql_engine.connection(threads=2)) as connection:
        columns = [name for name in rows.columns if name.lower() in term.lower()]
        connection.register("narrow_rows", rows.with_row_index(PLACE).select(PLACE, *columns).to_arrow())
        casts = ", ".join(f"{_cast(name)} AS {identifier(name)}" for name in sorted(large(rows) & {*columns}))
        connection.execute(f"CREATE VIEW rows AS SELECT *{f' REPLACE ({casts})' if casts else ''} FROM narrow_rows")
        sql_engine.shut(connection)
        yield connection


def large(rows: pl.DataFrame) -> frozenset[str]:
    """Columns of whole numbers of which a difference or a product may not fit in 64 bits, where DuckDB refuses it."""
    wholes = [name for name, kind in rows.schema.items() if kind.is_integer()]
    ends = {name: (rows[name].min(), rows[name].max()) for name in wholes}
    return frozenset(name for name, pair in ends.items() if any(end is not None and abs(int(end)) > NARROW for end in pair))  # type: ignore[arg-type]


def widened(condition: str, names: Iterable[str]) -> str:
    """The condition with those columns in 128 bits, so that its sums and products have a value."""
    return replaced(condition, names, _cast)


def _cast(name: str) -> str:
    return f"CAST({identifier(name)} AS HUGEINT)"


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


def tolerant(condition: str, tolerance: float, rows: pl.DataFrame | None = None, searched: frozenset[str] = frozenset()) -> str:
    """The condition as it is judged: `<=`, `>=`, `=` and BETWEEN of numbers hold up to a relative tolerance, others exactly.

    What is not finite supports nothing: where it breaks a comparison that is false, else it is null, as it is for what is no
    number. Below NOT, and between texts, nothing is relaxed. `rows` tell which columns are texts and which are floats.
    `searched` are columns whose null means that a search found nothing: that alone supports nothing, for it may have failed.
    """
    schema = (
        () if rows is None else tuple((name, kind) for name, kind in rows.schema.items() if name.lower() in condition.lower())
    )
    return _tolerant(condition, tolerance, schema, searched)


@lru_cache(maxsize=256)
def _tolerant(condition: str, tolerance: float, schema: tuple[tuple[str, pl.DataType], ...], searched: frozenset[str]) -> str:
    tree = _tree(condition)
    if tree is None:
        return condition
    return _judged(tree, _Reading(tolerance, pl.DataFrame(schema=dict(schema)), searched), positive=True)


def columns(condition: str) -> frozenset[str]:
    """The columns that a condition names; none where it does not parse."""
    return frozenset(name for _, name in _columns(_tree(condition)))


def asks_for_nulls(condition: str, names: frozenset[str]) -> bool:
    """Whether a condition asks if one of those columns is null."""
    every = (node for node, _ in sql_engine.nodes(_tree(condition)))
    return any(node.get("type") in NULLS and sql_engine.column(node["children"][0]) in names for node in every)


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
            if side.get("class") == "CONSTANT" and side.get("literal", {}).get("kind") == "STRING":
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


@dataclass(frozen=True)
class _Reading:
    """How a condition is read: its tolerance, an empty table with the columns that are there, and which a search finds."""

    tolerance: float
    table: pl.DataFrame
    searched: frozenset[str]

    def floats(self, tree: Tree) -> list[str]:
        """The terms of a tree that may be infinite or no number: its columns of floats, and the sides of a comparison."""
        kinds = {name.lower(): kind for name, kind in self.table.schema.items()}
        columns_of = [name for _, name in sorted(_columns(tree)) if kinds.get(name.lower(), pl.String()).is_float()]
        sides_of = [tree[side] for side in ("left", "right") if self.number(tree) and tree[side]["class"] != "CONSTANT"]
        return list(
            dict.fromkeys([*(f'"{name}"' if not name.isidentifier() else name for name in columns_of), *map(_text, sides_of)])
        )

    def number(self, tree: Tree) -> bool:
        """Whether a tree compares numbers."""
        return (
            tree["class"] == "COMPARISON" and tree["type"] in NUMBERS and all(map(self._numeric, (tree["left"], tree["right"])))
        )

    def _numeric(self, side: Tree) -> bool:
        if side["class"] == "CONSTANT":
            return bool(side.get("literal", {}).get("kind") != "STRING")
        if not self.table.columns:
            return True
        try:
            with locked(self.table, " ".join(self.table.columns)) as connection:
                kind = str(connection.sql(f"SELECT {_text(side)} FROM rows").types[0])
        except duckdb.Error:
            return False  # whoever evaluates the condition is told what is wrong with it
        return kind not in ("VARCHAR", "BOOLEAN") and not kind.startswith(("ENUM", "TIMESTAMP", "DATE"))


def _judged(tree: Tree, reading: _Reading, positive: bool) -> str:
    """A parsed condition as SQL; `positive` where its truth supports, not where NOT turns it round."""
    if tree["class"] == "CONJUNCTION":
        word = " AND " if tree["type"] == "CONJUNCTION_AND" else " OR "
        return "(" + word.join(_judged(child, reading, positive) for child in tree["children"]) + ")"
    if tree["type"] == "OPERATOR_NOT":
        return f"(NOT {_judged(tree['children'][0], reading, not positive)})"
    if tree["type"] == "COMPARE_BETWEEN":
        ends = (("COMPARE_GREATERTHANOREQUALTO", tree["lower"]), ("COMPARE_LESSTHANOREQUALTO", tree["upper"]))
        parts = [{"class": "COMPARISON", "type": way, "left": tree["input"], "right": end} for way, end in ends]
        return "(" + " AND ".join(_judged(part, reading, positive) for part in parts) + ")"
    if tree["type"] in NULLS and sql_engine.column(tree["children"][0]) in reading.searched:
        return _null_test(_text(tree["children"][0]), tree["type"] == "OPERATOR_IS_NULL")
    relaxed = positive and tree["type"] in RELAXED and reading.number(tree)
    near = _near(_text(tree["left"]), RELAXED[tree["type"]], _text(tree["right"]), reading.tolerance) if relaxed else ""
    floats = reading.floats(tree)
    if not floats:
        return near or f"({_text(tree)})"
    # Truth values that are compared, as in (y > 1) = (x > 2), have no difference.
    apart = len(floats) > 1 and tree["type"] in NUMBERS and reading.number(tree)
    return _guarded(tree, near or f"({_text(tree)})", floats, positive, apart)


def _null_test(name: str, is_null: bool) -> str:
    """Whether a search found nothing, or something: null where it ended without saying that there is nothing."""
    if is_null:
        return f"(CASE WHEN {name} IS NOT NULL THEN FALSE END)"
    return f"(CASE WHEN {name} IS NOT NULL THEN TRUE WHEN status IN ({', '.join(map(repr, NOWHERE))}) THEN FALSE END)"


def _guarded(tree: Tree, text: str, floats: list[str], positive: bool, apart: bool) -> str:
    """A condition without AND, OR and NOT, null where what is not finite would support it or where there is no number."""
    gap = [f"({_text(tree['left'])}) - ({_text(tree['right'])})"] if apart else []
    finite = " AND ".join(f"isfinite({term}) IS NOT FALSE" for term in floats)
    absent = " OR ".join(f"isnan({term})" for term in [*floats, *gap])
    against = f"NOT ({_text(tree)}) THEN FALSE" if positive else f"({_text(tree)}) THEN TRUE"
    return f"(CASE WHEN {finite} THEN {text} WHEN {absent} THEN NULL WHEN {against} END)"


def _near(left: str, operator: str, right: str, tolerance: float) -> str:
    close = f"abs(({left}) - ({right})) <= {tolerance!r} * greatest(abs({left}), abs({right}))"
    return f"(({left}) {operator} ({right}) OR {close})"
