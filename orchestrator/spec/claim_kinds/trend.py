"""The claim that a column, or a parameter of an earlier fit, rises or falls along another column.

trend: {of: y, along: d, is: increasing}   # at every step; rising_overall: from end to end
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from orchestrator.fitting.law_names import LAWS, PARAMETERS
from orchestrator.spec.axes import Wrong
from orchestrator.spec.claim_kinds import ClaimKind, Place, fit
from orchestrator.spec.field_types import Column, Columns, Real, Section, wrong


class Trend(Section):
    """A quantity (a column, or a parameter of an earlier fit) that must rise or fall along another."""

    of: Annotated[Column, Field(description="the column, or the parameter of an earlier fit, that rises or falls")]
    along: Annotated[Column, Field(description="the column along which it does")]
    is_: Literal["increasing", "decreasing", "rising_overall", "falling_overall"] = Field(
        alias="is", description="the way it goes: at every step (increasing, decreasing), or from end to end"
    )
    slack: Annotated[
        Real | None,
        Field(ge=0, description="how far a step may go the other way, in units of the quantity; 0 unless told"),
    ] = None
    by: Annotated[Columns, Field(description="columns whose values have a trend each")] = ()

    @model_validator(mode="after")
    def _slack_is_of_steps(self) -> Self:
        if self.overall and self.slack:
            raise wrong(
                f"'slack' must stand beside increasing or decreasing, whose steps have it, but got '{self.is_}'.", "slack"
            )
        return self

    @property
    def overall(self) -> bool:
        """Whether it is the way from end to end, not that of every step."""
        return self.is_.endswith("_overall")

    @property
    def sign(self) -> float:
        """1 where it rises, -1 where it falls."""
        return 1.0 if self.is_ in ("increasing", "rising_overall") else -1.0

    @property
    def words(self) -> str:
        """The way it goes, as a sentence says it."""
        slack = f", no step back by more than {self.slack:g}" if self.slack else ""
        return f"{self.is_.replace('_', ' ')}{'' if self.overall else ' at every step'}{slack}"

    @property
    def fitted(self) -> bool:
        """Whether it is one of a law's parameter, not of a column."""
        return self.of in PARAMETERS


def _columns(trend: Trend) -> Iterator[tuple[Place, str]]:
    yield ("along",), trend.along
    if not trend.fitted:  # a fitted parameter is no column
        yield ("of",), trend.of


def _model(trend: Trend, claim: Any, before: Sequence[Any]) -> Any:
    """The nearest earlier claim whose fit gives the trend's parameter, with what the trend's claim says of rows laid over it.

    Its groups are those along which the trend goes. None where the trend is one of a column.
    """
    if not trend.fitted:
        return None
    earlier = [(other, model.law) for other in before if (model := fit.KIND.get(other)) is not None]
    for other, law in reversed(earlier):
        if trend.of in LAWS[law].parameters:
            return _laid_over(trend, claim, other)
    fits = f"fits {', '.join(law for _, law in earlier)}" if earlier else "has no fit"
    raise Wrong(
        f"a trend of '{trend.of}' must have a claim before it whose fit gives it, but what stands there {fits}; add one.", "of"
    )


def _laid_over(trend: Trend, claim: Any, earlier: Any) -> Any:
    outer = claim.by or tuple(name for name in earlier.by if name != trend.along)
    own = {"where": claim.where, "floor": claim.floor, "unmet_if": claim.unmet_if, "unit": claim.unit}
    own |= {"from_": claim.from_} if claim.from_ != "rows" else {}
    keys = {key: value for key, value in own.items() if value is not None}
    return earlier.model_copy(update={"id": claim.id, "by": (*outer, trend.along), "require": claim.require, **keys})


KIND = ClaimKind[Trend](
    name="trend",
    key=Trend,
    order=4,
    says="a quantity that rises or falls",
    columns=_columns,
    axes=lambda trend, claim: (trend.along, trend.of),
    expected=lambda trend, claim, bounds: f"{trend.of} {trend.words} along {trend.along}",
    model=_model,
)
