"""Draws curves over a rescaled x, which lie on one another where the scaling is right."""

from __future__ import annotations

from orchestrator.figures import curves
from orchestrator.figures.drawing import Drawing, Request


def draw(request: Request) -> Drawing:
    """The curves."""
    return curves.draw(request)
