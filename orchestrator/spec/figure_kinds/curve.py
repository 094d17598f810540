"""A curve: y over x, for laws and trends."""

from orchestrator.spec.figure_kinds import FigureKind

KIND = FigureKind(says="y over x, seeds combined, with intervals, a line and judged laws", rank=1)
