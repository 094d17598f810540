"""Turns the data of a figure into a Vega-Lite chart, and a chart into PNG and SVG, without a browser or a network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from orchestrator import costs, fronts, slopes
from orchestrator.caveats import substitutes
from orchestrator.claims import Verdict, judge_rows
from orchestrator.claims.evidence import Columns
from orchestrator.claims.verdict import count
from orchestrator.expressions import Expression
from orchestrator.figure_data import Drawn, Record, collect, prepared
from orchestrator.heatmaps import border, cells, heat
from orchestrator.theme import COLORS, GREY, HALO, HEIGHT, INK, LOST, SHAPES, WIDTH, styled

if TYPE_CHECKING:
    import polars as pl

    from orchestrator.spec import Spec
    from orchestrator.spec_figures import Figure

PNG_SCALE = 3
LETTERS = 14
"""Pixels from one line of small letters to the next."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What stands beside a sweep's rows: the boundaries of its search, and the verdicts on its claims; None where unknown."""

    boundaries: pl.DataFrame | None = None
    verdicts: Sequence[Verdict] | None = None


NOTHING = Found()


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """One figure: its name for files, a title, a caption that says what is drawn, and the Vega-Lite chart.

    `data` are the records that the chart shows, each with `shows`: point, law, theory and others.
    """

    name: str
    title: str
    caption: str
    chart: dict[str, Any]
    data: list[Record] = field(default_factory=list)


def draw(spec: Spec, index: int, rows: pl.DataFrame, fields: Columns, found: Found = NOTHING) -> Drawing:
    """The figure of that index in the spec, drawn from the sweep's rows; SpecError where it names what they do not have.

    `found` is what a search found and what claims came to, for the figures that show it.
    """
    figure, name = spec.figures[index], f"figure_{index + 1}"
    if figure.kind == "cost":
        figure, fields = costs.figure(figure), costs.fields(fields)
    made = {"heatmap": _map, "pareto": _front, "slopes": _slopes}.get(figure.kind, _curve)
    drawing = _honest(made(spec, figure, name, rows, fields, found), figure, rows)
    return replace(drawing, chart=_steady(drawing.chart))


def _steady(chart: Any) -> Any:
    """The chart with its numbers at nine digits: further ones hang on the processor, and nobody sees them."""
    if isinstance(chart, dict):
        return {key: _steady(value) for key, value in chart.items()}
    if isinstance(chart, list):
        return [_steady(value) for value in chart]
    return chart if not isinstance(chart, float) or chart.is_integer() else float(f"{chart:.9g}")


def _honest(drawing: Drawing, figure: Figure, rows: pl.DataFrame) -> Drawing:
    """The drawing, marked where its rows rest on substitutes for real data."""
    said = substitutes(rows)
    if not said:
        return drawing
    title = {"text": figure.title or drawing.title, "subtitle": said[0]}
    return replace(drawing, caption=f"{drawing.caption} {said[0]}", chart={**drawing.chart, "title": title})


def _slopes(spec: Spec, figure: Figure, name: str, rows: pl.DataFrame, fields: Columns, found: Found) -> Drawing:
    import altair as alt

    verdicts = judge_rows(spec, rows, fields) if found.verdicts is None else found.verdicts
    records = slopes.estimates(verdicts, figure.x)
    title = figure.title or f"{figure.x or 'numbers'} against what is expected"
    chart = styled(slopes.draw(alt, records, figure).properties(title=figure.title or "")).to_dict()
    data = [{"shows": "estimate", **record} for record in records]
    return Drawing(name=name, title=title, caption=slopes.caption(records), chart=chart, data=data)


def _front(spec: Spec, figure: Figure, name: str, rows: pl.DataFrame, fields: Columns, found: Found) -> Drawing:
    import altair as alt

    points = fronts.points(figure, prepared(spec, figure, rows), fields)
    title = figure.title or f"{figure.y} against {figure.x}"
    chart = styled(fronts.draw(alt, points, figure, fields).properties(title=figure.title or "")).to_dict()
    data = [{"shows": "front" if p["best"] else "point", **p} for p in points]
    return Drawing(name=name, title=title, caption=fronts.caption(points, figure), chart=chart, data=data)


def _curve(spec: Spec, figure: Figure, name: str, rows: pl.DataFrame, fields: Columns, found: Found) -> Drawing:
    drawn = collect(spec, figure, rows, fields)
    title = figure.title or f"{figure.y} over {figure.x}"
    text, whole = f"{caption(figure, drawn, fields)}{meant(spec, figure, fields)}", chart(figure, drawn, fields)
    return Drawing(name=name, title=title, caption=text, chart=whole, data=_data(drawn))


def _data(drawn: Drawn) -> list[Record]:
    """All records of a figure in one list, as a paper's readers may want them."""
    kinds = {
        "point": drawn.points,
        "law": drawn.laws,
        "theory": drawn.theory,
        "no result": drawn.gone,
        "residual": drawn.residuals,
    }
    return [{"shows": kind, **record} for kind, records in kinds.items() for record in records]


def _map(spec: Spec, figure: Figure, name: str, rows: pl.DataFrame, fields: Columns, found: Found) -> Drawing:
    """A heat map of the colour's column over x and y, with the boundary that was found there."""
    import altair as alt

    assert figure.color is not None
    records = cells(spec, figure, rows, fields)
    shown = set(prepared(spec, figure, rows)["arm"].cast(str).to_list())
    line = [record for record in border(figure, found.boundaries) if record["arm"] in shown]
    lost = sum(1 for r in records if r["value"] is None)
    says = fields[figure.color].says.rstrip(".") if figure.color in fields else ""
    text = f"{figure.color}{f' ({_lowered(says)})' if says else ''} over {figure.x} and {figure.y}."
    if lost:
        text += f" {count(lost, 'point')} no result: crosses."
    if line:
        text += " The line is the boundary that the search found, its band the bracket; marks are where it measured."
    title = figure.title or f"{figure.color} over {figure.x} and {figure.y}"
    whole = styled(heat(alt, figure, records, line, fields).properties(title=figure.title or "")).to_dict()
    return Drawing(name=name, title=title, caption=text, chart=whole, data=_data_of(cell=records, boundary=line))


def _data_of(**listed: list[Record]) -> list[Record]:
    return [{"shows": shows, **record} for shows, records in listed.items() for record in records]


def render(drawing: Drawing) -> tuple[bytes, str]:
    """The drawing as PNG bytes (three pixels a point) and as SVG text."""
    import vl_convert

    # The PNG is made of the SVG: Vega, the slow part, runs once.
    svg = vl_convert.vegalite_to_svg(drawing.chart)
    return vl_convert.svg_to_png(svg, scale=PNG_SCALE), svg


def printed(drawing: Drawing) -> bytes:
    """The drawing as a PDF, its letters text."""
    import vl_convert

    return vl_convert.vegalite_to_pdf(drawing.chart)


def caption(figure: Figure, drawn: Drawn, fields: Columns) -> str:
    """What is drawn, in sentences: the measured column, how seeds are combined, intervals, laws, theory, what is missing."""
    says = fields[figure.y].says.rstrip(".") if figure.y in fields and fields[figure.y].says else ""
    few, many = drawn.seeds
    seeds = f"{few}" if few == many else f"{few} to {many}"
    parts = [f"{figure.y}{f' ({_lowered(says)})' if says else ''} over {figure.x}."]
    if figure.kind == "boundary":
        parts.append("Marks are where the measure crosses its level; bars are the brackets it was found in.")
    elif many > 1:
        spread = any(p["high"] > p["low"] for p in drawn.points)
        bars = "bars are 95 % intervals" if spread else "they agree, so there are no bars"
        parts.append(f"Marks are the {drawn.aggregate} over {seeds} seeds; {bars}.")
    else:
        parts.append("Marks are single measurements.")
    if drawn.laws:
        claims = {law: [claim for name, claim in drawn.fitted if name == law] for law, _ in drawn.fitted}
        told = "; ".join(f"{law}, of {' and '.join(ids)}" for law, ids in claims.items())
        parts.append(f"Solid lines are fitted laws ({told}).")
    if drawn.theory:
        names = ", ".join(name for name in dict.fromkeys(p["label"] for p in drawn.theory) if name)
        parts.append(f"Dashed lines are theory{f' ({names})' if names else ''}.")
    if drawn.lost:
        parts.append(f"{count(drawn.lost, 'point')} no result: crosses at the foot.")
    if drawn.residuals:
        parts.append(f"Below, what the law leaves: {'measured over law' if 'y' in figure.log else 'measured minus law'}.")
    return " ".join(parts)


def meant(spec: Spec, figure: Figure, fields: Columns) -> str:
    """What the names on the x axis are, in a sentence: params as their workload says, derived names by their formula."""
    formulas = {name: formula.text for grid in spec.grids() for name, formula in grid.derive.items()}
    names = sorted(Expression(figure.x).names)
    told = [f"{n} = {formulas[n]}" for n in names if n in formulas]
    told += [f"{n} is the {_lowered(fields[n].says)}" for n in names if n in fields and fields[n].says]
    return f" Here {'; '.join(told)}." if told else ""


def _lowered(text: str) -> str:
    """The sentence as it stands inside another; what begins with a sign or an abbreviation stays."""
    plain = text.rstrip(".")
    return plain[0].lower() + plain[1:] if plain[1:2].islower() else plain


def chart(figure: Figure, drawn: Drawn, fields: Columns) -> dict[str, Any]:
    """The Vega-Lite chart, its data inside it: error bars, marks, fitted laws and theory lines with their names beside them."""
    import altair as alt

    x, y = _axis(alt.X, "x", figure, figure.x, drawn, fields), _axis(alt.Y, "y", figure, figure.y, drawn, fields)
    layers = [*_lines(alt, figure, drawn, x, y), *_marks(alt, figure, drawn, x, y), *_crosses(alt, figure, drawn, x)]
    layered: Any = alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)
    if figure.facet is not None:
        kinds = {"points": drawn.points, "laws": drawn.laws, "theory": drawn.theory, "gone": drawn.gone}
        kinds["names"] = _named_ends(figure, drawn)
        data = [{**p, "kind": kind} for kind, records in kinds.items() for p in records]
        # Altair names the data of a plain dict by a hash over all their digits.
        unnamed: Any = alt.Data
        layered = alt.layer(*layers, data=unnamed(values=data)).properties(width=WIDTH // 2 + 40, height=HEIGHT // 2 + 60)
        layered = layered.facet(facet=_panels(alt, figure, drawn), columns=2)
    if drawn.residuals:
        layered = alt.vconcat(layered, _panel(alt, figure, drawn, x), spacing=4)
    found: dict[str, Any] = styled(layered.properties(title=figure.title or "")).to_dict()
    return found


def _panels(alt: Any, figure: Figure, drawn: Drawn) -> Any:
    """One panel for each value of the facet, with that value as its head."""
    named = alt.Header(labelExpr=f"'{figure.facet} = ' + datum.value") if str(figure.facet).isidentifier() else alt.Header()
    return alt.Facet("facet:N", title=None, sort=_labels(drawn, "facet"), header=named)


def _crosses(alt: Any, figure: Figure, drawn: Drawn, x: Any) -> list[Any]:
    """A cross at the foot of the plot for each place that lacks a result."""
    if not drawn.gone:
        return []
    foot = (HEIGHT if figure.facet is None else HEIGHT // 2 + 60) - 7
    base = _chart(alt, figure, drawn.gone, "gone")
    return [base.mark_point(shape="cross", angle=45, size=55, filled=True, color=LOST).encode(x=x, y=alt.value(foot))]


def _panel(alt: Any, figure: Figure, drawn: Drawn, x: Any) -> Any:
    """What the laws leave, in a low panel on the same x."""
    factor = "y" in figure.log
    ends = alt.Axis(title="over law" if factor else "minus law", tickCount=4, titleFontSize=12)
    low, y = (alt.Y(f"{name}:Q", axis=ends, scale=alt.Scale(zero=False)) for name in ("low", "y"))
    base = alt.Chart(alt.Data(values=drawn.residuals))
    plain = not any(p["color"] for p in drawn.residuals)
    color = alt.value(COLORS[0]) if plain else _color(alt, figure, drawn, legend=False)
    level = alt.Chart(alt.Data(values=[{"y": 1.0 if factor else 0.0}])).mark_rule(strokeDash=[5, 3], color=GREY).encode(y=y)
    bars = base.mark_rule(strokeWidth=1.2).encode(x=x, y=low, y2="high:Q", color=color)
    marks = base.mark_point(filled=True, size=40, opacity=1).encode(x=x, y=y, color=color)
    return alt.layer(level, bars, marks).properties(width=WIDTH, height=80)


def _axis(channel: Any, axis: str, figure: Figure, column: str, drawn: Drawn, fields: Columns) -> Any:
    import altair as alt

    unit = fields[column].unit if column in fields else ""
    title = f"{column} ({unit})" if unit else column
    logarithmic = axis in figure.log
    if axis == "y" and logarithmic:
        powers = _powers(drawn)
        scale = alt.Scale(type="log", domain=[powers[0], powers[-1]], nice=False)
        return channel("y:Q", scale=scale, axis=alt.Axis(title=title, values=powers, labelExpr=_named(powers)))
    scale = alt.Scale(type="log", nice=False, padding=14) if logarithmic else alt.Scale(zero=False, nice=False, padding=14)
    ticks = sorted({p["x"] for p in drawn.points}) if axis == "x" else []
    shown: dict[str, Any] = {"title": title, "labelOverlap": "greedy", "labelSeparation": 5, "format": "~r"}
    if 0 < len(ticks) <= 12 and (logarithmic or len({round(b - a, 9) for a, b in pairwise(ticks)}) == 1):
        shown |= {"values": ticks}
    if axis == "y":
        scale, shown = alt.Scale(zero=False, nice=True), {"title": title}
    return channel(f"{axis}:Q", scale=scale, axis=alt.Axis(**shown))


def _powers(drawn: Drawn) -> list[float]:
    """Powers of ten from below all that is drawn to above it, thinned to eight."""
    ends = [p[k] for p in drawn.points for k in ("low", "high") if p[k] > 0]
    values = [*ends, *(p["y"] for p in (*drawn.points, *drawn.laws, *drawn.theory))] or [1.0]
    low, high = math.floor(math.log10(min(values)) + 1e-9), math.ceil(math.log10(max(values)) - 1e-9)
    high = max(high, low + 1)
    step = max(1, math.ceil((high - low) / 8))
    return [10.0**n for n in range(low, low + step * math.ceil((high - low) / step) + 1, step)]


def _named(powers: list[float]) -> str:
    """A Vega expression that writes powers of ten as 0.1, 1, 100, 1e6; raised digits are missing from some machines' fonts."""
    exponents = [round(math.log10(p)) for p in powers]
    texts = [f"{p:g}" if -2 <= n <= 3 else f"1e{n}" for n, p in zip(exponents, powers, strict=True)]
    table = ", ".join(f"'{n}': '{text}'" for n, text in zip(exponents, texts, strict=True))
    return f"({{{table}}})[round(log(datum.value) / LN10)]"


def _labels(drawn: Drawn, of: str = "color") -> list[str]:
    """The labels of the colours or facets in order: numbers by value, names as the sweep has them."""
    labels = list(dict.fromkeys(p[of] for p in drawn.points))
    try:
        return sorted(labels, key=float)
    except ValueError:
        return labels


def _color(alt: Any, figure: Figure, drawn: Drawn, legend: bool) -> Any:
    labels = _labels(drawn)
    if figure.color is None:
        return alt.value(COLORS[0])
    many = len(labels) > len(COLORS)
    scale = alt.Scale(domain=labels, scheme="viridis") if many else alt.Scale(domain=labels, range=list(COLORS[: len(labels)]))
    told = alt.Legend(title=figure.color) if legend and len(labels) > 1 else None
    return alt.Color("color:N", scale=scale, sort=labels, legend=told)


def _shape(alt: Any, figure: Figure, drawn: Drawn) -> Any:
    labels = _labels(drawn)
    if figure.color is None or len(labels) > len(SHAPES):
        return alt.value("circle")
    scale = alt.Scale(domain=labels, range=list(SHAPES[: len(labels)]))
    told = alt.Legend(title=figure.color) if len(labels) > 1 else None
    return alt.Shape("color:N", scale=scale, sort=labels, legend=told)


def _chart(alt: Any, figure: Figure, records: list[Record], kind: str) -> Any:
    """A chart on its own records, or, where the figure has facets, on the shared ones of that kind."""
    if figure.facet is not None:
        return alt.Chart().transform_filter(f"datum.kind === '{kind}'")
    return alt.Chart(alt.Data(values=records))


def _marks(alt: Any, figure: Figure, drawn: Drawn, x: Any, y: Any) -> list[Any]:
    """Error bars under filled marks with a white rim."""
    base = _chart(alt, figure, drawn.points, "points")
    color = _color(alt, figure, drawn, legend=True)
    tooltip = [alt.Tooltip(name, title=title) for name, title in _tips(figure)]
    named = _ends(alt, figure, drawn, x, y, color)
    marks = base.mark_point(filled=True, size=58, opacity=1, stroke="white", strokeWidth=0.7).encode(
        x=x, y=y, color=color, shape=_shape(alt, figure, drawn), tooltip=tooltip
    )
    if not any(p["high"] > p["low"] for p in drawn.points):
        return [marks, *named]
    bars = base.mark_rule(strokeWidth=1.4).encode(x=x, y="low:Q", y2="high:Q", color=_color(alt, figure, drawn, legend=True))
    return [bars, marks, *named]


def _ends(alt: Any, figure: Figure, drawn: Drawn, x: Any, y: Any, color: Any) -> list[Any]:
    """The setting of each curve beside its right end, where one colour has several."""
    ends = list({(p["color"], p["facet"], p["curve"]): p for p in sorted(drawn.points, key=lambda p: p["x"])}.values())
    if figure.facet is not None or len({p["curve"] for p in ends}) < 2:
        return []
    base = alt.Chart(alt.Data(values=_spread([p for p in ends if p["curve"]], figure, drawn)))
    halo, text = (base.mark_text(align="right", dx=-2, dy=17, fontSize=11, **rim) for rim in (HALO, {}))
    return [halo.encode(x=x, y=y, text="curve:N"), text.encode(x=x, y=y, text="curve:N", color=color)]


def _spread(ends: list[Record], figure: Figure, drawn: Drawn) -> list[Record]:
    """The ends of curves, moved down where their names would lie on one another."""
    logarithmic = "y" in figure.log
    place, back = (math.log, math.exp) if logarithmic else (float, float)
    places = _powers(drawn) if logarithmic else [p["y"] for p in (*drawn.points, *drawn.laws, *drawn.theory)]
    gap, moved, last = LETTERS / HEIGHT * (place(max(places)) - place(min(places)) or 1.0), [], math.inf
    for record in sorted(ends, key=lambda p: -float(p["y"])):
        last = min(place(record["y"]), last - gap)
        moved.append({**record, "y": back(last)})
    return moved


def _tips(figure: Figure) -> list[tuple[str, str]]:
    tips = [("x:Q", figure.x), ("y:Q", figure.y), ("low:Q", "low"), ("high:Q", "high"), ("seeds:Q", "seeds")]
    return [*tips, *([("color:N", figure.color)] if figure.color else [])]


def _lines(alt: Any, figure: Figure, drawn: Drawn, x: Any, y: Any) -> list[Any]:
    """Theory dashed with its name at the right end, laws solid, and a thin trace through marks that no law goes through."""
    color = _color(alt, figure, drawn, legend=True)
    layers = []
    if drawn.theory:
        plain = not any(p["color"] for p in drawn.theory)
        ink = alt.value(GREY) if plain else color
        base = _chart(alt, figure, drawn.theory, "theory")
        layers.append(
            base.mark_line(strokeDash=[5, 3], strokeWidth=1.4, clip=True).encode(
                x=x, y=y, color=ink, detail=["curve:N", "label:N"]
            )
        )
        layers.append(_names(alt, figure, drawn, x, y))
    if drawn.laws:
        base = _chart(alt, figure, drawn.laws, "laws")
        ink = color if figure.color is not None and any(p["color"] for p in drawn.laws) else alt.value(INK)
        layers.append(base.mark_line(strokeWidth=1.8, opacity=0.85).encode(x=x, y=y, color=ink, detail=["curve:N", "label:N"]))
    elif figure.kind in ("curve", "collapse", "boundary"):
        trace = _chart(alt, figure, drawn.points, "points").mark_line(strokeWidth=1, opacity=0.6)
        layers.append(trace.encode(x=x, y=y, color=color, detail=["curve:N"]))
    return layers


def _names(alt: Any, figure: Figure, drawn: Drawn, x: Any, y: Any) -> Any:
    """The name of each theory line above the end that `_named_ends` gives."""
    align = "left" if _crowded(figure, drawn) else "right"
    base = _chart(alt, figure, _named_ends(figure, drawn), "names")
    return base.mark_text(align=align, dy=-7, fontSize=11, color=GREY).encode(x=x, y=y, text="label:N")


def _named_ends(figure: Figure, drawn: Drawn) -> list[Record]:
    """The right end of each theory line that has a name, the left one where curves have their names on the right."""
    left = _crowded(figure, drawn)
    ends: dict[tuple[Any, ...], Record] = {}
    for record in sorted(drawn.theory, key=lambda r: -r["x"] if left else r["x"]):
        ends[record["color"], record["facet"], record["curve"], record["label"]] = record
    # Lines of several colors that lie on each other have one name.
    return list({(r["facet"], r["label"], r["x"], r["y"]): r for r in ends.values() if r["label"]}.values())


def _crowded(figure: Figure, drawn: Drawn) -> bool:
    """Whether the right ends of curves have names."""
    return figure.facet is None and len({p["curve"] for p in drawn.points}) > 1
