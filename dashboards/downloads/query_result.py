"""A query's result as a file."""

from __future__ import annotations

import polars as pl
from starlette.requests import Request
from starlette.responses import Response

from dashboards.blocks.file_answer import file_answer
from dashboards.data import sql_guard
from dashboards.data.cache import Cache

PATH = "/sql/result.{form:str}"


def answer(cache: Cache, request: Request) -> Response:
    """The result as csv or parquet; where it has more rows than a file takes, its name says so."""
    first = sql_guard.ask(cache.results, request.query_params.get("q", ""), rows=sql_guard.FILE_ROWS)
    frame = pl.from_arrow(first.table)
    assert isinstance(frame, pl.DataFrame)
    name = f"result_first_{sql_guard.FILE_ROWS}" if first.more else "result"
    return file_answer(request.path_params["form"], frame, name)
