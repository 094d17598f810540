"""Turns a plan into rows as its points could give them: results are made up, so that judges say what they would lack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from orchestrator.columns import OK
from orchestrator.plan import Plan
from orchestrator.results import conditions
from orchestrator.spec import Spec
from orchestrator.store.row_format import row_schema
from orchestrator.workload.fields import Field

FAR_APART = 1000.0
"""How many times larger the values of a second draw are, so that no size of a result decides what is lacking."""
Values = np.ndarray[Any, np.dtype[Any]]


def planned(spec: Spec, plan: Plan) -> pl.DataFrame:
    """A row for each point of each arm, with all columns of a stored one, what is measured null.

    A sweep that adds seeds until a result is known has all that it may add.
    """
    columns = pl.DataFrame({"seed": plan.seeds, **plan.params}, strict=False)
    parts = [columns[members].with_columns(pl.lit(arm).alias("arm")) for arm, members in plan.arms]
    rows = pl.concat(parts)
    if spec.seeds.max > spec.seeds.count:
        seeds = pl.DataFrame({"seed": range(spec.seeds.max)})
        rows = rows.drop("seed").unique(maintain_order=True).join(seeds, how="cross")
    empty = pl.from_arrow(row_schema(plan.workload).empty_table())
    assert isinstance(empty, pl.DataFrame)
    point = rows.select(pl.struct(*plan.params, "seed").rank("dense")).to_series().cast(empty.schema["point"])
    rows = rows.with_columns(point.alias("point"), pl.lit(True).alias("final"))
    return pl.concat([empty, rows], how="diagonal_relaxed")


def imagined(rows: pl.DataFrame, results: Sequence[Field], params: Sequence[str], draw: int, alike: bool) -> pl.DataFrame:
    """The planned rows with a value of its kind and range in each result.

    Seeds differ unless the workload says that they do not, or `alike` says so of all.
    """
    rng = np.random.default_rng(draw)
    places = rows.select(pl.struct(*params).rank("dense") - 1).to_series().to_numpy() if params else np.zeros(len(rows), int)
    columns = []
    for field in results:
        each, shared = rng.random(len(rows)), rng.random(int(places.max(initial=0)) + 1)[places]
        same = np.full(len(rows), alike)
        if not alike and field.seedless_where:
            same = conditions.truths(rows, field.seedless_where, field.name).fill_null(False).to_numpy()
        columns.append(pl.Series(field.name, _values(field, np.where(same, shared, each), FAR_APART if draw else 1.0)))
    filled = rows.with_columns(pl.lit(OK).alias("status"), pl.lit(0, dtype=pl.Int64).alias("step"), *columns)
    return filled.cast({field.name: rows.schema[field.name] for field in results})


def _values(field: Field, shares: Values, scale: float) -> Values:
    """Values of a result of its kind, one for each share of what it can be."""
    if field.choices:
        return np.asarray(np.array(field.choices, dtype=object)[(shares * len(field.choices)).astype(int)])
    if field.kind is bool:
        return np.asarray(shares < 0.5)
    if field.kind is str:
        return np.array([f"text {share:.6f}" for share in shares], dtype=object)
    low, high = (0.0, 1.0) if field.aggregate == "proportion" else field.range
    size = scale * np.exp(2 * shares)
    if low is not None and high is not None:
        values = low + (high - low) * shares
    elif high is not None:
        values = high - size
    else:
        values = size + (low or 0.0)
    if field.kind is int:
        return np.asarray(np.round(values if high is not None else 100 * values))
    return np.asarray(values)
