"""Draws where a search found that a column crosses its level, each position with its bracket."""

from __future__ import annotations

from orchestrator.figures import curves
from orchestrator.figures.drawing import Drawing, Request


def draw(request: Request) -> Drawing:
    """The positions."""
    return curves.draw(request, marks="Marks are where the measure crosses its level; bars are the brackets it was found in.")
