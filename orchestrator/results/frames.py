"""Turns a store's tables into Polars lazy frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

from orchestrator.store import row_format
from orchestrator.store.counted_rows import View

if TYPE_CHECKING:
    from orchestrator.store import Store

LABELS = ("workload", "pack", "commit", "host", "device", "torch")
"""Columns of text that say where a row comes from, the same in many rows."""
MOSTLY = 1.2  # rows a planned point: with more, most may be another sweep's, and are dropped before the others are read


def rows(store: Store, workload: str) -> pl.LazyFrame:
    """The rows of a workload that count, as they are at this call; collect it before `compact` runs."""
    return frame(store.view(workload))


def frame(view: View) -> pl.LazyFrame:
    """The view's rows, read when collected."""
    scans = [_scan([str(p.path) for p in group], readable) for group, readable in view.groups]
    whole = pl.concat(scans, how="diagonal").select(view.schema.names)
    if not len(view.contested):
        return whole
    contested = pl.LazyFrame({"point": pl.Series(view.contested.to_pylist(), dtype=pl.String)})
    settled = pl.from_arrow(view.settled)
    assert isinstance(settled, pl.DataFrame)
    return pl.concat([whole.join(contested, on="point", how="anti"), settled.lazy()])


def _scan(paths: list[str], readable: pa.Schema) -> pl.LazyFrame:
    return pl.scan_parquet(
        paths,
        schema=_types(readable),
        missing_columns="insert",
        extra_columns="ignore",
        cast_options=pl.ScanCastOptions(integer_cast="allow-float"),
        hive_partitioning=False,
    )


def _types(schema: pa.Schema) -> pl.Schema:
    empty = pl.from_arrow(schema.empty_table())
    assert isinstance(empty, pl.DataFrame)
    return empty.schema


def sweep(store: Store, name: str, size: str | None = None) -> pl.LazyFrame:
    """The rows of the points of a sweep's plan, once for each arm a point is in, `arm, sweep, size` first.

    A point that has no row yet is not there; a sweep without any row has the engine's columns and no rows.
    """
    return of_plan(store, store.latest(name, size))


def of_plan(store: Store, record: Mapping[str, Any]) -> pl.LazyFrame:
    """The same rows, of the plan of that record."""
    labels = [pl.lit(record[name]).alias(name) for name in ("sweep", "size")]
    plan = pl.scan_parquet(store.plan_path(record)).select("arm", *labels, "point")
    measured = _measured(store, record["workload"])
    return plan.join(measured, on="point", how="inner").select("arm", "sweep", "size", *measured.collect_schema().names())


def judged(store: Store, record: Mapping[str, Any], table: pa.Table) -> pl.DataFrame:
    """The same rows, read and in order of arm, point and step; `table` is the plan of the record, read already.

    A label that stands in a million rows is kept once, and a number in each; arms come last. So they need half the memory.
    """
    plan = pl.from_arrow(table.select(["arm", "point"]))
    assert isinstance(plan, pl.DataFrame)
    lazy = _measured(store, record["workload"])
    names = lazy.collect_schema().names()
    lazy = lazy.with_columns(pl.col(name).cast(pl.Categorical) for name in LABELS if name in names)
    if sum(part.rows for part in store.parts(record["workload"])) > MOSTLY * len(plan):
        lazy = lazy.join(plan.lazy().select("point").unique(), on="point", how="semi")
    measured = lazy.collect()
    places = measured.select("point", "step").with_row_index("row")
    order = plan.join(places, on="point", how="inner").sort("arm", "point", "step")
    found = measured[order["row"]]
    del measured
    own = [pl.lit(record[label], pl.Categorical).alias(label) for label in ("sweep", "size")]
    return found.with_columns(order["arm"], *own).select("arm", "sweep", "size", *names)


def _measured(store: Store, workload: str) -> pl.LazyFrame:
    """The rows of a workload that count; none, with the engine's columns, where it has not been measured yet."""
    return rows(store, workload) if store.parts(workload) else pl.LazyFrame(schema=_types(row_format.engine_schema()))


def boundaries(store: Store, record: Mapping[str, Any]) -> pl.DataFrame | None:
    """What the search of a planned sweep found, a row a curve; None where it has found nothing yet."""
    path = store.boundaries_path(record["sweep"], record["size"])
    return pl.read_parquet(path, hive_partitioning=False) if path.exists() else None
