"""A search over subsets: the units without any one of which a column falls below its level."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from orchestrator.spec.expressions import Expression
from orchestrator.spec.field_types import Column, Count, Label, Number, Real, SearchRange, Section, wrong
from orchestrator.spec.yaml_tree import Keys


class Subset(Section):
    """Find a set of units from which none can go without `of` falling below `level`, or below `share` of the way to all.

    `along` is a text param of `size` letters, 1 for a unit that is in the set and 0 for one that is not.
    """

    along: Label = Field(description="the text param that is searched, a letter 0 or 1 for each unit")
    size: Number = Field(description="how many units there are")
    of: Column = Field(description="the column that must not fall below its level")
    level: Number | None = Field(default=None, description="the value at or above which a set passes")
    share: Annotated[Real, Field(gt=0, le=1)] | None = Field(
        default=None, description="in place of a level: the part of the way from no unit to all of them"
    )
    variant: Literal["both", "complements"] = Field(default="both", description="whether chunks are tried before complements")
    round: Count = Field(default=8, description="sets measured beside each other")

    @property
    def names(self) -> tuple[str, ...]:
        """Params that it sets."""
        return (self.along,)

    @property
    def finds(self) -> tuple[str, ...]:
        """What it finds: a set, on the param that it sets."""
        return self.names

    @property
    def place_columns(self) -> tuple[str, ...]:
        """Columns of the table of boundaries beside its params: how many units the set has."""
        return (f"{self.along}_units",)

    def looks_at(self) -> Iterator[tuple[Keys, str]]:
        """Columns that it reads, with the keys that lead to each."""
        yield ("of",), self.of

    def intervals(self) -> Iterator[tuple[Keys, SearchRange]]:
        """Intervals that must have a value on every curve: none."""
        yield from ()

    @model_validator(mode="after")
    def _has_one_criterion(self) -> Self:
        if (self.level is None) == (self.share is None):
            has = "neither" if self.level is None else "both"
            raise wrong(f"'subset' must have 'level' or 'share', but has {has}; write one of them.")
        return self

    @model_validator(mode="after")
    def _has_units(self) -> Self:
        if not isinstance(self.size, Expression) and not is_count(self.size):
            raise wrong(
                f"a number of units must be whole and at least 1, but got {self.size}; write how many there are.", "size"
            )
        return self


def is_count(size: float) -> bool:
    """Whether a number can be one of units: whole, and at least 1."""
    return size >= 1 and size == int(size)


MODEL = Subset
