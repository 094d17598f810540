"""Turns a figure of a spec into a Vega-Lite chart, and a chart into PNG and SVG, without a browser or a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import polars as pl

from orchestrator import kinds
from orchestrator.figures.drawing import NOTHING, Drawing, Material, Request
from orchestrator.figures.theme import title_lines
from orchestrator.results.described import Columns
from orchestrator.spec import Spec

KINDS = "orchestrator.figures.kinds"
SUBSTITUTE = "substitute"
"""A column that is true in rows whose data stand in for real ones that could not be had."""


def substitutes(rows: pl.DataFrame) -> list[str]:
    """A sentence where rows rest on data that stand in for real ones; none where the rows do not say so."""
    if SUBSTITUTE not in rows.columns:
        return []
    n = int(rows[SUBSTITUTE].fill_null(False).cast(int).sum())
    return [f"{n:,} of {len(rows):,} rows rest on a substitute for real data."] if n else []


PNG_SCALE = 3


def draw(spec: Spec, index: int, rows: pl.DataFrame, fields: Columns, material: Material = NOTHING) -> Drawing:
    """The figure of that index in the spec, drawn from the sweep's rows; SpecError where it names what they do not have.

    `material` is what a search found and what claims came to, for the figures that show it. Claims without verdicts are judged
    here, those that the figure shows.
    """
    figure = spec.figures[index]
    drawn_as: Callable[[Request], Drawing] = kinds.module_of(KINDS, figure.kind).draw
    request = Request(name=f"figure_{index + 1}", spec=spec, figure=figure, rows=rows, fields=fields, beside=material)
    drawing = _honest(drawn_as(request), rows)
    return replace(drawing, chart=_steady(drawing.chart))


def _steady(chart: Any) -> Any:
    """The chart with its numbers at nine digits: further ones hang on the processor, and nobody sees them."""
    if isinstance(chart, dict):
        return {key: _steady(value) for key, value in chart.items()}
    if isinstance(chart, list):
        return [_steady(value) for value in chart]
    return chart if not isinstance(chart, float) or chart.is_integer() else float(f"{chart:.9g}")


def _honest(drawing: Drawing, rows: pl.DataFrame) -> Drawing:
    """The drawing, marked where its rows rest on substitutes for real data."""
    notes = substitutes(rows)
    if not notes:
        return drawing
    title = {"text": title_lines(drawing.title), "subtitle": notes[0]}
    return replace(drawing, caption=f"{drawing.caption} {notes[0]}", chart={**drawing.chart, "title": title})


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
