"""The claim that a loss falls with two sizes, floor + first_prefactor · N^-first_decay + second_prefactor · D^-second_decay.

joint: {sizes: [d, beta*d], y: y}
expect: {first_decay: {between: [0.3, 0.4]}}
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from orchestrator.spec.claim_kinds import Claimed, ClaimKind, each
from orchestrator.spec.field_types import Column, Columns, Real, Section, wrong

QUANTITIES = ("floor", "first_prefactor", "first_decay", "second_prefactor", "second_decay", "compute_exponent")
"""What the fit gives; the last is second_decay / (first_decay + second_decay), by which the best N grows with N · D."""
TWO = 2


class Joint(Section):
    """A loss of two sizes, fitted to its logarithm by Huber's loss, once for each group of `by`."""

    sizes: Annotated[
        tuple[Column, ...], Field(min_length=TWO, max_length=TWO, description="the two sizes, columns or formulas")
    ]
    y: Annotated[Column, Field(description="the loss, which is above 0")]
    by: Annotated[Columns, Field(description="columns whose values have a fit each")] = ()
    huber: Annotated[Real, Field(gt=0, description="residual of ln y from which on Huber's loss is a straight line")] = 1e-3

    @model_validator(mode="after")
    def _has_two_sizes(self) -> Self:
        if len(set(self.sizes)) < TWO:
            raise wrong(f"the sizes must differ, but both are '{self.sizes[0]}'; write two columns.", "sizes")
        return self


def _check(joint: Joint, claim: Claimed) -> None:
    if claim.expect is None:
        raise wrong(f"claim '{claim.id}' must have 'expect', but has none; write expect: {{first_decay: {{at_least: 0.3}}}}.")


KIND = ClaimKind[Joint](
    name="joint",
    key=Joint,
    order=10,
    says="a loss that falls with two sizes",
    columns=lambda joint: [*each("sizes", names=joint.sizes), (("y",), joint.y)],
    axes=lambda joint, claim: (None, joint.y),
    expected=lambda joint, claim, bounds: "; ".join(f"{name} {text}" for name, text in bounds.items()),
    quantities=lambda joint, claim: QUANTITIES,
    check=_check,
)
