"""Turns a choice of axes, a query's result or paired differences into Vega-Lite charts in the theme of the figures."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import polars as pl

from dashboards.blocks.address import PageChoice, numeric, varied
from dashboards.data.cache import SweepRows
from orchestrator.errors import QueryError
from orchestrator.figures import of_sweep
from orchestrator.figures.drawing import Drawing
from orchestrator.figures.theme import COLORS, GREY, HEIGHT, WIDTH
from orchestrator.results.paired_differences import Difference, Differences
from orchestrator.results.query import Results
from orchestrator.wording import shown

MARKS = 5_000
FREE = ("curve", "points", "collapse", "pareto")
"""Kinds of figures whose axes may be formulas of a row."""
ROWS = 300_000
"""Rows that one figure is worked out from."""
Chart = dict[str, Any]
LINE = "https://vega.github.io/schema/vega-lite/v6.json"


def completed(choice: PageChoice, rows: SweepRows, record: Mapping[str, Any]) -> PageChoice:
    """The choice with axes where it names none: those of the sweep's first figure, else its x over its first result."""
    if choice.x and choice.y:
        return choice
    names = axes(rows, record)
    figures = [f for f in of_sweep.declared(record) if {f.x, f.y} <= {*names["x"], *names["y"]}]
    if figures and not (choice.x or choice.y):
        first = figures[0]
        color, facet = choice.color or first.color or "", choice.facet or first.facet or ""
        log = choice.log or tuple(axis for axis in first.log if axis != "color")
        return dataclasses.replace(choice, x=first.x, y=first.y, color=color, facet=facet, log=log)
    x = choice.x or next((n for n in (record.get("x"), *varied(rows.frame, rows.fields), *names["x"]) if n in names["x"]), "")
    y = choice.y or next((name for name in names["y"] if name != x), "")
    return dataclasses.replace(choice, x=x, y=y)


def axes(rows: SweepRows, record: Mapping[str, Any] | None = None) -> dict[str, list[str]]:
    """The columns that may be axes, by axis: what was set first for x, what was measured first for y.

    Before them stand the formulas that figures of the sweep draw.
    """
    params = [name for name, field in rows.fields.items() if field.role == "param"]
    results = [name for name, field in rows.fields.items() if field.role == "result"]
    several = varied(rows.frame, rows.fields)
    groups = ["arm", *several, "status", "seed", "device", "host", "commit", "generation"]
    declared = [f for f in of_sweep.declared(record) if f.kind in FREE] if record is not None else []
    used = {axis: dict.fromkeys(getattr(figure, axis) for figure in declared) for axis in "xy"}
    formulas = {axis: [name for name in used[axis] if name and name not in rows.frame.columns] for axis in "xy"}
    ordered = [*several, *(p for p in params if p not in several), *results, "seed", "step", "seconds"]
    return {
        "x": [*formulas["x"], *numeric(rows.frame, ordered)],
        "y": [*formulas["y"], *numeric(rows.frame, [*results, "seconds", *params])],
        "color": [name for name in groups if name in rows.frame.columns],
        "facet": [name for name in groups if name in rows.frame.columns],
    }


def explore(results: Results, choice: PageChoice, rows: SweepRows, record: Mapping[str, Any]) -> Drawing:
    """The figure with the chosen axes; QueryError where it would have too many marks, SpecError where an axis is none."""

    def chosen(table: pl.DataFrame) -> pl.DataFrame:
        kept_rows = choice.filtered(table)
        return kept_rows.filter(pl.col("final")) if choice.x != "step" else kept_rows

    finals = chosen(rows.frame)
    if len(finals) > ROWS:
        raise QueryError(f"figure: it must rest on at most {ROWS:,} rows, but there are {len(finals):,}; add a filter.")
    if choice.x in finals.columns and choice.x != "step":
        searched = of_sweep.searched(record)
        names = [n for n in (choice.x, choice.color, choice.facet, *searched) if n in finals.columns]
        marks = finals.select(list(dict.fromkeys(names))).n_unique()
        if marks > MARKS:
            raise QueryError(
                f"figure: it must have at most {MARKS:,} marks, but would have {marks:,}; filter or choose others."
            )
    axes = {name: value for name in ("x", "y", "color", "facet") if (value := getattr(choice, name))}
    return of_sweep.explore(results.store, record, {**axes, "log": list(choice.log)}, rows.frame, rows.fields, chosen)


@lru_cache(maxsize=1)
def theme() -> Chart:
    """Fonts and lines of the figures."""
    return dict(of_sweep.theme())


def of_result(table: pl.DataFrame, x: str, y: str, color: str, log: Sequence[str]) -> Chart:
    """A query's result as a chart: points and lines over a number, bars over a name."""
    number = table.schema[x].is_numeric()
    names = [n for n in dict.fromkeys((x, y, color)) if n]
    records = [{f"c{i}": _plain(row[name]) for i, name in enumerate(names)} for row in table.select(names).to_dicts()]
    places = {name: f"c{i}" for i, name in enumerate(names)}
    scale = {"zero": False, "nice": True}
    across: Chart = {"field": places[x], "title": x, "type": "quantitative" if number else "nominal"}
    across |= {"scale": _log(scale, "x" in log)} if number else {"sort": None, "axis": {"labelLimit": 140}}
    upward: Chart = {"field": places[y], "title": y, "type": "quantitative"}
    upward["scale"] = _log(scale, "y" in log) if number or "y" in log else {"nice": True}
    encoding = {"x": across, "y": upward, "tooltip": [{"field": places[n], "title": n} for n in names]}
    if color:
        encoding["color"] = {
            "field": places[color],
            "title": color,
            "type": "nominal",
            "scale": _colors(table[color].n_unique()),
        }
    once = len(table.select(list(dict.fromkeys(n for n in (x, color) if n))).unique()) == len(table)
    dot = {"size": 50, **({} if color else {"color": COLORS[0]})}
    line: Chart = {"type": "line", "point": dot, "strokeWidth": 1.2} if once else {"type": "point", "filled": True}
    mark = line if number else {"type": "bar"} if once else {"type": "tick"}
    return _whole(
        {"data": {"values": records}, "mark": {**mark, **({} if color else {"color": COLORS[0]})}, "encoding": encoding}
    )


def _colors(many: int) -> Chart:
    return {"range": list(COLORS)} if many <= len(COLORS) else {"scheme": "viridis"}


def _log(scale: Chart, log: bool) -> Chart:
    return {"type": "log", "nice": True} if log else scale


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def of_differences(differences: Differences) -> Chart:
    """The differences of all settings as dots with their intervals around a line at zero, in the order of the settings."""
    ordered = [_dot(difference) for difference in differences.settings[:MARKS]]
    y = {"field": "setting", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 260, "grid": True}}
    tips = [{"field": name, "title": name} for name in ("setting", "difference", "low", "high", "pairs")]
    x = {"field": "difference", "type": "quantitative", "title": f"difference in {differences.column}", "scale": {"zero": True}}
    ink = {
        "field": "apart",
        "type": "nominal",
        "legend": None,
        "scale": {"domain": [True, False], "range": [COLORS[1], COLORS[0]]},
    }
    layers: list[Chart] = [
        {"mark": {"type": "rule", "color": GREY, "strokeDash": [4, 3]}, "encoding": {"x": {"datum": 0}}},
        {"mark": {"type": "rule", "strokeWidth": 1.6}, "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}}},
        {"mark": {"type": "point", "filled": True, "size": 60, "opacity": 1}, "encoding": {"x": x, "tooltip": tips}},
    ]
    for layer in layers[1:]:
        layer["encoding"] |= {"y": y, "color": ink}
    return _whole({"data": {"values": ordered}, "layer": layers, "height": {"step": 20}})


def _dot(difference: Difference) -> dict[str, Any]:
    setting = difference.setting.items()
    label = ", ".join(f"{name} {shown(value) if isinstance(value, float) else value}" for name, value in setting)
    value = None if math.isnan(difference.estimate) else difference.estimate
    low, high = (value if value is None or end is None else end for end in (difference.low, difference.high))
    numbers = {"difference": value, "low": low, "high": high, "pairs": difference.pairs, "apart": difference.apart}
    return {"setting": label or "all rows", **numbers}


def _whole(chart: Chart) -> Chart:
    return {"$schema": LINE, "width": WIDTH, "height": HEIGHT, "config": theme(), **chart}
