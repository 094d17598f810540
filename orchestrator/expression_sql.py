"""Turns a formula into SQL for DuckDB that has the value which `Expression.evaluate` gives, and NULL where it has none.

Where the values of the columns show that nothing can go wrong the text is as short as the formula; else it is guarded.
Three rules are looser than Python's: a whole number past 2**53 that meets a float or a power is rounded, `round` to places
that are no literal is DuckDB's, and of a column's NaN `greatest` is null and `least` the other number.
"""

from __future__ import annotations

import ast
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from orchestrator.expression_parts import (
    ATOM,
    INF,
    LARGE,
    LOOSE,
    PRODUCT,
    SIGNED,
    SUM,
    Kind,
    Part,
    absent,
    checked,
    combined,
    double,
    either,
    firm,
    literal,
    number,
    once,
    quoted,
    sure,
    truth,
    wide,
)
from orchestrator.expressions import ARITHMETIC, WHOLE, Expression, Value, constant, names_in

SIGNS = {ast.Add: " + ", ast.Sub: " - ", ast.Mult: "*", ast.Div: "/"}
COMPARED = {ast.Eq: "=", ast.NotEq: "<>", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
RISING: dict[str, Callable[[float], float]] = {
    "acos": math.acos,
    "asin": math.asin,
    "atan": math.atan,
    "exp": math.exp,
    "ln": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "sqrt": math.sqrt,
    "tanh": math.tanh,
}
"""Functions of one direction: their ends are at the ends of what they are given."""


@dataclass(frozen=True)
class Writer:
    """Writes parts of one formula; `columns` are the pieces that stand for its names."""

    columns: Callable[[str], Part]
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def fresh(self) -> str:
        """A name that stands for a part which is used more than once."""
        return f"_v{next(self._numbers)}"

    def write(self, node: ast.expr) -> Part:
        """A part of the formula as SQL."""
        if not names_in(node):
            return literal(constant(node))
        return WRITERS[type(node)](node, self)


def written(formula: Expression, columns: Callable[[str], Part]) -> Part:
    """The formula as SQL; `columns` say what each of its names stands for."""
    part = checked(Writer(columns).write(formula.tree))
    needed = [columns(name) for name in sorted(_passed_over(formula.tree))]
    blank = [column for column in needed if column.null or column.hollow]
    return _guarded(part, blank) if blank else part


def _passed_over(tree: ast.expr) -> frozenset[str]:
    """Names whose NULL would not reach the formula's value, which it must."""
    found = [node for node in ast.walk(tree) if isinstance(node, (ast.IfExp, ast.BoolOp)) or _skips(node)]
    return frozenset(name for node in found if isinstance(node, ast.expr) for name in names_in(node))


def _skips(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        return len(node.ops) > 1
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("max", "min")


def _guarded(part: Part, columns: list[Part]) -> Part:
    tests = " AND ".join(f"{column.tight(ATOM)} IS NOT NULL" for column in columns)
    return replace(part, text=f"CASE WHEN {tests} THEN {part.text} END", rank=ATOM, hollow=True)


def finished(part: Part) -> str:
    """The part as a text that can stand anywhere; what DuckDB refuses to work out is NULL."""
    return f"TRY({part.text})" if part.throws else f"({part.text})"


def bare(part: Part) -> str:
    """The part as a text that can stand between commas."""
    return f"TRY({part.text})" if part.throws else part.text


def _name(node: ast.Name, writer: Writer) -> Part:
    return writer.columns(node.id)


def _binary(node: ast.BinOp, writer: Writer) -> Part:
    left, right = (number(writer.write(part)) for part in (node.left, node.right))
    whole = left.kind == right.kind == "int"
    if isinstance(node.op, ast.Pow):
        return _power(left, right, writer)
    if isinstance(node.op, ast.Div):
        return _quotient(left, right)
    if isinstance(node.op, (ast.FloorDiv, ast.Mod)):
        return (_whole_division if whole else _float_division)(node.op, left, right, writer)
    return _sum(node.op, left, right, whole)


def _sum(op: ast.operator, left: Part, right: Part, whole: bool) -> Part:
    low, high, nan = _ends(ARITHMETIC[type(op)], left, right)
    if whole and left.narrow and right.narrow:
        left = wide(left)
    text, rank = _joined(op, *((left, right) if whole else _alike([left, right])))
    ends = {"low": low, "high": high, "nan": nan, "rank": rank}
    if not whole:
        loose = "any" in (left.kind, right.kind)
        return combined((left, right), text, "float", **ends, **({"throws": True} if loose else {}))
    part = combined((left, right), text, "int", **ends)
    return part if max(abs(low), abs(high)) < 2**62 else replace(part, low=-WHOLE, high=WHOLE - 1, throws=True)


def _joined(op: ast.operator, left: Part, right: Part) -> tuple[str, int]:
    rank = SUM if isinstance(op, (ast.Add, ast.Sub)) else PRODUCT
    last = ATOM if rank == PRODUCT or right.rank == SIGNED else PRODUCT
    return f"{left.tight(rank)}{SIGNS[type(op)]}{right.tight(last)}", rank


def _ends(operate: Callable[[Any, Any], Any], left: Part, right: Part) -> tuple[float, float, bool]:
    """The least and the largest value of an operation whose extremes are at the ends, and whether it may be NaN."""
    if not (left.finite and right.finite):
        return -INF, INF, True
    try:
        ends = [float(operate(a, b)) for a in (left.low, left.high) for b in (right.low, right.high)]
    except (ArithmeticError, TypeError):
        return -INF, INF, True
    return min(ends), max(ends), any(map(math.isnan, ends))


def _quotient(left: Part, right: Part) -> Part:
    if right.kind == "float":
        right = firm(right)
    low, high, nan = _ends(lambda a, b: a / b, left, right) if right.nonzero else (-INF, INF, True)
    divisor = right
    if right.kind == "int" and not right.nonzero:
        divisor = replace(right, text=f"NULLIF({right.text}, 0)", rank=ATOM, hollow=True)
        low, high, nan = (min(left.low, -left.high), max(left.high, -left.low), left.nan)
    text, rank = _joined(ast.Div(), *_alike([left, divisor]))
    return combined((left, divisor), text, "float", rank=rank, low=low, high=high, nan=nan)


def _whole_division(op: ast.operator, left: Part, right: Part, writer: Writer) -> Part:
    """Python's `//` and `%`, which round down; DuckDB's round towards zero."""
    if left.narrow and right.narrow:
        left = wide(left)
    throws = {} if right.nonzero else {"throws": True, "hollow": True}
    sign = "//" if isinstance(op, ast.FloorDiv) else "%"
    reach = max(abs(left.low), abs(left.high))
    size = reach if sign == "//" else max(abs(right.low), abs(right.high))
    ends = {"low": max(-size - 1, -WHOLE), "high": min(size + 1, WHOLE - 1)} | throws
    if left.low >= 0 and right.low >= 0:
        text = f"{left.tight(PRODUCT)} {sign} {right.tight(ATOM)}"
        return combined((left, right), text, "int", rank=PRODUCT, **(ends | {"low": 0}))
    write = _floored if sign == "//" else _modulo
    text = once((left, right), lambda parts: write(*(part.tight(ATOM) for part in parts)), writer.fresh)
    if reach >= WHOLE:
        ends["throws"] = True
    return combined((left, right), text, "int", **ends)


def _floored(a: str, b: str) -> str:
    return f"({a} // {b} - CASE WHEN sign({a} % {b}) = -sign({b}) THEN 1 ELSE 0 END)"


def _modulo(a: str, b: str) -> str:
    return f"({a} % {b} + CASE WHEN sign({a} % {b}) = -sign({b}) THEN {b} ELSE 0 END)"


def _float_division(op: ast.operator, left: Part, right: Part, writer: Writer) -> Part:
    left, right = (firm(double(part)) if part.kind == "float" else part for part in (left, right))
    divisor = right
    if not right.nonzero:
        divisor = replace(right, text=f"NULLIF({right.text}, 0)", rank=ATOM, hollow=True, simple=False)

    def write(parts: list[Part]) -> str:
        a, b = (part.tight(ATOM) for part in parts)
        if isinstance(op, ast.Mod):
            return _modulo(a, b)
        return f"(round(({a} - {a} % {b})/{b}) - CASE WHEN sign({a} % {b}) = -sign({b}) THEN 1 ELSE 0 END)"

    text = once((_real(left), divisor), write, writer.fresh)
    size = max(abs(right.low), abs(right.high)) if isinstance(op, ast.Mod) else INF
    known = left.finite and right.finite and size < LARGE
    low, high = (-size, size) if known else (-INF, INF)
    return combined((left, divisor), text, "float", low=low, high=high, nan=not known)


def _real(part: Part) -> Part:
    """The part as a float, for operations that DuckDB does otherwise on whole numbers."""
    if part.kind == "float":
        return part
    return replace(part, text=f"CAST({part.text} AS DOUBLE)", kind="float", rank=ATOM, narrow=False, simple=part.simple)


def _power(left: Part, right: Part, writer: Writer) -> Part:
    left, right = (firm(double(part)) if part.kind == "float" else part for part in (left, right))
    positive = left.low > 0 or (right.low == right.high and right.low >= 0 and float(right.low).is_integer())
    low, high, nan = _ends(lambda a, b: float(a) ** float(b), left, right) if positive else (-INF, INF, True)
    if left.low < 0 <= left.high:
        low, high = min(low, 0.0) if low > -INF else low, high
    parts, known = (left, right), {"low": low, "high": high, "nan": nan}
    text = f"{left.tight(ATOM)} ** {right.tight(ATOM)}"
    if not left.kind == right.kind == "int":
        loose = {} if "any" not in (left.kind, right.kind) else {"throws": True}
        return combined(parts, text, "float", rank=PRODUCT, **known, **loose)
    if right.low >= 0:
        return _whole(combined(parts, text, "int", **known))
    if right.high < 0:
        return combined(parts, text, "float", rank=PRODUCT, **known)
    # One sign of the exponent gives whole numbers, the other floats.
    text = once(parts, lambda p: _either_power(p[0].tight(ATOM), p[1].tight(ATOM)), writer.fresh)
    return combined(parts, text, "float", low=-INF, high=INF, nan=True, throws=True)


def _either_power(a: str, b: str) -> str:
    return f"CASE WHEN {b} >= 0 THEN CAST({a} ** {b} AS BIGINT) ELSE {a} ** {b} END"


def _whole(part: Part) -> Part:
    """A part that DuckDB has as a float, as a whole number in 64 bits."""
    fits = not part.nan and part.low > -(2**62) and part.high < 2**62
    low, high = (part.low, part.high) if fits else (-WHOLE, WHOLE - 1)
    text = f"CAST({part.text} AS BIGINT)"
    return replace(
        part, text=text, kind="int", rank=ATOM, low=low, high=high, nan=False, raw=False, throws=part.throws or not fits
    )


def _unary(node: ast.UnaryOp, writer: Writer) -> Part:
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


def _logic(node: ast.BoolOp, writer: Writer) -> Part:
    """A later part counts only where the earlier ones leave it open; AND and OR of SQL work out both sides."""
    either = isinstance(node.op, ast.Or)
    word = " OR " if either else " AND "

    def join(left: Part, right: Part) -> Part:
        if left.solid and right.solid:
            return combined((left, right), f"{_side(left, word)}{word}{_side(right, word)}", "bool", rank=LOOSE, low=0, high=1)
        if left.never:
            return left
        first = sure(left)
        text = f"{first.text} THEN TRUE ELSE {right.text}" if either else f"{first.text} THEN {right.text} ELSE FALSE"
        return either((first, right), f"CASE WHEN {text} END", "bool", low=0, high=1)

    return reduce(join, (truth(writer.write(part)) for part in node.values))


def _side(part: Part, word: str) -> str:
    """One side of AND or OR; a side that holds the other of them stands in brackets."""
    plain = part.rank > LOOSE or not any(other in part.text for other in (" OR ", " AND ", "NOT ") if other != word)
    return part.text if plain else f"({part.text})"


def _compare(node: ast.Compare, writer: Writer) -> Part:
    parts = [writer.write(part) for part in (node.left, *node.comparators)]
    kinds = {part.kind for part in parts}
    if "text" in kinds and not kinds <= {"text", "any"}:
        return absent("bool")
    if kinds != {"bool"} and "text" not in kinds:
        parts = [firm(number(part)) for part in parts]
        parts = _alike(parts)
    if len(node.ops) == 1 and all(part.simple or not part.nan for part in parts):
        text, rank = _pair(node.ops[0], *parts), LOOSE
    else:
        parts = [sure(part) for part in parts] if len(node.ops) > 1 else parts
        text, rank = once(parts, lambda names: _chain(node.ops, names), writer.fresh), LOOSE
    return combined(parts, text, "bool", rank=rank, low=0, high=1)


def _chain(ops: list[ast.cmpop], parts: list[Part]) -> str:
    return " AND ".join(_pair(op, *pair) for op, *pair in zip(ops, parts, parts[1:], strict=False))


def _pair(op: ast.cmpop, left: Part, right: Part) -> str:
    """A comparison; NaN is unequal to all and neither smaller nor larger, where DuckDB takes it for the largest."""
    text = f"{left.tight(SUM)} {COMPARED[type(op)]} {right.tight(SUM)}"
    hollow = [part.text for part in (left, right) if part.kind == "float" and part.nan]
    if not hollow:
        return text
    if isinstance(op, ast.NotEq):
        return "(" + " OR ".join([text, *(f"isnan({name})" for name in hollow)]) + ")"
    return " AND ".join([text, *(f"NOT isnan({name})" for name in hollow)])


def _choice(node: ast.IfExp, writer: Writer) -> Part:
    test, yes, no = (writer.write(part) for part in (node.test, node.body, node.orelse))
    if test.never:
        return test
    test = sure(truth(test))
    part = _cases([yes, no], [test.text])
    return replace(part, throws=part.throws or test.throws)


def by_arm(cases: list[tuple[str, Part]]) -> Part:
    """What stands for a name that arms define differently; NULL in an arm that does not define it."""
    parts = [part for _, part in cases]
    return replace(_cases(parts, [f"arm = {quoted(arm)}" for arm, _ in cases]), hollow=True)


def _cases(parts: list[Part], tests: list[str]) -> Part:
    """One of the parts: the one whose test is true first; one part more than there are tests is for all others."""
    kinds = {part.kind for part in parts}
    if "text" in kinds and kinds != {"text"}:
        return absent("float")
    if len(kinds) > 1:
        parts = [number(part) for part in parts]
    parts = _alike(parts)
    whens = " ".join(f"WHEN {test} THEN {part.text}" for test, part in zip(tests, parts, strict=False))
    last = f" ELSE {parts[-1].text}" if len(parts) > len(tests) else ""
    more = {"raw": any(p.raw for p in parts), "narrow": all(p.narrow for p in parts)}
    return either(parts, f"CASE {whens}{last} END", _kind(parts), **_hull(parts), **more)


def _kind(parts: list[Part]) -> Kind:
    kinds = {part.kind for part in parts}
    return kinds.pop() if len(kinds) == 1 else "float"


def _alike(parts: list[Part]) -> list[Part]:
    """The parts, decimal numbers as floats unless DuckDB makes one of them for a neighbour's sake."""
    plain = any(part.kind == "float" and not part.exact for part in parts)
    return parts if plain else [double(part) for part in parts]


def _hull(parts: list[Part]) -> dict[str, Any]:
    low, high = min(part.low for part in parts), max(part.high for part in parts)
    return {"low": low, "high": high, "nan": any(part.nan for part in parts)}


def _call(node: ast.Call, writer: Writer) -> Part:
    assert isinstance(node.func, ast.Name)
    name, parts = node.func.id, [writer.write(part) for part in node.args]
    if name in ("max", "min"):
        return _extreme(name, parts)
    inner = number(parts[0])
    if len(parts) == 2:
        return _places(inner, number(parts[1]), constant(node.args[1]) if not names_in(node.args[1]) else None)
    if name in WHOLES:
        return _rounded(WHOLES[name], inner)
    return _absolute(inner) if name == "abs" else _function(name, inner)


def _extreme(name: str, parts: list[Part]) -> Part:
    if len(parts) == 1 or any(part.kind == "text" for part in parts):
        return absent("float")
    if {part.kind for part in parts} != {"bool"}:
        parts = [number(part) for part in parts]
    parts = _alike([sure(firm(part)) for part in parts])
    pick, word = (max, "greatest") if name == "max" else (min, "least")
    ends = {"low": pick(part.low for part in parts), "high": pick(part.high for part in parts)}
    more = {"nan": any(part.nan for part in parts), "narrow": all(part.narrow for part in parts)}
    return combined(parts, f"{word}({', '.join(part.text for part in parts)})", _kind(parts), **ends, **more)


def _rounded(form: str, inner: Part) -> Part:
    if inner.kind == "int":
        return replace(inner, raw=False)
    ends = {"low": inner.low - 1, "high": inner.high + 1, "nan": inner.nan}
    return _whole(combined([inner], form.format(inner.text), "float", **ends))


def _places(inner: Part, places: Part, count: Value | None) -> Part:
    """`round(x, n)`: printing a float to n places rounds as Python does, DuckDB's own rounding only nearly."""
    if places.kind == "float" or inner.never:
        return absent("float")
    if isinstance(count, int) and count >= 0:
        text = f"CAST(printf('%.{min(int(count), 330)}f', {_real(inner).text}) AS DOUBLE)"
        ends = {"low": inner.low - 1, "high": inner.high + 1, "nan": inner.nan}
        return replace(inner, raw=False) if inner.kind == "int" else combined([inner], text, "float", **ends)
    text = f"round_even({_real(inner).text}, CAST({places.text} AS INTEGER))"
    part = combined([inner, places], text, "float", low=-INF, high=INF, nan=True, throws=True)
    return _whole(part) if inner.kind == "int" else part


def _absolute(inner: Part) -> Part:
    kind: Kind = "int" if inner.kind == "int" else "float"
    low = 0.0 if inner.low <= 0 <= inner.high else min(abs(inner.low), abs(inner.high))
    ends = {"low": low, "high": max(abs(inner.low), abs(inner.high)), "nan": inner.nan, "narrow": inner.narrow}
    throws = inner.throws or inner.kind == "any" or (kind == "int" and inner.low <= -WHOLE)
    return combined([inner], f"abs({inner.text})", kind, **ends, throws=throws)


def _function(name: str, inner: Part) -> Part:
    if name in LEVELLING:
        inner = firm(inner)
    ends = _reach(name, inner)
    throws = inner.throws or (ends is None and name not in LEVELLING)
    low, high = ends or (-INF, INF)
    return combined([inner], f"{name}({inner.text})", "float", low=low, high=high, nan=ends is None, throws=throws)


def _reach(name: str, inner: Part) -> tuple[float, float] | None:
    """Ends of a function's values; None where it may have none or an infinite one."""
    if not inner.finite:
        return None
    if name in BOUNDED:
        return BOUNDED[name]
    if name == "lgamma":
        return (-1, 1000 + inner.high * math.log(inner.high + 2)) if inner.low > 0 and inner.high < 1e300 else None
    try:
        ends = [RISING[name](end) for end in (inner.low, inner.high)]
    except (ArithmeticError, ValueError):
        return None
    return min(ends), max(ends)


WHOLES = {"ceil": "ceil({})", "floor": "floor({})", "round": "round_even({}, 0)"}
BOUNDED = {"sin": (-1.0, 1.0), "cos": (-1.0, 1.0), "tan": (-1e17, 1e17)}
LEVELLING = ("atan", "exp", "tanh")
"""Functions that have a finite value at infinity."""
WRITERS: dict[type[ast.expr], Callable[[Any, Writer], Part]] = {
    ast.Name: _name,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _logic,
    ast.Compare: _compare,
    ast.IfExp: _choice,
    ast.Call: _call,
}
