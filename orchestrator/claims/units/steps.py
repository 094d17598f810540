"""Gives each step of a claim about steps the points that failed before it, which have no row there."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from orchestrator.claims.case import Case
from orchestrator.claims.evidence import settled


def with_failures(case: Case) -> Case:
    """The case with a lost row at each step that others of its setting reached; as it is where rows are final ones."""
    rows = case.evidence.rows
    speaks = [*case.claim.groups, *(name for _, name in case.claim.columns())]
    if "step" not in speaks or "step" not in rows.columns:
        return case
    ok = settled(rows)
    ended, failed = rows.filter(ok), rows.filter(~ok).unique(["arm", "point"], maintain_order=True)
    if ended.is_empty() or failed.is_empty():
        return case
    params = [name for name, field in case.fields.items() if field.role == "param" and name in rows.columns]
    reached = ended.select("arm", *params, "step").unique(maintain_order=True)
    own = failed.drop("step").join(reached, on=["arm", *params], how="inner", nulls_equal=True)
    alone = failed.join(reached, on=["arm", *params], how="anti", nulls_equal=True)
    anywhere = alone.drop("step").join(reached.select("step").unique(), how="cross")
    lost = pl.concat([own, anywhere], how="diagonal_relaxed").select(rows.columns)
    lost = lost.join(ended, on=["arm", "point", "step"], how="anti")
    whole = pl.concat([ended, lost], how="vertical_relaxed")
    return replace(case, evidence=replace(case.evidence, rows=whole))
