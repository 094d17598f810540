"""Splits a claim's rows into those that judge the theory and those where something else limits what was measured.

A floor (what error remains in an arm that has everything the theory varies) or a sentence such as `optimisation_gap > 0.1*y` is
looked at for each assignment, its seeds combined. Where it is true, or has no value, the assignment says nothing of the theory:
it is left out, told, and a claim that has too little without it is `unmet (optimisation-limited)`, never refuted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orchestrator.claims.evidence import Evidence, settled
from orchestrator.claims.verdict import LIMITED, Finding
from orchestrator.errors import SpecError, nearest
from orchestrator.fitting.aggregates import expression
from orchestrator.results import conditions
from orchestrator.results.described import Columns, aggregate
from orchestrator.wording import shown

if TYPE_CHECKING:
    import polars as pl

    from orchestrator.spec.claim_model import Claim

DOMINATED = "floor > 0.5 * y"
"""When a floor is too near, where a claim does not say."""
LISTED = 6


def condition(claim: Claim) -> str | None:
    """The sentence that keeps an assignment from being judged; None where nothing does."""
    return claim.unmet_if or (DOMINATED if claim.floor is not None else None)


def split(claim: Claim, evidence: Evidence, fields: Columns, by: Sequence[str]) -> Evidence:
    """The evidence with the rows set apart whose assignment is limited by something that is not the theory's."""
    text = condition(claim)
    if text is None or not len(evidence.rows):
        return evidence
    rows = evidence.rows
    key = _assignment(claim, rows, fields, by)
    table = _combined(claim, rows.filter(settled(rows)), evidence.floor, fields, key)
    if not len(table):
        return evidence
    truths = conditions.truths(table, text, f"claims.{claim.id}.unmet_if")
    limited = table.filter(truths.fill_null(True)).select(key)
    return replace(
        evidence,
        rows=rows.join(limited, on=key, how="anti", nulls_equal=True, maintain_order="left"),
        limited=rows.join(limited, on=key, how="semi", nulls_equal=True, maintain_order="left"),
    )


def _assignment(claim: Claim, rows: pl.DataFrame, fields: Columns, by: Sequence[str]) -> list[str]:
    """Columns whose values make an assignment: arm, params, the claim's x and groups."""
    x, _ = claim.axes
    match = claim.floor.match if claim.floor is not None else ()
    params = [name for name, field in fields.items() if field.role == "param"]
    return [name for name in dict.fromkeys(("arm", *params, *by, *match, x)) if name is not None and name in rows.columns]


def _combined(claim: Claim, rows: pl.DataFrame, floor: pl.DataFrame | None, fields: Columns, key: list[str]) -> pl.DataFrame:
    """One row an assignment: its numbers combined over seeds, `x`, `y` and the `floor` of its match beside them."""
    import polars as pl

    x, y = claim.axes
    numbers = [name for name in rows.columns if rows[name].dtype.is_numeric() and name not in key]
    table = rows.group_by(key, maintain_order=True).agg(expression(pl.col(name), aggregate(fields, name)) for name in numbers)
    if y is not None and y in table.columns:
        table = table.with_columns(pl.col(y).alias("y")).filter(pl.col("y").is_not_null())
    if x is not None and x in table.columns:
        table = table.with_columns(pl.col(x).alias("x"))
    if claim.floor is None or floor is None:
        return table
    if y is None or y not in floor.columns:
        raise SpecError(
            f"claims.{claim.id}.floor: a floor must be of the claim's y, but a claim of kind '{claim.kind}' has none."
        )
    _check_match(claim, floor)
    match, ok = list(claim.floor.match), floor.filter(settled(floor))
    measured = expression(pl.col(y), aggregate(fields, y)).alias("floor")
    if not match:
        return table.with_columns(floor=pl.lit(ok.select(measured).item(), dtype=pl.Float64))
    return table.join(ok.group_by(match).agg(measured), on=match, how="left", nulls_equal=True, maintain_order="left")


def _check_match(claim: Claim, floor: pl.DataFrame) -> None:
    assert claim.floor is not None
    for name in claim.floor.match:
        if name not in floor.columns:
            mend = nearest(name, floor.columns)
            raise SpecError(f"claims.{claim.id}.floor.match: it must name columns of the rows, but got '{name}'{mend}")


def beside(claim: Claim, evidence: Evidence, rows: pl.DataFrame, along: str | None = None) -> pl.DataFrame | None:
    """The rows of the floor that match a group's; None where the claim has no floor.

    Raises SpecError where a column of `match` has several values in the group, each with a floor of its own; but for those that
    go with the column `along`, each value of which then has its own floor.
    """
    if claim.floor is None or evidence.floor is None:
        return None
    match = list(claim.floor.match)
    if not match or not len(rows):
        return evidence.floor
    groups = rows.select(match).unique()
    if len(groups) > 1 and not (along in evidence.floor.columns and len(groups) == rows[along].n_unique()):
        raise SpecError(
            f"claims.{claim.id}.floor.match: {', '.join(match)} must have one value in each group, but has {len(groups)}; "
            f"add it to 'by'."
        )
    return evidence.floor.join(groups, on=match, how="semi", nulls_equal=True)


def told(claim: Claim, evidence: Evidence, findings: Sequence[Finding], by: Sequence[str]) -> list[Finding]:
    """The findings with what was left out: groups of which nothing was left are unmet, and those that lack rows for it too."""
    limited = evidence.limited
    if limited is None or not len(limited):
        return list(findings)
    names = list(findings[0].group) if findings else list(by)
    done = [_with_note(claim, finding, part) if len(part := _of(limited, finding.group)) else finding for finding in findings]
    if not names:
        return done or [_with_note(claim, Finding(verdict="unmet", sentence=""), limited)]
    judged = {tuple(finding.group.values()) for finding in findings}
    for key, part in limited.group_by(names, maintain_order=True):
        if key not in judged:
            done.append(
                _with_note(claim, Finding(verdict="unmet", sentence="", group=dict(zip(names, key, strict=True))), part)
            )
    return done


def _of(rows: pl.DataFrame, group: dict[str, Any]) -> pl.DataFrame:
    """The rows of a group."""
    import polars as pl

    return rows.filter(*(pl.col(name).eq_missing(pl.lit(value)) for name, value in group.items())) if group else rows


def _with_note(claim: Claim, finding: Finding, part: pl.DataFrame) -> Finding:
    where = _places(claim, part)
    if finding.verdict == "unmet":
        continuation = f"; {finding.sentence}" if finding.sentence else "; nothing is left to judge"
        reason = f"{LIMITED}: {condition(claim)} {where}"
        return replace(finding, sentence=f"{condition(claim)} {where}{continuation}", reasons=(reason, *finding.reasons))
    return replace(finding, reasons=(*finding.reasons, f"left out, as {condition(claim)}: {where}"))


def _places(claim: Claim, part: pl.DataFrame) -> str:
    """Where it is limited: the values of x, else how many rows."""
    x, _ = claim.axes
    if x is None or x not in part.columns or not part[x].dtype.is_numeric():
        return f"in {len(part)} row{'s' * (len(part) != 1)}"
    values = [shown(float(v)) for v in part[x].drop_nulls().unique().sort().to_list()]
    listed = values if len(values) <= LISTED else [*values[: LISTED - 1], "…", values[-1]]
    return f"at {x} = {', '.join(listed)}"
