"""Turns a store's tables into Polars lazy frames."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
import pyarrow as pa
from polars import selectors

from orchestrator.store import Store, counting_rule, parts, point_ids, row_format
from orchestrator.store.counted_rows import View, table, view
from orchestrator.store.parts import Part

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)
LABELS = ("workload", "pack", "commit", "host", "device", "torch")
"""Columns of text that say where a row comes from, the same in many rows."""
MOSTLY = 1.2  # rows a planned point: with more, most may be another sweep's, and are dropped before the others are read


def rows(store: Store, workload: str) -> pl.LazyFrame:
    """The rows of a workload that count, as they are at this call; collect it before `compact` runs."""
    return shown(_counted(store.view(workload)))


def shown(frame: Frame) -> Frame:
    """The frame with ids as people read them; of a lazy one, when it is collected, and only where `point` is asked for."""
    numbers = selectors.by_name("point", require_all=False) & selectors.by_dtype(pl.UInt64)
    return frame.with_columns(numbers.map_batches(_letters, return_dtype=pl.String, is_elementwise=True))


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
        glob=False,
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
    return of_plan(store, store.latest(name, size))


def of_plan(store: Store, record: Mapping[str, Any]) -> pl.LazyFrame:
    """The same rows, of the plan of that record."""
    labels = [pl.lit(record[name]).alias(name) for name in ("sweep", "size")]
    plan = _frame(store.planned(record, ["arm", "point"])).lazy().with_columns(*labels)
    measured = _measured(store, record["workload"])
    names = measured.collect_schema().names()
    return shown(plan.join(measured, on="point", how="inner").select("arm", "sweep", "size", *names))


def every(store: Store, record: Mapping[str, Any]) -> pl.LazyFrame:
    """Every row of a plan's points, also those that a later measurement has replaced."""
    holders = store.parts(record["workload"])
    schema = parts.unify(holders)
    rows = pl.concat([_scan(group, parts.readable(group, schema)) for group in parts.by_file(holders)], how="diagonal")
    plan = _frame(store.planned(record, ["point"])).lazy()
    return shown(rows.join(plan.unique(), on="point", how="semi"))


def arms(store: Store, record: Mapping[str, Any], point: str) -> list[str]:
    """The arms of a plan that have the point."""
    plan = store.planned(record, ["arm", "point"])
    return [str(arm) for arm in plan.filter(point_ids.equal(point))["arm"].to_pylist()]


def judged(store: Store, record: Mapping[str, Any], table: pa.Table) -> pl.DataFrame:
    """The same rows, read and in order of arm, point and step; `table` is the plan of the record, read already.

    Ids stay numbers: `shown` makes letters of them where people read them. A label that stands in a million rows is kept once,
    and a number in each; arms come last. So they need half the memory.
    """
    plan = _frame(table.select(["arm", "point"]))
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
    return _counted(store.view(workload)) if store.parts(workload) else pl.LazyFrame(schema=_types(row_format.engine_schema()))


def boundaries(store: Store, record: Mapping[str, Any]) -> pl.DataFrame | None:
    """What the search of a planned sweep found, a row a curve; None where it has found nothing yet."""
    return _table_at(store.boundaries_path(record["sweep"], record["size"]))


def fronts(store: Store, record: Mapping[str, Any]) -> pl.DataFrame | None:
    """The fronts that the search of a planned sweep found, a row a point that no other beats; None where it found none."""
    return _table_at(store.fronts_path(record["sweep"], record["size"]))


def _table_at(path: Path) -> pl.DataFrame | None:
    return pl.read_parquet(path, hive_partitioning=False, glob=False) if path.exists() else None


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
        return shown(pl.DataFrame(schema=_types(row_format.engine_schema()))).with_columns(arm=pl.lit("")), ()
    plan = _frame(store.planned(record, ["arm", "point"]))
    counted = view(holders)
    measured = _frame(table(counted, counted.schema.names))
    described = tuple(row_format.describe(counted.schema))
    params = [column["name"] for column in described if column["role"] == "param"]
    frame = shown(plan.join(measured, on="point", how="inner").sort("arm", *params, "seed", "step"))
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
    rows = parts.read(holders, schema, schema.names, point_ids.equal(point))
    numbered = rows.append_column("number", pa.array(range(rows.num_rows)))
    counting = set(counting_rule.settle(numbered)["number"].to_pylist())
    marked = [{**row, "counts": number in counting} for number, row in enumerate(point_ids.readable(rows).to_pylist())]
    return tuple(sorted(marked, key=lambda row: (row["generation"], row["step"])))
