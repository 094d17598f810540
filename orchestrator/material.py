"""Turns a sweep in a store into its drawings: each figure with the rows or the boundaries that it is drawn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.claims import BASE, restore
from orchestrator.claims.evidence import Columns
from orchestrator.claims.sources import boundaries
from orchestrator.figures import Drawing, Found, draw

if TYPE_CHECKING:
    import polars as pl

    from orchestrator.spec import Spec
    from orchestrator.store import Store


def drawings(spec: Spec, store: Store, rows: pl.DataFrame, fields: Columns) -> list[Drawing]:
    """All figures of the sweep; none where it has no rows."""
    return [drawing(spec, i, store, rows, fields) for i in range(len(spec.figures))] if len(rows) else []


def drawing(spec: Spec, index: int, store: Store, rows: pl.DataFrame, fields: Columns) -> Drawing:
    """The figure of that index; one of boundaries is drawn from what the search found, one of slopes from saved verdicts."""
    from orchestrator import frames

    if spec.figures[index].kind == "boundary":
        found = boundaries(spec, store)
        return draw(spec, index, found.rows, found.fields)
    judged = [v for v in store.load("verdicts", spec.name) or [] if v["size"] == (spec.size or BASE)]
    known = Found(
        boundaries=frames.boundaries(store, spec.name, spec.size or BASE),
        verdicts=[restore(v) for v in judged] if judged else None,
    )
    return draw(spec, index, rows, fields, known)
