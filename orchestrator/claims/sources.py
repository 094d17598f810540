"""Turns a store into the rows that claims are judged on: the sweep's own, its boundaries, or another sweep's."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from orchestrator.claims.evidence import SETTLED, lower, upper
from orchestrator.results.derived_columns import derived
from orchestrator.results.described import Columns, Described, seedless
from orchestrator.results.stored_sweep import StoredSweep
from orchestrator.spec import Spec
from orchestrator.spec.claim_model import Claim
from orchestrator.workload.describe import table_name

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


def sources(sweep: StoredSweep) -> dict[str, Source]:
    """What each `from` of the sweep's claims and checks stands for."""
    each = {"rows": own(sweep.spec, sweep.rows, sweep.fields)}
    origins = [*(claim.from_ for claim in sweep.spec.claims), *(check.from_ for check in sweep.spec.checks)]
    for name in dict.fromkeys(origin for origin in origins if origin != "rows"):
        each[name] = boundaries(sweep) if name == "boundary" else other(sweep, name.removeprefix(OTHER))
    return each


def own(spec: Spec, rows: pl.DataFrame, fields: Columns | None) -> Source:
    """The sweep's own rows."""
    columns = with_derived(spec, fields or {})
    return Source(spec=spec, rows=derived(spec, rows), fields=columns, table=f"sweeps.{table_name(spec.name)}")


def with_derived(spec: Spec, fields: Columns) -> dict[str, Described]:
    """The columns with those that the spec derives, seedless where all that they are made of is."""
    full = dict(fields)
    for grid in spec.grids():
        for name in grid.derive:
            if name not in fields:
                needed = sorted(grid.needs(name))
                condition = " and ".join(dict.fromkeys(seedless(fields, each) for each in needed)) or "true"
                before = full[name].seedless if name in full else "true"
                together = condition if before == "true" else f"{before} and {condition}"
                full[name] = Described(name=name, role="derived", seedless=together)
    return full


def absent(spec: Spec, claim: Claim) -> Source:
    """No rows, for a claim whose rows nobody gave."""
    name = claim.from_.removeprefix(OTHER)
    if claim.from_ == "boundary":
        return absent_boundary(spec)
    return _unmeasured(spec, name)


def _unmeasured(spec: Spec, name: str) -> Source:
    """No rows of another sweep."""
    return _nothing(spec, f"sweeps.{table_name(name)}", f"the store holds no rows of sweep '{name}' yet; run it first")


def _nothing(spec: Spec, table: str, why: str) -> Source:
    schema = {"arm": pl.String, "seed": pl.Int64, "status": pl.String, "final": pl.Boolean}
    return Source(spec=spec, rows=pl.DataFrame(schema=schema), fields={}, table=table, missing=why)


def other(sweep: StoredSweep, name: str) -> Source:
    """The rows of another sweep of the store, at this sweep's size where it has that, else of its latest run."""
    theirs = sweep.neighbour(name)
    return _unmeasured(sweep.spec, name) if theirs is None else own(theirs.spec, theirs.rows, theirs.fields)


def boundaries(sweep: StoredSweep) -> Source:
    """What the sweep's search found, a row for each boundary (with its bracket) or point of a level set's curve."""
    if sweep.boundaries is None or sweep.boundaries.is_empty() or sweep.spec.search is None:
        return absent_boundary(sweep.spec)
    return boundary(sweep.spec, sweep.boundaries, sweep.fields)


def boundary(spec: Spec, rows: pl.DataFrame, fields: Columns) -> Source:
    """A table of boundaries as rows of claims: one a point without noise, settled where there is a position."""
    assert spec.search is not None
    along = spec.search.model.finds
    params = {name: field for name, field in fields.items() if field.role == "param" and name in rows.columns}
    described = {name: field for name, field in params.items() if name not in along}
    for name in along:
        about = params.get(name)
        described[name] = Described(
            name=name,
            role="result",
            says=f"{about.says}, as the search found it" if about else "what the front dominates, up to its reference",
            unit=about.unit if about else "",
            seedless="true",  # its bracket, not other seeds, says how well it is known
        )
    described["evaluations"] = Described(name="evaluations", role="result", says="assignments that the search measured")
    brackets = {end(name): f"{name}_{word}" for name in along for end, word in ((lower, "lower"), (upper, "upper"))}
    for name in {*spec.search.model.place_columns} - {*brackets.values(), *along}:
        described[name] = Described(name=name, role="result", says="beside the position that the search found", seedless="true")
    settled = rows.with_columns(
        *(pl.lit(value).alias(name) for name, value in {"seed": 0, "step": 0, "final": True}.items()),
        *(pl.col(column).alias(name) for name, column in brackets.items() if column in rows.columns),
        pl.all_horizontal(pl.col(name).is_not_null() for name in along).alias(SETTLED),
    )
    return Source(spec=spec, rows=derived(spec, settled), fields=described, table=f"boundaries.{table_name(spec.name)}")


def doubtful(rows: pl.DataFrame) -> tuple[str, ...]:
    """A sentence for each way in which boundaries that have a position were not found cleanly."""
    if SETTLED not in rows.columns:
        return ()
    placed = rows.filter(rows[SETTLED] & ~rows["status"].is_in(CLEAN))["status"].value_counts(sort=True)
    return tuple(f"{n} boundar{'y is' if n == 1 else 'ies are'} {status}" for status, n in placed.iter_rows())


def absent_boundary(spec: Spec) -> Source:
    """No boundary yet."""
    return _nothing(spec, f"boundaries.{table_name(spec.name)}", "no boundary was found yet")
