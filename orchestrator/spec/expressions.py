"""Turns the text of a number such as `=ceil(log2(seq_len))` into a checked tree and its value: arithmetic and listed functions.

The tree is Python's own; `expression_rows` works it out over rows, `expression_sql` writes it as SQL, and both give the value
that `evaluate` gives.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from orchestrator.errors import SpecError, nearest

Value = int | float | bool | str
Closure = Callable[[Mapping[str, Any]], Any]
MAX_TEXT = 1000  # characters
MAX_DEPTH = 40  # operations inside one another
WHOLE = 2**63  # whole numbers stay within what a column can hold
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "acos": math.acos,
    "asin": math.asin,
    "atan": math.atan,
    "ceil": math.ceil,
    "cos": math.cos,
    "exp": math.exp,
    "floor": math.floor,
    "lgamma": math.lgamma,
    "ln": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "max": max,
    "min": min,
    "round": round,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "tan": math.tan,
    "tanh": math.tanh,
}
MANY = {"max": range(1, 33), "min": range(1, 33), "round": range(1, 3)}
CONSTANTS = {"pi": math.pi}
ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


@dataclass(frozen=True)
class Expression:
    """A formula over named values; `text` has no leading `=`, and `where` (file, line, key path) opens its messages.

    Allowed: numbers, text in quotes, names, `+ - * / // % **`, comparisons, `and or not`, `a if c else b` and the FUNCTIONS.
    Raises SpecError for anything else.
    """

    text: str
    where: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", self.text.strip().removeprefix("=").strip())
        try:
            _compiled(self.text)
        except Fault as fault:
            raise SpecError(f"{self._where}{fault}") from fault

    @property
    def names(self) -> frozenset[str]:
        """The values that the formula needs."""
        return _compiled(self.text).names

    @property
    def tree(self) -> ast.expr:
        """The formula as a tree; every node of it has been checked to be one of those that are allowed."""
        return _compiled(self.text).tree

    @property
    def _where(self) -> str:
        return f"{self.where}: " if self.where else ""

    def evaluate(self, values: Mapping[str, Value]) -> Value:
        """The formula's value; SpecError where a name is missing or the result is no finite number."""
        try:
            value: Value = finished(_compiled(self.text).closure(values))
            return value
        except Fault as fault:
            operands = ", ".join(f"{name} = {values[name]!r}" for name in sorted(self.names & values.keys()))
            at = f" at {operands}" if operands else ""
            raise SpecError(f"{self._where}'{self.text}' must have a value{at}, but {fault}") from fault

    def __str__(self) -> str:
        return f"={self.text}"


class Fault(Exception):
    """What is wrong with a formula; the message of a SpecError is made of it."""


@dataclass(frozen=True)
class Compiled:
    """A checked formula: the names that it needs, its tree, and a function of the values that those names have."""

    names: frozenset[str]
    tree: ast.expr
    closure: Closure


def names_in(tree: ast.expr) -> frozenset[str]:
    """The values that a tree needs, without functions and constants."""
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    return frozenset(n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in called) - CONSTANTS.keys()


def constant(tree: ast.expr) -> Value | None:
    """The value of a checked tree that needs none; None where it has no value, as `1/0`."""
    try:
        value: Value = finished(_closure(tree, "")({}))
        return value
    except Fault:
        return None


@lru_cache(maxsize=4096)
def _compiled(text: str) -> Compiled:
    """A formula checked once for all its uses; nested closures run ten times faster than a tree walk."""
    if not text or len(text) > MAX_TEXT:
        raise Fault(f"an expression must have 1 to {MAX_TEXT} characters, but got {len(text)}; shorten it.")
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        mend = "write arithmetic such as 2*ceil(n), in quotes where it has a comma"
        raise Fault(f"'{text}' must be an expression, but it does not parse; {mend}.") from error
    _check_depth(tree, text)
    return Compiled(names_in(tree), tree, _closure(tree, text))


def _check_depth(tree: ast.expr, text: str) -> None:
    """Refuse what recursion could not follow; levels are counted without recursion."""
    level: list[ast.AST] = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        if not level:
            return
    raise Fault(f"'{text[:60]}…' must nest at most {MAX_DEPTH} operations, but nests more; split it with 'derive'.")


def _closure(node: ast.expr, text: str) -> Closure:
    make = MAKERS.get(type(node))
    if make is None:
        raise Fault(
            f"'{text}' must be arithmetic, comparisons, and/or/not or a listed function, but got "
            f"'{ast.unparse(node)}' ({type(node).__name__}); the functions are {', '.join(FUNCTIONS)}."
        )
    return make(node, text)


def _constant(node: ast.Constant, text: str) -> Closure:
    value = node.value
    if type(value) not in (int, float, bool, str):
        raise Fault(f"'{text}' must be made of numbers, but got {value!r}; remove it.")
    return lambda values: value


def _name(node: ast.Name, text: str) -> Closure:
    name = node.id
    if name in CONSTANTS:
        return lambda values: CONSTANTS[name]

    def look(values: Mapping[str, Any]) -> Any:
        if name not in values:
            raise Fault(f"'{name}' is not known{nearest(name, values)}")
        return values[name]

    return look


def _binary(node: ast.BinOp, text: str) -> Closure:
    operate = ARITHMETIC.get(type(node.op))
    if operate is None:
        mend = "write ** for a power" if isinstance(node.op, ast.BitXor) else "write it with + - * / // % **"
        raise Fault(f"'{text}' must use arithmetic operators, but got '{ast.unparse(node)}'; {mend}.")
    left, right = _closure(node.left, text), _closure(node.right, text)
    if isinstance(node.op, ast.Pow):
        return lambda values: number(power, left(values), right(values))
    return lambda values: number(operate, left(values), right(values))


def _unary(node: ast.UnaryOp, text: str) -> Closure:
    inner = _closure(node.operand, text)
    if isinstance(node.op, ast.Not):
        return lambda values: not inner(values)
    if isinstance(node.op, ast.Invert):
        raise Fault(f"'{text}' must use arithmetic operators, but got '~'; write not.")
    operate = operator.neg if isinstance(node.op, ast.USub) else operator.pos
    return lambda values: number(operate, inner(values))


def _logic(node: ast.BoolOp, text: str) -> Closure:
    parts = [_closure(value, text) for value in node.values]
    if isinstance(node.op, ast.And):
        return lambda values: all(part(values) for part in parts)
    return lambda values: any(part(values) for part in parts)


def _compare(node: ast.Compare, text: str) -> Closure:
    operators = [COMPARISONS.get(type(op)) for op in node.ops]
    if None in operators:
        raise Fault(f"'{text}' must compare with == != < <= > >=, but got '{ast.unparse(node)}'; write it with those.")
    parts = [_closure(part, text) for part in (node.left, *node.comparators)]

    def check(values: Mapping[str, Any]) -> bool:
        operands = [part(values) for part in parts]
        if len({isinstance(value, str) for value in operands}) > 1:
            raise Fault(f"{operands!r} compares text with a number; compare like with like.")
        return all(op(a, b) for op, a, b in zip(operators, operands, operands[1:], strict=False) if op is not None)

    return check


def _choice(node: ast.IfExp, text: str) -> Closure:
    test, yes, no = (_closure(part, text) for part in (node.test, node.body, node.orelse))
    return lambda values: yes(values) if test(values) else no(values)


def _call(node: ast.Call, text: str) -> Closure:
    name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
    if name not in FUNCTIONS or not isinstance(node.func, ast.Name):
        raise Fault(
            f"'{text}' must call a listed function, but got '{name}'{nearest(name, FUNCTIONS)} It knows {', '.join(FUNCTIONS)}."
        )
    allowed = MANY.get(name, range(1, 2))
    if len(node.args) not in allowed or node.keywords:
        raise Fault(f"'{name}' must have {_span(allowed)}, but got '{ast.unparse(node)}'; mend the call.")
    function, parts = FUNCTIONS[name], [_closure(argument, text) for argument in node.args]
    return lambda values: number(function, *(part(values) for part in parts))


def _span(allowed: range) -> str:
    return "1 argument" if len(allowed) == 1 else f"{allowed[0]} to {allowed[-1]} arguments"


MAKERS: dict[type[ast.expr], Callable[[Any, str], Closure]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _logic,
    ast.Compare: _compare,
    ast.IfExp: _choice,
    ast.Call: _call,
}


def power(base: Any, exponent: Any) -> Any:
    """A power that is refused before it is computed where it would not fit."""
    if isinstance(base, int) and isinstance(exponent, int) and exponent > 0 and exponent * (base.bit_length() - 1) > 63:
        raise Fault(f"{base}**{exponent} is past 64 bits; write a float such as {base}.0, or a smaller power.")
    return base**exponent


def number(function: Callable[..., Any], *arguments: Any) -> Any:
    """A function's value on numbers, or a Fault that says why there is none."""
    for argument in arguments:
        if isinstance(argument, str):
            raise Fault(f"{argument!r} is text; text can be compared, not computed with.")
    try:
        return finished(function(*arguments))
    except ZeroDivisionError as error:
        raise Fault("it divides by zero; keep the divisor away from zero.") from error
    except OverflowError as error:
        raise Fault("a number grows too large; keep it below 1e308.") from error
    except (ValueError, TypeError) as error:
        listing = ", ".join(repr(argument) for argument in arguments)
        raise Fault(f"{getattr(function, '__name__', 'it')} has no value at {listing}; stay inside its domain.") from error


def finished(value: Any) -> Any:
    """The value, or a Fault where a column could not hold it: no finite number, a whole one past 64 bits, a complex one."""
    if isinstance(value, float) and not math.isfinite(value):
        raise Fault(f"it is {value}, not finite; keep it below 1e308.")
    if isinstance(value, int) and not -WHOLE <= value < WHOLE:
        raise Fault("a whole number is past 64 bits; write a float such as 2.0**70.")
    if isinstance(value, complex):
        raise Fault("a negative number has no real power of that kind; keep the base positive.")
    return value
