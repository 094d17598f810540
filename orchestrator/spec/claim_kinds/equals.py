"""The claim that a column is what a table says, entry by entry.

equals: {y: y, table: [{d: 2, y: 4}, {d: 4, y: 16}]}
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from orchestrator.spec.claim_kinds import ClaimKind
from orchestrator.spec.field_types import Column, Params, Real, Section, wrong


class Equals(Section):
    """A table that column `y` must equal; its other columns say which rows are meant."""

    y: Annotated[Column, Field(description="the column that the table gives")]
    table: Annotated[tuple[Params, ...], Field(min_length=1, description="entries: y, and which rows are meant")]
    tolerance: Annotated[Real, Field(ge=0, description="relative tolerance of numbers")] = 1e-9

    @model_validator(mode="after")
    def _is_a_table(self) -> Self:
        for index, row in enumerate(self.table):
            if self.y not in row or row.keys() != self.table[0].keys():
                text = (
                    f"a row of the table must hold '{self.y}' and the columns of the first, but got {list(row)}; complete it."
                )
                raise wrong(text, "table", index)
        return self


KIND = ClaimKind[Equals](
    name="equals",
    key=Equals,
    order=7,
    says="a table that the rows must equal",
    columns=lambda equals: ((("table", 0, name), name) for name in equals.table[0]),
    axes=lambda equals, claim: (None, equals.y),
    expected=lambda equals, claim, bounds: f"{equals.y} as in a table of {len(equals.table)}",
    rowwise=True,
)
