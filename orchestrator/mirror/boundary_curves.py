"""Turns what a search found into curves, and rows so that curves can be drawn along an x that the sweep derives."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.errors import SweepError
from orchestrator.mirror.curves import Curve, whole

if TYPE_CHECKING:
    import polars as pl

    from orchestrator.spec import Spec
    from orchestrator.store import Store


def stamp(store: Store, record: Mapping[str, Any]) -> str:
    """What identifies the table of a sweep's boundaries; empty where there is none."""
    path = store.boundaries_path(record["sweep"], record["size"])
    return hashlib.blake2b(path.read_bytes(), digest_size=12).hexdigest() if path.exists() else ""


def boundaries(store: Store, record: Mapping[str, Any], x: str | None, params: Sequence[str]) -> list[Curve]:
    """Curves of what the sweep's search found along x, sorted by arm and params; none where it found nothing.

    Each has the searched params with the ends of their brackets, and how many assignments were measured.
    """
    import polars as pl

    from orchestrator.results import frames

    table = frames.boundaries(store, record["sweep"], record["size"])
    if table is None or table.is_empty():
        return []
    searched = sorted({name for names in table["along"].unique() for name in names.split(", ")})
    x = x if x in table.columns and table[x].dtype.is_numeric() else searched[0]
    loose = {x, *searched, *_made_of(_spec(record), x), *_computed(_spec(record))}
    constant = ["arm", *(name for name in params if name in table.columns and name not in loose)]
    values = [f"{name}{end}" for name in searched for end in ("", "_lower", "_upper")] + ["evaluations"]
    columns = [x, *(name for name in dict.fromkeys(values) if name in table.columns and name != x)]
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
            generation=int(record.get("generation") or 0),
        )
        for key, part in parts.items()
    ]


def unsearched(store: Store, record: Mapping[str, Any], rows: pl.LazyFrame) -> pl.LazyFrame:
    """The rows without those arms of which a search has found something: a point of theirs is no point of a curve."""
    import polars as pl

    from orchestrator.results import frames

    table = frames.boundaries(store, record["sweep"], record["size"])
    return rows if table is None else rows.filter(~pl.col("arm").is_in(table["arm"].unique().to_list()))


def along(
    record: Mapping[str, Any], rows: pl.LazyFrame, x: str | None, params: Sequence[str]
) -> tuple[pl.LazyFrame, list[str]]:
    """The rows with x where the sweep derives it, and the params that a curve holds: not those which x is made of.

    A param that an arm computes from others has no value of its own there.
    """
    import polars as pl

    spec = _spec(record)
    if spec is None:
        return rows, list(params)
    if x is not None and x not in rows.collect_schema().names():
        from orchestrator.results.derived_columns import derived

        rows = derived(spec, rows.collect()).lazy()
    for grid in spec.grids():
        computed = [name for name, cell in grid.fixed.items() if name in params and name != x and hasattr(cell, "evaluate")]
        here = pl.col("arm").cast(pl.String) == grid.arm
        rows = rows.with_columns(pl.when(~here).then(pl.col(name)).alias(name) for name in computed)
    return rows, [name for name in params if name not in _made_of(spec, x)]


def _made_of(spec: Spec | None, x: str | None) -> frozenset[str]:
    """Params that a derived x is made of, in any arm."""

    if spec is None or x is None:
        return frozenset()
    names = (grid.needs(x) for grid in spec.grids() if x in grid.derive)
    return frozenset().union(*names)


def _computed(spec: Spec | None) -> frozenset[str]:
    """Params that an arm computes from others."""
    grids = spec.grids() if spec is not None else ()
    return frozenset(name for grid in grids for name, cell in grid.fixed.items() if hasattr(cell, "evaluate"))


def _spec(record: Mapping[str, Any]) -> Spec | None:
    """The spec that the plan was saved with, None where it cannot be read any more."""
    from orchestrator.results.stored_sweep import spec_of

    try:
        return spec_of(record)
    except SweepError:
        return None
