"""Turns a sweep in a store into its drawings: each figure with the rows or the boundaries that it is drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.claims import Verdict
from orchestrator.claims.sources import boundaries
from orchestrator.claims.verdict import restore
from orchestrator.errors import SpecError
from orchestrator.figures.draw import draw
from orchestrator.figures.drawing import Drawing, Found
from orchestrator.figures.theme import styled
from orchestrator.results.described import Columns
from orchestrator.results.stored_sweep import spec_of
from orchestrator.spec import Spec
from orchestrator.spec.figure_model import Figure
from orchestrator.store.store import BASE

if TYPE_CHECKING:
    import polars as pl

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
    from orchestrator.results import frames

    known = saved(spec, store) if verdicts is None else verdicts
    if spec.figures[index].about.source == "boundary":
        found = boundaries(spec, store)
        return draw(spec, index, found.rows, found.fields, Found(verdicts=known))
    curve = frames.boundaries(store, spec.name, spec.size or BASE)
    return draw(spec, index, rows, fields, Found(boundaries=curve, verdicts=known))


def saved(spec: Spec, store: Store) -> tuple[Verdict, ...] | None:
    """The verdicts as they were saved at the spec's size; None where nothing was judged yet."""
    records = [record for record in store.load("verdicts", spec.name) or [] if record.get("size") == (spec.size or BASE)]
    return tuple(restore(record) for record in records) or None


def declared(record: Mapping[str, Any]) -> tuple[Figure, ...]:
    """The figures that a sweep's plan was saved with; none where the spec cannot be read any more."""
    return spec_of(record).figures


def redraw(store: Store, record: Mapping[str, Any], index: int, rows: pl.DataFrame, fields: Columns) -> Drawing:
    """The figure of that index, as the sweep declares it; SpecError where it names what the rows do not have.

    A figure of boundaries is drawn from what the search found.
    """
    return drawing(_at_size(record), index, store, rows, fields)


def explore(store: Store, record: Mapping[str, Any], chosen: Mapping[str, Any], rows: pl.DataFrame, fields: Columns) -> Drawing:
    """A curve of the sweep's rows with these axes: `x, y`, and where wanted `color, facet, log, title`.

    Laws of claims on the same axes are drawn too, as they were judged. Raises SpecError where an axis is no column and no
    formula over columns.
    """
    try:
        figure = Figure.model_validate({"kind": "curve", **chosen})
    except ValueError as error:
        raise SpecError(
            f"figure: axes must be columns or formulas over them, but got {dict(chosen)}; choose others."
        ) from error
    return drawing(_at_size(record).model_copy(update={"figures": (figure,)}), 0, store, rows, fields)


def _at_size(record: Mapping[str, Any]) -> Spec:
    """The spec of a plan at the size that it was made for."""
    return spec_of(record).model_copy(update={"size": None if record["size"] == BASE else record["size"]})


def theme() -> dict[str, Any]:
    """The part of a Vega-Lite chart that holds the figures' fonts, lines and legend, to draw others like them."""
    import altair as alt

    found: dict[str, Any] = styled(alt.Chart().mark_point()).to_dict()["config"]
    return found
