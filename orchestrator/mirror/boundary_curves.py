"""Turns what a search found into curves, and rows so that curves can be drawn along an x that the sweep derives."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import polars as pl

from orchestrator.mirror.curves import Curve, whole
from orchestrator.results.derived_columns import derived
from orchestrator.results.stored_sweep import StoredSweep
from orchestrator.spec import Spec


def stamp(sweep: StoredSweep) -> str:
    """What identifies the table of a sweep's boundaries; empty where there is none."""
    path = sweep.store.boundaries_path(sweep.name, sweep.size)
    return hashlib.blake2b(path.read_bytes(), digest_size=12).hexdigest() if path.exists() else ""


def boundaries(sweep: StoredSweep, x: str | None, params: Sequence[str]) -> list[Curve]:
    """Curves of what the sweep's search found along x, sorted by arm and params; none where it found nothing.

    Each has the searched params with the ends of their brackets, and how many assignments were measured.
    """
    table = sweep.boundaries
    if table is None or table.is_empty():
        return []
    searched = sorted({name for names in table["along"].unique() for name in names.split(", ")})
    values = [f"{name}{end}" for name in searched for end in ("", "_lower", "_upper", "_units")] + ["evaluations"]
    numbers = [name for name in dict.fromkeys(values) if name in table.columns and table[name].dtype.is_numeric()]
    x = x if x in table.columns and table[x].dtype.is_numeric() else numbers[0]
    loose = {x, *searched, *_made_of(sweep.spec, x), *_computed(sweep.spec)}
    constant = ["arm", *(name for name in params if name in table.columns and name not in loose)]
    columns = [x, *(name for name in numbers if name != x)]
    placed = table.filter(pl.col(x).is_not_null()).sort([*constant, x], nulls_last=True)
    parts = placed.select(*constant, *columns).partition_by(constant, as_dict=True, maintain_order=True)
    steps = whole(placed[x])
    return [
        Curve(
            arm=str(key[0]),
            params=dict(zip(constant[1:], key[1:], strict=True)),
            table=part.select(columns).with_columns(
                (pl.col(x).cast(pl.Int64) if steps else pl.int_range(pl.len(), dtype=pl.Int64)).alias("x_index")
            ),
            seeds=1,
            failed=0,
            generation=int(sweep.record.get("generation") or 0),
        )
        for key, part in parts.items()
    ]


def unsearched(sweep: StoredSweep) -> pl.LazyFrame:
    """The sweep's rows without those arms of which a search has found something: a point of theirs is no point of a curve."""
    rows, table = sweep.measured.lazy(), sweep.boundaries
    return rows if table is None else rows.filter(~pl.col("arm").is_in(table["arm"].unique().to_list()))


def along(spec: Spec, rows: pl.LazyFrame, x: str | None, params: Sequence[str]) -> tuple[pl.LazyFrame, list[str]]:
    """The rows with x where the sweep derives it, and the params that a curve holds: not those which x is made of.

    A param that an arm computes from others has no value of its own there.
    """
    if x is not None and x not in rows.collect_schema().names():
        rows = derived(spec, rows.collect()).lazy()
    for grid in spec.grids():
        computed = [name for name, cell in grid.fixed.items() if name in params and name != x and hasattr(cell, "evaluate")]
        here = pl.col("arm").cast(pl.String) == grid.arm
        rows = rows.with_columns(pl.when(~here).then(pl.col(name)).alias(name) for name in computed)
    return rows, [name for name in params if name not in _made_of(spec, x)]


def _made_of(spec: Spec, x: str | None) -> frozenset[str]:
    """Params that a derived x is made of, in any arm."""
    if x is None:
        return frozenset()
    names = (grid.needs(x) for grid in spec.grids() if x in grid.derive)
    return frozenset().union(*names)


def _computed(spec: Spec) -> frozenset[str]:
    """Params that an arm computes from others."""
    return frozenset(name for grid in spec.grids() for name, cell in grid.fixed.items() if hasattr(cell, "evaluate"))
