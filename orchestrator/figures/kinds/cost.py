"""Draws the seconds that points took, over x."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.figures import curves
from orchestrator.figures.drawing import Drawing, Request
from orchestrator.results.described import Columns, Described
from orchestrator.spec.figure_model import Figure

SECONDS = "seconds"


def draw(request: Request) -> Drawing:
    """The seconds as a curve, both ends of the scale visible."""
    return curves.draw(replace(request, figure=_of_seconds(request.figure), fields=_described(request.fields)))


def _of_seconds(figure: Figure) -> Figure:
    log = tuple(dict.fromkeys([*figure.log, "y"]))
    title = figure.title or f"Cost of a point over {figure.x}"
    return figure.model_copy(update={"y": SECONDS, "log": log, "title": title})


def _described(fields: Columns) -> Columns:
    """The columns with that of the seconds described; seeds combine by their median, for a machine has busy moments."""
    about = Described(name=SECONDS, role="result", says="wall time that a point took", unit="s", aggregate="median")
    return {**fields, SECONDS: about}
