"""A stop by the median: a point that lies behind the median of the others ends."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from orchestrator.spec.field_types import Column, Count, Section


class Median(Section):
    """Stop a point whose best value lies behind the median of the others, at step `after` and every `every` steps later."""

    of: Column = Field(description="the column that points are compared in")
    goal: Literal["minimize", "maximize"] = Field(default="minimize", description="whether less or more is better")
    after: Count = Field(default=1, description="the first step at which points are compared")
    every: Count | None = Field(default=None, description="steps from one comparison to the next; as 'after' unless given")


MODEL = Median
