"""A Pareto front: the assignments that no other beats in both x and y."""

from orchestrator.spec.figure_kinds import FigureKind

KIND = FigureKind(says="which assignments no other beats in both x and y", rank=6)
