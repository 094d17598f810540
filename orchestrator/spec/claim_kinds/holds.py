"""The claim that an SQL condition is true of every row; with `se`, beyond the noise.

holds: y <= top
"""

from __future__ import annotations

from orchestrator.spec.claim_kinds import Claimed, ClaimKind
from orchestrator.spec.field_types import Text, wrong


def _check(condition: str, claim: Claimed) -> None:
    if claim.se is not None and claim.chance is not None:
        raise wrong(
            "'chance' and 'se' must not stand together: noise of a known size is judged by 'se' alone; remove one.", "chance"
        )


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
    check=_check,
    owns=(("se",), ("chance",)),
)
