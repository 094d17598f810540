"""Draws a Pareto front: which assignments no other beats in both x and y."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from orchestrator.columns import OK
from orchestrator.figures.data import Record, prepared
from orchestrator.figures.drawing import Drawing, Request
from orchestrator.figures.theme import COLORS, HEIGHT, INK, WIDTH, axis_title
from orchestrator.fitting.aggregates import combine
from orchestrator.results.described import Columns, aggregate
from orchestrator.spec.figure_model import Figure
from orchestrator.wording import some


def draw(request: Request) -> Drawing:
    """The assignments, and the front through the best of them."""
    figure, fields = request.figure, request.fields
    records = points(figure, prepared(request.spec, figure, request.rows), fields)
    data = [{"shows": "front" if record["best"] else "point", **record} for record in records]
    return request.answer(chart(records, figure, fields), f"{figure.y} against {figure.x}", caption(records, figure), data)


def points(figure: Figure, table: pl.DataFrame, fields: Columns) -> list[Record]:
    """One record an assignment, seeds combined: `x, y, color, best`, and its params in `name`."""
    ok = table.filter(pl.col("status").cast(pl.String) == OK).drop_nulls([figure.x, figure.y])
    params = [name for name, field in fields.items() if field.role == "param" and name in ok.columns and name != figure.color]
    keys = ["arm", *params, *([figure.color] if figure.color and figure.color != "arm" else [])]
    records: list[Record] = []
    for key, part in ok.group_by(keys, maintain_order=True):
        x, y = (float(combine(part[n].cast(pl.Float64).to_numpy(), aggregate(fields, n))) for n in (figure.x, figure.y))
        labels = dict(zip(keys, key, strict=True))
        name = ", ".join(f"{k} = {v}" for k, v in labels.items() if v is not None and ok[k].n_unique() > 1)
        records.append({"x": x, "y": y, "color": str(labels.get(figure.color or "", "")), "name": name, "seeds": len(part)})
    best = front([(p["x"], p["y"]) for p in records], figure.best)
    return [{**p, "best": i in best} for i, p in enumerate(records)]


def front(places: Sequence[tuple[float, float]], best: tuple[str, str]) -> set[int]:
    """Positions of the places that none beats: is as good in one and better in the other. `best` is low or high for each."""
    signs = [1.0 if end == "low" else -1.0 for end in best]
    order = sorted(range(len(places)), key=lambda i: (signs[0] * places[i][0], signs[1] * places[i][1]))
    best_ones: set[int] = set()
    least, last = float("inf"), None
    for i in order:
        value = signs[1] * places[i][1]
        if value < least or places[i] == last:
            best_ones.add(i)
            least, last = value, places[i]
    return best_ones


def caption(points: Sequence[Record], figure: Figure) -> str:
    """What is drawn, in sentences."""
    best = sum(1 for p in points if p["best"])
    ends = f"{figure.best[0]} {figure.x} and {figure.best[1]} {figure.y}"
    rows = some([p["seeds"] for p in points], "row")
    front_says = f"The line joins the {best} of {len(points)} that none beats in {ends}."
    return f"Each mark is one assignment, of {rows}, seeds combined. {front_says}"


def chart(points: list[Record], figure: Figure, fields: Columns) -> alt.TopLevelMixin:
    """The marks, those that are beaten faint, and the front as stairs."""
    axes = {axis: _channel(axis, name, figure, fields) for axis, name in (("x", figure.x), ("y", figure.y))}
    visible = [p for p in points if all(p[axis] > 0 for axis in ("x", "y") if axis in figure.log)]
    stairs = alt.Chart(alt.Data(values=[p for p in visible if p["best"]]))
    step: Any = "step-after" if figure.best[0] == "low" else "step-before"
    line = stairs.mark_line(interpolate=step, color=INK, strokeWidth=1.4).encode(**axes)
    labels = list(dict.fromkeys(p["color"] for p in points))
    scale = alt.Scale(domain=labels, range=list(COLORS)) if len(labels) <= len(COLORS) else alt.Scale(scheme="viridis")
    color = alt.Color("color:N", title=figure.color, scale=scale) if figure.color else alt.value(COLORS[0])
    faint = alt.condition("datum.best", alt.value(1), alt.value(0.35))
    tips = [alt.Tooltip("x:Q", title=figure.x), alt.Tooltip("y:Q", title=figure.y), alt.Tooltip("name:N")]
    marks = alt.Chart(alt.Data(values=visible)).mark_point(filled=True, size=60)
    return alt.layer(line, marks.encode(**axes, color=color, opacity=faint, tooltip=tips)).properties(
        width=WIDTH, height=HEIGHT
    )


def _channel(axis: str, name: str, figure: Figure, fields: Columns) -> Any:
    scale = alt.Scale(type="log" if axis in figure.log else "linear", zero=False, padding=12)
    return {"x": alt.X, "y": alt.Y}[axis](f"{axis}:Q", scale=scale, title=axis_title(figure, axis, name, fields))
