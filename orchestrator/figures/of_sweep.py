"""Turns a sweep in a store into its drawings: each figure with the rows or the boundaries that it is drawn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import altair as alt
import polars as pl

from orchestrator.claims import Verdict
from orchestrator.claims.sources import boundaries
from orchestrator.claims.verdict import restore
from orchestrator.errors import SpecError
from orchestrator.figures.draw import draw
from orchestrator.figures.drawing import Drawing, Material
from orchestrator.figures.theme import styled
from orchestrator.results.described import Columns
from orchestrator.results.stored_sweep import StoredSweep, saved_spec
from orchestrator.spec.figure_model import Figure
from orchestrator.store import Store

Kept = Callable[[pl.DataFrame], pl.DataFrame]


def all_rows(table: pl.DataFrame) -> pl.DataFrame:
    """The table as it is, where no rows are chosen."""
    return table


def drawings(sweep: StoredSweep, verdicts: Sequence[Verdict] | None = None) -> list[Drawing]:
    """All figures of the sweep; none where it has no rows. `verdicts` are those in hand, the saved ones unless told."""
    if sweep.rows.is_empty():
        return []
    judged = saved(sweep) if verdicts is None else verdicts
    return [_figure(sweep, index, sweep.rows, sweep.fields, judged) for index in range(len(sweep.spec.figures))]


def redraw(store: Store, record: Mapping[str, Any], index: int, rows: pl.DataFrame, fields: Columns) -> Drawing:
    """The figure of that index, as the sweep of that plan declares it, with the laws of the saved verdicts.

    Where none were saved, what the figure shows is judged. SpecError where it names what the rows do not have.
    """
    sweep = StoredSweep(store=store, record=record)
    return _figure(sweep, index, rows, fields, saved(sweep))


def explore(
    store: Store, record: Mapping[str, Any], axes: Mapping[str, Any], rows: pl.DataFrame, fields: Columns, keep: Kept = all_rows
) -> Drawing:
    """A curve of the sweep's rows with these axes: `x, y`, and where wanted `color, facet, log, title`.

    Where the sweep declares a figure of what its search found on these x and y, that is drawn, and not the rows: `keep` gives
    those of a table that are wanted. Laws of claims on the same axes are drawn too, as they were judged. Raises SpecError where
    an axis is no column and no formula over columns.
    """
    sweep = StoredSweep(store=store, record=record)
    positions = [f.kind for f in sweep.spec.figures if f.about.source == "boundary" and (f.x, f.y) == (axes["x"], axes["y"])]
    try:
        figure = Figure.model_validate({"kind": "curve", **axes, **({"kind": positions[0]} if positions else {})})
    except ValueError as error:
        raise SpecError(f"figure: axes must be columns or formulas over them, but got {dict(axes)}; choose others.") from error
    alone = replace(sweep, file_spec=sweep.spec.model_copy(update={"figures": (figure,)}))
    if not positions:
        return _figure(alone, 0, keep(rows), fields, saved(alone))
    source = boundaries(alone)
    return draw(alone.spec, 0, keep(source.rows), source.fields, Material(verdicts=saved(alone)))


def _figure(sweep: StoredSweep, index: int, rows: pl.DataFrame, fields: Columns, verdicts: Sequence[Verdict] | None) -> Drawing:
    """One figure of these rows; one of boundaries is drawn from what the search found."""
    if sweep.spec.figures[index].about.source == "boundary":
        source = boundaries(sweep)
        return draw(sweep.spec, index, source.rows, source.fields, Material(verdicts=verdicts))
    return draw(sweep.spec, index, rows, fields, Material(boundaries=sweep.boundaries, verdicts=verdicts))


def saved(sweep: StoredSweep) -> tuple[Verdict, ...] | None:
    """The verdicts as they were saved at the sweep's size; None where nothing was judged yet.

    One without a size is of an older version, which saved less than a verdict needs.
    """
    return tuple(restore(record) for record in sweep.verdicts if "size" in record) or None


def declared(record: Mapping[str, Any]) -> tuple[Figure, ...]:
    """The figures that a sweep's plan was saved with; none where the spec cannot be read any more."""
    return saved_spec(record).figures


def searched(record: Mapping[str, Any]) -> tuple[str, ...]:
    """The params that the search of a sweep's plan set; none where it was a grid."""
    search = saved_spec(record).search
    return () if search is None else search.names


def theme() -> dict[str, Any]:
    """The part of a Vega-Lite chart that holds the figures' fonts, lines and legend, to draw others like them."""
    config: dict[str, Any] = styled(alt.Chart().mark_point()).to_dict()["config"]
    return config
