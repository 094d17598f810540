"""Turns the rows of a sweep into the verdicts of its claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.claims import compare, fit, holds, ledger, prefer, verdict
from orchestrator.claims.case import Case, mixed
from orchestrator.claims.evidence import ABSENT, Columns, Described, Evidence, derived, gather
from orchestrator.claims.verdict import Finding, Verdict, restore
from orchestrator.errors import SpecError, WorkloadError

if TYPE_CHECKING:
    import polars as pl

    from orchestrator.spec import Spec
    from orchestrator.spec_claims import Claim
    from orchestrator.store import Store

    Rows = tuple[pl.DataFrame, dict[str, Described]]
    """A sweep's rows, and what its params and results are."""

__all__ = [
    "ABSENT",
    "BASE",
    "LEVEL",
    "Described",
    "Finding",
    "Verdict",
    "judge",
    "judge_rows",
    "register",
    "restore",
    "rows_of",
]

LEVEL = 0.95
"""Confidence of all intervals of a sweep's claims together: each one's is 1 - 0.05 / how many there are (Bonferroni)."""
JUDGES = {"fit": fit.judge, "prefer": prefer.judge, "compare": compare.judge, "holds": holds.judge}
BASE = "base"
LABELS = ("sweep", "size", "workload", "pack", "commit", "host", "device", "torch")


@dataclass(frozen=True, kw_only=True)
class Bookkeeping:
    """What a verdict says of when its claim was made: the record of the sweep's claims, its size and its sample."""

    book: Mapping[str, Any]
    size: str
    drawn: ledger.Sample


def judge(spec: Spec, store: Store, found: Rows | None = None) -> tuple[Verdict, ...]:
    """A verdict for each claim, from the rows that the store holds of the spec's size; saved in the store too.

    `found` is what `rows_of` gives, where it was read already.
    """
    rows, fields = found or rows_of(spec, store)
    size = spec.size or BASE
    plan = store.plan(spec.name, size)
    drawn = ledger.sample(plan["point"].unique().to_pylist(), plan["seed"].unique().to_pylist())
    old = ledger.enter(store.load("claims", spec.name), spec, size, drawn, seen=False)
    verdicts = judge_rows(spec, rows, fields, Bookkeeping(book=old, size=size, drawn=drawn))
    seen = bool((rows["status"] != ABSENT).any())
    store.save("claims", spec.name, ledger.enter(old, spec, size, drawn, seen=seen))
    store.save("verdicts", spec.name, [v.record() for v in verdicts])
    return verdicts


def register(spec: Spec, store: Store) -> None:
    """Record the claims as they stand before the first point is measured; the plan must have been saved."""
    size = spec.size or BASE
    plan = store.plan(spec.name, size)
    ledger.register(spec, store, size, ledger.sample(plan["point"].unique().to_pylist(), plan["seed"].unique().to_pylist()))


def rows_of(spec: Spec, store: Store) -> Rows:
    """The sweep's rows, a row of status `absent` for each planned point without one, and what its columns are."""
    import polars as pl

    size = spec.size or BASE
    lazy = store.sweep(spec.name, size)
    # A label that stands in a million rows is kept once, and a number in each.
    labels = [name for name in LABELS if name in lazy.collect_schema().names()]
    rows = lazy.with_columns(pl.col(labels).cast(pl.Categorical)).sort("arm", "point", "step").collect()
    plan = pl.from_arrow(store.plan(spec.name, size))
    assert isinstance(plan, pl.DataFrame)
    if rows["final"].sum() < len(plan):
        missing = plan.join(rows.select("arm", "point").unique(), on=["arm", "point"], how="anti")
        rows = pl.concat([rows, _absent(spec, missing)], how="diagonal_relaxed").sort("arm", "point", "step")
    name = store.latest(spec.name, size)["workload"]
    return rows, _fields(store, name)


def _absent(spec: Spec, missing: pl.DataFrame) -> pl.DataFrame:
    """Rows of planned points that have none, with their params where the workload can be loaded."""
    import polars as pl

    from orchestrator.plan import expand
    from orchestrator.workload import load

    try:
        plan = expand(spec, load(spec.workload, spec.path.parent if spec.path else None))
        params = pl.DataFrame({"point": plan.ids, **plan.params}, strict=False)
    except WorkloadError:  # a module that was passed to `run` by hand has no name to load it by
        params = pl.DataFrame({"point": []}, schema={"point": pl.String})
    return missing.join(params, on="point", how="left").with_columns(
        pl.lit(ABSENT).alias("status"), pl.lit(True).alias("final"), pl.lit(-1, dtype=pl.Int64).alias("step")
    )


def _fields(store: Store, workload: str) -> dict[str, Described]:
    """Params and results of a workload as its stored rows describe them; nothing where it has no rows."""
    if workload not in store.workloads():
        return {}
    return dict(_field(f) for f in store.schema(workload) if _said(f, "role") in ("param", "result"))


def _field(column: Any) -> tuple[str, Described]:
    said = {key: _said(column, key) for key in ("role", "says", "unit", "aggregate", "bound")}
    return column.name, Described(name=column.name, **{key: value for key, value in said.items() if value})


def _said(column: Any, key: str) -> str:
    return str((column.metadata or {}).get(key.encode(), b"").decode())


def judge_rows(
    spec: Spec, rows: pl.DataFrame, fields: Columns | None = None, kept: Bookkeeping | None = None
) -> tuple[Verdict, ...]:
    """A verdict for each claim from rows with the engine's columns, `arm`, params and results.

    Raises SpecError where a claim names what the rows do not have.
    """
    known = fields or {}
    table = derived(spec, rows)
    evidences = [gather(spec, claim, table, _columns(claim)) for claim in spec.claims]
    tests = sum(_intervals(claim, evidence) for claim, evidence in zip(spec.claims, evidences, strict=True))
    level = 1 - (1 - LEVEL) / max(tests, 1)
    cases = [
        Case(claim=claim, evidence=evidence, fields=known, level=level)
        for claim, evidence in zip(spec.claims, evidences, strict=True)
    ]
    return tuple(_verdict(case, spec, kept) for case in cases)


def _columns(claim: Claim) -> list[str]:
    """The columns and formulas that a claim speaks of, outside its SQL."""
    model = claim.fit or claim.prefer
    named = [] if model is None else [model.x, model.y]
    groups = list(claim.by) or (["arm"] if claim.compare is not None else [])
    return list(dict.fromkeys([*groups, *named, *([claim.se] if claim.se else [])]))


def _intervals(claim: Claim, evidence: Evidence) -> int:
    """How many intervals decide a claim: groups times what is expected; an exact or AICc decision has none."""
    groups = sum(1 for _ in evidence.groups(claim.by))
    if claim.kind == "fit":
        return groups * len(claim.expect or {})
    if claim.kind == "compare":
        return max(1, groups // 2)
    return groups if claim.se is not None else 0


def _verdict(case: Case, spec: Spec, kept: Bookkeeping | None) -> Verdict:
    claim = case.claim
    if claim.kind not in JUDGES:
        raise SpecError(f"{spec.name}: claims.{claim.id}: a claim must be one of {', '.join(JUDGES)}, but is a '{claim.kind}'.")
    findings = JUDGES[claim.kind](case) if len(case.evidence.rows) else [_nothing()]
    word = verdict.combine([finding.verdict for finding in findings])
    basis, source = (claim.basis.kind, claim.basis.source) if claim.basis is not None else ("", "")
    return Verdict(
        id=claim.id,
        says=claim.says,
        kind=claim.kind,
        verdict=word,
        expected=expected(claim),
        basis=basis,
        source=source,
        sentence=sentence(word, basis, source, findings),
        numbers=_numbers(findings),
        sql=case.evidence.sql,
        rows=len(case.evidence.rows),
        seeds=case.evidence.seeds,
        size=kept.size if kept is not None else spec.size or BASE,
        failed=case.evidence.failed,
        level=case.level,
        claim_hash=ledger.claim_hash(claim),
        changed=ledger.changed(kept.book, claim, kept.size, kept.drawn) if kept is not None else "",
        reasons=(*_reasons(findings), *_mixed(case)),
        findings=tuple(findings),
    )


def _nothing() -> Finding:
    return Finding(verdict="unmet", sentence="too little data: no row fulfils 'where'", reasons=("no row fulfils 'where'",))


def _reasons(findings: Sequence[Finding]) -> tuple[str, ...]:
    many = len(findings) > 1
    return tuple(f"{label(f.group)}: {reason}" if many else reason for f in findings for reason in f.reasons)


def _mixed(case: Case) -> tuple[str, ...]:
    model = case.claim.fit or case.claim.prefer
    if model is None or not len(case.evidence.rows):
        return ()
    params = frozenset(name for name, field in case.fields.items() if field.role == "param")
    by = case.claim.by or (("arm",) if case.claim.compare is not None else ())
    return mixed(case.evidence.rows, model.x, model.y, params, by)


def _numbers(findings: Sequence[Finding]) -> dict[str, Any]:
    if len(findings) == 1:
        return findings[0].numbers
    return {"groups": [{"group": f.group, "verdict": f.verdict, **f.numbers} for f in findings]}


def label(group: Mapping[str, Any]) -> str:
    """A group as text: `beta = 8, d = 2`."""
    return ", ".join(f"{name} = {verdict.text(value)}" for name, value in group.items()) or "all rows"


def expected(claim: Claim) -> str:
    """What the claim expects, in words."""
    if claim.prefer is not None:
        rivals = ", ".join(claim.prefer.over)
        return f"{claim.prefer.law} over {rivals} by {claim.prefer.aicc:g} AICc and by predicting the largest {claim.prefer.x}"
    if claim.holds is not None:
        return f"{claim.holds} on every row" + (f", noise {claim.se}" if claim.se else "")
    bounds = {name: f"{_bound(bound.low, bound.high)}" for name, bound in (claim.expect or {}).items()}
    if claim.compare is not None:
        difference = f"{claim.compare.of}: {claim.compare.left} - {claim.compare.right}"
        return f"{difference} {bounds.get('difference', 'at least 0')}"
    return "; ".join(f"{name} {text}" for name, text in bounds.items())


def _bound(low: Any, high: Any) -> str:
    ends = [None if end is None else verdict.text(end) for end in (low, high)]
    if None not in ends:
        return f"between {ends[0]} and {ends[1]}"
    return f"at least {ends[0]}" if low is not None else f"at most {ends[1]}"


def sentence(word: str, basis: str, source: str, findings: Sequence[Finding]) -> str:
    """A sentence that a paper could print: whose claim, the verdict, the numbers of each group, and what unsettled it."""
    parts = []
    for finding in findings:
        opening = f"for {label(finding.group)}, " if finding.group else ""
        closing = f" ({'; '.join(finding.reasons)})" if finding.reasons and finding.verdict != "unmet" else ""
        parts.append(f"{opening}{finding.sentence}{closing}")
    told = ". ".join([parts[0], *(part[0].upper() + part[1:] for part in parts[1:])])
    return f"{verdict.owner(basis, source)} is {word}: {told}."
