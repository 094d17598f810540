"""A collapse: curves over a rescaled x that should lie on one another."""

from orchestrator.spec.figure_kinds import FigureKind

KIND = FigureKind(says="curves over a rescaled x that should lie on one another", rank=4)
