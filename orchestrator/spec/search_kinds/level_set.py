"""A search for a level set: the curve over several params on which a column has one value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from orchestrator.spec.field_types import Column, Count, Number, Real, Region, SearchRange, Section, ends_of_brackets
from orchestrator.spec.yaml_tree import Keys


class LevelSet(Section):
    """Find the curve on which `of` equals `level` in several params, by a Gaussian process, in at most `points` points.

    It ends early where the share of the region whose side is in doubt falls to `tolerance`.
    """

    over: Region = Field(description="the params that are searched, each with its interval")
    of: Column = Field(description="the column that has the level on the curve")
    level: Number = Field(description="its value there")
    round: Count = Field(default=8, description="points measured beside each other")
    points: Count = Field(default=64, description="points at most for each curve")
    tolerance: Annotated[Real, Field(gt=0, lt=1)] | None = Field(
        default=None, description="share of the region that may stay in doubt"
    )

    @property
    def names(self) -> tuple[str, ...]:
        """Params that it sets, sorted."""
        return tuple(sorted(self.over))

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
        yield from ((("over", name), interval) for name, interval in self.over.items())


MODEL = LevelSet
