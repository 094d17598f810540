"""Turns a formula and a table of rows into a column, with the values that `Expression.evaluate` gives row by row.

Every part of the formula becomes one column, with null where evaluating it would fail. Columns are worked out one after the
other, not as one Polars expression, because each is needed twice: for its values and to check them.
"""

from __future__ import annotations

import ast
import functools
import itertools
import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.spec.expressions import (
    ARITHMETIC,
    COMPARISONS,
    FUNCTIONS,
    WHOLE,
    Expression,
    Fault,
    constant,
    names_in,
    number,
    power,
)

if TYPE_CHECKING:
    import polars as pl

Columns = Mapping[str, "pl.Series"]
SINGLE = 2**53
"""Whole numbers up to this size are floats without rounding."""
SAMPLE = 1000
VALUE = "formula value"  # no column has a space in its name


class Inexact(Exception):
    """A formula or values for which whole columns would not give what Python gives row by row."""


def vectorised(formula: Expression, rows: pl.DataFrame) -> pl.Series:
    """The formula over the rows; null where it has no value or needs one that is null. Raises Inexact."""
    needed = rows.select(sorted(formula.names))
    if not _repeats(needed) or not _one_by_one(formula.tree):
        return _value(formula, needed, len(rows))
    distinct = needed.unique()
    table = distinct.with_columns(_value(formula, distinct, len(distinct)).alias(VALUE))
    joined = needed.join(table, on=needed.columns, how="left", nulls_equal=True, maintain_order="left")
    return joined[VALUE].alias(formula.text)


def _repeats(rows: pl.DataFrame) -> bool:
    """Whether there are many rows and, as a sample of them goes, few different ones."""
    if len(rows) < SAMPLE or not rows.width:
        return False
    sample = rows.gather_every(len(rows) // SAMPLE)
    return 2 * len(sample.unique()) < len(sample)


def _one_by_one(tree: ast.expr) -> bool:
    """Whether the formula has parts that Python works out value by value, so that equal rows are worth looking for."""
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return bool(called - NATIVE.keys() - {"max", "min"}) or any(isinstance(node, ast.Pow) for node in ast.walk(tree))


def _value(formula: Expression, rows: pl.DataFrame, height: int) -> pl.Series:
    import polars as pl

    columns = {name: _column(rows[name]) for name in formula.names}
    value = _finite(_walk(formula.tree, columns, height))
    return pl.select(pl.when(_whole(columns.values())).then(value).alias(formula.text)).to_series()


def _whole(columns: Any) -> pl.Expr:
    """Whether a row has a value in all those columns."""
    import polars as pl

    return pl.all_horizontal(pl.lit(True), *(pl.lit(column).is_not_null() for column in columns if column.null_count()))


def _column(values: pl.Series) -> pl.Series:
    """The values as one of the four types that formulas know."""
    import polars as pl

    kind = values.dtype
    if kind.is_integer():
        try:
            return values.cast(pl.Int64)
        except pl.exceptions.InvalidOperationError as error:
            raise Inexact("whole numbers past 64 bits") from error
    if kind.is_float():
        return values.cast(pl.Float64)
    if kind in (pl.Boolean, pl.String):
        return values
    if isinstance(kind, (pl.Categorical, pl.Enum)):
        return values.cast(pl.String)
    raise Inexact(f"values of type {kind}")


def _walk(node: ast.expr, columns: Columns, height: int) -> pl.Series:
    if not names_in(node):
        return _repeated(constant(node), height)
    walk: Callable[[Any, Columns, int], pl.Series] = WALKS[type(node)]
    return walk(node, columns, height)


def _repeated(value: Any, height: int) -> pl.Series:
    import polars as pl

    if value is None:
        raise Inexact("a constant part has no value")
    kinds = {bool: pl.Boolean, int: pl.Int64, float: pl.Float64, str: pl.String}
    return pl.repeat(value, height, dtype=kinds[type(value)], eager=True)


def _name(node: ast.Name, columns: Columns, height: int) -> pl.Series:
    return columns[node.id]


def _binary(node: ast.BinOp, columns: Columns, height: int) -> pl.Series:
    left, right = (_numeric(_walk(part, columns, height)) for part in (node.left, node.right))
    if isinstance(node.op, ast.Pow):
        return _each(power, left, right)
    if left.dtype.is_integer() and right.dtype.is_integer():
        return _whole_numbers(node.op, left, right)
    return _floats(node.op, _real(left), _real(right))


def _whole_numbers(op: ast.operator, left: pl.Series, right: pl.Series) -> pl.Series:
    """An operation on whole numbers; one that could leave 64 bits is done in 128 and null where it does."""
    import polars as pl

    operate = ARITHMETIC[type(op)]
    if isinstance(op, ast.Div):
        return _floats(op, _exact(left), _exact(right))
    ends = [operate(a, b) for a, b in itertools.product(_ends(left), _ends(right))] if _grows(op) else _ends(left)
    fits = all(-WHOLE < end < WHOLE for end in ends)
    if fits:
        values: pl.Series = operate(left, right)
        return values
    wide: pl.Series = operate(left.cast(pl.Int128), right.cast(pl.Int128))
    return wide.cast(pl.Int64, strict=False)


def _grows(op: ast.operator) -> bool:
    """Whether the ends of an operation's values are among the operation's values at the ends."""
    return isinstance(op, (ast.Add, ast.Sub, ast.Mult))


def _ends(values: pl.Series) -> list[int]:
    return [int(end) for end in (values.min(), values.max()) if end is not None]  # type: ignore[arg-type]


def _floats(op: ast.operator, left: pl.Series, right: pl.Series) -> pl.Series:
    import numpy as np
    import polars as pl

    if isinstance(op, (ast.FloorDiv, ast.Mod)):
        function = np.floor_divide if isinstance(op, ast.FloorDiv) else np.remainder  # Python's own rules, unlike Polars'
        with np.errstate(all="ignore"):
            return _finite(pl.Series(function(left.to_numpy(), right.to_numpy())))
    values: pl.Series = ARITHMETIC[type(op)](left, right)
    return _finite(values)


def _unary(node: ast.UnaryOp, columns: Columns, height: int) -> pl.Series:
    inner = _walk(node.operand, columns, height)
    if isinstance(node.op, ast.Not):
        return ~_truth(inner)
    return _finite(-_within(_numeric(inner)) if isinstance(node.op, ast.USub) else _numeric(inner))


def _logic(node: ast.BoolOp, columns: Columns, height: int) -> pl.Series:
    """A later part counts only where the earlier ones leave it open, as in Python: `n > 0 and 1/n < 2` has a value at 0."""
    import polars as pl

    first, *later = (_truth(_walk(part, columns, height)) for part in node.values)
    decided = isinstance(node.op, ast.Or)

    def joined(left: pl.Series, right: pl.Series) -> pl.Series:
        settled = left if decided else ~left
        return pl.select(pl.when(settled).then(pl.lit(decided)).when(~settled).then(right)).to_series()

    return functools.reduce(joined, later, first)


def _compare(node: ast.Compare, columns: Columns, height: int) -> pl.Series:
    import polars as pl

    parts = [_walk(part, columns, height) for part in (node.left, *node.comparators)]
    pairs = zip(node.ops, parts, parts[1:], strict=False)
    truths = functools.reduce(operator.and_, (_compared(op, left, right) for op, left, right in pairs))
    return pl.select(pl.when(_whole(parts)).then(truths)).to_series()


def _compared(op: ast.cmpop, left: pl.Series, right: pl.Series) -> pl.Series:
    """A comparison by Python's rules, in which NaN is unequal to all and neither smaller nor larger than any."""
    import polars as pl

    compare = COMPARISONS[type(op)]
    if pl.String in (left.dtype, right.dtype):
        if left.dtype != right.dtype:
            raise Inexact("text beside a number")
        texts: pl.Series = compare(left, right)
        return texts
    left, right = _alike(_numeric(left), _numeric(right))
    truths: pl.Series = compare(left, right)
    for side in (left, right):
        if side.dtype.is_float() and side.is_nan().any():
            truths = (truths | side.is_nan()) if isinstance(op, ast.NotEq) else (truths & ~side.is_nan())
    return truths


def _choice(node: ast.IfExp, columns: Columns, height: int) -> pl.Series:
    test, yes, no = (_walk(part, columns, height) for part in (node.test, node.body, node.orelse))
    return _select(_truth(test), yes, no)


def _select(test: pl.Series, yes: pl.Series, no: pl.Series) -> pl.Series:
    """The one where the test is true and the other where it is false."""
    import polars as pl

    if not len(test) or test.all(ignore_nulls=False):
        return yes
    if not test.any(ignore_nulls=True) and not test.null_count():
        return no
    if yes.dtype != no.dtype:
        yes, no = _alike(_numeric(yes), _numeric(no))
    return pl.select(pl.when(test).then(yes).when(~test).then(no)).to_series()


def _call(node: ast.Call, columns: Columns, height: int) -> pl.Series:
    assert isinstance(node.func, ast.Name)
    parts = [_walk(part, columns, height) for part in node.args]
    name = node.func.id
    if name in ("max", "min"):
        return _extreme(ast.Gt() if name == "max" else ast.Lt(), parts)
    parts = [_numeric(part) for part in parts]
    native = NATIVE.get(name)
    if native is not None and len(parts) == 1:
        values: pl.Series = native(parts[0])
        return values
    return _each(FUNCTIONS[name], *parts)


def _extreme(op: ast.cmpop, parts: list[pl.Series]) -> pl.Series:
    """The largest or smallest part; of equal ones the first."""
    import polars as pl

    if len(parts) == 1:
        raise Inexact("a single number has no largest")
    if any(part.dtype == pl.String for part in parts):
        raise Inexact("text has no largest")
    best = functools.reduce(lambda best, part: _select(_compared(op, part, best), part, best), parts)
    return _finite(pl.select(pl.when(_whole(parts)).then(best)).to_series())


def _each(function: Callable[..., Any], *parts: pl.Series) -> pl.Series:
    """A function of Python's over the values one by one: Polars' own differ from it in the last digit."""
    lists = [part.to_list() for part in parts]
    try:
        return _series_of(list(map(function, *lists)))
    except (ArithmeticError, ValueError, TypeError, Fault):
        return _series_of([_value_or_none(function, values) for values in zip(*lists, strict=True)])


def _value_or_none(function: Callable[..., Any], values: tuple[Any, ...]) -> Any:
    try:
        return None if None in values else number(function, *values)
    except Fault:
        return None


def _series_of(values: list[Any]) -> pl.Series:
    """The values as a column; TypeError or OverflowError where one fits in none."""
    import polars as pl

    kinds = set(map(type, values)) - {type(None)}
    if not kinds <= {int, float}:
        raise TypeError(f"values of {kinds}")
    if kinds == {int, float} and any(abs(value) > SINGLE for value in values if type(value) is int):
        raise Inexact("whole numbers that floats would round")
    return _finite(pl.Series(values, dtype=pl.Int64 if kinds == {int} else pl.Float64))


def _numeric(values: pl.Series) -> pl.Series:
    import polars as pl

    if values.dtype == pl.String:
        raise Inexact("text where a number is needed")
    return values.cast(pl.Int64) if values.dtype == pl.Boolean else values


def _truth(values: pl.Series) -> pl.Series:
    import polars as pl

    if values.dtype == pl.Boolean:
        return values
    truths: pl.Series = values != ("" if values.dtype == pl.String else 0)
    return truths


def _alike(left: pl.Series, right: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Both as whole numbers where both are, else both as floats."""
    if left.dtype == right.dtype:
        return left, right
    return _exact(left), _exact(right)


def _real(values: pl.Series) -> pl.Series:
    import polars as pl

    return values.cast(pl.Float64)


def _exact(values: pl.Series) -> pl.Series:
    """The values as floats, where that rounds none of them."""
    if values.dtype.is_integer() and any(abs(end) > SINGLE for end in _ends(values)):
        raise Inexact("whole numbers that floats would round")
    return _real(values)


def _within(values: pl.Series) -> pl.Series:
    """Values whose negatives fit in 64 bits."""
    if values.dtype.is_integer() and -WHOLE in _ends(values):
        raise Inexact("a whole number whose negative is past 64 bits")
    return values


def _finite(values: pl.Series) -> pl.Series:
    """The values with null in place of NaN and inf."""
    import polars as pl

    if not values.dtype.is_float():
        return values
    finite = values.is_finite()
    return values if finite.all() else pl.select(pl.when(finite).then(values)).to_series()


def _rounded(values: pl.Series) -> pl.Series:
    import polars as pl

    return values if values.dtype.is_integer() else values.round(0, mode="half_to_even").cast(pl.Int64, strict=False)


def _floor(values: pl.Series) -> pl.Series:
    import polars as pl

    return values if values.dtype.is_integer() else values.floor().cast(pl.Int64, strict=False)


def _ceil(values: pl.Series) -> pl.Series:
    import polars as pl

    return values if values.dtype.is_integer() else values.ceil().cast(pl.Int64, strict=False)


NATIVE: dict[str, Callable[[Any], Any]] = {
    "abs": lambda values: _finite(_within(values).abs()),
    "ceil": _ceil,
    "floor": _floor,
    "round": _rounded,
    "sqrt": lambda values: _finite(_real(values).sqrt()),
}
WALKS: dict[type[ast.expr], Callable[[Any, Columns, int], Any]] = {
    ast.Name: _name,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _logic,
    ast.Compare: _compare,
    ast.IfExp: _choice,
    ast.Call: _call,
}
