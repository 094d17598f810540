"""Turns a store's tables into Polars lazy frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.store import parts, point_ids, row_format
from orchestrator.store.counted_rows import View
from orchestrator.store.parts import Part

if TYPE_CHECKING:
    from orchestrator.store import Store

LABELS = ("workload", "pack", "commit", "host", "device", "torch")
"""Columns of text that say where a row comes from, the same in many rows."""
MOSTLY = 1.2  # rows a planned point: with more, most may be another sweep's, and are dropped before the others are read


def rows(store: Store, workload: str) -> pl.LazyFrame:
    """The rows of a workload that count, as they are at this call; collect it before `compact` runs."""
    return shown(_counted(store.view(workload)))


def shown(frame: pl.LazyFrame) -> pl.LazyFrame:
    """The frame with ids as people read them; the work is done when collected, and only where `point` is asked for."""
    return frame.with_columns(pl.col("point").map_batches(_letters, return_dtype=pl.String, is_elementwise=True))


def _letters(points: pl.Series) -> pl.Series:
    return _series(point_ids.letters(points.to_numpy()))


def _counted(view: View) -> pl.LazyFrame:
    """The view's rows, read when collected; ids are numbers."""
    whole = pl.concat([_scan(group, readable) for group, readable in view.groups], how="diagonal").select(view.schema.names)
    if not len(view.contested):
        return whole
    contested = pl.LazyFrame({"point": _series(view.contested)})
    return pl.concat([whole.join(contested, on="point", how="anti"), _frame(view.settled).lazy()])


def _scan(group: Sequence[Part], readable: pa.Schema) -> pl.LazyFrame:
    """Parts of one version and format; ids that are letters become numbers as they are read."""
    scanned = pl.scan_parquet(
        [str(part.path) for part in group],
        schema=_types(point_ids.in_letters(readable) if group[0].lettered else readable),
        missing_columns="insert",
        extra_columns="ignore",
        cast_options=pl.ScanCastOptions(integer_cast="allow-float"),
        hive_partitioning=False,
    )
    return scanned.with_columns(pl.col("point").str.to_integer(base=16, dtype=pl.UInt64)) if group[0].lettered else scanned


def _series(array: pa.Array) -> pl.Series:
    series = pl.from_arrow(array)
    assert isinstance(series, pl.Series)
    return series


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _types(schema: pa.Schema) -> pl.Schema:
    return _frame(schema.empty_table()).schema


def sweep(store: Store, name: str, size: str | None = None) -> pl.LazyFrame:
    """The rows of the points of a sweep's plan, once for each arm a point is in, `arm, sweep, size` first.

    A point that has no row yet is not there; a sweep without any row has the engine's columns and no rows.
    """
    record = store.latest(name, size)
    plan = _frame(store.planned(record, ["arm", "point"])).lazy()
    plan = plan.with_columns(pl.lit(name).alias("sweep"), pl.lit(record["size"]).alias("size"))
    measured = _measured(store, record["workload"])
    names = measured.collect_schema().names()
    return shown(plan.join(measured, on="point", how="inner").select("arm", "sweep", "size", *names))


def every(store: Store, name: str, size: str | None = None) -> pl.LazyFrame:
    """Every row of a sweep's points, also those that a later measurement has replaced."""
    record = store.latest(name, size)
    found = store.parts(record["workload"])
    schema = parts.unify(found)
    rows = pl.concat([_scan(group, parts.readable(group, schema)) for group in parts.by_file(found)], how="diagonal")
    plan = _frame(store.planned(record, ["point"])).lazy()
    return shown(rows.join(plan.unique(), on="point", how="semi"))


def judged(store: Store, name: str, size: str) -> pl.DataFrame:
    """The same rows, read and in order of arm, point and step; ids stay numbers, which nobody reads here.

    A label that stands in a million rows is kept once, and a number in each; arms come last. So they need half the memory.
    """
    record = store.latest(name, size)
    plan = _frame(store.planned(record, ["arm", "point"]))
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
    own = [pl.lit(text, pl.Categorical).alias(label) for label, text in (("sweep", name), ("size", record["size"]))]
    return found.with_columns(order["arm"], *own).select("arm", "sweep", "size", *names)


def planned(store: Store, name: str, size: str) -> int:
    """How many rows a sweep's plan has, a point once for each arm it is in."""
    return int(pq.read_metadata(store.plan_path(store.latest(name, size))).num_rows)


def _measured(store: Store, workload: str) -> pl.LazyFrame:
    """The rows of a workload that count; none, with the engine's columns, where it has not been measured yet."""
    return _counted(store.view(workload)) if store.parts(workload) else pl.LazyFrame(schema=_types(row_format.engine_schema()))


def boundaries(store: Store, name: str, size: str) -> pl.DataFrame | None:
    """What a sweep's search found at a size, a row a curve; None where it has found nothing yet."""
    path = store.boundaries_path(name, size)
    return pl.read_parquet(path, hive_partitioning=False) if path.exists() else None
