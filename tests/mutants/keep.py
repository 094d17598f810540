"""Writes `tests/mutants/rows/` anew from a store that holds every sweep at size smoke: `python -m tests.mutants.keep STORE`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import polars as pl

from orchestrator.results.stored_sweep import StoredSweep, in_store
from orchestrator.spec import read, shipped
from orchestrator.spec.parsing import find
from orchestrator.store import open_store

ROWS = Path(__file__).parent / "rows"
ENGINE = ("arm", "point", "seed", "step", "final", "status")


def small(sweep: StoredSweep) -> pl.DataFrame:
    """The final rows with the params that vary and the columns that the sweep file names; ids of points are counted."""
    spoken = {*re.findall(r"[A-Za-z_]\w*", find(sweep.name).read_text())}
    rows, fields = sweep.rows.filter(pl.col("final")), sweep.fields
    varying = {name for name, field in fields.items() if field.role == "param" and rows[name].n_unique() > 1}
    names = [name for name in rows.columns if name in fields and (name in spoken or name in varying)]
    return rows.select(*ENGINE, *names).with_columns(pl.col("point").rank("dense").cast(pl.UInt64))


def main(store: str) -> None:
    """Write the rows, and what searches found, of every shipped sweep."""
    for name in shipped():
        sweep = in_store(read(name, "smoke"), open_store(store))
        tables = {f"{name}.parquet": small(sweep), f"{name}.boundary.parquet": sweep.boundaries}
        for file, table in tables.items():
            if table is not None:
                table.write_parquet(ROWS / file, compression="zstd", compression_level=19, statistics=False)


if __name__ == "__main__":
    main(sys.argv[1])
