"""Turns a stored sweep and its rows into drawings: the figures of its own, or one with axes chosen by whoever looks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.claims import BASE
from orchestrator.claims.evidence import Columns
from orchestrator.errors import SpecError
from orchestrator.figures import Drawing
from orchestrator.material import drawing
from orchestrator.spec import Spec, parse
from orchestrator.spec_figures import Figure
from orchestrator.theme import styled

if TYPE_CHECKING:
    import polars as pl

    from orchestrator.store import Store


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


def spec_of(record: Mapping[str, Any]) -> Spec:
    """The spec that a plan was saved with; one without claims and figures where an older version wrote it."""
    said = record.get("spec") or {}
    try:
        return parse(json.dumps(said), str(record["sweep"]))
    except SpecError:
        least = {"question": str(record.get("question") or "none"), "workload": str(record["workload"]), "axes": {"any": [0]}}
        return parse(json.dumps(least), "sweep")


def theme() -> dict[str, Any]:
    """The part of a Vega-Lite chart that holds the figures' fonts, lines and legend, to draw others like them."""
    import altair as alt

    found: dict[str, Any] = styled(alt.Chart().mark_point()).to_dict()["config"]
    return found
