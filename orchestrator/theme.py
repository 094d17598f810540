"""Turns a chart into one with the fonts, colours and lines that all figures share, legible in print and without colour."""

from __future__ import annotations

from typing import Any

# Okabe and Ito (2008): told apart with any colour vision; marks differ in shape too, for print without colour.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "stroke")
INK = "#222222"
GREY = "#666666"
LOST = "#D55E00"
"""What has no result."""
HALO = {"stroke": "white", "strokeWidth": 3.5, "color": "white"}
WIDTH, HEIGHT = 420, 290


def styled(whole: Any) -> Any:
    """The chart with the fonts, lines and legend of a figure in a paper."""
    return (
        whole.configure(font="Helvetica, Arial, sans-serif", background="white", padding=6)
        .configure_axis(
            labelFontSize=12, titleFontSize=13, titleFontWeight="normal", labelColor=INK, titleColor=INK, grid=True,
            gridColor="#e8e8e8", gridWidth=0.6, domainColor=INK, tickColor=INK, tickSize=4, titlePadding=8,
        )
        .configure_view(stroke=INK, strokeWidth=0.8)
        .configure_legend(labelFontSize=12, titleFontSize=12, titleFontWeight="normal", symbolSize=70, labelLimit=260)
        .configure_title(fontSize=14, fontWeight="normal", anchor="start", color=INK)
    )  # fmt: skip
