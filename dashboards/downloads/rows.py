"""A sweep's rows that the conditions of the address keep, as a file."""

from __future__ import annotations

import polars as pl
from starlette.requests import Request
from starlette.responses import Response

from dashboards.blocks import address
from dashboards.blocks.file_answer import file_answer
from dashboards.data import sql_guard
from dashboards.data.cache import Cache

PATH = "/sweep/{name:str}/rows.{form:str}"


def answer(cache: Cache, request: Request) -> Response:
    """The rows as csv or parquet."""
    choice = address.read(request.query_params)
    name = request.path_params["name"]
    frame = choice.filtered(cache.rows(cache.sweep(name, choice.size or None)).frame).head(sql_guard.FILE_ROWS)
    return file_answer(request.path_params["form"], frame.with_columns(pl.col(pl.Categorical).cast(pl.String)), name)
