"""Turns a store into a web application: pages on its sweeps, points and queries, rendered here, script and style from here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

import polars as pl
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from dashboards import asking, choice, pages, plots, sheet, vega
from dashboards.choice import address
from dashboards.security import LOOPBACK, SANDBOX, Door
from dashboards.shelf import Shelf
from orchestrator.columns import NO_FAILURES
from orchestrator.errors import QueryError, StoreError, SweepError
from orchestrator.figures.theme import NIGHT
from orchestrator.results.query import Results
from orchestrator.results.rendering import render

KINDS = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
LULL = 0.5
"""Seconds in which a first page may come before the store is read: both at once would make it wait."""
LASTING = "public, max-age=31536000, immutable"


def build(results: Results, token: str = "", hosts: frozenset[str] = frozenset(LOOPBACK), mlflow: str = "") -> Starlette:
    """The application over a store; `hosts` are the names it may be asked for by, `mlflow` is where MLflow's pages are.

    The store is read once in the background; pages that need that wait for it.
    """
    shelf = Shelf(results)
    routes = [Route(path, page) for path, page in _pages(shelf, _templates(mlflow))]
    app = Starlette(
        routes=[*routes, Route("/static/{name}", _static)],
        middleware=[Middleware(Door, hosts=hosts, token=token), Middleware(GZipMiddleware, minimum_size=1000)],
        exception_handlers={SweepError: _faulty, HTTPException: _missing},
    )
    threading.Thread(target=_warm, args=[shelf], daemon=True).start()
    return app


def _warm(shelf: Shelf) -> None:
    """Read the store once the first page is out, and then load what the first figure needs."""
    shelf.asked.wait(LULL)
    shelf.warm()
    vega.script()
    plots.theme()


def _pages(shelf: Shelf, show: Callable[..., Response]) -> list[tuple[str, Callable[[Request], Response]]]:
    """Path and function of every page."""

    def home(request: Request) -> Response:
        answer = show("overview.html.j2", pages.overview(shelf, request.query_params))
        shelf.asked.set()
        return answer

    def sweep(request: Request) -> Response:
        name = request.path_params["name"]
        if {"column", "is", "value"} & {*request.query_params}:
            there = address("sweep", name) + choice.read(request.query_params).but(page=1)
            return RedirectResponse(there.rstrip("?") + "#table", 303)
        return show("sweep.html.j2", pages.sweep(shelf, name, request.query_params))

    def live(request: Request) -> Response:
        return show(
            "live.html.j2", {"sweep": pages.card(shelf.sweep(request.path_params["name"], request.query_params.get("size")))}
        )

    def figure(request: Request) -> Response:
        return _figure(request, *pages.drawing(shelf, request.path_params["name"], request.query_params))

    def rows(request: Request) -> Response:
        return _rows(shelf, request)

    def point(request: Request) -> Response:
        return show("point.html.j2", pages.point(shelf, request.path_params["point"]))

    def compare(request: Request) -> Response:
        return show("compare.html.j2", pages.compare(shelf, request.query_params))

    def sql(request: Request) -> Response:
        view = pages.sql(shelf, request.query_params)
        return show("sql.html.j2", view, 400 if view["fault"] else 200)

    def download(request: Request) -> Response:
        return _download(shelf, request)

    def report(request: Request) -> Response:
        return _report(shelf, request.path_params["name"], request.query_params.get("size", ""))

    return [
        ("/", home), ("/sweep/{name:str}", sweep), ("/sweep/{name:str}/live", live),
        ("/sweep/{name:str}/figure.{form:str}", figure), ("/sweep/{name:str}/rows.{form:str}", rows),
        ("/sweep/{name:str}/report", report), ("/point/{point:path}", point), ("/compare", compare), ("/sql", sql),
        ("/sql/result.{form:str}", download),
    ]  # fmt: skip


def _templates(mlflow: str) -> Callable[..., Response]:
    """A function that fills a template; every value is text there, never markup."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("dashboards"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["cell"] = sheet.cell
    environment.tests["failure"] = lambda status: status not in NO_FAILURES
    environment.globals.update(
        link=pages.link, mlflow=mlflow if mlflow.startswith(("http://", "https://")) else "", version=_version(), night=NIGHT
    )
    for name in environment.list_templates():
        environment.get_template(name)  # compiled now, not at the first request
    return lambda name, view, status=200: HTMLResponse(environment.get_template(name).render(view), status)


def _figure(request: Request, stamp: str, figure: Mapping[str, Any]) -> Response:
    """A figure as JSON for the page, or as a picture drawn here."""
    form = request.path_params["form"]
    if form == "json":
        return JSONResponse({**figure, "stamp": stamp})
    if "chart" not in figure:
        raise QueryError(str(figure["fault"]))
    import vl_convert

    if form == "svg":
        return Response(vl_convert.vegalite_to_svg(figure["chart"]), media_type="image/svg+xml")
    if form == "png":
        return Response(vl_convert.vegalite_to_png(figure["chart"], scale=3), media_type="image/png")
    raise HTTPException(404)


def _rows(shelf: Shelf, request: Request) -> Response:
    """A sweep's rows that the conditions keep, as a file."""
    chosen = choice.read(request.query_params)
    name = request.path_params["name"]
    frame = chosen.filtered(shelf.rows(shelf.sweep(name, chosen.size or None)).frame).head(asking.FILE)
    return _file(request.path_params["form"], frame.with_columns(pl.col(pl.Categorical).cast(pl.String)), name)


def _download(shelf: Shelf, request: Request) -> Response:
    """A query's result as a file."""
    answer = asking.ask(shelf.store, request.query_params.get("q", ""), rows=asking.FILE)
    frame = pl.from_arrow(answer.table)
    assert isinstance(frame, pl.DataFrame)
    return _file(request.path_params["form"], frame, f"result_first_{asking.FILE}" if answer.more else "result")


def _file(form: str, frame: pl.DataFrame, name: str) -> Response:
    if form not in KINDS:
        raise HTTPException(404)
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)
    data = render(frame.to_arrow(), form)
    headers = {"Content-Disposition": f'attachment; filename="{plain}.{form}"'}
    return Response(data, media_type=KINDS[form], headers=headers)


def _report(shelf: Shelf, name: str, size: str) -> Response:
    """The report of a sweep at a size, else the latest, which reaches nothing from where it is shown."""
    folder = f"{name}.{size}" if size else name
    path = shelf.store.path / "reports" / folder / "report.html"
    if "/" in folder or folder.startswith(".") or not path.exists():
        raise StoreError(
            f"sweep '{name}': the store must hold its report, but has none; write it with 'lawsweep report {name}'."
        )
    return HTMLResponse(path.read_bytes(), headers={"Content-Security-Policy": SANDBOX})


def _static(request: Request) -> Response:
    """Script and style of the pages, from this package and from the library that draws."""
    name = request.path_params["name"]
    if name == "vega.js":
        return Response(vega.script(), media_type="text/javascript", headers={"Cache-Control": LASTING})
    kinds = {"page.js": "text/javascript", "page.css": "text/css", "icon.svg": "image/svg+xml"}
    if name not in kinds:
        raise HTTPException(404)
    data = (files("dashboards") / "static" / name).read_bytes()
    return Response(data, media_type=kinds[name], headers={"Cache-Control": LASTING})


@lru_cache(maxsize=1)
def _version() -> str:
    """A text that changes with script and style, so that browsers keep them until then."""
    import hashlib

    digest = hashlib.blake2b(digest_size=6)
    for name in ("page.js", "page.css"):
        digest.update((files("dashboards") / "static" / name).read_bytes())
    return digest.hexdigest()


def _faulty(request: Request, error: Exception) -> Response:
    """A page that says what is wrong: 404 for what the store has not, 400 for what the address says."""
    return _plain_page(str(error), 404 if isinstance(error, StoreError) else 400)


def _missing(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _plain_page(
        f"There is no page {request.url.path}." if status == 404 else "This page cannot be had that way.", status
    )


def _plain_page(text: str, status: int) -> Response:
    from markupsafe import Markup, escape

    page = Markup(
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        '<title>lawsweep</title><link rel="stylesheet" href="/static/page.css?v={version}"><main class="fault">'
        "<h1>{status}</h1>"
        '<p>{text}</p><p><a href="/">All sweeps</a></p></main></html>'
    )
    return HTMLResponse(page.format(status=status, text=escape(text), version=_version()), status)
