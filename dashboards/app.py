"""Turns a store into a web application: one route for each module of `pages` and `downloads`, script and style from here."""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
import threading
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib.resources import files
from types import ModuleType

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from dashboards import downloads, pages
from dashboards.blocks import charts, row_table
from dashboards.blocks.address import address
from dashboards.data.cache import Cache
from dashboards.web import vega
from dashboards.web.door import LOOPBACK, Door
from orchestrator.columns import NO_FAILURES
from orchestrator.errors import StoreError, SweepError
from orchestrator.figures.theme import NIGHT
from orchestrator.results.query import Results

LULL = 0.5
"""Seconds in which a first page may come before the store is read: both at once would make it wait."""
LASTING = "public, max-age=31536000, immutable"
STATIC = {"page.js": "text/javascript", "page.css": "text/css", "icon.svg": "image/svg+xml"}


def build(results: Results, token: str = "", hosts: frozenset[str] = frozenset(LOOPBACK), mlflow: str = "") -> Starlette:
    """The application over a store; `hosts` are the names it may be asked for by, `mlflow` is where MLflow's pages are.

    The store is read once in the background; pages that need that wait for it.
    """
    cache, environment = Cache(results), _environment(mlflow)
    routes = [Route(page.PATH, _page(page, cache, environment)) for page in modules(pages)]
    routes += [Route(download.PATH, _download(download, cache)) for download in modules(downloads)]
    app = Starlette(
        routes=[*routes, Route("/static/{name}", _static)],
        middleware=[Middleware(Door, hosts=hosts, token=token), Middleware(GZipMiddleware, minimum_size=1000)],
        exception_handlers={SweepError: _faulty, HTTPException: _missing},
    )
    threading.Thread(target=_warm, args=[cache], daemon=True).start()
    return app


def modules(folder: ModuleType) -> Iterator[ModuleType]:
    """The modules of a folder; each is one route."""
    for module in pkgutil.iter_modules(folder.__path__):
        yield importlib.import_module(f"{folder.__name__}.{module.name}")


def _page(page: ModuleType, cache: Cache, environment: Environment) -> Callable[[Request], Response]:
    """The route of a page: its template, of its own name, filled with its view."""
    template = environment.get_template(f"{page.__name__.rpartition('.')[2]}.html.j2")

    def show(request: Request) -> Response:
        """Answer a request with the page, made from its template."""
        view = page.view(cache, request)
        if isinstance(view, Response):
            return view
        answer = HTMLResponse(template.render(view), view.get("status", 200))
        cache.asked.set()
        return answer

    return show


def _download(download: ModuleType, cache: Cache) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        """Answer a request with the download."""
        response: Response = download.answer(cache, request)
        return response

    return answer


def _warm(cache: Cache) -> None:
    """Read the store once the first page is out, and then load what the first figure needs."""
    cache.asked.wait(LULL)
    cache.warm()
    vega.script()
    charts.theme()


def _environment(mlflow: str) -> Environment:
    """The templates, compiled now and not at the first request; every value is text there, never markup."""
    folders = [*pages.__path__, str(files("dashboards") / "templates")]
    environment = Environment(
        loader=FileSystemLoader(folders), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"cell": row_table.cell, "whole": row_table.whole}
    environment.tests["failure"] = lambda status: status not in NO_FAILURES
    environment.globals.update(
        link=address, mlflow=mlflow if mlflow.startswith(("http://", "https://")) else "", version=_version(), night=NIGHT
    )
    environment.globals["tabs"] = sorted((page.PATH, page.TAB) for page in modules(pages) if hasattr(page, "TAB"))
    for name in environment.list_templates(extensions=["j2"]):
        environment.get_template(name)
    return environment


def _static(request: Request) -> Response:
    """Script and style of the pages, from this package and from the library that draws."""
    name = request.path_params["name"]
    if name == "vega.js":
        return Response(vega.script(), media_type="text/javascript", headers={"Cache-Control": LASTING})
    if name not in STATIC:
        raise HTTPException(404)
    data = (files("dashboards") / "static" / name).read_bytes()
    return Response(data, media_type=STATIC[name], headers={"Cache-Control": LASTING})


@lru_cache(maxsize=1)
def _version() -> str:
    """A text that changes with script and style, so that browsers keep them until then."""
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
    page = Markup(
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        '<title>lawsweep</title><link rel="stylesheet" href="/static/page.css?v={version}"><main class="fault">'
        "<h1>{status}</h1>"
        '<p>{text}</p><p><a href="/">All sweeps</a></p></main></html>'
    )
    return HTMLResponse(page.format(status=status, text=escape(text), version=_version()), status)
