"""Adds to the rows of one sweep a row for each planned point that has none yet."""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from orchestrator.errors import WorkloadError
from orchestrator.plan import expand
from orchestrator.results.derived_columns import ABSENT
from orchestrator.spec import Spec
from orchestrator.store import point_ids
from orchestrator.workload.describe import load

PLAIN = ("arm", "point", "seed")
"""Columns of every plan; one of format 2 has its params beside them."""


def completed(spec: Spec, rows: pl.DataFrame, plan: pa.Table) -> pl.DataFrame:
    """The rows with one of status `absent` for each planned point without any, with its params as the plan has them."""
    planned = pl.from_arrow(plan)
    assert isinstance(planned, pl.DataFrame)
    missing = planned.join(rows.select("arm", "point").unique(), on=["arm", "point"], how="anti")
    if not set(planned.columns) - set(PLAIN):
        missing = _expanded(spec, missing)
    absent = missing.with_columns(
        pl.lit(ABSENT).alias("status"), pl.lit(True).alias("final"), pl.lit(-1, dtype=pl.Int64).alias("step")
    )
    return pl.concat([rows, absent], how="diagonal_relaxed").sort("arm", "point", "step")


def _expanded(spec: Spec, missing: pl.DataFrame) -> pl.DataFrame:
    """The points with their params where a plan of format 1 has none: as the spec says, if the workload can be loaded."""
    try:
        plan = expand(spec, load(spec.workload, spec.path.parent if spec.path else None))
    except WorkloadError:  # a module that was passed to `run` by hand has no name to load it by
        return missing
    points = pl.Series(point_ids.numbers(plan.ids).to_numpy(), dtype=pl.UInt64)
    return missing.join(pl.DataFrame({"point": points, **plan.params}, strict=False), on="point", how="left")
