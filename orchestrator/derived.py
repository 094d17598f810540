"""Gives the value of a column in one row, also where the sweep derives it from others by a formula."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.expressions import Expression
from orchestrator.spec import Grid


def needs(grid: Grid, column: str) -> frozenset[str]:
    """Columns that a column is made of: itself, or what the formula of a derived one names."""
    formula = grid.derive.get(column)
    return frozenset().union(*(needs(grid, name) for name in formula.names)) if formula else frozenset({column})


def value(grid: Grid, column: str, row: Mapping[str, Any]) -> float | None:
    """The column's value in a row; None where it is absent or no number."""
    formula = grid.derive.get(column)
    found = row[column] if formula is None else _derived(grid, formula, row)
    return None if found is None or found != found else float(found)


def _derived(grid: Grid, formula: Expression, row: Mapping[str, Any]) -> Any:
    names = {name: row[name] if name in row else value(grid, name, row) for name in formula.names}
    known = {name: found for name, found in names.items() if found is not None}
    return formula.evaluate(known) if len(known) == len(names) else None
