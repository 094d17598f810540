"""Turns the rows of a sweep into the verdicts of its claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from orchestrator.claims import floors, held_out_choice, ledger, sentences, verdict
from orchestrator.claims.case import Case, mixed
from orchestrator.claims.evidence import Evidence, gather
from orchestrator.claims.kinds import collapse, compare, equals, fit, holds, prefer, trend
from orchestrator.claims.queries import select
from orchestrator.claims.sentences import label
from orchestrator.claims.sources import Source, absent, doubtful, own, sources
from orchestrator.claims.verdict import Finding, Verdict
from orchestrator.results.derived_columns import ABSENT
from orchestrator.results.described import Columns
from orchestrator.results.sweep_rows import rows_of
from orchestrator.store.store import BASE

if TYPE_CHECKING:
    import polars as pl

    from orchestrator.results.sweep_rows import Rows as Rows
    from orchestrator.spec import Spec
    from orchestrator.spec.claim_model import Claim
    from orchestrator.store import Store

LEVEL = 0.95
"""Confidence of all intervals of a sweep's claims together: each one's is 1 - 0.05 / how many there are (Bonferroni)."""
JUDGES = {
    "fit": fit.judge,
    "prefer": prefer.judge,
    "compare": compare.judge,
    "trend": trend.judge,
    "collapse": collapse.judge,
    "holds": holds.judge,
    "equals": equals.judge,
}


@dataclass(frozen=True, kw_only=True)
class Bookkeeping:
    """What a verdict says of when its claim was made: the record of the sweep's claims, its size and its sample."""

    book: Mapping[str, Any]
    size: str
    drawn: ledger.Sample


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A claim with the rows it is judged on; `model` is the claim whose fit a trend's parameter comes from."""

    claim: Claim
    source: Source
    evidence: Evidence
    model: Claim | None = None
    chosen: tuple[str, ...] = ()

    @property
    def rows_claim(self) -> Claim:
        """The claim that says which rows are meant."""
        return self.model or self.claim


def judge(spec: Spec, store: Store, found: Rows | None = None) -> tuple[Verdict, ...]:
    """A verdict for each claim, from the rows that the store holds of the spec's size; saved in the store too.

    `found` is what `rows_of` gives, where it was read already.
    """
    rows, fields = found or rows_of(spec, store)
    size = spec.size or BASE
    drawn = ledger.sample(store.plan(spec.name, size, ["point", "seed"]))
    old = ledger.enter(store.load("claims", spec.name), spec, size, drawn, seen=False)
    verdicts = judge_all(spec, sources(spec, store, (rows, fields)), Bookkeeping(book=old, size=size, drawn=drawn))
    seen = bool((rows["status"] != ABSENT).any())
    store.save("claims", spec.name, ledger.enter(old, spec, size, drawn, seen=seen))
    others = [v for v in store.load("verdicts", spec.name) or [] if v.get("size", size) != size]
    store.save("verdicts", spec.name, [*others, *(v.record() for v in verdicts)])
    return verdicts


def register(spec: Spec, store: Store) -> None:
    """Record the claims as they stand before the first point is measured; the plan must have been saved."""
    size = spec.size or BASE
    ledger.register(spec, store, size, ledger.sample(store.plan(spec.name, size, ["point", "seed"])))


def judge_rows(
    spec: Spec, rows: pl.DataFrame, fields: Columns | None = None, kept: Bookkeeping | None = None
) -> tuple[Verdict, ...]:
    """A verdict for each claim from rows with the engine's columns, `arm`, params and results.

    Raises SpecError where a claim names what the rows do not have.
    """
    return judge_all(spec, {"rows": own(spec, rows, fields)}, kept)


def judge_all(spec: Spec, known: Mapping[str, Source], kept: Bookkeeping | None = None) -> tuple[Verdict, ...]:
    """A verdict for each claim from what its `from` stands for; a claim whose rows nobody gave is unmet."""
    subjects = [_subject(spec, claim, known) for claim in spec.claims]
    tests = sum(_intervals(one) for one in subjects)
    level = 1 - (1 - LEVEL) / max(tests, 1)
    return tuple(_verdict(one, level, spec, kept) for one in subjects)


def _subject(spec: Spec, claim: Claim, known: Mapping[str, Source]) -> Subject:
    """The rows of a claim, those set apart that something else limits."""
    model = trend.merged(spec.claims, claim) if trend.fitted(claim) else None
    meant = model or claim
    source = known[meant.from_] if meant.from_ in known else absent(spec, meant)
    columns = _columns(meant)
    if source.missing:
        empty = Evidence(rows=source.rows, sql=select(source.spec, meant, columns, source.table))
        return Subject(claim=claim, source=source, evidence=empty, model=model)
    evidence = gather(source.spec, meant, source.rows, columns, source.table)
    evidence, chosen, missing = held_out_choice.keep(meant, evidence, source, columns)
    evidence = floors.split(meant, evidence, source.fields, _groups(meant))
    source = replace(source, missing=missing)
    return Subject(claim=claim, source=source, evidence=evidence, model=model, chosen=chosen)


def _columns(claim: Claim) -> list[str]:
    """The columns and formulas that a claim speaks of, outside its SQL."""
    model = claim.fit or claim.prefer
    named = [] if model is None else [model.x, model.y]
    if claim.trend is not None:
        named += [claim.trend.along, claim.trend.of]
    if claim.collapse is not None:
        named += [claim.collapse.curves, claim.collapse.x, claim.collapse.y]
    if claim.equals is not None:
        named += list(claim.equals.table[0])
    if claim.compare is not None and claim.compare.paired:
        named += [*claim.compare.pair, claim.compare.of]
    extra = [name for name in (claim.se, claim.unit) if name is not None]
    return list(dict.fromkeys([*_groups(claim), *named, *extra]))


def _groups(claim: Claim) -> list[str]:
    """The columns that groups differ in."""
    return list(claim.by) or (["arm"] if claim.compare is not None and not claim.compare.paired else [])


def _intervals(subject: Subject) -> int:
    """How many intervals decide a claim: groups times what is expected; an exact or AICc decision has none."""
    claim, evidence = subject.claim, subject.evidence
    if claim.kind == "trend":
        outer = subject.model.by[:-1] if subject.model is not None else claim.by
        return evidence.count(outer)
    groups = evidence.count(claim.by)
    if claim.compare is not None and claim.compare.paired:
        return groups * (2 if claim.compare.interaction else 1)
    each = {"fit": len(claim.expect or {}), "compare": 0, "collapse": 1, "equals": 1, "holds": int(claim.se is not None)}
    return max(1, groups // 2) if claim.kind == "compare" else groups * each.get(claim.kind, 0)


def _verdict(subject: Subject, level: float, spec: Spec, kept: Bookkeeping | None) -> Verdict:
    claim, evidence = subject.claim, subject.evidence
    case = Case(claim=claim, evidence=evidence, fields=subject.source.fields, level=level, model=subject.model)
    findings = _findings(subject, case)
    word = verdict.combine([finding.verdict for finding in findings])
    basis, source = (claim.basis.kind, claim.basis.source) if claim.basis is not None else ("", "")
    return Verdict(
        id=claim.id,
        says=claim.says,
        kind=claim.kind,
        verdict=word,
        expected=sentences.expected(claim),
        basis=basis,
        source=source,
        sentence=sentences.sentence(word, basis, source, findings),
        numbers=_numbers(findings),
        sql=evidence.sql,
        rows=len(evidence.rows),
        seeds=evidence.seeds,
        size=kept.size if kept is not None else spec.size or BASE,
        failed=evidence.failed,
        level=level,
        claim_hash=ledger.claim_hash(claim),
        changed=ledger.changed(kept.book, claim, kept.size, kept.drawn) if kept is not None else "",
        reasons=(*_reasons(findings), *_mixed(case), *doubtful(evidence.rows), *subject.chosen),
        findings=tuple(findings),
        foreseen=claim.foreseen or "",
    )


def _findings(subject: Subject, case: Case) -> list[Finding]:
    """What the rows say, group by group, and what they cannot say."""
    meant, evidence = subject.rows_claim, subject.evidence
    if subject.source.missing:
        return [_nothing(subject.source.missing)]
    found = JUDGES[subject.claim.kind](case) if len(evidence.rows) else []
    outer = meant.by[:-1] if subject.model is not None else meant.by
    return floors.told(meant, evidence, found, outer) or [_nothing("no row fulfils 'where'")]


def _nothing(why: str) -> Finding:
    return Finding(verdict="unmet", sentence=f"too little data: {why}", reasons=(why,))


def _reasons(findings: Sequence[Finding]) -> tuple[str, ...]:
    many = len(findings) > 1
    return tuple(f"{label(f.group)}: {reason}" if many else reason for f in findings for reason in f.reasons)


def _mixed(case: Case) -> tuple[str, ...]:
    claim = case.model or case.claim
    model = claim.fit or claim.prefer
    if model is None or not len(case.evidence.rows):
        return ()
    params = frozenset(name for name, field in case.fields.items() if field.role == "param")
    return mixed(case.evidence.rows, model.x, model.y, params, (*_groups(claim), *([claim.unit] if claim.unit else [])))


def _numbers(findings: Sequence[Finding]) -> dict[str, Any]:
    if len(findings) == 1:
        return findings[0].numbers
    return {"groups": [{"group": f.group, "verdict": f.verdict, **f.numbers} for f in findings]}
