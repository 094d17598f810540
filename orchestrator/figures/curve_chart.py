"""Turns the data of a figure of y over x into its chart: error bars, marks, judged laws, theory lines and what is missing."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import altair as alt

from orchestrator.figures.data import CurveData, Record
from orchestrator.figures.theme import COLORS, DASHES, GREY, HALO, HEIGHT, INK, LOST, LOST_MARK, SHAPES, WIDTH, axis_title
from orchestrator.results.described import Columns
from orchestrator.spec.figure_model import Figure

ARROW = "M-1,-1L1,-1L0,1Z"
"""A head that points down, on an interval that goes on."""
LETTERS = 14
"""Pixels from one line of small letters to the next."""
Chart = Any  # what Altair's methods give depends on the marks


def chart(figure: Figure, curve_data: CurveData, fields: Columns, traced: bool) -> Chart:
    """The chart, its data inside it: error bars, marks, fitted laws and theory lines with their names beside them."""
    x, y = _axis(alt.X, "x", figure, figure.x, curve_data, fields), _axis(alt.Y, "y", figure, figure.y, curve_data, fields)
    layers = [*_lines(figure, curve_data, x, y, traced), *_marks(figure, curve_data, x, y), *_crosses(figure, curve_data, x)]
    layered: Chart = alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)
    if figure.facet is not None:
        kinds = {
            "points": curve_data.points,
            "laws": curve_data.laws,
            "theory": curve_data.theory,
            "gone": curve_data.without_result,
            "traces": curve_data.traces if traced else [],
        }
        kinds["names"] = _named_ends(figure, curve_data)
        data = [{**p, "kind": kind} for kind, records in kinds.items() for p in records]
        # Altair names the data of a plain dict by a hash over all their digits.
        layered = alt.layer(*layers, data=alt.Data(values=data)).properties(width=WIDTH // 2 + 40, height=HEIGHT // 2 + 60)
        layered = layered.facet(facet=_panels(figure, curve_data), columns=2)
    if curve_data.residuals:
        layered = alt.vconcat(layered, _panel(figure, curve_data, x), spacing=4)
    return layered


def _panels(figure: Figure, data: CurveData) -> Any:
    """One panel for each value of the facet, with that value as its head."""
    header = alt.Header(labelExpr=f"'{figure.facet} = ' + datum.value") if str(figure.facet).isidentifier() else alt.Header()
    return alt.Facet("facet:N", title=None, sort=_labels(data, "facet"), header=header)


def _crosses(figure: Figure, data: CurveData, x: alt.X) -> list[Any]:
    """A cross at the foot of the plot for each place that lacks a result."""
    if not data.without_result:
        return []
    base = _chart(figure, data.without_result, "gone")
    return [lost_mark(base, size=55).encode(x=x, y=_above_foot(figure, data, 7))]


def lost_mark(base: Any, size: int) -> Any:
    """The chart's records as marks of what has no result."""
    return base.mark_point(shape=LOST_MARK, angle=45, size=size, filled=True, opacity=1, color=LOST)


def _above_foot(figure: Figure, data: CurveData, pixels: int) -> Any:
    """A place above the foot of the plot; where the plot stands alone its page may give it another height."""
    if figure.facet is not None:
        return alt.value(HEIGHT // 2 + 60 - pixels)
    return alt.value(HEIGHT - pixels if data.residuals else alt.expr(f"height - {pixels}"))


def _panel(figure: Figure, data: CurveData, x: alt.X) -> Any:
    """What the laws leave, in a low panel on the same x."""
    factor = "y" in figure.log
    ends = alt.Axis(title="over law" if factor else "minus law", tickCount=4, titleFontSize=12)
    low, y = (alt.Y(f"{name}:Q", axis=ends, scale=alt.Scale(zero=False)) for name in ("low", "y"))
    base = alt.Chart(alt.Data(values=data.residuals))
    plain = not any(p["color"] for p in data.residuals)
    color = alt.value(COLORS[0]) if plain else _color(figure, data, legend=False)
    level = alt.Chart(alt.Data(values=[{"y": 1.0 if factor else 0.0}])).mark_rule(strokeDash=[5, 3], color=GREY).encode(y=y)
    bars = base.mark_rule(strokeWidth=1.2).encode(x=x, y=low, y2="high:Q", color=color)
    marks = base.mark_point(filled=True, size=40, opacity=1).encode(x=x, y=y, color=color)
    return alt.layer(level, bars, marks).properties(width=WIDTH, height=80)


def _axis(channel: Any, axis: str, figure: Figure, column: str, data: CurveData, fields: Columns) -> Any:
    title = axis_title(figure, axis, column, fields)
    logarithmic = axis in figure.log
    if axis == "y" and logarithmic:
        powers = _powers(data)
        scale = alt.Scale(type="log", domain=[powers[0], powers[-1]], nice=False)
        return channel("y:Q", scale=scale, axis=alt.Axis(title=title, values=powers, labelExpr=_power_labels(powers)))
    scale = alt.Scale(type="log", nice=False, padding=14) if logarithmic else alt.Scale(zero=False, nice=False, padding=14)
    ticks = sorted({p["x"] for p in data.points}) if axis == "x" else []
    options: dict[str, Any] = {"title": title, "labelOverlap": "greedy", "labelSeparation": 5, "format": "~r"}
    if 0 < len(ticks) <= 12 and (logarithmic or len({round(b - a, 9) for a, b in pairwise(ticks)}) == 1):
        options |= {"values": ticks}
    if axis == "y":
        scale, options = alt.Scale(zero=False, nice=True), {"title": title}
    return channel(f"{axis}:Q", scale=scale, axis=alt.Axis(**options))


def _powers(data: CurveData) -> list[float]:
    """Powers of ten from below all that is drawn to above it, thinned to eight."""
    ends = [p[k] for p in data.points for k in ("low", "high") if p[k] > 0]
    values = [*ends, *(p["y"] for p in (*data.points, *data.laws, *data.theory))] or [1.0]
    low, high = math.floor(math.log10(min(values)) + 1e-9), math.ceil(math.log10(max(values)) - 1e-9)
    high = max(high, low + 1)
    step = max(1, math.ceil((high - low) / 8))
    return [10.0**n for n in range(low, low + step * math.ceil((high - low) / step) + 1, step)]


def _power_labels(powers: list[float]) -> str:
    """A Vega expression that writes powers of ten as 0.1, 1, 100, 1e6; raised digits are missing from some machines' fonts."""
    exponents = [round(math.log10(p)) for p in powers]
    texts = [f"{p:g}" if -2 <= n <= 3 else f"1e{n}" for n, p in zip(exponents, powers, strict=True)]
    table = ", ".join(f"'{n}': '{text}'" for n, text in zip(exponents, texts, strict=True))
    return f"({{{table}}})[round(log(datum.value) / LN10)]"


def _labels(data: CurveData, of: str = "color") -> list[str]:
    """The labels of the colours or facets in order: numbers by value, names as the sweep has them."""
    labels = list(dict.fromkeys(p[of] for p in data.points))
    try:
        return sorted(labels, key=float)
    except ValueError:
        return labels


def _color(figure: Figure, data: CurveData, legend: bool) -> Any:
    labels = _labels(data)
    if figure.color is None:
        return alt.value(COLORS[0])
    many = len(labels) > len(COLORS)
    scale = alt.Scale(domain=labels, scheme="viridis") if many else alt.Scale(domain=labels, range=list(COLORS[: len(labels)]))
    legend_of = alt.Legend(title=figure.color) if legend and len(labels) > 1 else None
    return alt.Color("color:N", scale=scale, sort=labels, legend=legend_of)


def _shape(figure: Figure, data: CurveData) -> Any:
    labels = _labels(data)
    if figure.color is None or len(labels) > len(SHAPES):
        return alt.value("circle")
    scale = alt.Scale(domain=labels, range=list(SHAPES[: len(labels)]))
    legend_of = alt.Legend(title=figure.color) if len(labels) > 1 else None
    return alt.Shape("color:N", scale=scale, sort=labels, legend=legend_of)


def _chart(figure: Figure, records: list[Record], kind: str) -> Any:
    """A chart on its own records, or, where the figure has facets, on the shared ones of that kind."""
    if figure.facet is not None:
        return alt.Chart().transform_filter(f"datum.kind === '{kind}'")
    return alt.Chart(alt.Data(values=records))


def _marks(figure: Figure, data: CurveData, x: alt.X, y: alt.Y) -> list[Any]:
    """Error bars under filled marks with a white rim."""
    base = _chart(figure, data.points, "points")
    color = _color(figure, data, legend=True)
    tooltip = [alt.Tooltip(name, title=title) for name, title in _tips(figure)]
    end_labels = _ends(figure, data, x, y, color)
    marks = base.mark_point(filled=True, size=58, opacity=1, stroke="white", strokeWidth=0.7).encode(
        x=x, y=y, color=color, shape=_shape(figure, data), tooltip=tooltip
    )
    if not any(p["high"] > p["low"] for p in data.points):
        return [marks, *end_labels]
    return [*_bars(figure, data, x, base), marks, *end_labels]


def _bars(figure: Figure, data: CurveData, x: alt.X, base: Any) -> list[Any]:
    """Intervals; one that goes on below 0, where a logarithmic axis has no place, ends in an arrow at the foot."""
    color, width = _color(figure, data, legend=True), 1.4
    if not open_ends(figure, data):
        return [base.mark_rule(strokeWidth=width).encode(x=x, y="low:Q", y2="high:Q", color=color)]
    whole, cut = base.transform_filter("datum.low > 0"), base.transform_filter("!(datum.low > 0)")
    arrow = cut.mark_point(shape=ARROW, size=30, filled=True, opacity=1)
    return [
        whole.mark_rule(strokeWidth=width).encode(x=x, y="low:Q", y2="high:Q", color=color),
        cut.mark_rule(strokeWidth=width).encode(x=x, y="high:Q", y2=_above_foot(figure, data, 0), color=color),
        arrow.encode(x=x, y=_above_foot(figure, data, 4), color=color),
    ]


def open_ends(figure: Figure, data: CurveData) -> bool:
    """Whether an interval goes on below what a logarithmic axis can show."""
    return "y" in figure.log and any(not p["low"] > 0 for p in data.points)


def _ends(figure: Figure, data: CurveData, x: alt.X, y: alt.Y, color: Any) -> list[Any]:
    """The setting of each curve beside its right end, where one colour has several."""
    ends = list({(p["color"], p["facet"], p["curve"]): p for p in sorted(data.points, key=lambda p: p["x"])}.values())
    if figure.facet is not None or len({p["curve"] for p in ends}) < 2:
        return []
    base = alt.Chart(alt.Data(values=_spread([p for p in ends if p["curve"]], figure, data)))
    halo, text = (base.mark_text(align="right", dx=-2, dy=17, fontSize=11, **rim) for rim in (HALO, {}))
    return [halo.encode(x=x, y=y, text="curve:N"), text.encode(x=x, y=y, text="curve:N", color=color)]


def _spread(ends: list[Record], figure: Figure, data: CurveData) -> list[Record]:
    """The ends of curves, moved down where their names would lie on one another."""
    logarithmic = "y" in figure.log
    position, back = (math.log, math.exp) if logarithmic else (float, float)
    places = _powers(data) if logarithmic else [p["y"] for p in (*data.points, *data.laws, *data.theory)]
    gap, moved, last = LETTERS / HEIGHT * (position(max(places)) - position(min(places)) or 1.0), [], math.inf
    for record in sorted(ends, key=lambda p: -float(p["y"])):
        last = min(position(record["y"]), last - gap)
        moved.append({**record, "y": back(last)})
    return moved


def _tips(figure: Figure) -> list[tuple[str, str]]:
    tips = [
        ("x:Q", figure.x),
        ("y:Q", figure.y),
        ("low:Q", "low"),
        ("high:Q", "high"),
        ("seeds:Q", "seeds"),
        ("rows:Q", "rows"),
    ]
    return [*tips, *([("color:N", figure.color)] if figure.color else [])]


def _lines(figure: Figure, data: CurveData, x: alt.X, y: alt.Y, traced: bool) -> list[Any]:
    """Theory dashed with its name at the right end, laws solid, and a thin trace through each curve that has no law."""
    color = _color(figure, data, legend=True)
    layers = []
    if data.theory:
        plain = not any(p["color"] for p in data.theory)
        ink = alt.value(GREY) if plain else color
        base = _chart(figure, data.theory, "theory")
        layers.append(
            base.mark_line(strokeDash=[5, 3], strokeWidth=1.4, clip=True).encode(
                x=x, y=y, color=ink, detail=["curve:N", "label:N"]
            )
        )
        layers.append(_names(figure, data, x, y))
    if data.laws:
        base = _chart(figure, data.laws, "laws")
        ink = color if figure.color is not None and any(p["color"] for p in data.laws) else alt.value(INK)
        dash_encoding = {"strokeDash": _dashes(data)} if laws_share(data) else {}
        law = base.mark_line(strokeWidth=1.8, opacity=0.85)
        layers.append(law.encode(x=x, y=y, color=ink, detail=["curve:N", "label:N"], **dash_encoding))
    if traced and data.traces:
        trace = _chart(figure, data.traces, "traces").mark_line(strokeWidth=1, opacity=0.6)
        layers.append(trace.encode(x=x, y=y, color=color, detail=["curve:N"]))
    return layers


def laws_share(data: CurveData) -> bool:
    """Whether laws of several claims lie in one colour of one panel."""
    claims: dict[tuple[str, str], set[str]] = {}
    for law in data.laws:
        claims.setdefault((law["color"], law["facet"]), set()).add(law["claim"])
    return any(len(each) > 1 for each in claims.values())


def _dashes(data: CurveData) -> Any:
    """A dash for each claim, with its name in a legend."""
    claims = list(dict.fromkeys(law["claim"] for law in data.laws))
    scale = alt.Scale(domain=claims, range=[list(DASHES[i % len(DASHES)]) for i in range(len(claims))])
    legend = alt.Legend(title="law of", symbolSize=300, symbolStrokeWidth=1.8, symbolStrokeColor=INK)
    return alt.StrokeDash("claim:N", scale=scale, sort=claims, legend=legend)


def _names(figure: Figure, data: CurveData, x: alt.X, y: alt.Y) -> Any:
    """The name of each theory line above the end that `_named_ends` gives."""
    align = "left" if _crowded(figure, data) else "right"
    base = _chart(figure, _named_ends(figure, data), "names")
    return base.mark_text(align=align, dy=-7, fontSize=11, color=GREY).encode(x=x, y=y, text="label:N")


def _named_ends(figure: Figure, data: CurveData) -> list[Record]:
    """The right end of each theory line that has a name, the left one where curves have their names on the right."""
    crowded = _crowded(figure, data)
    ends: dict[tuple[Any, ...], Record] = {}
    for record in sorted(data.theory, key=lambda r: -r["x"] if crowded else r["x"]):
        ends[record["color"], record["facet"], record["curve"], record["label"]] = record
    # Lines of several colors that lie on each other have one name.
    return list({(r["facet"], r["label"], r["x"], r["y"]): r for r in ends.values() if r["label"]}.values())


def _crowded(figure: Figure, data: CurveData) -> bool:
    """Whether the right ends of curves have names."""
    return figure.facet is None and len({p["curve"] for p in data.points}) > 1
