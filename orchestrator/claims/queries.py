"""Turns a claim into the SQL that gives its rows from a store, derived names written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import polars as pl

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
        return replaced(text, self.derived, lambda name: finished(self.part(name)))


def names(spec: Spec, rows: pl.DataFrame | None = None) -> Names:
    """What the names of a sweep stand for."""
    return Names({grid.arm: dict(grid.derive) for grid in spec.grids()}, rows)


def select(spec: Spec, claim: Claim, columns: Sequence[str], table: str | None = None, rows: pl.DataFrame | None = None) -> str:
    """The query that gives a claim's rows from a store; of `rows`, which hold the same columns, it may know the values."""
    floor = None if claim.floor is None else claim.floor.arm
    judged = None if claim.condition is None else (claim.kind, claim.condition)
    return select_rows(spec, columns, claim.where, table, rows, floor, judged)


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

    `judged` is the name of a further column, and the condition on each row that it tells.
    """
    searched = table is not None and table.startswith("boundaries.")
    terms = Names({}, rows) if searched else names(spec, rows)  # a table of boundaries holds derived names
    columns_chosen = [
        terms.chosen(name) for name in dict.fromkeys(("arm", *(() if searched else ("seed",)), "status", *columns))
    ]
    conditions = ["final"] if "step" not in columns and not searched else []
    if table is None or table.startswith("sweeps."):
        conditions.append(f"size = '{spec.size or BASE}'")
    if where is not None:
        met = terms.condition(where)
        conditions.append(f"({met})" if floor is None else f"(arm = '{floor}' OR ({met}))")
    if judged is not None:
        if not searched:
            columns_chosen.insert(3, "point")
        columns_chosen.append(f"({terms.condition(judged[1])}) AS {judged[0]}")
    ordered = f" ORDER BY {', '.join(str(i + 1) for i in range(len(columns_chosen)))}"
    condition = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {', '.join(columns_chosen)} FROM {table or f'sweeps.{table_name(spec.name)}'}{condition}{ordered}"
