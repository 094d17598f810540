"""Costs: the seconds that points took."""

from orchestrator.spec.figure_kinds import FigureKind

KIND = FigureKind(says="seconds that a point took, over x", needs=("x",), rank=8)
