"""The page where one asks in SQL: the query, its result as a table and a chart, the tables that there are."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import polars as pl
from starlette.datastructures import QueryParams
from starlette.requests import Request

from dashboards.blocks import charts
from dashboards.blocks.address import numeric
from dashboards.blocks.view import View
from dashboards.data import sql_guard
from dashboards.data.cache import Cache
from orchestrator.errors import SweepError
from orchestrator.results import sql_views

PATH = "/sql"
TAB = "SQL"
EXAMPLES = (
    "select sweep, size, count(*) as points from plans group by all order by sweep",
    "select status, count(*) as points from points group by status",
    "select sweep, id, verdict, sentence from claims",
    "show all tables",
)


def view(cache: Cache, request: Request) -> View:
    """The page where one asks: the query, its result as a table and a chart, the tables that there are."""
    query = request.query_params
    text = query.get("q", "").strip()
    page: View = {"q": text, "fault": "", "answer": None, "examples": EXAMPLES, "tables": _tables(cache), "chart": None}
    if not text:
        return page
    try:
        answer = sql_guard.ask(cache.results, text)
    except SweepError as error:
        return page | {"fault": str(error), "status": 400}
    frame = pl.from_arrow(answer.table)
    assert isinstance(frame, pl.DataFrame)
    return page | {"answer": answer, "frame": frame, "rows": frame.head(200).to_dicts(), **_charted(frame, query)}


def _charted(frame: pl.DataFrame, query: QueryParams) -> View:
    """The chart of a result: the axes asked for, else its first column and its last number."""
    numbers = numeric(frame, frame.columns)
    y = query.get("y") if query.get("y") in numbers else next(reversed(numbers), "")
    x = query.get("x") if query.get("x") in frame.columns else next((n for n in frame.columns if n != y), "")
    color = query.get("color", "") if query.get("color") in frame.columns else ""
    log = tuple(query.getlist("log"))
    chart = charts.of_result(frame, x, y, color, log) if x and y and len(frame) else None
    return {"chart": chart, "x": x, "y": y, "color": color, "log": log, "numbers": numbers, "names": frame.columns}


def _tables(cache: Cache) -> list[View]:
    """Each workload's table, and each sweep's view, with its columns in a sentence each."""
    tables: list[View] = []
    workloads = cache.store.workloads()
    for name, identifier in sql_views.identifiers(workloads).items():
        tables.append({"name": identifier, "kind": "workload", "columns": _described(cache, name)})
    sweeps = [str(record["sweep"]) for record in cache.store.plans()]
    tables += [{"name": i, "kind": "sweep", "columns": []} for i in sql_views.identifiers(set(sweeps)).values()]
    own = ("points", "plans", "claims", "runs", "boundaries", "fronts")
    return tables + [{"name": name, "kind": "store", "columns": []} for name in own]


@lru_cache(maxsize=64)
def _described_as(cache: Cache, workload: str, parts: int) -> tuple[Mapping[str, str], ...]:
    return cache.describe(workload)


def _described(cache: Cache, workload: str) -> tuple[Mapping[str, str], ...]:
    """Columns of a workload, read again when parts have come."""
    return _described_as(cache, workload, len(cache.store.parts(workload)))
