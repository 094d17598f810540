"""Slopes: what claims fitted, beside what they expect."""

from orchestrator.spec.figure_kinds import FigureKind

KIND = FigureKind(says="what claims fitted, with intervals, beside what is expected", needs=(), shows_claims=True, rank=7)
