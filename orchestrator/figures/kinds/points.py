"""Draws y over x as marks alone."""

from __future__ import annotations

from orchestrator.figures import curves
from orchestrator.figures.drawing import Drawing, Request


def draw(request: Request) -> Drawing:
    """The marks."""
    return curves.draw(request, traced=False)
