"""Turns a claim into the SQL that gives its rows from a store, derived names written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import polars as pl

from orchestrator import spoken_names
from orchestrator.results import conditions
from orchestrator.results.conditions import replaced
from orchestrator.results.formulas.as_sql import bare, by_arm, finished, written
from orchestrator.results.formulas.sql_parts import SqlPart, absent, column, identifier
from orchestrator.spec import Spec
from orchestrator.spec.claim_model import Claim
from orchestrator.spec.expressions import Expression
from orchestrator.store.store import BASE
from orchestrator.workload.describe import table_name


@dataclass(frozen=True)
class Names:
    """What names stand for in SQL: formulas by arm for derived ones, else columns.

    `rows` are those that the SQL is for: where their values show that a formula can be worked out, it is not guarded.
    """

    formulas: dict[str, dict[str, Expression]]
    rows: pl.DataFrame | None = None
    _parts: dict[tuple[str, str | None], SqlPart] = field(default_factory=dict)

    @property
    def derived(self) -> frozenset[str]:
        """The names that formulas stand for."""
        return frozenset(name for formulas in self.formulas.values() for name in formulas)

    def part(self, name: str, arm: str | None = None) -> SqlPart:
        """What a name stands for, in one arm or in all."""
        if (name, arm) not in self._parts:
            self._parts[name, arm] = self._column(name) if name not in self.derived else self._derived(name, arm)
        return self._parts[name, arm]

    def formula(self, formula: Expression, arm: str | None = None) -> SqlPart:
        """A formula over those names."""
        part = written(formula, lambda name: self.part(name, arm))
        return replace(part, null=any(self.part(name, arm).null for name in formula.names))

    def _column(self, name: str) -> SqlPart:
        return column(name, self.rows[name] if self.rows is not None and name in self.rows.columns else None)

    def _derived(self, name: str, arm: str | None) -> SqlPart:
        if arm is not None or self._shared(name):
            formulas = self.formulas[arm] if arm is not None else next(iter(self.formulas.values()))
            part = self.formula(formulas[name], arm) if name in formulas else absent("float")
        else:
            part = by_arm([(label, self.part(name, label)) for label, has in self.formulas.items() if name in has])
        return replace(part, simple=False, raw=False)

    def _shared(self, name: str) -> bool:
        """Whether all arms mean the same by a derived name."""
        meant = {formulas.get(name) for formulas in self.formulas.values()}
        if len(meant) != 1 or None in meant:
            return False
        return all(self._shared(needed) for formula in meant if formula for needed in formula.names & self.derived)

    def term(self, text: str) -> str:
        """A column or formula as SQL that can stand anywhere."""
        return identifier(text) if self._plain(text) else finished(self._meant(text))

    def chosen(self, text: str) -> str:
        """A column or formula as one of the columns of a query, called what the claim calls it."""
        if self._plain(text):
            return identifier(text)
        write = finished if text in self.derived else bare
        return f'{write(self._meant(text))} AS "{text}"'

    def _plain(self, text: str) -> bool:
        """Whether it is a column's name; some, such as the ends of a bracket, are no formulas."""
        return text not in self.derived and (text.isidentifier() or (self.rows is not None and text in self.rows.columns))

    def _meant(self, text: str) -> SqlPart:
        return self.formula(Expression(text))

    def condition(self, text: str) -> str:
        """An SQL condition of the spec with its derived names written out."""
        large = conditions.large(self.rows) if self.rows is not None else frozenset()
        written_out = replaced(text, self.derived, lambda name: finished(self.part(name)))
        return conditions.widened(written_out, large - self.derived) if large else written_out


def names(spec: Spec, rows: pl.DataFrame | None = None) -> Names:
    """What the names of a sweep stand for."""
    return Names({grid.arm: dict(grid.derive) for grid in spec.grids()}, rows)


def select(spec: Spec, claim: Claim, columns: Sequence[str], table: str | None = None, rows: pl.DataFrame | None = None) -> str:
    """The query that gives a claim's rows from a store; of `rows`, which hold the same columns, it may know the values."""
    floor = None if claim.floor is None else claim.floor.arm
    return select_rows(spec, columns, claim.where, table, rows, floor, _further(spec, claim, table, rows))


def _further(spec: Spec, claim: Claim, table: str | None, rows: pl.DataFrame | None) -> tuple[str, str] | None:
    """The name of the column that says of each row what its judge sees in it, and its SQL; None where rows are no claims."""
    if claim.condition is None:
        return None
    if claim.se is None:
        return claim.kind, condition(spec, claim, rows)
    gap = over(claim)
    return ("standard_errors_over", f"({gap}) / {_terms(spec, table, rows).term(claim.se.column)}") if gap else None


def over(claim: Claim) -> str:
    """By how much a row is beyond what its claim allows, as SQL; empty where that is no single comparison by < <= > >=."""
    parts = conditions.sides(claim.condition or "")
    if parts is None or parts[1] == "=":
        return ""
    small, large = (parts[0], parts[2]) if parts[1].startswith("<") else (parts[2], parts[0])
    return f"({small}) - ({large})"


def condition(spec: Spec, claim: Claim, rows: pl.DataFrame | None) -> str:
    """A claim's condition as each row is judged by it, in SQL over the rows: true, false, or null where it cannot be told.

    A position that a search found to lie beyond an edge is judged where it could be: true of all of that is true, false of
    all of it false. That nothing was found says nothing by itself, unless the condition names the status.
    """
    text = claim.condition or ""
    moved = searched(spec, claim) & conditions.columns(text)
    if not moved:
        return conditions.tolerant(text, claim.tolerance, rows)
    nulls, status = conditions.asks_for_nulls(text, moved), "status" in conditions.columns(text)
    whole = conditions.tolerant(text, claim.tolerance, rows, frozenset() if status else moved)
    positions = spec.search.model.finds if spec.search is not None else ()
    name = positions[0] if len(positions) == 1 else ""
    needed = {
        f"{name}_lower",
        f"{name}_upper",
        *(n for grid in spec.grids() for d in moved & {*grid.derive} for n in grid.derive[d].names),
    }
    if nulls or not name or rows is None or not needed <= {*rows.columns}:
        return whole
    return _with_edges(spec, name, whole, moved, rows)


def searched(spec: Spec, claim: Claim) -> frozenset[str]:
    """The columns of a table of boundaries that have a value only where the search found one."""
    if claim.from_ != "boundary" or spec.search is None:
        return frozenset()
    derived = {name: formula for grid in spec.grids() for name, formula in grid.derive.items()}
    moved: frozenset[str] = frozenset(spec.search.model.finds)
    while more := {name for name, formula in derived.items() if name not in moved and formula.names & moved}:
        moved |= more
    return moved


INCOMPLETE = "incomplete"
"""How a search for a front ends whose volume depends on points that failed."""
FARTHER = (1e-6, 0.5, 9.0, 1e6)
"""How far beyond an edge, in parts of it, a condition is conditions_there."""


def _with_edges(spec: Spec, name: str, whole: str, moved: frozenset[str], rows: pl.DataFrame) -> str:
    """A condition that stands for all places beyond an edge where a search says that what it looks for lies there."""
    meant = names(spec)
    formulas = frozenset(moved - {name})
    spelt = replaced(whole, formulas, lambda derived: finished(meant.part(derived)))
    whole_number = rows[name].dtype.is_integer()
    cases = []
    for status, edge in (("above", f"{name}_lower"), ("below", f"{name}_upper")):
        places = [_beyond(edge, step, whole_number, up=status == "above") for step in FARTHER]
        cases.append(_everywhere(status, spelt, name, places))
    return f"(CASE {_between_ends(spelt, name, rows)}WHEN {name} IS NOT NULL THEN {whole} {' '.join(cases)} ELSE {whole} END)"


def _everywhere(status: str, condition: str, name: str, places: Sequence[str]) -> str:
    """The case of rows of a status: what a condition is at all of these places, null where it differs among them."""
    conditions_there = [replaced(condition, [name], partial(_at, at)) for at in places]
    each = f"CASE WHEN {' AND '.join(conditions_there)} THEN TRUE WHEN NOT ({' OR '.join(conditions_there)}) THEN FALSE END"
    return f"WHEN status = '{status}' THEN ({each})"


def _between_ends(condition: str, name: str, rows: pl.DataFrame) -> str:
    """The case of a volume that failed points leave open: it lies anywhere between its ends, of which one may be infinite."""
    if not (rows["status"].cast(pl.String) == INCOMPLETE).any():
        return ""
    low, high = f"{name}_lower", f"{name}_upper"
    places = [low, *(f"least({high}, {_beyond(low, step, whole=False, up=True)})" for step in FARTHER)]
    return f"{_everywhere(INCOMPLETE, condition, name, places)} "


def _at(text: str, name: str) -> str:
    """What stands for a searched name at one place."""
    return text


def _beyond(edge: str, step: float, whole: bool, up: bool) -> str:
    """A place beyond an edge, that many parts of it away; what lies below a positive edge is positive."""
    size = f"coalesce(nullif(abs({edge}), 0), 1)"
    if up:
        text = f"{edge} + {step!r} * {size}"
        return f"(floor({text}) + 1)" if whole else f"({text})"
    text = f"{edge} - {size} * CASE WHEN {edge} > 0 THEN {step / (1 + step)!r} ELSE {step!r} END"
    return f"(ceil({text}) - 1)" if whole else f"({text})"


def _terms(spec: Spec, table: str | None, rows: pl.DataFrame | None) -> Names:
    """What names stand for in a table; that of boundaries holds derived names as columns."""
    return Names({}, rows) if table is not None and table.startswith("boundaries.") else names(spec, rows)


def select_rows(
    spec: Spec,
    columns: Sequence[str],
    where: str | None = None,
    table: str | None = None,
    rows: pl.DataFrame | None = None,
    floor: str | None = None,
    judged: tuple[str, str] | None = None,
) -> str:
    """The query that gives columns of the rows that meet a condition; those of the arm `floor` come whether or not they do.

    `judged` is the name of a further column, and its SQL over the rows.
    """
    of_boundaries = table is not None and table.startswith("boundaries.")
    terms = _terms(spec, table, rows)
    columns_chosen = [
        terms.chosen(name) for name in dict.fromkeys(("arm", *(() if of_boundaries else ("seed",)), "status", *columns))
    ]
    filters = ["final"] if "step" not in columns and not of_boundaries else []
    if table is None or table.startswith("sweeps."):
        filters.append(f"size = '{spec.size or BASE}'")
    if where is not None:
        met = terms.condition(where)
        filters.append(f"({met})" if floor is None else f"(arm = '{floor}' OR ({met}))")
    if judged is not None:
        if not of_boundaries:
            columns_chosen.insert(3, "point")
        columns_chosen.append(f"({terms.condition(judged[1])}) AS {judged[0]}")
    ordered = f" ORDER BY {', '.join(str(i + 1) for i in range(len(columns_chosen)))}"
    filtered = f" WHERE {' AND '.join(filters)}" if filters else ""
    sql = f"SELECT {', '.join(columns_chosen)} FROM {table or f'sweeps.{table_name(spec.name)}'}{filtered}{ordered}"
    return spoken_names.renamed(sql, spoken_names.outside(spec.claimed)) if spec.claimed else sql
