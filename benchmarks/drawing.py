"""Turns tables of a comparison into an SVG with one panel each: lines with marks, one colour a way, both axes logarithmic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.figures.theme import COLORS, INK, SHAPES

Rows = list[dict[str, Any]]


def lines(rows: Rows, x: str, y: str, title: str, says: str = "", color: str = "way") -> Any:
    """A panel: y (called `says`) over x, a line and marks for each value of `color`; zeros stand at the bottom."""
    import altair as alt

    ways = list(dict.fromkeys(row[color] for row in rows))
    least = min(row[y] for row in rows if row[y] > 0)
    shown = [row | {y: max(row[y], least / 2)} for row in rows]
    data: Any = alt.Data
    base = alt.Chart(data(values=shown)).encode(
        x=alt.X(f"{x}:Q", scale=alt.Scale(type="log", nice=False, padding=14), axis=alt.Axis(title=x, tickCount=5)),
        y=alt.Y(f"{y}:Q", scale=alt.Scale(type="log"), axis=alt.Axis(title=says or y, tickCount=5, format="~g")),
        color=alt.Color(f"{color}:N", scale=alt.Scale(domain=ways, range=list(COLORS[: len(ways)])), title=None),
        shape=alt.Shape(f"{color}:N", scale=alt.Scale(domain=ways, range=list(SHAPES[: len(ways)])), title=None),
    )
    marks = base.mark_line(strokeWidth=1.6) + base.mark_point(filled=True, size=58, opacity=1)
    return marks.properties(width=300, height=230, title=title)


def save(panels: list[Any], path: Path) -> None:
    """Write the panels beside each other, as a figure of a paper."""
    import altair as alt
    import vl_convert

    whole = (
        alt.hconcat(*panels)
        .resolve_scale(color="independent", shape="independent")
        .configure(font="Helvetica, Arial, sans-serif", background="white", padding=6)
        .configure_axis(labelFontSize=11, titleFontSize=12, titleFontWeight="normal", labelColor=INK, gridColor="#e8e8e8")
        .configure_title(fontSize=13, fontWeight="normal", anchor="start", color=INK)
        .configure_legend(labelFontSize=11, orient="bottom", direction="vertical")
    )
    path.parent.mkdir(exist_ok=True)
    path.write_text(vl_convert.vegalite_to_svg(whole.to_dict()))
    print(f"written: {path.name}")
