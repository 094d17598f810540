"""The claim that a law describes y over x, with parameters in the regions that `expect` gives.

fit: {law: power, x: d, y: y}
expect: {exponent: {between: [1.9, 2.1]}}
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_core import PydanticCustomError

from orchestrator.errors import nearest
from orchestrator.fitting.law_names import LAWS
from orchestrator.spec.claim_kinds import Claimed, ClaimKind
from orchestrator.spec.field_types import Column, Columns, LawName, Section, wrong


class Fit(Section):
    """A law fitted to y over x, once for each group of `by`."""

    law: Annotated[LawName, Field(description="the law that is fitted")]
    x: Annotated[Column, Field(description="column or formula of the law's x")]
    y: Annotated[Column, Field(description="column or formula of the law's y")]
    by: Annotated[Columns, Field(description="columns whose values have a fit each")] = ()


def _check(fit: Fit, claim: Claimed) -> None:
    if claim.expect is None:
        mend = "write expect: {exponent: {at_least: 1}}"
        raise wrong(f"claim '{claim.id}' must say what it expects of the fit, but has no 'expect'; {mend}.")
    for name in claim.expect:
        if name not in LAWS[fit.law].parameters:
            raise no_parameter(fit.law, name, "expect")


def no_parameter(law: str, name: str, key: str) -> PydanticCustomError:
    """The fault of naming a parameter that the law does not have."""
    parameters = LAWS[law].parameters
    return wrong(f"law '{law}' must have '{name}', but it has {', '.join(parameters)}{nearest(name, parameters)}", key, name)


KIND = ClaimKind[Fit](
    name="fit",
    key=Fit,
    order=1,
    says="a law fitted to y over x",
    columns=lambda fit: ((("x",), fit.x), (("y",), fit.y)),
    axes=lambda fit, claim: (fit.x, fit.y),
    expected=lambda fit, claim, bounds: "; ".join(f"{name} {text}" for name, text in bounds.items()),
    quantities=lambda fit, claim: LAWS[fit.law].parameters,
    laws=lambda fit, claim: (fit.law,),
    check=_check,
)
