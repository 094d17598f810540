"""A stop by successive halving: at each rung the best share of the points goes on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from orchestrator.spec.field_types import Column, Count, Section, Whole


class Halving(Section):
    """Keep the best 1/`factor` of the points at step `first`, `first * factor`, …; the rest are stopped."""

    of: Column = Field(description="the column that points are compared in")
    goal: Literal["minimize", "maximize"] = Field(default="minimize", description="whether less or more is better")
    first: Count = Field(default=1, description="the step of the first rung")
    factor: Annotated[Whole, Field(ge=2)] = Field(default=3, description="of how many points one goes on")


MODEL = Halving
