"""Turns a store's tables into Polars lazy frames."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.store import Store, counting_rule, parts, row_format
from orchestrator.store.counted_rows import View, table, view

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
    ordered = measured[order["row"]]
    del measured
    own = [pl.lit(record[label], pl.Categorical).alias(label) for label in ("sweep", "size")]
    return ordered.with_columns(order["arm"], *own).select("arm", "sweep", "size", *names)


def _measured(store: Store, workload: str) -> pl.LazyFrame:
    """The rows of a workload that count; none, with the engine's columns, where it has not been measured yet."""
    return rows(store, workload) if store.parts(workload) else pl.LazyFrame(schema=_types(row_format.engine_schema()))


def boundaries(store: Store, record: Mapping[str, Any]) -> pl.DataFrame | None:
    """What the search of a planned sweep found, a row a curve; None where it has found nothing yet."""
    path = store.boundaries_path(record["sweep"], record["size"])
    return pl.read_parquet(path, hive_partitioning=False) if path.exists() else None


Descriptions = tuple[dict[str, str], ...]
"""Every column of a workload's rows: name, type, role, unit and sentence."""


def planned_rows(store: Store, record: Mapping[str, Any], paths: Collection[str]) -> tuple[pl.DataFrame, Descriptions]:
    """The rows of a plan's points that count, in order of arm, params, seed and step, and what describes their columns.

    `paths` are the parts that hold them; without one, the columns are the engine's and nothing describes them.
    """
    return parts.settled(lambda: _planned_rows(store, record, paths))


def _planned_rows(store: Store, record: Mapping[str, Any], paths: Collection[str]) -> tuple[pl.DataFrame, Descriptions]:
    holders = [part for part in store.parts(record["workload"]) if str(part.path) in paths]
    if not holders:
        return pl.DataFrame(schema=_types(row_format.engine_schema())).with_columns(arm=pl.lit("")), ()
    plan = pl.read_parquet(store.plan_path(record)).select("arm", "point")
    counted = view(holders)
    measured = pl.from_arrow(table(counted, counted.schema.names))
    assert isinstance(measured, pl.DataFrame)
    described = tuple(row_format.describe(counted.schema))
    params = [column["name"] for column in described if column["role"] == "param"]
    frame = plan.join(measured, on="point", how="inner").sort("arm", *params, "seed", "step")
    return frame.with_columns(pl.col(name).cast(pl.Categorical) for name in ("arm", *LABELS, "status")), described


def every_row(store: Store, point: str, paths: Collection[str]) -> tuple[dict[str, Any], ...]:
    """All rows ever written of a point, repeats too, the first written first; `counts` says which of them count.

    `paths` are the parts that hold them.
    """
    return parts.settled(lambda: _every_row(store, point, paths))


def _every_row(store: Store, point: str, paths: Collection[str]) -> tuple[dict[str, Any], ...]:
    holders = [part for name in store.workloads() for part in store.parts(name) if str(part.path) in paths]
    if not holders:
        return ()
    schema = parts.unify(holders)
    rows = parts.read(holders, schema, schema.names, pc.field("point") == point)
    numbered = rows.append_column("number", pa.array(range(rows.num_rows)))
    counting = set(counting_rule.settle(numbered)["number"].to_pylist())
    marked = [{**row, "counts": number in counting} for number, row in enumerate(rows.to_pylist())]
    return tuple(sorted(marked, key=lambda row: (row["generation"], row["step"])))
