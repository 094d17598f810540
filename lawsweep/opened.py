"""A store as a notebook asks it: rows, verdicts, boundaries, figures and descriptions as frames."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from orchestrator.report import conversions
from orchestrator.results.query import Results, results
from orchestrator.results.stored_sweep import StoredSweep
from orchestrator.store.store import BASE

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


@dataclass(frozen=True)
class Shown:
    """A figure as a notebook shows it: `spec` is its chart in Vega-Lite."""

    spec: dict[str, Any]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        major = str(self.spec.get("$schema", "v6")).rpartition("/v")[2].split(".")[0]
        return {f"application/vnd.vegalite.v{major}+json": self.spec, "text/plain": "a figure in Vega-Lite"}


@dataclass(frozen=True)
class Opened:
    """What a store holds. A sweep is meant at the size of its latest run where none is named."""

    results: Results

    def sweeps(self) -> pl.DataFrame:
        """Each sweep at each size: workload, question, points, and how its claims stand."""
        return pl.DataFrame([self._card(record) for record in self.results.store.plans()], infer_schema_length=None)

    def table(self, workload: str) -> pl.LazyFrame:
        """The rows of a workload that count."""
        return self.results.table(workload)

    def sweep(self, name: str, size: str | None = None) -> pl.LazyFrame:
        """The rows of a sweep's points, with `arm`."""
        return self.results.sweep(name, size)

    def sql(self, text: str) -> pl.DataFrame:
        """What an SQL query over the store gives."""
        return self.results.sql(text)

    def verdicts(self, sweep: str | None = None, size: str | None = None) -> pl.DataFrame:
        """The verdicts on the claims of one sweep, or of all: a row a claim."""
        chosen = [self._sweep(sweep, size)] if sweep else [self._of(record) for record in self.results.store.plans()]
        return conversions.table(
            [{"sweep": one.name, "size": one.size, **verdict} for one in chosen for verdict in one.verdicts]
        )

    def boundaries(self, sweep: str, size: str | None = None) -> pl.DataFrame:
        """What a sweep's search has found, a row a curve; no rows where it has found nothing."""
        found_curves = self._sweep(sweep, size).boundaries
        return pl.DataFrame() if found_curves is None else found_curves

    def fronts(self, sweep: str, size: str | None = None) -> pl.DataFrame:
        """The fronts of a sweep that searched towards several goals: a row a point that no other beats, with its goals."""
        points = self._sweep(sweep, size).fronts
        return pl.DataFrame() if points is None else points

    def figures(self, sweep: str, size: str | None = None) -> pl.DataFrame:
        """The figures of a sweep: name, title, caption, and the chart as Vega-Lite."""
        from orchestrator.figures.of_sweep import drawings

        drawn = drawings(self._sweep(sweep, size))
        return conversions.table(
            [{"name": one.name, "title": one.title, "caption": one.caption, "chart": one.chart} for one in drawn]
        )

    def chart(self, sweep: str, index: int = 0, size: str | None = None) -> Shown:
        """One figure of a sweep, which a notebook shows."""
        from orchestrator.figures.of_sweep import drawings

        return Shown(drawings(self._sweep(sweep, size))[index].chart)

    def descriptions(self, name: str) -> pl.DataFrame:
        """Every column of a sweep's or a workload's rows: type, role, unit and a sentence."""
        store = self.results.store
        workload = name if name in store.workloads() else str(self._sweep(name, None).record["workload"])
        return pl.DataFrame(store.describe(workload), infer_schema_length=None)

    def to_pandas(self, sweep: str, size: str | None = None) -> pd.DataFrame:
        """The rows of a sweep as a pandas frame."""
        return conversions.to_pandas(self._sweep(sweep, size).measured)

    def to_xarray(self, sweep: str, size: str | None = None) -> xr.Dataset:
        """The final rows of a sweep as an xarray Dataset: results along the params that vary, and seed."""
        return conversions.to_xarray(self._sweep(sweep, size))

    def _repr_html_(self) -> str:
        return f"<p>lawsweep store <code>{self.results.store.path}</code></p>{self.sweeps()._repr_html_()}"

    def _sweep(self, name: str, size: str | None) -> StoredSweep:
        return self._of(self.results.store.latest(name, size))

    def _of(self, record: dict[str, Any]) -> StoredSweep:
        return StoredSweep(store=self.results.store, record=record)

    def _card(self, record: dict[str, Any]) -> dict[str, Any]:
        verdicts = [str(verdict.get("verdict")) for verdict in self._of(record).verdicts]
        counts = ", ".join(f"{verdicts.count(word)} {word}" for word in dict.fromkeys(verdicts))
        names = {"sweep": record["sweep"], "size": record.get("size") or BASE, "workload": record["workload"]}
        return {**names, "points": record.get("points"), "verdicts": counts, "question": record.get("question")}


def open(path: str | os.PathLike[str] = "results") -> Opened:
    """The store at that path; StoreError where there is none."""
    return Opened(results(path))
