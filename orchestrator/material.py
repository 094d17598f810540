"""Turns a sweep in a store into its drawings: each figure with the rows or the boundaries that it is drawn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.claims.evidence import Columns
from orchestrator.claims.sources import boundaries
from orchestrator.figures import Drawing, draw

if TYPE_CHECKING:
    import polars as pl

    from orchestrator.spec import Spec
    from orchestrator.store import Store


def drawings(spec: Spec, store: Store, rows: pl.DataFrame, fields: Columns) -> list[Drawing]:
    """All figures of the sweep; none where it has no rows."""
    return [drawing(spec, i, store, rows, fields) for i in range(len(spec.figures))] if len(rows) else []


def drawing(spec: Spec, index: int, store: Store, rows: pl.DataFrame, fields: Columns) -> Drawing:
    """The figure of that index; one of boundaries is drawn from what the search found."""
    if spec.figures[index].kind == "boundary":
        found = boundaries(spec, store)
        return draw(spec, index, found.rows, found.fields)
    return draw(spec, index, rows, fields)
