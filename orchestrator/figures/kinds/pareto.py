"""Draws a Pareto front: which assignments no other beats in both x and y."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import polars as pl

from orchestrator.columns import OK
from orchestrator.figures.data import Record, prepared
from orchestrator.figures.drawing import Drawing, Request
from orchestrator.figures.theme import COLORS, HEIGHT, INK, WIDTH, axis_title
from orchestrator.fitting.aggregates import combine
from orchestrator.fitting.fronts import non_dominated
from orchestrator.results.described import Columns, aggregate
from orchestrator.spec.figure_model import Figure
from orchestrator.wording import shown, some

MOST = 4
"""Fronts whose volume a caption says."""


def draw(request: Request) -> Drawing:
    """The assignments, and the front through the best of them."""
    figure, fields = request.figure, request.fields
    records = points(figure, prepared(request.spec, figure, request.rows), fields)
    corners = references(figure, request.beside.boundaries)
    data = [{"shows": "front" if record["best"] else "point", **record} for record in records]
    data += [{"shows": "reference", **corner} for corner in corners]
    text = caption(records, figure) + _volumes(corners)
    return request.answer(chart(records, figure, fields, corners), f"{figure.y} against {figure.x}", text, data)


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
    signs = np.array([1.0 if end == "low" else -1.0 for end in best])
    return {*map(int, np.flatnonzero(non_dominated(signs * np.array(places, dtype=float).reshape(-1, 2))))}


def references(figure: Figure, boundaries: pl.DataFrame | None) -> list[Record]:
    """Where the volumes of a search on these goals count from, each with the volume of every front; nothing without them."""
    names = [f"{name}_reference" for name in (figure.x, figure.y)]
    if boundaries is None or not {*names, "hypervolume"} <= {*boundaries.columns}:
        return []
    placed = boundaries.drop_nulls([*names, "hypervolume"]).sort("arm", "curve")
    return [
        {"x": row[names[0]], "y": row[names[1]], "name": row["curve"] or row["arm"], "hypervolume": row["hypervolume"]}
        for row in placed.iter_rows(named=True)
    ]


def caption(points: Sequence[Record], figure: Figure) -> str:
    """What is drawn, in sentences."""
    best = sum(1 for p in points if p["best"])
    ends = f"{figure.best[0]} {figure.x} and {figure.best[1]} {figure.y}"
    rows = some([p["seeds"] for p in points], "row")
    front_says = f"The line joins the {best} of {len(points)} that none beats in {ends}."
    return f"Each mark is one assignment, of {rows}, seeds combined. {front_says}"


def _volumes(corners: Sequence[Record]) -> str:
    """What the search says of the fronts that it found."""
    if not corners:
        return ""
    each = "; ".join(f"{corner['name']}: {shown(corner['hypervolume'])}" for corner in corners[:MOST])
    more = f" and {len(corners) - MOST} more" if len(corners) > MOST else ""
    return f" The cross is the reference; the search's fronts dominate up to there, {each}{more}."


def chart(points: list[Record], figure: Figure, fields: Columns, corners: Sequence[Record] = ()) -> alt.TopLevelMixin:
    """The marks, those that are beaten faint, the front as stairs, and a cross at the reference of a search."""
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
    layers = [line, marks.encode(**axes, color=color, opacity=faint, tooltip=tips)]
    if corners:
        cross = alt.Chart(alt.Data(values=list(corners))).mark_point(shape="cross", filled=True, size=90, color=INK)
        layers.append(cross.encode(**axes, tooltip=[*tips, alt.Tooltip("hypervolume:Q")]))
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)


def _channel(axis: str, name: str, figure: Figure, fields: Columns) -> Any:
    scale = alt.Scale(type="log" if axis in figure.log else "linear", zero=False, padding=12)
    return {"x": alt.X, "y": alt.Y}[axis](f"{axis}:Q", scale=scale, title=axis_title(figure, axis, name, fields))
