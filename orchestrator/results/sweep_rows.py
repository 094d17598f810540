"""Reads the rows of one sweep, with a row for each planned point that has none yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from orchestrator.errors import WorkloadError
from orchestrator.results.derived_columns import ABSENT
from orchestrator.results.described import Described, fields_of
from orchestrator.store import point_ids
from orchestrator.store.store import BASE

if TYPE_CHECKING:
    import polars as pl

    from orchestrator.spec import Spec
    from orchestrator.store import Store

PLAIN = {"arm", "point", "seed"}
"""Columns of every plan; one of format 2 has its params beside them."""
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
        if not set(plan.columns) - PLAIN:
            missing = _expanded(spec, missing)
        rows = pl.concat([rows, _absent(missing)], how="diagonal_relaxed").sort("arm", "point", "step")
    return rows, fields_of(store, store.latest(name, size)["workload"])


def _absent(missing: pl.DataFrame) -> pl.DataFrame:
    """Rows of planned points that have none, with their params as the plan has them."""
    import polars as pl

    return missing.with_columns(
        pl.lit(ABSENT).alias("status"), pl.lit(True).alias("final"), pl.lit(-1, dtype=pl.Int64).alias("step")
    )


def _expanded(spec: Spec, missing: pl.DataFrame) -> pl.DataFrame:
    """The points with their params where a plan of format 1 has none: as the spec says, if the workload can be loaded."""
    import polars as pl

    from orchestrator.plan import expand
    from orchestrator.workload.describe import load

    try:
        plan = expand(spec, load(spec.workload, spec.path.parent if spec.path else None))
    except WorkloadError:  # a module that was passed to `run` by hand has no name to load it by
        return missing
    points = pl.Series(point_ids.numbers(plan.ids).to_numpy(), dtype=pl.UInt64)
    return missing.join(pl.DataFrame({"point": points, **plan.params}, strict=False), on="point", how="left")
