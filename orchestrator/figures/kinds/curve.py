"""Draws y over x: marks with their intervals, a line through them or the laws that claims judged."""

from __future__ import annotations

from orchestrator.figures import curves
from orchestrator.figures.drawing import Drawing, Request


def draw(request: Request) -> Drawing:
    """The curve."""
    return curves.draw(request)
