"""Points: y over x without a line, where neighbours have nothing to do with each other."""

from orchestrator.spec.figure_kinds import FigureKind

KIND = FigureKind(says="y over x as marks without a line", rank=2)
