"""Draws one column over two as a heat map: a phase diagram, with the boundary that a search found and where it looked."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import altair as alt
import polars as pl

from orchestrator.columns import OK
from orchestrator.figures.curve_chart import lost_mark
from orchestrator.figures.data import Record, prepared
from orchestrator.figures.drawing import Drawing, Request, described, recorded
from orchestrator.figures.theme import INK, axis_title
from orchestrator.fitting.aggregates import combine
from orchestrator.results.conditions import truths
from orchestrator.results.derived_columns import derived, with_column
from orchestrator.results.described import Columns, aggregate
from orchestrator.spec import Spec
from orchestrator.spec.figure_model import Figure
from orchestrator.wording import count, some

WIDTH, HEIGHT = 420, 300
FULL = 0.6  # of all combinations of x and y: with as many measured the map is a grid, with fewer a cloud of marks


def draw(request: Request) -> Drawing:
    """The colour's column over x and y, with the boundary that was found there."""
    spec, figure, fields = request.spec, request.figure, request.fields
    assert figure.color is not None
    records = cells(spec, figure, request.rows, fields)
    arms = set(prepared(spec, figure, request.rows)["arm"].cast(str).to_list())
    line = [record for record in border(figure, request.beside.boundaries) if record["arm"] in arms]
    lost = sum(1 for r in records if r["value"] is None)
    text = f"{described(figure.color, fields)} over {figure.x} and {figure.y}. {_each(records)}"
    if lost:
        text += f" {count(lost, 'point')} no result: crosses."
    if line:
        text += " The line is the boundary that the search found, its band the bracket; marks are where it measured."
    title = f"{figure.color} over {figure.x} and {figure.y}"
    return request.answer(heat(figure, records, line, fields), title, text, recorded(cell=records, boundary=line))


def _each(records: list[Record]) -> str:
    """How many rows a mark stands for, in a sentence."""
    numbers = [record["seeds"] for record in records if record["value"] is not None]
    return f"Each mark stands for {some(numbers, 'row')}."


def cells(spec: Spec, figure: Figure, rows: pl.DataFrame, fields: Columns) -> list[Record]:
    """The colour's value at each x and y (and facet), seeds combined as its column says; `lost` counts points without one."""
    table = derived(spec, rows).filter(pl.col("final"))
    if figure.where is not None:
        table = table.filter(truths(table, figure.where, f"{spec.name}: figures.where"))
    assert figure.color is not None
    names = [name for name in (figure.x, figure.y, figure.color, figure.facet) if name is not None]
    for name in names:
        table = with_column(table, name, f"{spec.name}: figures")
    keys = [name for name in names if name != figure.color]
    records = []
    for key, part in table.drop_nulls(keys).group_by(keys, maintain_order=True):
        values = part.filter(pl.col("status").cast(pl.String) == OK)[figure.color].cast(pl.Float64).drop_nulls().drop_nans()
        value = float(combine(values.to_numpy(), aggregate(fields, figure.color))) if len(values) else None
        facet = str(key[2]) if figure.facet is not None else ""
        records.append({"x": float(key[0]), "y": float(key[1]), "facet": facet, "value": value, "seeds": len(values)})
    return records


def border(figure: Figure, boundaries: pl.DataFrame | None) -> list[Record]:
    """The boundary on the map's axes, with the bracket of the one that was searched along; nothing where there is none."""
    if boundaries is None or not {figure.x, figure.y} <= {*boundaries.columns}:
        return []
    records = []
    for row in boundaries.drop_nulls([figure.x, figure.y]).iter_rows(named=True):
        record = {"x": float(row[figure.x]), "y": float(row[figure.y]), "arm": str(row.get("arm", ""))}
        for axis, name in (("x", figure.x), ("y", figure.y)):
            low, high = row.get(f"{name}_lower"), row.get(f"{name}_upper")
            record |= {
                f"{axis}_low": record[axis] if low is None else low,
                f"{axis}_high": record[axis] if high is None else high,
            }
        records.append(record)
    return records


def heat(figure: Figure, records: list[Record], line: list[Record], fields: Columns) -> Any:
    """The heat map as an Altair chart; `line` holds the positions of a boundary on the same axes."""
    valued = [r for r in records if r["value"] is not None and all(r[a] > 0 for a in ("x", "y") if a in figure.log)]
    lost = [r for r in records if r["value"] is None]
    axes = {axis: _channel(figure, axis, column, fields) for axis, column in (("x", figure.x), ("y", figure.y))}
    values = [r["value"] for r in valued]
    color = alt.Color("value:Q", title=figure.color, scale=_scale(figure, values))
    tips = [alt.Tooltip("x:Q", title=figure.x), alt.Tooltip("y:Q", title=figure.y), alt.Tooltip("value:Q", title=figure.color)]
    if _is_grid(valued) and not line:
        ordinal = {axis: _ordinal(axis, column) for axis, column in (("x", figure.x), ("y", figure.y))}
        marks = alt.Chart(alt.Data(values=valued)).mark_rect().encode(**ordinal, color=color, tooltip=tips)
        gaps = lost_mark(alt.Chart(alt.Data(values=lost)), size=60).encode(**ordinal)
        return (alt.layer(marks, gaps) if lost else marks).properties(width=WIDTH, height=HEIGHT)
    layers = [_cells(figure, valued, axes, color, tips)] if _is_grid(valued) else []
    size, rim = (18, 0.8) if layers else (70, 0.5)
    base = alt.Chart(alt.Data(values=valued)).mark_point(filled=True, size=size, opacity=1, stroke="white", strokeWidth=rim)
    layers.append(base.encode(**axes, color=color, tooltip=tips))
    if lost:
        layers.append(lost_mark(alt.Chart(alt.Data(values=lost)), size=60).encode(**axes))
    if line:
        base_line = alt.Chart(alt.Data(values=line))
        over = _is_grid(valued)  # dark cells lie below: the line has a rim, and its band is light
        band: dict[str, Any] = {"color": "white" if over else INK, "strokeWidth": 6, "opacity": 0.6 if over else 0.35}
        layers += [base_line.mark_line(color="white", strokeWidth=5).encode(**axes, detail="arm:N")] if over else []
        layers += [
            base_line.mark_line(color=INK, strokeWidth=2).encode(**axes, detail="arm:N"),
            base_line.mark_rule(**band).encode(x=axes["x"], y=_channel(figure, "y", figure.y, fields, "y_low"), y2="y_high:Q"),
            base_line.mark_rule(**band).encode(y=axes["y"], x=_channel(figure, "x", figure.x, fields, "x_low"), x2="x_high:Q"),
        ]
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)


def _cells(figure: Figure, valued: list[Record], axes: dict[str, Any], color: Any, tips: list[Any]) -> Any:
    """A rectangle around each place that was measured, up to half the way to its neighbours."""
    edges = {axis: _edges({r[axis] for r in valued}, axis in figure.log) for axis in ("x", "y")}
    records = [
        {**r, **{f"{a}_{end}": edges[a][r[a]][i] for a in edges for i, end in enumerate(("from", "to"))}} for r in valued
    ]
    x, y = (axes[axis].copy() for axis in ("x", "y"))
    x.shorthand, y.shorthand = "x_from:Q", "y_from:Q"
    return alt.Chart(alt.Data(values=records)).mark_rect().encode(x=x, y=y, x2="x_to:Q", y2="y_to:Q", color=color, tooltip=tips)


def _edges(places: set[float], logarithmic: bool) -> dict[float, tuple[float, float]]:
    """Where the cell of each place begins and ends on its axis."""
    go, back = (math.log, math.exp) if logarithmic else (float, float)
    at = [go(position) for position in sorted(places)]
    inner = [(a + b) / 2 for a, b in pairwise(at)]
    ends = [2 * at[0] - inner[0], *inner, 2 * at[-1] - inner[-1]]
    return {position: (back(a), back(b)) for position, (a, b) in zip(sorted(places), pairwise(ends), strict=True)}


def _is_grid(records: list[Record]) -> bool:
    """Whether most combinations of x and y were measured."""
    xs, ys = {r["x"] for r in records}, {r["y"] for r in records}
    return len(xs) > 1 and len(ys) > 1 and len(records) >= FULL * len(xs) * len(ys)


def _channel(figure: Figure, axis: str, column: str, fields: Columns, of: str = "") -> Any:
    scale = alt.Scale(type="log" if axis in figure.log else "linear", zero=False, nice=False, padding=12)
    return {"x": alt.X, "y": alt.Y}[axis](f"{of or axis}:Q", scale=scale, title=axis_title(figure, axis, column, fields))


def _ordinal(axis: str, column: str) -> Any:
    """An axis of cells, numbers rising to the right and upwards."""
    order = "ascending" if axis == "x" else "descending"
    ticks = alt.Axis(title=column, labelOverlap="greedy", labelAngle=0, grid=False, labelExpr="format(datum.value, '.3~g')")
    return {"x": alt.X, "y": alt.Y}[axis](f"{axis}:O", sort=order, axis=ticks)


def _scale(figure: Figure, values: list[float]) -> Any:
    """Colours that differ in lightness; from two sides of zero where the values lie on both."""
    if "color" in figure.log:
        return alt.Scale(type="log", scheme="viridis")
    if values and min(values) < 0 < max(values):
        return alt.Scale(scheme="blueorange", domainMid=0)
    return alt.Scale(scheme="viridis")
