"""Turns verdicts, rows and records of a sweep into what a reader must know first: limits, audit, what was spent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from orchestrator.claims import Verdict, ledger
from orchestrator.claims.verdict import APART
from orchestrator.columns import OK
from orchestrator.figures.draw import substitutes
from orchestrator.results.derived_columns import measured, only
from orchestrator.results.stored_sweep import StoredSweep
from orchestrator.spec import Spec
from orchestrator.store.store import BASE

NOTES = {
    "rounds": "rounds of proposals", "studies": "searches", "full": "ended by the limit on points",
    "seeds": "seeds spent", "least": "fewest seeds", "most": "most seeds", "too_wide": "still too wide",
    "no_spread_seen": "no spread seen", "finished": "finished",
    "fixed": "seeds that one number for all would take, for the same widest interval", "fixed_ratio": "times as many",
}  # fmt: skip


def limitations(sweep: StoredSweep, verdicts: Sequence[Verdict]) -> list[str]:
    """Sentences on what the results do not show."""
    return [
        *_size(sweep.spec),
        *_bases(verdicts),
        *_open(verdicts),
        *(
            f"Claim '{v.id}' was foreseen to be {v.foreseen} and is {v.verdict}."
            for v in verdicts
            if v.foreseen and v.foreseen != v.verdict
        ),
        *_lost(sweep.rows),
        *substitutes(sweep.rows),
        *_withdrawn(sweep),
        *(f"Claim '{v.id}': {v.changed}." for v in verdicts if v.changed),
        *_code(sweep.rows),
        *([sweep.code_change] if sweep.code_change else []),
        *_audited(sweep.audit),
    ]


def _withdrawn(sweep: StoredSweep) -> Iterator[str]:
    """What is told where no claim is left to tell it."""
    book = sweep.store.load("claims", sweep.name)
    if book and not sweep.spec.claims:
        yield from (f"{text}." for text in ledger.withdrawn(book, sweep.spec))


def _size(spec: Spec) -> Iterator[str]:
    if spec.size is not None:
        yield f"Measured at size {spec.size}; other sizes of the sweep file have other points and may decide otherwise."


def _bases(verdicts: Sequence[Verdict]) -> Iterator[str]:
    own = [v for v in verdicts if v.basis != "quoted" and (not v.basis or v.basis not in APART)]
    if own:
        kinds = ", ".join(sorted({v.basis or "no basis" for v in own}))
        yield f"{len(own)} of {len(verdicts)} claims are not quoted from a paper but {kinds}: a refutation is of our reading."
    for basis in filter(None, APART):
        quoted_ids = [f"'{v.id}'" for v in verdicts if v.basis == basis]
        if quoted_ids:
            yield f"Claims {APART[basis]} are no support of theory, and no refutation: {', '.join(quoted_ids)}."


def _open(verdicts: Sequence[Verdict]) -> Iterator[str]:
    for v in verdicts:
        if v.verdict in ("undecided", "unmet"):
            why = f": {'; '.join(v.reasons)}" if v.reasons else ""
            yield f"Claim '{v.id}' is {v.verdict}{why}."


def _lost(rows: pl.DataFrame) -> Iterator[str]:
    final = rows["status"].filter(rows["final"]).cast(pl.String)
    lost = final.filter(final != OK).value_counts(sort=True)
    if len(lost):
        kinds = ", ".join(f"{n} {status}" for status, n in lost.iter_rows())
        yield f"{int(lost['count'].sum())} of {len(final)} points have no result ({kinds})."


def _code(rows: pl.DataFrame) -> Iterator[str]:
    if "dirty" in rows.columns and rows["dirty"].any():
        yield "The code that ran was changed since its commit."


def _audited(audit: Mapping[str, Any] | None) -> Iterator[str]:
    if audit is None:
        yield "No sample was measured again (lawsweep audit)."
    elif audit["mismatches"]:
        yield f"An audit found {audit['points'] - audit['agreeing']} of {audit['points']} points otherwise."


def audit_text(audit: Mapping[str, Any] | None) -> str:
    """What the audit found, in one sentence."""
    if audit is None:
        return ""
    ways = audit.get("ways") or []
    in_ways = "; ".join(f"{way['how']} on {way['device']}, compared {_compared(audit['measures'], way)}" for way in ways)
    return (
        f"{audit['agreeing']:,} of {audit['points']:,} points, a random {audit['fraction']:.3g} of all, came out the same when "
        f"measured again on {audit['device']} ({audit['when'][:16].replace('T', ' ')} UTC), "
        f"{in_ways or 'compared ' + _compared(audit['measures'], audit)}."
    )


def _compared(measures: str, way: Mapping[str, Any]) -> str:
    how = "bit for bit" if way["tolerance"] == 0 else f"within {way['tolerance']:g} (relative)"
    return {"sample": "by the signs of their differences", "cost": "by their steps"}.get(measures, how)


def spent(sweep: StoredSweep) -> list[tuple[str, str]]:
    """What the sweep's latest run that proposed points spent, as its record notes it; nothing where no run did."""
    runs = (r for r in sweep.store.runs() if (r.get("sweep"), r.get("size") or BASE) == (sweep.name, sweep.size))
    with_notes = [run for run in runs if run.get("note")]
    if not with_notes:
        return []
    run = max(with_notes, key=lambda r: int(r["generation"]))
    words = {True: "yes", False: "no"}
    order = sorted(run["note"].items(), key=lambda item: [*NOTES, item[0]].index(item[0]))
    lines = [(NOTES.get(key, key), words[v] if isinstance(v, bool) else str(v)) for key, v in order]
    return [("points measured by the run", str(run.get("measured", ""))), *lines]


def headline(rows: pl.DataFrame) -> str:
    """How much was measured, in one sentence."""
    final = measured(only(rows, rows["final"]))
    ok = int((final["status"].cast(pl.String) == OK).sum())
    arms, seeds = final["arm"].n_unique(), final["seed"].n_unique()
    parts = (f"{len(final):,} points", f"{arms} arm{'s' * (arms != 1)}", f"{seeds} seed{'s' * (seeds != 1)}")
    return f"{parts[0]} in {parts[1]} with {parts[2]}; {ok:,} have a result." if len(final) else "Nothing is measured yet."
