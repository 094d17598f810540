"""A search for a boundary: the place along one param where a column crosses its level."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from orchestrator.spec.field_types import (
    Between,
    Column,
    Count,
    Label,
    Number,
    Real,
    SearchRange,
    Section,
    ends_of_brackets,
    wrong,
)
from orchestrator.spec.yaml_tree import Keys


class Boundary(Section):
    """Find where `of` crosses `level` along one param, in rounds of `round` points, `points` at most (64, or eight rounds).

    Outside of `between` the search goes as far as `within`. Where there are several crossings, `crossing` says which counts.
    `tolerance` is the width of the last bracket, relative on a geom scale.
    """

    along: Label = Field(description="the param that is searched")
    of: Column = Field(description="the column that crosses the level")
    level: Number = Field(description="the value that is crossed")
    between: Between | None = Field(default=None, description="where the first points lie")
    within: Between | None = Field(default=None, description="how far the search goes where 'between' holds no crossing")
    tolerance: Annotated[Real, Field(gt=0)] | None = Field(default=None, description="width of the last bracket")
    round: Count = Field(default=8, description="points measured beside each other")
    points: Count | None = Field(default=None, description="points at most for each curve")
    integer: bool = Field(default=False, description="whether the param takes whole values alone")
    crossing: Literal["first", "last"] = Field(default="last", description="which of several crossings counts")

    @property
    def names(self) -> tuple[str, ...]:
        """Params that it sets."""
        return (self.along,)

    @property
    def finds(self) -> tuple[str, ...]:
        """What it finds: positions on the params that it sets."""
        return self.names

    @property
    def place_columns(self) -> tuple[str, ...]:
        """Columns of the table of boundaries beside its params: the ends of their brackets."""
        return ends_of_brackets(self.names)

    def looks_at(self) -> Iterator[tuple[Keys, str]]:
        """Columns that it reads, with the keys that lead to each."""
        yield ("of",), self.of

    def intervals(self) -> Iterator[tuple[Keys, SearchRange]]:
        """Intervals that must have a value on every curve, with the keys that lead to each."""
        if self.between is not None:
            yield ("between",), self.between

    @model_validator(mode="after")
    def _has_an_interval(self) -> Self:
        if self.between is None and not self.integer:
            raise wrong("'boundary' must have 'between', but has none; write its two ends, or 'integer: true' to count up.")
        return self


MODEL = Boundary
