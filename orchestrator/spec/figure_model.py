"""Turns `figures` of a sweep file into models: what is drawn over what, and with which theory lines."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, model_validator

from orchestrator.spec.field_types import Column, Number, Section, Text, column, several, told, wrong


def _read_axis(raw: Any) -> str:
    """A column, or nothing for a kind of figure that has the axis of itself."""
    return "" if raw == "" else column(raw)


Axis = Annotated[str, BeforeValidator(told(_read_axis))]
Better = Literal["low", "high"]


class Line(Section):
    """A theory line of a figure: y as a number or a formula of the columns."""

    y: Number
    label: str = ""


class Figure(Section):
    """One figure of the report.

    `slopes` draws what claims fitted and needs no axis (`x` may name one parameter); `cost` draws seconds over `x`; `best` says
    which end of x and y a `pareto` front seeks; `residuals` adds a panel of what a fitted law leaves.
    """

    kind: Literal["curve", "points", "heatmap", "collapse", "boundary", "pareto", "slopes", "cost"]
    x: Axis = ""
    y: Axis = ""
    color: Column | None = None
    facet: Column | None = None
    where: Text | None = None
    log: Annotated[tuple[Literal["x", "y", "color"], ...], BeforeValidator(several)] = ()
    lines: tuple[Line, ...] = ()
    residuals: bool = False
    best: tuple[Better, Better] = ("low", "low")
    title: str = ""

    @model_validator(mode="after")
    def _has_axes(self) -> Self:
        needed = {"slopes": (), "cost": ("x",)}.get(self.kind, ("x", "y"))
        for axis in needed:
            if not getattr(self, axis):
                raise wrong(f"a figure of kind '{self.kind}' must have '{axis}', but has none; name a column.", axis)
        if self.kind == "heatmap" and self.color is None:
            raise wrong("a heatmap must have 'color', but has none; name the column that its cells show.", "color")
        if self.residuals and self.facet is not None:
            raise wrong("'residuals' must stand without 'facet', but both are there; remove one.", "residuals")
        return self
