"""Turns a table into a file that a browser saves."""

from __future__ import annotations

import polars as pl
from starlette.exceptions import HTTPException
from starlette.responses import Response

from orchestrator.results.rendering import render

MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}


def file_answer(form: str, frame: pl.DataFrame, name: str) -> Response:
    """The table as csv or parquet, named so that any system can save it."""
    if form not in MEDIA_TYPES:
        raise HTTPException(404)
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)
    headers = {"Content-Disposition": f'attachment; filename="{plain}.{form}"'}
    return Response(render(frame.to_arrow(), form), media_type=MEDIA_TYPES[form], headers=headers)
