"""Adds to the rows of one sweep a row for each planned point that has none yet."""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from orchestrator.errors import WorkloadError
from orchestrator.plan import expand
from orchestrator.results.derived_columns import ABSENT
from orchestrator.spec import Spec
from orchestrator.workload.describe import load


def completed(spec: Spec, rows: pl.DataFrame, plan: pa.Table) -> pl.DataFrame:
    """The rows with one of status `absent` for each planned point without any; the same rows where all are there."""
    if rows["final"].sum() >= plan.num_rows:
        return rows
    planned = pl.from_arrow(plan)
    assert isinstance(planned, pl.DataFrame)
    missing = planned.join(rows.select("arm", "point").unique(), on=["arm", "point"], how="anti")
    return pl.concat([rows, _absent(spec, missing)], how="diagonal_relaxed").sort("arm", "point", "step")


def _absent(spec: Spec, missing: pl.DataFrame) -> pl.DataFrame:
    """Rows of planned points that have none, with their params where the workload can be loaded."""
    try:
        plan = expand(spec, load(spec.workload, spec.path.parent if spec.path else None))
        params = pl.DataFrame({"point": pl.Series(plan.ids, dtype=pl.String), **plan.params}, strict=False)
    except WorkloadError:  # a module that was passed to `run` by hand has no name to load it by
        params = pl.DataFrame({"point": []}, schema={"point": pl.String})
    return missing.join(params, on="point", how="left").with_columns(
        pl.lit(ABSENT).alias("status"), pl.lit(True).alias("final"), pl.lit(-1, dtype=pl.Int64).alias("step")
    )
