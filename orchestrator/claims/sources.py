"""Turns a store into the rows that claims are judged on: the sweep's own, its boundaries, or another sweep's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.claims.evidence import SETTLED, lower, upper
from orchestrator.results.derived_columns import derived
from orchestrator.results.described import Columns, Described, fields_of
from orchestrator.results.sweep_rows import Rows, rows_at
from orchestrator.store.store import BASE
from orchestrator.workload.describe import table_name

if TYPE_CHECKING:
    import polars as pl

    from orchestrator.spec import Spec
    from orchestrator.spec.claim_model import Claim
    from orchestrator.store import Store

OTHER = "sweep:"
CLEAN = ("found", "noisy", "ok")
"""How a search ends that stands for its bracket."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Rows that claims are judged on, derived columns included; `spec` defines those, `table` is the rows' name in SQL.

    `missing` says why there are none to be read.
    """

    spec: Spec
    rows: pl.DataFrame
    fields: Columns
    table: str
    missing: str = ""


def sources(spec: Spec, store: Store, found: Rows) -> dict[str, Source]:
    """What each `from` of the spec's claims stands for; `found` is what `rows_of` gives of the sweep itself."""
    known = {"rows": own(spec, *found)}
    for claim in spec.claims:
        if claim.from_ not in known:
            name = claim.from_.removeprefix(OTHER)
            known[claim.from_] = boundaries(spec, store) if claim.from_ == "boundary" else other(spec, store, name)
    return known


def own(spec: Spec, rows: pl.DataFrame, fields: Columns | None) -> Source:
    """The sweep's own rows."""
    return Source(spec=spec, rows=derived(spec, rows), fields=fields or {}, table=f"sweeps.{table_name(spec.name)}")


def absent(spec: Spec, claim: Claim) -> Source:
    """No rows, for a claim whose rows nobody gave."""
    name = claim.from_.removeprefix(OTHER)
    if claim.from_ == "boundary":
        return absent_boundary(spec)
    return _nothing(spec, f"sweeps.{table_name(name)}", f"the store holds no rows of sweep '{name}' yet; run it first")


def _nothing(spec: Spec, table: str, why: str) -> Source:
    import polars as pl

    schema = {"arm": pl.String, "seed": pl.Int64, "status": pl.String, "final": pl.Boolean}
    return Source(spec=spec, rows=pl.DataFrame(schema=schema), fields={}, table=table, missing=why)


def other(spec: Spec, store: Store, name: str) -> Source:
    """The rows of another sweep of the store, at this sweep's size where it has that, else of its latest run."""
    from orchestrator.spec import parse

    sizes = [plan["size"] for plan in store.plans() if plan["sweep"] == name]
    size = next((s for s in sizes if s == (spec.size or BASE)), sizes[-1] if sizes else None)
    if size is None:
        return _nothing(spec, f"sweeps.{table_name(name)}", f"the store holds no rows of sweep '{name}' yet; run it first")
    said = store.latest(name, size).get("spec")
    theirs = parse(json.dumps(said), name) if said else spec
    return own(theirs, *rows_at(theirs, store, name, size))


def boundaries(spec: Spec, store: Store) -> Source:
    """What the sweep's search found, a row for each boundary (with its bracket) or point of a level set's curve."""
    from orchestrator.results import frames

    size = spec.size or BASE
    rows = frames.boundaries(store, spec.name, size)
    if rows is None or not len(rows) or spec.search is None:
        return absent_boundary(spec)
    return boundary(spec, rows, fields_of(store, store.latest(spec.name, size)["workload"]))


def boundary(spec: Spec, rows: pl.DataFrame, fields: Columns) -> Source:
    """A table of boundaries as rows of claims: one a point without noise, settled where there is a position."""
    import polars as pl

    assert spec.search is not None
    along = spec.search.names
    params = {name: field for name, field in fields.items() if field.role == "param" and name in rows.columns}
    known = {name: field for name, field in params.items() if name not in along}
    for name in along:
        about = params.get(name, Described(name=name, role="param", says=name))
        known[name] = Described(
            name=name, role="result", says=f"{about.says}, where the measure crosses its level", unit=about.unit
        )
    known["evaluations"] = Described(name="evaluations", role="result", says="assignments that the search measured")
    brackets = {end(name): f"{name}_{word}" for name in along for end, word in ((lower, "lower"), (upper, "upper"))}
    settled = rows.with_columns(
        *(pl.lit(value).alias(name) for name, value in {"seed": 0, "step": 0, "final": True}.items()),
        *(pl.col(column).alias(name) for name, column in brackets.items() if column in rows.columns),
        pl.all_horizontal(pl.col(name).is_not_null() for name in along).alias(SETTLED),
    )
    return Source(spec=spec, rows=derived(spec, settled), fields=known, table=f"boundaries.{table_name(spec.name)}")


def doubtful(rows: pl.DataFrame) -> tuple[str, ...]:
    """A sentence for each way in which boundaries that have a position were not found cleanly."""
    if SETTLED not in rows.columns:
        return ()
    placed = rows.filter(rows[SETTLED] & ~rows["status"].is_in(CLEAN))["status"].value_counts(sort=True)
    return tuple(f"{n} boundar{'y is' if n == 1 else 'ies are'} {status}" for status, n in placed.iter_rows())


def absent_boundary(spec: Spec) -> Source:
    """No boundary yet."""
    return _nothing(spec, f"boundaries.{table_name(spec.name)}", "no boundary was found yet")
