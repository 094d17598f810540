"""Turns a chart into one with the fonts, colours and lines that all figures share, legible in print and without colour."""

from __future__ import annotations

import textwrap
from typing import Any

from orchestrator.results.described import Columns
from orchestrator.spec.figure_model import Figure

# Okabe and Ito (2008): told apart with any colour vision; marks differ in shape too, for print without colour.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
TITLE_LETTERS = 62
"""Letters of a title that are as wide as a figure of one panel."""
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "triangle-left", "triangle-right")
INK = "#222222"
GREY = "#666666"
LINE = "#e8e8e8"
DASHES = ((1, 0), (2, 2), (9, 2, 2, 2), (12, 3), (5, 2, 2, 2, 2, 2))
"""How laws of several claims in one colour are told apart; none is the dash of theory."""
LOST = "#7A0019"
"""What has no result: a colour that no arm has, by day or by night."""
LOST_MARK = "cross"
"""The shape of what has no result; no arm has it."""
HALO: dict[str, Any] = {"stroke": "white", "strokeWidth": 3.5, "color": "white"}
WIDTH, HEIGHT = 420, 290
BAND = "#cfe3f2"
"""Where a number is expected to lie."""
NIGHT = {
    "white": "#191918", INK: "#e6e6e3", GREY: "#a9a9a4", LINE: "#33383e", BAND: "#23465e", "#000000": "#f2f2f2",
    "#0072B2": "#4fa9dc", "#D55E00": "#ff8a3d", "#009E73": "#2fc79b", "#CC79A7": "#e39cc4", "#E69F00": "#f2b733",
    "#56B4E9": "#8fd0f5", LOST: "#ff9fb0",
}  # fmt: skip
"""What stands for each colour on a dark page; made for white paper they would be too dim, or invisible."""


def styled(whole: Any) -> Any:
    """The chart with the fonts, lines and legend of a figure in a paper."""
    return (
        whole.configure(font="Helvetica, Arial, sans-serif", background="white", padding=6)
        .configure_axis(
            labelFontSize=12, titleFontSize=13, titleFontWeight="normal", labelColor=INK, titleColor=INK, grid=True,
            gridColor=LINE, gridWidth=0.6, domainColor=INK, tickColor=INK, tickSize=4, titlePadding=8,
        )
        .configure_view(stroke=INK, strokeWidth=0.8)
        .configure_legend(
            labelFontSize=12, titleFontSize=12, titleFontWeight="normal", labelColor=INK, titleColor=INK, symbolSize=70,
            symbolOpacity=1, labelLimit=260,
        )
        .configure_header(
            labelFontSize=12, titleFontSize=12, titleFontWeight="normal", labelColor=INK, titleColor=INK, labelPadding=4,
        )
        .configure_title(fontSize=14, fontWeight="normal", anchor="start", color=INK)
    )  # fmt: skip


def title_lines(title: str) -> str | list[str]:
    """A title as Vega draws it: in lines, where one would run out of the figure."""
    lines = textwrap.wrap(title, TITLE_LETTERS)
    return lines if len(lines) > 1 else title


def axis_title(figure: Figure, axis: str, column: str, fields: Columns) -> str:
    """What the figure's file writes at the axis, else the column, with its unit where it has one."""
    label_text: str = getattr(figure.labels, axis)
    if label_text:
        return label_text
    unit = fields[column].unit if column in fields else ""
    return f"{column} ({unit})" if unit else column
