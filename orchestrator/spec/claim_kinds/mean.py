"""The claim that the mean of a column, over seeds, lies where `expect` says.

mean: {y: y/d**2, by: [d]}
expect: {mean: {between: [0.9, 1.1]}}
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from orchestrator.spec.claim_kinds import Claimed, ClaimKind
from orchestrator.spec.field_types import Column, Columns, Section, wrong

QUANTITY = "mean"


class Mean(Section):
    """A column whose mean, or what its workload combines seeds to, is known with its interval in each group of `by`."""

    y: Annotated[Column, Field(description="column or formula whose mean is meant")]
    by: Annotated[Columns, Field(description="columns whose values have a mean each; with step all rows are meant")] = ()


def _check(mean: Mean, claim: Claimed) -> None:
    if claim.expect is None:
        mend = f"write expect: {{{QUANTITY}: {{at_most: 1}}}}"
        raise wrong(f"claim '{claim.id}' must say where the mean of '{mean.y}' lies, but has no 'expect'; {mend}.")


KIND = ClaimKind[Mean](
    name="mean",
    key=Mean,
    order=8,
    says="a column whose mean over seeds lies in a region",
    columns=lambda mean: ((("y",), mean.y),),
    axes=lambda mean, claim: (None, mean.y),
    expected=lambda mean, claim, bounds: f"mean of {mean.y} {bounds.get(QUANTITY, 'unknown')}",
    quantities=lambda mean, claim: (QUANTITY,),
    check=_check,
)
