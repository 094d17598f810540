"""Turns rows into what other libraries hold: pandas frames and xarray Datasets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from orchestrator.errors import SweepError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from orchestrator.results.stored_sweep import StoredSweep


def table(records: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Records as a frame; what is nested, or of another type from record to record, stands as JSON."""
    names = list(dict.fromkeys(name for record in records for name in record))
    columns = {name: [record.get(name) for record in records] for name in names}
    return pl.DataFrame({name: _column(values) for name, values in columns.items()})


def _column(values: list[Any]) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) <= 1 and kinds <= {str, int, float, bool}:
        return pl.Series(values=values)
    if kinds <= {int, float}:
        return pl.Series(values=values, dtype=pl.Float64, strict=False)
    texts = [None if v is None else v if isinstance(v, str) else json.dumps(v, ensure_ascii=False, default=str) for v in values]
    return pl.Series(values=texts, dtype=pl.String)


def to_pandas(rows: pl.DataFrame) -> pd.DataFrame:
    """The rows as a pandas frame: labels as categories, times with their zone."""
    return rows.to_pandas()


def to_xarray(sweep: StoredSweep) -> xr.Dataset:
    """Final rows as a Dataset: each result along the params that vary, the arm where there are several, and the seed."""
    try:
        import xarray
    except ImportError as error:
        raise SweepError("to_xarray: xarray must be installed, but is not; pip install 'lawsweep[notebook]'.") from error
    rows = sweep.measured.filter(pl.col("final"))
    params = [name for name, field in sweep.fields.items() if field.role == "param" and name in rows.columns]
    results = [name for name, field in sweep.fields.items() if field.role == "result" and name in rows.columns]
    along = [name for name in ("arm", *params) if rows[name].n_unique() > 1] + ["seed"]
    cells = rows.select(*along, *results).with_columns(pl.col(pl.Categorical).cast(pl.String)).unique(along, keep="last")
    dataset: xr.Dataset = xarray.Dataset.from_dataframe(cells.to_pandas().set_index(along))
    for name in (*along, *results):
        field = sweep.fields.get(name)
        dataset[name].attrs.update({"long_name": field.says, "units": field.unit} if field else {})
    return dataset
