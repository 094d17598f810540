"""The claim that curves lie on one another once x is rescaled.

collapse: {x: d, y: y, curves: beta, scale: log}
expect: {spread: {at_most: 0.05}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from orchestrator.spec.claim_kinds import Claimed, ClaimKind
from orchestrator.spec.field_types import Column, Section

SPREAD = 0.1
"""The spread that counts as a collapse where the claim gives none."""


class Collapse(Section):
    """Curves that must lie on one another as y over x."""

    x: Annotated[Column, Field(description="column or formula of the rescaled x")]
    y: Annotated[Column, Field(description="column or formula of y")]
    curves: Annotated[Column, Field(description="the column whose values are a curve each")]
    scale: Annotated[
        Literal["linear", "log"] | None,
        Field(description="whether the spread is one of y or of ln y; where y spans decades one of them must be written"),
    ] = None


def _expected(collapse: Collapse, claim: Claimed, bounds: Mapping[str, str]) -> str:
    spread = bounds.get("spread", f"at most {SPREAD}")
    y = f"ln({collapse.y})" if collapse.scale == "log" else collapse.y
    return f"{y} over {collapse.x} one curve for every {collapse.curves}, spread {spread}"


KIND = ClaimKind[Collapse](
    name="collapse",
    key=Collapse,
    order=5,
    says="curves that lie on one another",
    columns=lambda collapse: ((("x",), collapse.x), (("y",), collapse.y), (("curves",), collapse.curves)),
    axes=lambda collapse, claim: (collapse.x, collapse.y),
    expected=_expected,
    quantities=lambda collapse, claim: ("spread",),
)
