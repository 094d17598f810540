"""Turns what a sweep writes under `axes` into groups of params whose rows are counted before they are built."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, overload

from orchestrator.errors import SpecError, nearest
from orchestrator.spec.expressions import Expression, Value

Cell = Value | Expression | None
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
FORMS = {"lin": "[a, b, n]", "geom": "[a, b, n]", "range": "[a, b, step]", "pow2": "[i, j]"}
RESERVED = {"zip": "holds axes that move together", "pi": "is a constant of expressions", "seed": "is set by 'seeds'"}


class Wrong(Exception):
    """What is wrong with a value, and the keys that lead to it from where reading began."""

    def __init__(self, text: str, *keys: str | int) -> None:
        super().__init__(text)
        self.text, self.keys = text, keys


@dataclass(frozen=True)
class Axis:
    """The values of one param: `count` of them, the k-th by `at(k)`; `written` is what the file says."""

    written: Any
    count: int
    at: Callable[[int], Cell] = field(repr=False, compare=False)


@dataclass(frozen=True)
class AxisGroup:
    """Params that move together: one for a plain axis, several for a zip. Rows are made when asked for."""

    names: tuple[str, ...]
    columns: tuple[Axis, ...]

    @property
    def count(self) -> int:
        """How many rows there are, of any size; `len` works up to 2^63."""
        return self.columns[0].count

    @property
    def rows(self) -> Rows:
        """One tuple of values a row, in the order of `names`."""
        return Rows(self.columns)

    def __len__(self) -> int:
        return self.count


@dataclass(frozen=True)
class Rows(Sequence[tuple[Cell, ...]]):
    """The rows of a group, made one by one."""

    columns: tuple[Axis, ...]

    def __len__(self) -> int:
        return self.columns[0].count

    @overload
    def __getitem__(self, index: int) -> tuple[Cell, ...]: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[tuple[Cell, ...], ...]: ...
    def __getitem__(self, index: int | slice) -> tuple[Any, ...]:
        if isinstance(index, slice):
            return tuple(self[k] for k in range(*index.indices(len(self))))
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return tuple(column.at(index % len(self)) for column in self.columns)

    def __iter__(self) -> Iterator[tuple[Cell, ...]]:
        return (tuple(column.at(k) for column in self.columns) for k in range(len(self)))


def read_axes(raw: Any) -> tuple[AxisGroup, ...]:
    """The groups of an `axes` mapping, by name; Wrong for an axis that is empty, repeats a value or is of no known form."""
    groups = []
    for name, axis in read_mapping(raw, "axes", "a list, lin, geom, range or pow2").items():
        if name == "zip":
            groups.append(_zipped(axis))
        else:
            check_name(name)
            groups.append(AxisGroup((name,), (_under(axis, name),)))
    twice = [name for group in groups for name in group.names if sum(name in other.names for other in groups) > 1]
    if twice:
        raise Wrong(
            f"a param must be given once, but '{twice[0]}' has an axis of its own and one in 'zip'; remove one.",
            "zip",
            twice[0],
        )
    return tuple(sorted(groups, key=lambda group: group.names))


def write_axes(groups: Sequence[AxisGroup]) -> dict[str, Any]:
    """What a file would say for these groups: `read_axes` of it gives them again."""
    plain = {group.names[0]: group.columns[0].written for group in groups if len(group.names) == 1}
    zipped = {n: c.written for group in groups if len(group.names) > 1 for n, c in zip(group.names, group.columns, strict=True)}
    return plain | ({"zip": zipped} if zipped else {})


def read_mapping(raw: Any, what: str, of: str) -> dict[str, Any]:
    """The mapping itself; Wrong where it is something else."""
    if not isinstance(raw, dict):
        raise Wrong(f"'{what}' must be a mapping of names to {of}, but got {raw!r}; write {{name: …}}.")
    return raw


def check_name(name: str) -> None:
    """Refuse a name that no param can have."""
    if name in RESERVED:
        raise Wrong(f"a name must be free, but '{name}' {RESERVED[name]}; choose another.", name)
    if not NAME.fullmatch(name):
        raise Wrong(f"a name must be letters, digits and _, but got '{name}'; rename it.", name)


def read_cell(raw: Any) -> Cell:
    """A value of a param: a scalar, or an expression of text that begins with `=`; constant expressions are computed."""
    if isinstance(raw, Expression):
        return raw
    if isinstance(raw, str) and raw.lstrip().startswith("="):
        return computed(raw)
    if isinstance(raw, float) and not math.isfinite(raw):
        raise Wrong(f"a value must be finite, but got {raw}; leave it out.")
    if raw is not None and not isinstance(raw, (int, float, bool, str)):
        raise Wrong(f"a value must be a number, true, false, text or =expression, but got {raw!r}; write one value.")
    return raw


def computed(raw: str) -> Cell:
    """An expression, or its value where it needs no names."""
    try:
        expression = Expression(raw)
        return expression if expression.names else expression.evaluate({})
    except SpecError as error:
        raise Wrong(str(error)) from error


def read_number(raw: Any) -> float | int | Expression:
    """A number, or an expression with names; Wrong for text, true and false."""
    cell = read_cell(raw)
    if cell is None or isinstance(cell, (bool, str)):
        raise Wrong(f"a value must be a number or =expression, but got {raw!r}; write a number.")
    return cell


def _under(raw: Any, *keys: str | int) -> Axis:
    try:
        return _axis(raw)
    except Wrong as wrong:
        raise Wrong(wrong.text, *keys, *wrong.keys) from wrong


def _zipped(raw: Any) -> AxisGroup:
    columns = {}
    for name, axis in sorted(read_mapping(raw, "zip", "lists of one length").items()):
        check_zipped(name)
        columns[name] = _under(axis, "zip", name) if not isinstance(axis, list) else _list_axis(axis, "zip", name, repeats=True)
    counts = {name: column.count for name, column in columns.items()}
    if len(columns) < 2:
        raise Wrong(f"'zip' must hold two axes or more, but got {list(columns)}; write a single axis outside 'zip'.", "zip")
    if len(set(counts.values())) > 1:
        sizes = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise Wrong(f"axes of 'zip' must have one length, but {sizes}; make them equal.", "zip")
    group = AxisGroup(tuple(columns), tuple(columns.values()))
    if all(isinstance(column.written, list) for column in columns.values()):
        _check_repeats(list(group.rows), "zip")
    return group


def check_zipped(name: str) -> None:
    """Refuse a name inside `zip` that no param can have."""
    try:
        check_name(name)
    except Wrong as wrong:
        raise Wrong(wrong.text, "zip", *wrong.keys) from wrong


def _list_axis(raw: list[Any], *keys: str | int, repeats: bool = False) -> Axis:
    if not raw:
        raise Wrong("an axis must have a value, but got []; write one value or move it to 'fixed'.", *keys)
    cells = []
    for index, value in enumerate(raw):
        try:
            cells.append(read_cell(value))
        except Wrong as wrong:
            raise Wrong(wrong.text, *keys, index) from wrong
    if not repeats:
        _check_repeats(cells, *keys)
    return Axis(raw, len(cells), cells.__getitem__)


def _check_repeats(cells: Sequence[Any], *keys: str | int) -> None:
    first_index: dict[Any, int] = {}
    for index, cell in enumerate(cells):
        key = (isinstance(cell, bool), cell)
        if key in first_index:
            text = f"an axis must have different values, but {_plain(cell)!r} stands at [{first_index[key]}] too; remove one."
            raise Wrong(text, *keys, index)
        first_index[key] = index


def _plain(cell: Any) -> Any:
    return str(cell) if isinstance(cell, Expression) else cell


def _axis(raw: Any) -> Axis:
    if isinstance(raw, list):
        return _list_axis(raw)
    if not isinstance(raw, dict) or len(raw) != 1:
        raise Wrong(f"an axis must be a list or one of {_forms()}, but got {raw!r}; a single value goes under 'fixed'.")
    (form, numbers), *_ = raw.items()
    if form not in FORMS:
        raise Wrong(f"an axis must be a list or one of {_forms()}, but got '{form}'{nearest(form, FORMS)}", form)
    length = FORMS[form].count(",") + 1
    if not isinstance(numbers, list) or len(numbers) != length:
        raise Wrong(
            f"'{form}' must have {length} numbers {FORMS[form]}, but got {numbers!r}; write {{{form}: {FORMS[form]}}}.", form
        )
    count, at = MAKERS[form]([_number(number, form, index) for index, number in enumerate(numbers)])
    return Axis(raw, count, at)


def _forms() -> str:
    return ", ".join(f"{{{form}: {shape}}}" for form, shape in FORMS.items())


def _number(raw: Any, form: str, index: int) -> float | int | Expression:
    try:
        number = read_number(raw)
    except Wrong as wrong:
        raise Wrong(wrong.text, form, index) from wrong
    if isinstance(number, Expression) and (form in ("range", "pow2") or index == 2):
        raise Wrong(f"the length of an axis must not depend on params, but {raw!r} does; write a number.", form, index)
    return number


Made = tuple[int, Callable[[int], Cell]]


def _spaced(form: str, numbers: list[Any], step: Callable[[Any, Any, int, int], Cell], formula: str) -> Made:
    """`n` values from a to b: exact where both are numbers, else one formula a value."""
    a, b, n = numbers
    if not isinstance(n, int) or n < 2:
        raise Wrong(f"'{form}' must have a whole number n of at least 2, but got {n!r}; one value goes under 'fixed'.", form, 2)
    if isinstance(a, Expression) or isinstance(b, Expression):
        first, last = (x.text if isinstance(x, Expression) else repr(x) for x in (a, b))
        return n, lambda k: Expression(formula.format(a=first, b=last, k=k, n=n - 1))
    if a == b or step(a, b, 0, n - 1) == step(a, b, 1, n - 1) or step(a, b, n - 2, n - 1) == step(a, b, n - 1, n - 1):
        raise Wrong(f"an axis must have different values, but {n} values from {a} to {b} repeat; widen it or lower n.", form)
    return n, lambda k: step(a, b, k, n - 1)


def _lin(numbers: list[Any]) -> Made:
    return _spaced("lin", numbers, _even, "({a}) + (({b}) - ({a})) * {k} / {n}")


def _geom(numbers: list[Any]) -> Made:
    for index, number in enumerate(numbers[:2]):
        if not isinstance(number, Expression) and number <= 0:
            raise Wrong(f"'geom' must go between positive numbers, but got {number!r}; use lin.", "geom", index)
    return _spaced("geom", numbers, _ratio, "({a}) * (({b}) / ({a})) ** ({k} / {n})")


def _even(a: Any, b: Any, k: int, n: int) -> Cell:
    """The k-th of n equal steps from a to b; decimal fractions as they are written, whole where the step is."""
    start, step = exact(a), (exact(b) - exact(a)) / n
    value = start + step * k
    return _same_kind(value, a, b) if step.denominator == 1 else float(value)


def _ratio(a: Any, b: Any, k: int, n: int) -> Cell:
    """The k-th of n equal factors from a to b, to 12 digits, so that 8, 16, 32 are whole."""
    value = b if k == n else float(f"{a * (b / a) ** (k / n):.12g}")
    return _same_kind(exact(value), a, b)


def _range(numbers: list[Any]) -> Made:
    a, b, step = (exact(number) for number in numbers)
    if step == 0 or (b - a) / step < 0:
        text = f"'range' must step from {numbers[0]} towards {numbers[1]}, but the step is {numbers[2]}; turn its sign."
        raise Wrong(text, "range", 2)
    return (b - a) // step + 1, lambda k: _same_kind(a + k * step, *numbers)


def _pow2(numbers: list[Any]) -> Made:
    i, j = numbers
    if not (isinstance(i, int) and isinstance(j, int) and -60 <= i <= j <= 62):
        raise Wrong(
            f"'pow2' must have whole exponents from -60 to 62, the first no larger, but got {numbers}; mend them.", "pow2"
        )
    return j - i + 1, lambda k: 2 ** (i + k) if i >= 0 else 2.0 ** (i + k)


def exact(number: float) -> Fraction:
    """A number as the decimal fraction it is written as: 0.1 is 1/10."""
    return Fraction(repr(number))


def _same_kind(value: Fraction, *ends: float) -> Cell:
    """Whole where all ends are whole and so is the value."""
    whole = value.denominator == 1 and all(isinstance(end, int) for end in ends)
    return int(value) if whole else float(value)


MAKERS: Mapping[str, Callable[[list[Any]], Made]] = {"lin": _lin, "geom": _geom, "range": _range, "pow2": _pow2}
