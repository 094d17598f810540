"""Turns a figure of kind `cost` into a curve of the seconds that points took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.results.described import Columns, Described

if TYPE_CHECKING:
    from orchestrator.spec.figure_model import Figure

SECONDS = "seconds"


def figure(figure: Figure) -> Figure:
    """The same figure as points of seconds, both ends of the scale visible."""
    log = tuple(dict.fromkeys([*figure.log, "y"]))
    title = figure.title or f"Cost of a point over {figure.x}"
    return figure.model_copy(update={"kind": "curve", "y": SECONDS, "log": log, "title": title})


def fields(fields: Columns) -> Columns:
    """The columns with that of the seconds described; seeds combine by their median, for a machine has busy moments."""
    about = Described(name=SECONDS, role="result", says="wall time that a point took", unit="s", aggregate="median")
    return {**fields, SECONDS: about}
