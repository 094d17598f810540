"""Turns claims and samples into a record of what was said before data were seen, and into what has changed since."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from orchestrator.claims.registry import meaning
from orchestrator.claims.registry.elsewhere import Before
from orchestrator.claims.sharing import looks
from orchestrator.spec import Spec
from orchestrator.spec.claim_model import Claim
from orchestrator.store import Store, point_ids

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What was to be measured: how many points, how many seeds, and a hash of which."""

    points: int
    seeds: int
    hash: str

    def __str__(self) -> str:
        return f"{self.points} points, {self.seeds} seeds"


def claim_hash(claim: Claim) -> str:
    """Sixteen hex characters of everything a claim says, words and basis included; what is foreseen of it is no part of it."""
    return meaning.digest(meaning.record(claim))


def sample(plan: pa.Table) -> Sample:
    """The sample that a plan draws: a table with `point` and `seed`, in any order."""
    points = pl.Series(plan["point"]).unique().sort()
    letters = pl.Series(point_ids.letters(points.to_numpy()))
    digest = hashlib.blake2b(str(letters.str.join("").item()).encode(), digest_size=8).hexdigest()
    return Sample(points=len(points), seeds=pl.Series(plan["seed"]).n_unique(), hash=digest)


def enter(
    book: Mapping[str, Any] | None,
    spec: Spec,
    size: str,
    current: Sample,
    has_rows: bool,
    before: Sequence[Before] = (),
    words: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The record with this spec's claims and sample entered where they are new; `has_rows` once there are rows to look at.

    What was entered first stays, from when data were seen: that is what later claims and samples are compared with. `before`
    are other sweeps that were judged on the same points, `words` the verdicts of the claims.
    """
    old = book or {"claims": {}, "samples": {}, "seen": False, "looks": [_foreign(b) for b in before if 2 * b.points >= b.of]}
    claims = dict(old["claims"])
    for claim in spec.claims:
        claims[claim.id] = _entry(claims.get(claim.id), claim, spec, size, before, bool(old["seen"]))
        if has_rows:
            verdicts = {**claims[claim.id].get("verdicts", {}), **({size: words[claim.id]} if words else {})}
            claims[claim.id] = {**claims[claim.id], "seen": True, "verdicts": verdicts}
    entry = old["samples"].get(size)
    about = {"points": current.points, "seeds": current.seeds, "hash": current.hash, "since": _now()}
    if entry is None or not entry["seen"]:
        entry = {**about, "seen": has_rows}
    seen_looks = looks.all_looks(old)
    if has_rows and looks.number(seen_looks, size, current.hash) > len(seen_looks):
        seen_looks.append({"size": size, **about})
    samples = {**old["samples"], size: entry}
    return {"claims": claims, "samples": samples, "seen": old["seen"] or has_rows, "looks": seen_looks}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _foreign(before: Before) -> dict[str, Any]:
    """The last look at most of the points under another name."""
    last = dict(looks.all_looks(before.book)[-1])
    return {**last, "sweep": before.sweep}


def _entry(
    first: Mapping[str, Any] | None, claim: Claim, spec: Spec, size: str, before: Sequence[Before], late: bool
) -> dict[str, Any]:
    """What is written down of a claim: what it is until data are seen, and from then on what it was."""
    means = meaning.meaning(claim, spec)
    now: dict[str, Any] = {"hash": means.words, "formulas": means.formulas, "scope": {size: means.scope}}
    if first is None:
        new = [str(b) for b in before if not _same(b.book["claims"].get(claim.id, {}), means)]
        return {"since": _now(), "after_data": late, "seen": False, "elsewhere": "; ".join(new), **now}
    if not first["seen"]:
        return {**first, **now}
    # an older version wrote no formulas: they count from now on
    return {**first, "formulas": first.get("formulas", means.formulas), "scope": {**now["scope"], **first.get("scope", {})}}


def _same(entry: Mapping[str, Any], means: meaning.Meaning) -> bool:
    """Whether a claim of another sweep's record says the same by the same formulas."""
    return entry.get("hash") == means.words and entry.get("formulas", means.formulas) == means.formulas


def changed(book: Mapping[str, Any], claim: Claim, size: str, current: Sample, spec: Spec | None = None) -> str:
    """What changed after data were seen, as a sentence; empty where nothing did. Withdrawn claims of `spec` are told too."""
    first, first_sample = book["claims"].get(claim.id), book["samples"].get(size)
    parts = []
    if first is not None and first["after_data"]:
        parts.append(f"the claim was added after data were seen, on {first['since'][:10]}")
    if first is not None and first.get("elsewhere"):
        parts.append(f"the claim was made on {first['since'][:10]}, and {first['elsewhere']}")
    if first is not None and first["seen"]:
        parts += _reworded(first, claim, size, spec)
    if first_sample is not None and first_sample["seen"] and first_sample["hash"] != current.hash:
        before = Sample(points=first_sample["points"], seeds=first_sample["seeds"], hash=first_sample["hash"])
        parts.append(f"the sample changed after data were seen (it was {before}, is {current})")
    return "; ".join([*parts, *([] if spec is None else withdrawn(book, spec))])


def _reworded(first: Mapping[str, Any], claim: Claim, size: str, spec: Spec | None) -> list[str]:
    """What of a claim is not as it was when data were seen."""
    was, parts = f"it was {first['hash']} on {first['since'][:10]}", []
    if first["hash"] != claim_hash(claim):
        parts.append(f"the claim changed after data were seen ({was})")
    if spec is None or "formulas" not in first:
        return parts
    means = meaning.meaning(claim, spec)
    if first["formulas"] != means.formulas:
        parts.append("a formula that the claim speaks of changed after data were seen")
    if first["scope"].get(size, means.scope) != means.scope:
        parts.append("what the claim's arms fix or vary changed after data were seen")
    return parts


def withdrawn(book: Mapping[str, Any], spec: Spec) -> list[str]:
    """A sentence where claims were withdrawn after data were seen, with the last verdicts on them."""
    ids = {claim.id for claim in spec.claims}
    gone_claims = [entry for name, entry in book["claims"].items() if name not in ids and entry["seen"]]
    if not gone_claims:
        return []
    last = Counter(next(reversed(entry.get("verdicts", {"": "not judged"}).values()), "not judged") for entry in gone_claims)
    if len(gone_claims) == 1:
        return [f"1 claim was withdrawn after data (it was {next(iter(last))})"]
    words = ", ".join(f"{n} {word}" for word, n in sorted(last.items()))
    return [f"{len(gone_claims)} claims were withdrawn after data ({words})"]


def register(spec: Spec, store: Store, size: str, current: Sample, before: Sequence[Before] = ()) -> dict[str, Any]:
    """Enter the claims of a spec into its store before its first point is measured; the record."""
    book = enter(store.load("claims", spec.name), spec, size, current, has_rows=False, before=before)
    store.save("claims", spec.name, book)
    return book
