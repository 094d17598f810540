"""A heat map: one column over two, as in a phase diagram."""

from orchestrator.spec.figure_kinds import FigureKind

KIND = FigureKind(
    says="color over x and y, with the boundary that a search found",
    needs=("x", "y", "color"),
    complaints={"color": "a heatmap must have 'color', but has none; name the column that its cells show."},
    rank=3,
)
