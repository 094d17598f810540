"""Turns the rows of a sweep into the verdicts of its claims."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from orchestrator.claims import floors, held_out_choice, ledger, sentences, verdict
from orchestrator.claims.case import Case, mixed
from orchestrator.claims.evidence import Evidence, gather
from orchestrator.claims.kinds import judge_of
from orchestrator.claims.outlook.remedies import explained
from orchestrator.claims.queries import select
from orchestrator.claims.registry import meaning
from orchestrator.claims.registry.elsewhere import Before, seen_before
from orchestrator.claims.sentences import label, left_out
from orchestrator.claims.sharing import levels, looks
from orchestrator.claims.sharing.levels import Decision
from orchestrator.claims.sources import Source, absent, doubtful, own, sources
from orchestrator.claims.verdict import Finding, Verdict
from orchestrator.errors import SweepError
from orchestrator.results.described import Columns
from orchestrator.results.stored_sweep import StoredSweep
from orchestrator.spec import Spec
from orchestrator.spec.claim_model import Claim
from orchestrator.store.store import BASE

T = TypeVar("T")
LEVEL = 0.95
"""Confidence of a sweep's verdicts together; `sharing/levels.py` says what that makes of each interval."""


@dataclass(frozen=True, kw_only=True)
class Bookkeeping:
    """What a verdict says of when its claim was made: the record of the sweep's claims, its size and its sample."""

    book: Mapping[str, Any]
    size: str
    sample: ledger.Sample

    @property
    def look(self) -> int:
        """Which look at the claims this is."""
        return looks.number(looks.all_looks(self.book), self.size, self.sample.hash)

    def notes(self, claim: Claim, spec: Spec) -> tuple[str, str]:
        """What changed of a claim after data were seen, and which look at it this is."""
        text = ledger.changed(self.book, claim, self.size, self.sample, spec)
        return text, looks.look_text(looks.all_looks(self.book), self.look, 1 - LEVEL)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A claim with the rows it is judged on; `model` is the claim whose fit a trend's parameter comes from."""

    claim: Claim
    source: Source
    evidence: Evidence
    model: Claim | None = None
    chosen: tuple[str, ...] = ()
    fault: str = ""
    """What its judge, or the reading of its rows, raised: such a claim has no verdict."""

    @property
    def rows_claim(self) -> Claim:
        """The claim that says which rows are meant."""
        return self.model or self.claim


def judge(sweep: StoredSweep) -> tuple[Verdict, ...]:
    """A verdict for each claim, from the rows that the store holds of the sweep's size; saved in the store too."""
    spec, books = sweep.spec, bookkeeping(sweep)
    verdicts = judge_all(spec, sources(sweep), books)
    has_rows, words = not sweep.measured.is_empty(), {verdict.id: verdict.verdict for verdict in verdicts}
    entered = ledger.enter(books.book, spec, sweep.size, books.sample, has_rows=has_rows, words=words)
    sweep.store.save("claims", spec.name, entered)
    sweep.save_verdicts(verdict.record() for verdict in verdicts)
    return verdicts


def bookkeeping(sweep: StoredSweep) -> Bookkeeping:
    """What the store's record says of the claims on the rows that are there; nothing is written."""
    sample, book = ledger.sample(sweep.plan), _with_words(sweep.store.load("claims", sweep.name), sweep)
    entered = ledger.enter(book, sweep.spec, sweep.size, sample, has_rows=False, before=_before(book, sweep))
    return Bookkeeping(book=entered, size=sweep.size, sample=sample)


def register(sweep: StoredSweep) -> None:
    """Record the claims as they stand before the first point is measured; the plan must have been saved."""
    book = sweep.store.load("claims", sweep.name)
    ledger.register(sweep.spec, sweep.store, sweep.size, ledger.sample(sweep.plan), _before(book, sweep))


def _before(book: Mapping[str, Any] | None, sweep: StoredSweep) -> tuple[Before, ...]:
    """Other sweeps that were judged on its points, looked for where a claim is new."""
    new = book is None or any(claim.id not in book["claims"] for claim in sweep.spec.claims)
    return seen_before(sweep) if new else ()


def _with_words(book: Mapping[str, Any] | None, sweep: StoredSweep) -> Mapping[str, Any] | None:
    """The record with the verdicts that were saved, where an older version wrote none into it."""
    if book is None:
        return None
    saved_words = {str(v["id"]): str(v["verdict"]) for v in sweep.verdicts}
    claims = {
        name: {"verdicts": {sweep.size: saved_words[name]}, **entry} if name in saved_words else entry
        for name, entry in book["claims"].items()
    }
    return {**book, "claims": claims}


def judge_rows(
    spec: Spec, rows: pl.DataFrame, fields: Columns | None = None, books: Bookkeeping | None = None
) -> tuple[Verdict, ...]:
    """A verdict for each claim from rows with the engine's columns, `arm`, params and results.

    Raises SpecError where a claim names what the rows do not have.
    """
    return judge_all(spec, {"rows": own(spec, rows, fields)}, books)


def judge_all(spec: Spec, by_source: Mapping[str, Source], books: Bookkeeping | None = None) -> tuple[Verdict, ...]:
    """A verdict for each claim from what its `from` stands for; a claim whose rows nobody gave is unmet."""
    subjects = [
        spared(partial(_subject, spec, claim, by_source), partial(_faulty, spec, claim, by_source)) for claim in spec.claims
    ]
    counts = [spared(partial(_intervals, subject), lambda fault: 1) for subject in subjects]
    faults = {index: subject.fault for index, subject in enumerate(subjects) if subject.fault}

    def failed(index: int, fault: str) -> list[Finding]:
        faults[index] = fault
        return []

    def findings(index: int, level: float, together: bool) -> list[Finding]:
        if index in faults:
            return []
        act = partial(_findings, subjects[index], _case(subjects[index], level, together))
        return spared(act, partial(failed, index))

    error = looks.error(books.look, 1 - LEVEL) if books is not None else 1 - LEVEL
    decisions = levels.decide(counts, findings, error, [judge_of(subject.claim.kind).together for subject in subjects])
    for index, fault in faults.items():
        decisions[index].findings = [Finding(verdict="undecided", sentence=fault, reasons=(fault,))]
    paired = enumerate(zip(subjects, decisions, strict=True))
    return tuple(_verdict(subject, decision, spec, books, faults.get(i, "")) for i, (subject, decision) in paired)


def unshared(
    spec: Spec, claim: Claim, by_source: Mapping[str, Source], level: float = LEVEL, together: bool = False
) -> tuple[Evidence, list[Finding]]:
    """The rows of one claim and what its judge says of them at that level: no other claim and no earlier look counts."""
    subject = _subject(spec, claim, by_source)
    return subject.evidence, _findings(subject, _case(subject, level, together))


def shared_levels(spec: Spec, by_source: Mapping[str, Source], error: float) -> tuple[float, float]:
    """The levels at which intervals support and refute where the claims share an error and none is refuted yet."""
    subjects = [_subject(spec, claim, by_source) for claim in spec.claims]
    counts = [spared(partial(_intervals, subject), lambda fault: 1) for subject in subjects]
    return levels.support(counts, error), levels.refutation(counts, error, 0)


def spared(act: Callable[[], T], otherwise: Callable[[str], T]) -> T:
    """What an act gives, or what stands for it where it raises: a fault of one claim's judge must not cost the others.

    What the user can mend is raised as it is.
    """
    try:
        return act()
    except SweepError:
        raise
    except Exception as error:  # a judge is anybody's module, and rows are anybody's numbers
        last = traceback.extract_tb(error.__traceback__)[-1]
        return otherwise(f"its judge raised {type(error).__name__}: {error} ({Path(last.filename).name}, line {last.lineno})")


def _faulty(spec: Spec, claim: Claim, by_source: Mapping[str, Source], fault: str) -> Subject:
    """A claim whose rows could not be read."""
    source = by_source.get(claim.from_) or absent(spec, claim)
    return Subject(claim=claim, source=source, evidence=Evidence(rows=source.rows.clear(), sql=""), fault=fault)


def _intervals(subject: Subject) -> int:
    """How many intervals decide a claim."""
    return 1 if subject.fault else judge_of(subject.claim.kind).intervals(_case(subject, LEVEL))


def _subject(spec: Spec, claim: Claim, by_source: Mapping[str, Source]) -> Subject:
    """The rows of a claim, those set apart that something else limits."""
    model = claim.model_among(spec.claims)
    meant = model or claim
    source = by_source[meant.from_] if meant.from_ in by_source else absent(spec, meant)
    columns = _columns(meant)
    if source.missing:
        empty = Evidence(rows=source.rows, sql=select(source.spec, meant, columns, source.table))
        return Subject(claim=claim, source=source, evidence=empty, model=model)
    evidence = gather(source.spec, meant, source.rows, columns, source.table)
    evidence, choice_notes, missing = held_out_choice.keep(meant, evidence, source, columns)
    evidence = floors.split(meant, evidence, source.fields, meant.groups)
    source = replace(source, missing=missing)
    return Subject(claim=claim, source=source, evidence=evidence, model=model, chosen=choice_notes)


def _columns(claim: Claim) -> list[str]:
    """The columns and formulas that a claim speaks of, outside its SQL: what tells rows apart, then x, then y, then noise."""
    x, y = claim.axes
    names = sorted((name for _, name in claim.columns()), key=lambda name: (name == y, name == x))
    noise = (claim.se.column, claim.se.df) if claim.se is not None else ()
    extra = [name for name in (*noise, claim.unit) if isinstance(name, str)]
    return list(dict.fromkeys([*claim.groups, *names, *extra]))


def _case(subject: Subject, level: float, together: bool = False) -> Case:
    """What the judge of a claim is given."""
    fields, model = subject.source.fields, subject.model
    return Case(claim=subject.claim, evidence=subject.evidence, fields=fields, level=level, together=together, model=model)


def _verdict(subject: Subject, decision: Decision, spec: Spec, books: Bookkeeping | None, fault: str) -> Verdict:
    claim, evidence, findings = subject.claim, subject.evidence, decision.findings
    case = _case(subject, decision.level)
    word = verdict.combine([finding.verdict for finding in findings])
    basis, source = (claim.basis.kind, claim.basis.source) if claim.basis is not None else ("", "")
    changed, look = books.notes(claim, spec) if books is not None else ("", "")
    look = look if decision.shared else ""
    return Verdict(
        id=claim.id,
        says=claim.says,
        kind=claim.kind,
        verdict=word,
        expected=sentences.expected(claim),
        basis=basis,
        source=source,
        sentence=" ".join((sentences.sentence(word, basis, source, findings), *sentences.closing(changed, look))),
        numbers=_numbers(findings),
        sql=evidence.sql,
        rows=len(evidence.rows),
        seeds=evidence.seeds,
        size=books.size if books is not None else spec.size or BASE,
        failed=evidence.failed,
        level=decision.level,
        claim_hash=ledger.claim_hash(claim),
        meaning=meaning.meaning(claim, spec).whole,
        changed=changed,
        reasons=(
            *_reasons(findings),
            *([look] if look else []),
            *(() if fault else _mixed(case)),
            *doubtful(evidence.rows),
            *left_out(evidence),
            *subject.chosen,
        ),
        findings=tuple(findings),
        foreseen=claim.foreseen or "",
        fault=fault,
    )


def _findings(subject: Subject, case: Case) -> list[Finding]:
    """What the rows say, group by group, and what they cannot say."""
    meant, evidence = subject.rows_claim, subject.evidence
    if missing := subject.source.missing or _text_axis(subject):
        return [_nothing(missing)]
    judged = judge_of(subject.claim.kind).judge(case) if len(evidence.rows) else []
    outer = meant.by[:-1] if subject.model is not None else meant.by
    judged = floors.told(meant, evidence, judged, outer) or [_nothing("no row fulfils 'where'")]
    return [explained(finding, case.level) for finding in judged]


def _text_axis(subject: Subject) -> str:
    """A sentence where a column that a claim takes for an axis holds texts that are no numbers; empty where none does."""
    rows, claims = subject.evidence.rows, (subject.claim, subject.rows_claim)
    axes = [name for claim in claims if not claim.judged_by.rowwise for name in claim.axes if name in rows.columns]
    for name in axes:
        text = rows[name].cast(pl.String) if rows.schema[name] in (pl.String, pl.Categorical, pl.Enum) else None
        if text is not None and text.cast(pl.Float64, strict=False).null_count() > text.null_count():
            return f"'{name}' must be a number, but is text; give it as 'by', or name a column of numbers"
    return ""


def _nothing(why: str) -> Finding:
    return Finding(verdict="unmet", sentence=f"too little data: {why}", reasons=(why,))


def _reasons(findings: Sequence[Finding]) -> tuple[str, ...]:
    many = len(findings) > 1
    return tuple(f"{label(f.group)}: {reason}" if many else reason for f in findings for reason in f.reasons)


def _mixed(case: Case) -> tuple[str, ...]:
    claim = case.model or case.claim
    if not claim.laws or not len(case.evidence.rows):
        return ()
    params = frozenset(name for name, field in case.fields.items() if field.role == "param")
    x, y = claim.axes
    assert x is not None and y is not None
    return mixed(case.evidence.rows, x, y, params, (*claim.groups, *([claim.unit] if claim.unit else [])))


def _numbers(findings: Sequence[Finding]) -> dict[str, Any]:
    if len(findings) == 1:
        return findings[0].numbers
    return {"groups": [{"group": f.group, "verdict": f.verdict, **f.numbers} for f in findings]}
