"""A figure of a sweep: as JSON for its page, or as a picture drawn here."""

from __future__ import annotations

import vl_convert
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dashboards.blocks import address, charts
from dashboards.blocks.address import PageChoice
from dashboards.blocks.view import View
from dashboards.data.cache import Cache, SweepRows, SweepState
from orchestrator.errors import QueryError, SweepError
from orchestrator.figures import of_sweep

PATH = "/sweep/{name:str}/figure.{form:str}"


def answer(cache: Cache, request: Request) -> Response:
    """The figure as json, svg or png."""
    stamp, figure = drawing(cache, request)
    form = request.path_params["form"]
    if form == "json":
        return JSONResponse({**figure, "stamp": stamp})
    if "chart" not in figure:
        raise QueryError(str(figure["fault"]))
    if form == "svg":
        return Response(vl_convert.vegalite_to_svg(figure["chart"]), media_type="image/svg+xml")
    if form == "png":
        return Response(vl_convert.vegalite_to_png(figure["chart"], scale=3), media_type="image/png")
    raise HTTPException(404)


def drawing(cache: Cache, request: Request) -> tuple[str, View]:
    """A stamp of what a figure rests on, and the figure: a chart with its title and caption, or what is wrong."""
    query = request.query_params
    choice = address.read(query)
    sweep = cache.sweep(request.path_params["name"], choice.size or None)
    rows = cache.rows(sweep)
    stamp = f"{rows.stamp}-{sweep.judged:.3f}"
    key = (sweep.name, sweep.size, str(sweep.record.get("generation")), stamp, str(query))
    figure: View = cache.once(key, lambda: _figure(cache, sweep, rows, choice, query.get("figure", "")))
    return stamp, figure


def _figure(cache: Cache, sweep: SweepState, rows: SweepRows, choice: PageChoice, index: str) -> View:
    try:
        if index.isdecimal() and int(index) < len(of_sweep.declared(sweep.record)):
            if len(rows.frame) > charts.ROWS:
                raise QueryError(f"figure: it must rest on at most {charts.ROWS:,} rows, but there are {len(rows.frame):,}.")
            drawing = of_sweep.redraw(cache.store, sweep.record, int(index), rows.frame, rows.fields)
        else:
            choice = charts.completed(choice, rows, sweep.record)
            drawing = charts.explore(cache.results, choice, rows, sweep.record)
    except SweepError as error:
        return {"fault": str(error)}
    return {"chart": drawing.chart, "title": drawing.title, "caption": drawing.caption}
