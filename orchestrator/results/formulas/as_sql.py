"""Turns a formula into SQL for DuckDB that has the value which `Expression.evaluate` gives, and NULL where it has none.

Where the values of the columns show that nothing can go wrong the text is as short as the formula; else it is guarded.
Three rules are looser than Python's: a whole number past 2**53 that meets a float or a power is rounded, `round` to places
that are no literal is DuckDB's, and of a column's NaN `greatest` is null and `least` the other number.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from orchestrator.results.formulas.sql_arithmetic import (
    WHOLES,
    absolute,
    called,
    extreme,
    float_division,
    places,
    quotient,
    raised,
    rounded,
    total,
    whole_division,
)
from orchestrator.results.formulas.sql_parts import (
    ATOM,
    LOOSE,
    SIGNED,
    SUM,
    Kind,
    SqlPart,
    absent,
    alike,
    checked,
    combined,
    double,
    either,
    firm,
    hull,
    kind_of,
    literal,
    number,
    once,
    quoted,
    sure,
    truth,
    wide,
)
from orchestrator.spec.expressions import WHOLE, Expression, constant, names_in

COMPARED = {ast.Eq: "=", ast.NotEq: "<>", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


@dataclass(frozen=True)
class Writer:
    """Writes parts of one formula; `columns` are the pieces that stand for its names."""

    columns: Callable[[str], SqlPart]
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def fresh(self) -> str:
        """A name that stands for a part which is used more than once."""
        return f"_v{next(self._numbers)}"

    def write(self, node: ast.expr) -> SqlPart:
        """A part of the formula as SQL."""
        if not names_in(node):
            return literal(constant(node))
        return WRITERS[type(node)](node, self)


def written(formula: Expression, columns: Callable[[str], SqlPart]) -> SqlPart:
    """The formula as SQL; `columns` say what each of its names stands for."""
    part = checked(Writer(columns).write(formula.tree))
    needed = [columns(name) for name in sorted(_passed_over(formula.tree))]
    blank = [column for column in needed if column.null or column.hollow]
    return _guarded(part, blank) if blank else part


def _passed_over(tree: ast.expr) -> frozenset[str]:
    """Names whose NULL would not reach the formula's value, which it must."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, (ast.IfExp, ast.BoolOp)) or _skips(node)]
    return frozenset(name for node in nodes if isinstance(node, ast.expr) for name in names_in(node))


def _skips(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        return len(node.ops) > 1
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("max", "min")


def _guarded(part: SqlPart, columns: list[SqlPart]) -> SqlPart:
    tests = " AND ".join(f"{column.tight(ATOM)} IS NOT NULL" for column in columns)
    return replace(part, text=f"CASE WHEN {tests} THEN {part.text} END", rank=ATOM, hollow=True)


def finished(part: SqlPart) -> str:
    """The part as a text that can stand anywhere; what DuckDB refuses to work out is NULL."""
    return bare(part) if part.throws else f"({part.text})"


def bare(part: SqlPart) -> str:
    """The part as a text that can stand between commas."""
    # DuckDB works out what stands twice in a query outside of every TRY; what stands in a lambda it leaves there.
    return f"list_transform([0], lambda _t: TRY({part.text}))[1]" if part.throws else part.text


def _name(node: ast.Name, writer: Writer) -> SqlPart:
    return writer.columns(node.id)


def _binary(node: ast.BinOp, writer: Writer) -> SqlPart:
    left, right = (number(writer.write(part)) for part in (node.left, node.right))
    whole = left.kind == right.kind == "int"
    if isinstance(node.op, ast.Pow):
        return raised(left, right, writer.fresh)
    if isinstance(node.op, ast.Div):
        return quotient(left, right)
    if isinstance(node.op, (ast.FloorDiv, ast.Mod)):
        return (whole_division if whole else float_division)(node.op, left, right, writer.fresh)
    return total(node.op, left, right, whole)


def _unary(node: ast.UnaryOp, writer: Writer) -> SqlPart:
    inner = writer.write(node.operand)
    if isinstance(node.op, ast.Not):
        inner = truth(inner)
        return replace(inner, text=f"NOT {inner.tight(SUM)}", rank=LOOSE, raw=False, simple=False)
    inner = replace(number(inner), raw=False)
    if isinstance(node.op, ast.UAdd):
        return inner
    if inner.narrow:
        inner = wide(inner)
    throws = inner.throws or inner.kind == "any" or (inner.kind == "int" and inner.low <= -WHOLE)
    kind: Kind = "float" if inner.kind == "any" else inner.kind
    text = f"-{double(inner).tight(ATOM)}"
    return replace(
        inner, text=text, kind=kind, rank=SIGNED, low=-inner.high, high=-inner.low, throws=throws, exact=False, simple=False
    )


def _logic(node: ast.BoolOp, writer: Writer) -> SqlPart:
    """A later part counts only where the earlier ones leave it open; AND and OR of SQL work out both sides."""
    opened = isinstance(node.op, ast.Or)
    word = " OR " if opened else " AND "

    def join(left: SqlPart, right: SqlPart) -> SqlPart:
        if left.solid and right.solid:
            return combined((left, right), f"{_side(left, word)}{word}{_side(right, word)}", "bool", rank=LOOSE, low=0, high=1)
        if left.never:
            return left
        first = sure(left)
        text = f"{first.text} THEN TRUE ELSE {right.text}" if opened else f"{first.text} THEN {right.text} ELSE FALSE"
        return either((first, right), f"CASE WHEN {text} END", "bool", low=0, high=1)

    return reduce(join, (truth(writer.write(part)) for part in node.values))


def _side(part: SqlPart, word: str) -> str:
    """One side of AND or OR; a side that holds the other of them stands in brackets."""
    plain = part.rank > LOOSE or not any(other in part.text for other in (" OR ", " AND ") if other != word)
    return part.text if plain else f"({part.text})"


def _compare(node: ast.Compare, writer: Writer) -> SqlPart:
    parts = [writer.write(part) for part in (node.left, *node.comparators)]
    kinds = {part.kind for part in parts}
    if "text" in kinds and not kinds <= {"text", "any"}:
        return absent("bool")
    if kinds != {"bool"} and "text" not in kinds:
        parts = [firm(number(part)) for part in parts]
        parts = alike(parts)
    if len(node.ops) == 1 and all(part.simple or not part.nan for part in parts):
        text, rank = _pair(node.ops[0], *parts), LOOSE
    else:
        parts = [sure(part) for part in parts] if len(node.ops) > 1 else parts
        text, rank = once(parts, lambda names: _chain(node.ops, names), writer.fresh), LOOSE
    return combined(parts, text, "bool", rank=rank, low=0, high=1)


def _chain(ops: list[ast.cmpop], parts: list[SqlPart]) -> str:
    return " AND ".join(_pair(op, *pair) for op, *pair in zip(ops, parts, parts[1:], strict=False))


def _pair(op: ast.cmpop, left: SqlPart, right: SqlPart) -> str:
    """A comparison; NaN is unequal to all and neither smaller nor larger, where DuckDB takes it for the largest."""
    text = f"{left.tight(SUM)} {COMPARED[type(op)]} {right.tight(SUM)}"
    hollow = [part.text for part in (left, right) if part.kind == "float" and part.nan]
    if not hollow:
        return text
    if isinstance(op, ast.NotEq):
        return "(" + " OR ".join([text, *(f"isnan({name})" for name in hollow)]) + ")"
    return " AND ".join([text, *(f"NOT isnan({name})" for name in hollow)])


def _choice(node: ast.IfExp, writer: Writer) -> SqlPart:
    test, yes, no = (writer.write(part) for part in (node.test, node.body, node.orelse))
    if test.never:
        return test
    test = sure(truth(test))
    part = _cases([yes, no], [test.text])
    return replace(part, throws=part.throws or test.throws)


def by_arm(cases: list[tuple[str, SqlPart]]) -> SqlPart:
    """What stands for a name that arms define differently; NULL in an arm that does not define it."""
    parts = [part for _, part in cases]
    return replace(_cases(parts, [f"arm = {quoted(arm)}" for arm, _ in cases]), hollow=True)


def _cases(parts: list[SqlPart], tests: list[str]) -> SqlPart:
    """One of the parts: the one whose test is true first; one part more than there are tests is for all others."""
    kinds = {part.kind for part in parts}
    if "text" in kinds and kinds != {"text"}:
        return absent("float")
    if len(kinds) > 1:
        parts = [number(part) for part in parts]
    parts = alike(parts)
    whens = " ".join(f"WHEN {test} THEN {part.text}" for test, part in zip(tests, parts, strict=False))
    last = f" ELSE {parts[-1].text}" if len(parts) > len(tests) else ""
    more = {"raw": any(p.raw for p in parts), "narrow": all(p.narrow for p in parts)}
    return either(parts, f"CASE {whens}{last} END", kind_of(parts), **hull(parts), **more)


def _call(node: ast.Call, writer: Writer) -> SqlPart:
    assert isinstance(node.func, ast.Name)
    name, parts = node.func.id, [writer.write(part) for part in node.args]
    if name in ("max", "min"):
        return extreme(name, parts)
    inner = number(parts[0])
    if len(parts) == 2:
        return places(inner, number(parts[1]), constant(node.args[1]) if not names_in(node.args[1]) else None)
    if name in WHOLES:
        return rounded(WHOLES[name], inner)
    return absolute(inner) if name == "abs" else called(name, inner)


WRITERS: dict[type[ast.expr], Callable[[Any, Writer], SqlPart]] = {
    ast.Name: _name,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _logic,
    ast.Compare: _compare,
    ast.IfExp: _choice,
    ast.Call: _call,
}
