"""A search by Optuna: the params at which columns are least or greatest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from orchestrator.errors import nearest
from orchestrator.spec.axes import Cell
from orchestrator.spec.field_types import (
    Axes,
    Columns,
    Conditions,
    Count,
    Reference,
    Region,
    SearchRange,
    Section,
    Whole,
    ends_of_brackets,
    wrong,
)
from orchestrator.spec.yaml_tree import Keys

EXACT = (2, 3)
"""Numbers of goals for which a hypervolume is worked out."""


class Optuna(Section):
    """Let Optuna propose `trials` points, `round` at a time, over intervals and choices; without both, the axes are choices.

    Several goals end in a front; `reference`, a number for each of two or three, gives it a hypervolume to rest claims on.
    `when` says for which values of another param one is searched at all: `{momentum: {method: [sgd, nesterov]}}`.
    """

    sampler: Literal["tpe", "gp", "nsgaii", "qmc", "random"] = Field(default="tpe", description="how Optuna proposes")
    trials: Count = Field(description="points of each study")
    round: Count = Field(default=8, description="points measured beside each other")
    minimize: Columns = Field(default=(), description="columns of which less is better")
    maximize: Columns = Field(default=(), description="columns of which more is better")
    over: Region | None = Field(default=None, description="params that are searched, each with its interval")
    choices: Axes = Field(default=(), description="params that are searched, each with its values")
    when: Conditions = Field(default_factory=dict, description="for which values of another param one is searched at all")
    reference: Reference | None = Field(
        default=None, description="of each goal the value that a front must beat: its hypervolume counts from there"
    )
    seed: Annotated[Whole, Field(ge=0)] = Field(default=0, description="of the sampler")

    @property
    def names(self) -> tuple[str, ...]:
        """Params that it sets, sorted."""
        return tuple(sorted({*(self.over or ()), *(group.names[0] for group in self.choices)}))

    @property
    def goals(self) -> tuple[str, ...]:
        """Columns that it seeks the least or the most of."""
        return (*self.minimize, *self.maximize)

    @property
    def finds(self) -> tuple[str, ...]:
        """The volume of the front, where there is a reference to count it from."""
        return () if self.reference is None else ("hypervolume",)

    @property
    def place_columns(self) -> tuple[str, ...]:
        """Columns of the table of boundaries: the volume with its bracket, and the size of the front."""
        return (*self.finds, *ends_of_brackets(self.finds), *(("front_size",) if self.finds else ()))

    def looks_at(self) -> Iterator[tuple[Keys, str]]:
        """Columns that it reads, with the keys that lead to each."""
        for goal, columns in (("minimize", self.minimize), ("maximize", self.maximize)):
            yield from (((goal, index), column) for index, column in enumerate(columns))

    def intervals(self) -> Iterator[tuple[Keys, SearchRange]]:
        """Intervals that must have a value on every curve, with the keys that lead to each."""
        yield from ((("over", name), interval) for name, interval in (self.over or {}).items())

    @model_validator(mode="after")
    def _has_a_goal(self) -> Self:
        if not (self.minimize or self.maximize):
            raise wrong("'optuna' must have a goal, but neither minimize nor maximize names a column; write one.")
        return self

    @model_validator(mode="after")
    def _has_a_reference_of_its_goals(self) -> Self:
        if len(set(self.goals)) < len(self.goals):
            raise wrong(f"goals must differ, but got {', '.join(self.goals)}; name each column once.")
        for name in self.reference or ():
            if name not in self.goals:
                goals = ", ".join(self.goals)
                raise wrong(f"a reference must be of {goals}, but got '{name}'{nearest(name, self.goals)}", "reference", name)
        missing = [name for name in self.goals if name not in (self.reference or self.goals)]
        if missing:
            raise wrong(f"a reference must have a number for each goal, but '{missing[0]}' has none; add it.", "reference")
        if self.reference is not None and len(self.goals) not in EXACT:
            raise wrong(
                f"a reference must be of two or three goals, but there are {len(self.goals)}; leave it out.", "reference"
            )
        return self

    @model_validator(mode="after")
    def _is_one_space(self) -> Self:
        if any(len(group.names) > 1 for group in self.choices):
            raise wrong("choices must be of one param each, but got 'zip'; list the values of each.", "choices", "zip")
        for group in self.choices:
            if group.names[0] in (self.over or ()):
                raise wrong(f"a param must be given once, but '{group.names[0]}' stands in 'over' too; remove one.", "choices")
        return self

    @model_validator(mode="after")
    def _conditions_lead_somewhere(self) -> Self:
        choices = {group.names[0]: [row[0] for row in group.rows] for group in self.choices}
        free = {name: values for name, values in choices.items() if name not in self.when}
        for name, needs in self.when.items():
            if name not in self.names:
                raise wrong(
                    f"a condition must be of a searched param, but got '{name}'{nearest(name, self.names)}", "when", name
                )
            for other, values in needs.items():
                _check_condition(name, other, values, free)
        return self


def _check_condition(name: str, other: str, values: tuple[Cell, ...], free: dict[str, list[Cell]]) -> None:
    """Refuse a condition on what is no choice, or has a condition itself, and values that it never takes."""
    if other not in free:
        text = f"a condition must be on one of 'choices' that has none itself, but got '{other}'{nearest(other, free)}"
        raise wrong(text, "when", name, other)
    for value in values:
        if value not in free[other]:
            text = f"a condition must name values of '{other}', but got {value!r}{nearest(str(value), map(str, free[other]))}"
            raise wrong(text, "when", name, other)


MODEL = Optuna
