"""The claim that a column differs between two settings of one arm: their difference, or their ratio.

contrast: {y: y, of: {d: 32}, over: {d: 16}, by: [arm]}
expect: {ratio: {between: [3.9, 4.1]}}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Self

from pydantic import Field, model_validator

from orchestrator.spec.claim_kinds import Claimed, ClaimKind, Place
from orchestrator.spec.field_types import Column, Columns, Params, Section, wrong

DIFFERENCE, RATIO = "difference", "ratio"


class Contrast(Section):
    """A column at one setting against another: less it (`minus`) or over it (`over`), paired over the seeds of both."""

    y: Annotated[Column, Field(description="column or formula that is compared")]
    of: Annotated[Params, Field(min_length=1, description="the setting: columns and the value of each")]
    minus: Annotated[Params | None, Field(description="the setting that is subtracted")] = None
    over: Annotated[Params | None, Field(description="the setting that it is divided by")] = None
    by: Annotated[Columns, Field(description="columns whose values have a contrast each")] = ()

    @property
    def other(self) -> dict[str, object]:
        """The setting that it is compared with."""
        return dict(self.minus if self.minus is not None else self.over or {})

    @property
    def quantity(self) -> str:
        """What `expect` calls the number."""
        return DIFFERENCE if self.minus is not None else RATIO

    @model_validator(mode="after")
    def _is_a_pair(self) -> Self:
        if (self.minus is None) == (self.over is None):
            came = "neither" if self.minus is None else "both"
            raise wrong(f"a contrast must have one of minus and over, but has {came}; write minus: {{d: 2}}.")
        key = "minus" if self.minus is not None else "over"
        if self.other.keys() != self.of.keys():
            raise wrong(
                f"both settings must name the same columns, but got {list(self.of)} and {list(self.other)}; mend one.", key
            )
        if self.other == dict(self.of):
            raise wrong("a contrast must be of two settings, but both are the same; change one.", key)
        return self


def _columns(contrast: Contrast) -> Iterator[tuple[Place, str]]:
    yield ("y",), contrast.y
    yield from ((("of", name), name) for name in contrast.of)


def _check(contrast: Contrast, claim: Claimed) -> None:
    if claim.expect is None:
        mend = f"write expect: {{{contrast.quantity}: {{at_least: 1}}}}"
        raise wrong(f"claim '{claim.id}' must say where the {contrast.quantity} lies, but has no 'expect'; {mend}.")


def setting_text(setting: Mapping[str, object]) -> str:
    """A setting as a sentence names it: `d = 2, step = 10`."""
    return ", ".join(f"{name} = {value}" for name, value in setting.items())


def _expected(contrast: Contrast, bound: str) -> str:
    word = "minus" if contrast.minus is not None else "over"
    return f"{contrast.y} at {setting_text(dict(contrast.of))} {word} at {setting_text(contrast.other)} {bound}"


KIND = ClaimKind[Contrast](
    name="contrast",
    key=Contrast,
    order=9,
    says="a column at one setting less, or over, that at another",
    columns=_columns,
    axes=lambda contrast, claim: (None, contrast.y),
    expected=lambda contrast, claim, bounds: _expected(contrast, bounds.get(contrast.quantity, "unknown")),
    quantities=lambda contrast, claim: (contrast.quantity,),
    check=_check,
)
