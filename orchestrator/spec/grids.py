"""Turns the params of a sweep and of its arms into grids: one for each arm, every name known and in order."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.errors import nearest
from orchestrator.spec.axes import Axis, AxisGroup, Cell
from orchestrator.spec.expressions import Expression, Value
from orchestrator.spec.yaml_tree import Keys


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What one arm measures: `fixed` params, `axes` whose product is taken, and `derive`d names.

    `order` holds the names whose values are expressions, each after those it needs. `searched` names are set by a search.
    A derived name that needs what the sweep does not give (a result, a default) is not in it: it is a column of the rows only.
    `places` says where each name stands, to open a message: `sweeps/x.yaml:12: axes.d`.
    """

    arm: str
    fixed: dict[str, Cell]
    derive: dict[str, Expression]
    axes: tuple[AxisGroup, ...]
    searched: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    places: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def count(self) -> int:
        """Assignments of the arm, seeds not counted; of any size."""
        return math.prod(group.count for group in self.axes)

    @property
    def names(self) -> tuple[str, ...]:
        """All names that an assignment of the arm has values for, sorted."""
        derived = {name for name in self.derive if name in self.order}
        return tuple(sorted({*self.fixed, *derived, *self.searched, *(n for group in self.axes for n in group.names)}))

    def assign(self, row: Mapping[str, Cell]) -> dict[str, Value]:
        """All values of one assignment, expressions computed; `row` holds a value for each axis and each searched param."""
        cells: dict[str, Any] = {**self.fixed, **self.derive, **row}
        values = {name: cell for name, cell in cells.items() if not isinstance(cell, Expression)}
        for name in self.order:
            if name not in values:
                values[name] = cells[name].evaluate(values)
        return values

    def needs(self, column: str) -> frozenset[str]:
        """Columns that a column is made of: itself, or what the formula of a derived one names."""
        formula = self.derive.get(column)
        return frozenset().union(*(self.needs(name) for name in formula.names)) if formula else frozenset({column})

    def value(self, column: str, row: Mapping[str, Any]) -> float | None:
        """The column's value in a row, derived ones computed; None where it is absent or no number."""
        formula = self.derive.get(column)
        result = row[column] if formula is None else self._derived(formula, row)
        return None if result is None or result != result else float(result)

    def _derived(self, formula: Expression, row: Mapping[str, Any]) -> Any:
        operands: dict[str, Any] = {name: row[name] if name in row else self.value(name, row) for name in formula.names}
        return None if None in operands.values() else formula.evaluate(operands)


@dataclass(frozen=True)
class Block:
    """Params as one place of the file gives them; `keys` lead there."""

    keys: Keys
    fixed: dict[str, Cell]
    derive: dict[str, Expression]
    axes: tuple[AxisGroup, ...]

    def places(self) -> Iterable[tuple[str, Keys]]:
        """Every name given here, with the keys that lead to it."""
        yield from ((name, (*self.keys, "fixed", name)) for name in self.fixed)
        yield from ((name, (*self.keys, "derive", name)) for name in self.derive)
        for group in self.axes:
            inner: Keys = ("axes", "zip") if len(group.names) > 1 else ("axes",)
            yield from ((name, (*self.keys, *inner, name)) for name in group.names)


class Misplaced(Exception):
    """A fault in a grid, and the keys where it stands."""

    def __init__(self, keys: Keys, text: str) -> None:
        super().__init__(text)
        self.keys, self.text = keys, text


def make_grid(arm: str, blocks: tuple[Block, ...], searched: tuple[str, ...], where: Any) -> Grid:
    """The grid of one arm from the sweep's block and the arm's own; `where(keys)` is the place that opens a message.

    Raises Misplaced for a name given twice, an expression that needs an unknown name, and expressions that need each other.
    """
    places = [entry for block in blocks for entry in block.places()]
    _check_once(arm, places, searched)
    at = dict(places)
    grid = replace(_joined(arm, blocks, searched), places={name: where(keys) for name, keys in places})
    needs = _needs(grid)
    order = _ordered(needs, at)
    rows_only = _rows_only(grid, needs, order)
    of_params = {name: names for name, names in needs.items() if name not in rows_only}
    _check_known(replace(grid, order=order), of_params, rows_only, at)
    return replace(_placed_grid(grid), order=tuple(name for name in order if name not in rows_only))


def _joined(arm: str, blocks: tuple[Block, ...], searched: tuple[str, ...]) -> Grid:
    """The blocks' params as one grid, not yet ordered."""
    fixed = {name: cell for block in blocks for name, cell in block.fixed.items()}
    derive = {name: formula for block in blocks for name, formula in block.derive.items()}
    axes = sorted((group for block in blocks for group in block.axes), key=lambda group: group.names)
    return Grid(arm=arm, fixed=fixed, derive=derive, axes=tuple(axes), searched=searched)


def _placed_grid(grid: Grid) -> Grid:
    """The grid with expressions that know where they stand."""
    fixed = {name: _placed(cell, grid.places[name]) for name, cell in grid.fixed.items()}
    derive = {name: Expression(formula.text, grid.places[name]) for name, formula in grid.derive.items()}
    return replace(grid, fixed=fixed, derive=derive)


def _placed(cell: Cell, where: str) -> Cell:
    return Expression(cell.text, where) if isinstance(cell, Expression) else cell


def _check_once(arm: str, places: list[tuple[str, Keys]], searched: tuple[str, ...]) -> None:
    counts = Counter(name for name, _ in places)
    for name, keys in reversed(places):
        if counts[name] > 1 or name in searched:
            twins = [".".join(map(str, other)) for other_name, other in places if other_name == name and other != keys] or [
                "'search'"
            ]
            raise Misplaced(
                keys, f"a param must be given once in arm '{arm}', but '{name}' stands in {twins[0]} too; remove one."
            )


def _needs(grid: Grid) -> dict[str, frozenset[str]]:
    """Names that each expression of a grid needs, by what it defines; rows of an axis are taken together."""
    cells: dict[str, list[Any]] = {name: [cell] for name, cell in {**grid.fixed, **grid.derive}.items()}
    for group in grid.axes:
        cells |= {name: _cells(column) for name, column in zip(group.names, group.columns, strict=True)}
    expressions = {name: [cell for cell in column if isinstance(cell, Expression)] for name, column in cells.items()}
    return {name: frozenset().union(*(e.names for e in column)) for name, column in expressions.items() if column}


def _cells(axis: Axis) -> list[Cell]:
    """The cells to inspect for expressions: each listed value, or the first of an axis that one formula generates."""
    return [axis.at(index) for index in range(axis.count if isinstance(axis.written, list) else 1)]


def _rows_only(grid: Grid, needs: Mapping[str, frozenset[str]], order: tuple[str, ...]) -> frozenset[str]:
    """Derived names that need, by themselves or through another, what no assignment has."""
    available = {*grid.fixed, *grid.searched, *(name for group in grid.axes for name in group.names)}
    names: set[str] = set()
    for name in order:
        if name in grid.derive and needs[name] - available:
            names.add(name)
        elif name in grid.derive:
            available.add(name)
    return frozenset(names)


def _check_known(grid: Grid, needs: Mapping[str, frozenset[str]], rows_only: frozenset[str], at: Mapping[str, Keys]) -> None:
    """Refuse a param whose expression needs what no assignment of the arm has."""
    available = set(grid.names) - rows_only
    for name, names in sorted(needs.items()):
        for missing in sorted(names - available):
            alternatives = sorted(available - {name})
            has = f"It has {', '.join(alternatives) or 'nothing else'}."
            text = (
                f"an expression must name what arm '{grid.arm}' has, but got '{missing}'{nearest(missing, alternatives)} {has}"
            )
            raise Misplaced(at[name], text)


def _ordered(needs: Mapping[str, frozenset[str]], at: Mapping[str, Keys]) -> tuple[str, ...]:
    """Names with expressions, each after those it needs."""
    waiting, order = dict(needs), []
    while waiting:
        ready = sorted(name for name, names in waiting.items() if not names & waiting.keys())
        if not ready:
            first = min(waiting)
            raise Misplaced(
                at[first], f"expressions must not need each other in a circle, but {', '.join(sorted(waiting))} do; fix one."
            )
        order += ready
        for name in ready:
            del waiting[name]
    return tuple(order)
