"""Looks whether what only a bug can break is true of the rows: a sweep's `checks`, which are no claims of theory."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from orchestrator.claims import Verdict, judging
from orchestrator.claims.sources import Source, own, sources
from orchestrator.claims.verdict import jsonable
from orchestrator.results.described import Columns
from orchestrator.results.stored_sweep import StoredSweep
from orchestrator.spec import Spec
from orchestrator.spec.claim_model import Guard
from orchestrator.store.store import BASE

EXIT = 5
"""The exit code of a command that meets a broken check."""
PASSES, BROKEN, OPEN = "passes", "broken", "open"
WORDS = {"supported": PASSES, "refuted": BROKEN}
"""What the judge of conditions says of a claim, and what that says of a check; all else leaves it open."""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What came of one check: it passes, is broken, or is open where rows are missing. `offenders` are rows that break it."""

    id: str
    says: str
    check: str
    holds: str
    sentence: str
    rows: int
    size: str
    sql: str
    reasons: tuple[str, ...] = ()
    offenders: tuple[dict[str, Any], ...] = ()

    def record(self) -> dict[str, Any]:
        """The result as JSON values."""
        plain = jsonable(dataclasses.asdict(self))
        assert isinstance(plain, dict)
        return plain


def look(sweep: StoredSweep) -> tuple[CheckResult, ...]:
    """What comes of each check, from the rows that the store holds of the sweep's size; saved in the store too."""
    results = _all(sweep.spec, sources(sweep)) if sweep.spec.checks else ()
    sweep.save_checks(result.record() for result in results)
    return results


def look_at_rows(spec: Spec, rows: pl.DataFrame, fields: Columns | None = None) -> tuple[CheckResult, ...]:
    """What comes of each check, from rows with the engine's columns, `arm`, params and results."""
    return _all(spec, {"rows": own(spec, rows, fields)})


def broken(records: Sequence[Mapping[str, Any]]) -> bool:
    """Whether one of the checks is broken."""
    return any(record["check"] == BROKEN for record in records)


def _all(spec: Spec, by_source: Mapping[str, Source]) -> tuple[CheckResult, ...]:
    as_claims = spec.model_copy(update={"claims": tuple(check.claim for check in spec.checks)})
    verdicts = judging.judge_all(as_claims, by_source)
    return tuple(_result(check, verdict, spec) for check, verdict in zip(spec.checks, verdicts, strict=True))


def _result(check: Guard, verdict: Verdict, spec: Spec) -> CheckResult:
    sentence = "; ".join(finding.sentence for finding in verdict.findings)
    return CheckResult(
        id=check.id,
        says=check.says,
        check=WORDS.get(verdict.verdict, OPEN),
        holds=check.holds,
        sentence=sentence,
        rows=verdict.rows,
        size=spec.size or BASE,
        sql=verdict.sql,
        reasons=tuple(reason for reason in verdict.reasons if reason not in sentence),
        offenders=tuple(row for finding in verdict.findings for row in finding.numbers.get("offenders", ())),
    )
