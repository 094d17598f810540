"""Turns a sweep in a store into its drawings: each figure with the rows or the boundaries that it is drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestrator.claims import BASE, Verdict, restore
from orchestrator.claims.evidence import Columns
from orchestrator.claims.sources import boundaries
from orchestrator.figures import Drawing, Found, draw

if TYPE_CHECKING:
    import polars as pl

    from orchestrator.spec import Spec
    from orchestrator.store import Store


def drawings(
    spec: Spec, store: Store, rows: pl.DataFrame, fields: Columns, verdicts: Sequence[Verdict] | None = None
) -> list[Drawing]:
    """All figures of the sweep; none where it has no rows. `verdicts` are those in hand, the saved ones unless told."""
    if not len(rows):
        return []
    known = saved(spec, store) if verdicts is None else verdicts
    return [drawing(spec, i, store, rows, fields, known) for i in range(len(spec.figures))]


def drawing(
    spec: Spec, index: int, store: Store, rows: pl.DataFrame, fields: Columns, verdicts: Sequence[Verdict] | None = None
) -> Drawing:
    """The figure of that index, with the laws of the verdicts; one of boundaries is drawn from what the search found.

    `verdicts` are those in hand, the saved ones unless told; where none were saved, what the figure shows is judged.
    """
    from orchestrator import frames

    known = saved(spec, store) if verdicts is None else verdicts
    if spec.figures[index].kind == "boundary":
        found = boundaries(spec, store)
        return draw(spec, index, found.rows, found.fields, Found(verdicts=known))
    curve = frames.boundaries(store, spec.name, spec.size or BASE)
    return draw(spec, index, rows, fields, Found(boundaries=curve, verdicts=known))


def saved(spec: Spec, store: Store) -> tuple[Verdict, ...] | None:
    """The verdicts as they were saved at the spec's size; None where nothing was judged yet."""
    records = [record for record in store.load("verdicts", spec.name) or [] if record.get("size") == (spec.size or BASE)]
    return tuple(restore(record) for record in records) or None
