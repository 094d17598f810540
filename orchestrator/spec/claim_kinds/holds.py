"""The claim that an SQL condition is true of every row; with `se`, beyond the noise.

holds: y <= top
"""

from __future__ import annotations

from orchestrator.spec.claim_kinds import ClaimKind
from orchestrator.spec.field_types import Text

KIND = ClaimKind[str](
    name="holds",
    key=Text,
    order=6,
    says="SQL condition that every row must meet",
    columns=lambda condition: (),
    axes=lambda condition, claim: (None, None),
    expected=lambda condition, claim, bounds: f"{condition} on every row" + (f", noise {claim.se}" if claim.se else ""),
    condition=lambda condition: condition,
    rowwise=True,
    owns=(("se",), ("chance",)),
)
