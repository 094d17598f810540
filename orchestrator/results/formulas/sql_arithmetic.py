"""Turns pieces of SQL into the piece for an operation or a function on them, with what is then known of the values."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from orchestrator.results.formulas.sql_parts import (
    ATOM,
    INF,
    LARGE,
    PRODUCT,
    SIGNED,
    SUM,
    Kind,
    SqlPart,
    absent,
    alike,
    combined,
    double,
    firm,
    kind_of,
    number,
    once,
    sure,
    wide,
)
from orchestrator.spec.expressions import ARITHMETIC, WHOLE, Value

Fresh = Callable[[], str]
SIGNS = {ast.Add: " + ", ast.Sub: " - ", ast.Mult: "*", ast.Div: "/"}
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
WHOLES = {"ceil": "ceil({})", "floor": "floor({})", "round": "round_even({}, 0)"}
BOUNDED = {"sin": (-1.0, 1.0), "cos": (-1.0, 1.0), "tan": (-1e17, 1e17)}
LEVELLING = ("atan", "exp", "tanh")
"""Functions that have a finite value at infinity."""


def total(op: ast.operator, left: SqlPart, right: SqlPart, whole: bool) -> SqlPart:
    """A sum, difference or product."""
    low, high, nan = _ends(ARITHMETIC[type(op)], left, right)
    if whole and left.narrow and right.narrow:
        left = wide(left)
    text, rank = _joined(op, *((left, right) if whole else alike([left, right])))
    ends = {"low": low, "high": high, "nan": nan, "rank": rank}
    if not whole:
        loose = "any" in (left.kind, right.kind)
        return combined((left, right), text, "float", **ends, **({"throws": True} if loose else {}))
    part = combined((left, right), text, "int", **ends)
    return part if max(abs(low), abs(high)) < 2**62 else replace(part, low=-WHOLE, high=WHOLE - 1, throws=True)


def _joined(op: ast.operator, left: SqlPart, right: SqlPart) -> tuple[str, int]:
    rank = SUM if isinstance(op, (ast.Add, ast.Sub)) else PRODUCT
    last = ATOM if rank == PRODUCT or right.rank == SIGNED else PRODUCT
    return f"{left.tight(rank)}{SIGNS[type(op)]}{right.tight(last)}", rank


def _ends(operate: Callable[[Any, Any], Any], left: SqlPart, right: SqlPart) -> tuple[float, float, bool]:
    """The least and the largest value of an operation whose extremes are at the ends, and whether it may be NaN."""
    if not (left.finite and right.finite):
        return -INF, INF, True
    try:
        ends = [float(operate(a, b)) for a in (left.low, left.high) for b in (right.low, right.high)]
    except (ArithmeticError, TypeError):
        return -INF, INF, True
    return min(ends), max(ends), any(map(math.isnan, ends))


def quotient(left: SqlPart, right: SqlPart) -> SqlPart:
    """A quotient; NULL or no finite number where the divisor is zero."""
    if right.kind == "float":
        right = firm(right)
    low, high, nan = _ends(lambda a, b: a / b, left, right) if right.nonzero else (-INF, INF, True)
    divisor = right
    if right.kind == "int" and not right.nonzero:
        divisor = replace(right, text=f"NULLIF({right.text}, 0)", rank=ATOM, hollow=True)
        low, high, nan = (min(left.low, -left.high), max(left.high, -left.low), left.nan)
    text, rank = _joined(ast.Div(), *alike([left, divisor]))
    return combined((left, divisor), text, "float", rank=rank, low=low, high=high, nan=nan)


def whole_division(op: ast.operator, left: SqlPart, right: SqlPart, fresh: Fresh) -> SqlPart:
    """Python's `//` and `%`, which round down; DuckDB's round towards zero."""
    if left.narrow and right.narrow:
        left = wide(left)
    divisor = max(abs(right.low), abs(right.high))
    if not right.nonzero:  # an error within TRY would not do: DuckDB works out what stands twice outside of it
        right = replace(right, text=f"NULLIF({right.text}, 0)", rank=ATOM, hollow=True)
    sign = "//" if isinstance(op, ast.FloorDiv) else "%"
    reach = max(abs(left.low), abs(left.high))
    size = reach if sign == "//" else divisor
    ends = {"low": max(-size - 1, -WHOLE), "high": min(size + 1, WHOLE - 1)}
    if left.low >= 0 and right.low >= 0:
        text = f"{left.tight(PRODUCT)} {sign} {right.tight(ATOM)}"
        return combined((left, right), text, "int", rank=PRODUCT, **(ends | {"low": 0}))
    write = _floored if sign == "//" else _modulo
    text = once((left, right), lambda parts: write(*(part.tight(ATOM) for part in parts)), fresh)
    if reach >= WHOLE:
        ends["throws"] = True
    return combined((left, right), text, "int", **ends)


def _floored(a: str, b: str) -> str:
    return f"({a} // {b} - CASE WHEN sign({a} % {b}) = -sign({b}) THEN 1 ELSE 0 END)"


def _modulo(a: str, b: str) -> str:
    return f"({a} % {b} + CASE WHEN sign({a} % {b}) = -sign({b}) THEN {b} ELSE 0 END)"


def float_division(op: ast.operator, left: SqlPart, right: SqlPart, fresh: Fresh) -> SqlPart:
    """Python's `//` and `%` of floats."""
    left, right = (firm(double(part)) if part.kind == "float" else part for part in (left, right))
    divisor = right
    if not right.nonzero:
        divisor = replace(right, text=f"NULLIF({right.text}, 0)", rank=ATOM, hollow=True, simple=False)

    def write(parts: list[SqlPart]) -> str:
        a, b = (part.tight(ATOM) for part in parts)
        if isinstance(op, ast.Mod):
            return _modulo(a, b)
        return f"(round(({a} - {a} % {b})/{b}) - CASE WHEN sign({a} % {b}) = -sign({b}) THEN 1 ELSE 0 END)"

    text = once((_real(left), divisor), write, fresh)
    size = max(abs(right.low), abs(right.high)) if isinstance(op, ast.Mod) else INF
    bounded = left.finite and right.finite and size < LARGE
    low, high = (-size, size) if bounded else (-INF, INF)
    return combined((left, divisor), text, "float", low=low, high=high, nan=not bounded)


def _real(part: SqlPart) -> SqlPart:
    """The part as a float, for operations that DuckDB does otherwise on whole numbers."""
    if part.kind == "float":
        return part
    return replace(part, text=f"CAST({part.text} AS DOUBLE)", kind="float", rank=ATOM, narrow=False, simple=part.simple)


def raised(left: SqlPart, right: SqlPart, fresh: Fresh) -> SqlPart:
    """A power."""
    left, right = (firm(double(part)) if part.kind == "float" else part for part in (left, right))
    positive = left.low > 0 or (right.low == right.high and right.low >= 0 and float(right.low).is_integer())
    low, high, nan = _ends(lambda a, b: float(a) ** float(b), left, right) if positive else (-INF, INF, True)
    if left.low < 0 <= left.high:
        low, high = min(low, 0.0) if low > -INF else low, high
    parts, ends = (left, right), {"low": low, "high": high, "nan": nan}
    text = f"{left.tight(ATOM)} ** {right.tight(ATOM)}"
    if not left.kind == right.kind == "int":
        loose = {} if "any" not in (left.kind, right.kind) else {"throws": True}
        return combined(parts, text, "float", rank=PRODUCT, **ends, **loose)
    if right.low >= 0:
        return _whole(combined(parts, text, "int", **ends))
    if right.high < 0:
        return combined(parts, text, "float", rank=PRODUCT, **ends)
    # One sign of the exponent gives whole numbers, the other floats.
    text = once(parts, lambda p: _either_power(p[0].tight(ATOM), p[1].tight(ATOM)), fresh)
    return combined(parts, text, "float", low=-INF, high=INF, nan=True, throws=True)


def _either_power(a: str, b: str) -> str:
    return f"CASE WHEN {b} >= 0 THEN CAST({a} ** {b} AS BIGINT) ELSE {a} ** {b} END"


def _whole(part: SqlPart) -> SqlPart:
    """A part that DuckDB has as a float, as a whole number in 64 bits."""
    fits = not part.nan and part.low > -(2**62) and part.high < 2**62
    low, high = (part.low, part.high) if fits else (-WHOLE, WHOLE - 1)
    text = f"CAST({part.text} AS BIGINT)"
    return replace(
        part, text=text, kind="int", rank=ATOM, low=low, high=high, nan=False, raw=False, throws=part.throws or not fits
    )


def extreme(name: str, parts: list[SqlPart]) -> SqlPart:
    """The largest or smallest of the parts."""
    if len(parts) == 1 or any(part.kind == "text" for part in parts):
        return absent("float")
    if {part.kind for part in parts} != {"bool"}:
        parts = [number(part) for part in parts]
    parts = alike([sure(firm(part)) for part in parts])
    pick, word = (max, "greatest") if name == "max" else (min, "least")
    ends = {"low": pick(part.low for part in parts), "high": pick(part.high for part in parts)}
    more = {"nan": any(part.nan for part in parts), "narrow": all(part.narrow for part in parts)}
    return combined(parts, f"{word}({', '.join(part.text for part in parts)})", kind_of(parts), **ends, **more)


def rounded(form: str, inner: SqlPart) -> SqlPart:
    """A number rounded to a whole one by one of WHOLES."""
    if inner.kind == "int":
        return replace(inner, raw=False)
    ends = {"low": inner.low - 1, "high": inner.high + 1, "nan": inner.nan}
    return _whole(combined([inner], form.format(inner.text), "float", **ends))


def places(inner: SqlPart, digits: SqlPart, count: Value | None) -> SqlPart:
    """`round(x, n)`: printing a float to n places rounds as Python does, DuckDB's own rounding only nearly."""
    if digits.kind == "float" or inner.never:
        return absent("float")
    if isinstance(count, int) and count >= 0:
        text = f"CAST(printf('%.{min(int(count), 330)}f', {_real(inner).text}) AS DOUBLE)"
        ends = {"low": inner.low - 1, "high": inner.high + 1, "nan": inner.nan}
        return replace(inner, raw=False) if inner.kind == "int" else combined([inner], text, "float", **ends)
    text = f"round_even({_real(inner).text}, CAST({digits.text} AS INTEGER))"
    part = combined([inner, digits], text, "float", low=-INF, high=INF, nan=True, throws=True)
    return _whole(part) if inner.kind == "int" else part


def absolute(inner: SqlPart) -> SqlPart:
    """The size of a number."""
    kind: Kind = "int" if inner.kind == "int" else "float"
    low = 0.0 if inner.low <= 0 <= inner.high else min(abs(inner.low), abs(inner.high))
    ends = {"low": low, "high": max(abs(inner.low), abs(inner.high)), "nan": inner.nan, "narrow": inner.narrow}
    throws = inner.throws or inner.kind == "any" or (kind == "int" and inner.low <= -WHOLE)
    return combined([inner], f"abs({inner.text})", kind, **ends, throws=throws)


def called(name: str, inner: SqlPart) -> SqlPart:
    """A function of one number."""
    if name in LEVELLING:
        inner = firm(inner)
    ends = _reach(name, inner)
    throws = inner.throws or (ends is None and name not in LEVELLING)
    low, high = ends or (-INF, INF)
    return combined([inner], f"{name}({inner.text})", "float", low=low, high=high, nan=ends is None, throws=throws)


def _reach(name: str, inner: SqlPart) -> tuple[float, float] | None:
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
