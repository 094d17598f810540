"""The claim that one law describes y over x better than its rivals.

prefer: {law: power, over: [exponential], x: d, y: y}
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from orchestrator.spec.claim_kinds import ClaimKind
from orchestrator.spec.field_types import Column, Columns, LawName, Real, Section, several, wrong


class Prefer(Section):
    """A law that must describe y over x better than its rivals, by `aicc` points."""

    law: Annotated[LawName, Field(description="the law that must describe y best")]
    over: Annotated[tuple[LawName, ...], BeforeValidator(several), Field(min_length=1, description="its rivals")]
    x: Annotated[Column, Field(description="column or formula of the laws' x")]
    y: Annotated[Column, Field(description="column or formula of the laws' y")]
    by: Annotated[Columns, Field(description="columns whose values are judged apart")] = ()
    aicc: Annotated[Real, Field(gt=0, description="points of AICc by which the law must win")] = 6.0

    misfit: Annotated[
        Real | None,
        Field(ge=0, description="root mean square by which a law may miss, of ln y where it is fitted to that"),
    ] = None

    @model_validator(mode="after")
    def _has_rivals(self) -> Self:
        if self.law in self.over or len(set(self.over)) < len(self.over):
            raise wrong(
                f"rivals must differ from '{self.law}' and from each other, but got {list(self.over)}; mend them.", "over"
            )
        return self

    @property
    def words(self) -> str:
        """What is expected."""
        return f"{self.law} over {', '.join(self.over)} by {self.aicc:g} AICc and by predicting the largest {self.x}"


KIND = ClaimKind[Prefer](
    name="prefer",
    key=Prefer,
    order=2,
    says="a law against its rivals",
    columns=lambda prefer: ((("x",), prefer.x), (("y",), prefer.y)),
    axes=lambda prefer, claim: (prefer.x, prefer.y),
    expected=lambda prefer, claim, bounds: prefer.words,
    laws=lambda prefer, claim: (prefer.law, *prefer.over),
)
