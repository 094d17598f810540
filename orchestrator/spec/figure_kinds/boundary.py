"""A boundary: where a search found that a column crosses its level, over what the curves fix."""

from orchestrator.spec.figure_kinds import FigureKind

KIND = FigureKind(says="the positions that a search found, with their brackets", source="boundary", rank=5)
