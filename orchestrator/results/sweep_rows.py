"""Reads the rows of one sweep, with a row for each planned point that has none yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from orchestrator.errors import WorkloadError
from orchestrator.results.derived_columns import ABSENT
from orchestrator.results.described import Described, fields_of
from orchestrator.store.store import BASE

if TYPE_CHECKING:
    import polars as pl

    from orchestrator.spec import Spec
    from orchestrator.store import Store

Rows: TypeAlias = "tuple[pl.DataFrame, dict[str, Described]]"
"""A sweep's rows, and what its params and results are."""


def rows_of(spec: Spec, store: Store) -> Rows:
    """The sweep's rows, a row of status `absent` for each planned point without one, and what its columns are."""
    return rows_at(spec, store, spec.name, spec.size or BASE)


def rows_at(spec: Spec, store: Store, name: str, size: str) -> Rows:
    """The rows of a sweep at a size, and what its columns are."""
    import polars as pl

    from orchestrator.results import frames

    rows = frames.judged(store, name, size)
    if rows["final"].sum() < frames.planned(store, name, size):
        plan = pl.from_arrow(store.plan(name, size))
        assert isinstance(plan, pl.DataFrame)
        missing = plan.join(rows.select("arm", "point").unique(), on=["arm", "point"], how="anti")
        rows = pl.concat([rows, _absent(spec, missing)], how="diagonal_relaxed").sort("arm", "point", "step")
    return rows, fields_of(store, store.latest(name, size)["workload"])


def _absent(spec: Spec, missing: pl.DataFrame) -> pl.DataFrame:
    """Rows of planned points that have none, with their params where the workload can be loaded."""
    import polars as pl

    from orchestrator.plan import expand
    from orchestrator.workload.describe import load

    try:
        plan = expand(spec, load(spec.workload, spec.path.parent if spec.path else None))
        params = pl.DataFrame({"point": pl.Series(plan.ids, dtype=pl.String), **plan.params}, strict=False)
    except WorkloadError:  # a module that was passed to `run` by hand has no name to load it by
        params = pl.DataFrame({"point": []}, schema={"point": pl.String})
    return missing.join(params, on="point", how="left").with_columns(
        pl.lit(ABSENT).alias("status"), pl.lit(True).alias("final"), pl.lit(-1, dtype=pl.Int64).alias("step")
    )
