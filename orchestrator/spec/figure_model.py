"""Turns `figures` of a sweep file into models: what is drawn over what, and with which theory lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from orchestrator import kinds
from orchestrator.spec.field_types import Column, Number, Section, Text, column, explained, several, wrong
from orchestrator.spec.figure_kinds import FigureKind

FIGURES = "orchestrator.spec.figure_kinds"


def figure_kinds() -> dict[str, FigureKind]:
    """Every kind of figure by its name, the usual ones first."""
    every = {name: kinds.module_of(FIGURES, name).KIND for name in kinds.names_in(FIGURES)}
    return dict(sorted(every.items(), key=lambda pair: (pair[1].rank, pair[0])))


KINDS = figure_kinds()


def _read_axis(raw: Any) -> str:
    """A column, or nothing for a kind of figure that has the axis of itself."""
    return "" if raw == "" else column(raw)


Axis = Annotated[str, BeforeValidator(explained(_read_axis))]
Better = Literal["low", "high"]
if TYPE_CHECKING:  # which kinds there are is known at run time alone
    Kind = str
else:
    Kind = Literal[*KINDS]


class Line(Section):
    """A theory line of a figure: y as a number or a formula of the columns."""

    y: Number = Field(description="a number, or a formula of columns after =")
    label: str = Field(default="", description="what stands beside the line")


class Labels(Section):
    """What stands at the axes of a figure, in words."""

    x: str = Field(default="", description="below the x axis, instead of the column")
    y: str = Field(default="", description="beside the y axis, instead of the column")


class Figure(Section):
    """One figure of the report.

    `slopes` draws what claims fitted and needs no axis (`x` may name one parameter); `cost` draws seconds over `x`; `best` says
    which end of x and y a `pareto` front seeks; `residuals` adds a panel of what a fitted law leaves.
    """

    kind: Kind = Field(description="; ".join(f"{name}: {kind.says}" for name, kind in KINDS.items()))
    x: Axis = Field(default="", description="column, or formula of columns, to the right")
    y: Axis = Field(default="", description="column, or formula of columns, upwards")
    color: Column | None = Field(default=None, description="column whose values have a colour each; of a heatmap, its cells")
    facet: Column | None = Field(default=None, description="column whose values have a panel each")
    where: Text | None = Field(default=None, description="SQL condition: the rows that are drawn")
    log: Annotated[tuple[Literal["x", "y", "color"], ...], BeforeValidator(several)] = Field(
        default=(), description="which of x, y and color have a logarithmic scale"
    )
    lines: tuple[Line, ...] = Field(default=(), description="theory lines")
    residuals: bool = Field(default=False, description="whether a panel shows what the fitted law leaves")
    best: tuple[Better, Better] = Field(default=("low", "low"), description="which end of x and of y a pareto front seeks")
    title: str = Field(default="", description="stands above the figure")
    labels: Labels = Field(default=Labels(), description="words at the axes, for a reader who does not know the columns")

    @property
    def about(self) -> FigureKind:
        """What its kind needs and is drawn from."""
        return KINDS[self.kind]

    @model_validator(mode="after")
    def _has_axes(self) -> Self:
        for axis in self.about.needs:
            if not getattr(self, axis):
                usual = f"a figure of kind '{self.kind}' must have '{axis}', but has none; name a column."
                raise wrong(self.about.complaints.get(axis, usual), axis)
        if self.about.shows_claims and self.labels != Labels():
            raise wrong(
                f"a figure of kind '{self.kind}' must have no labels, as its axes are its claims'; remove them.", "labels"
            )
        if self.residuals and self.facet is not None:
            raise wrong("'residuals' must stand without 'facet', but both are there; remove one.", "residuals")
        return self
