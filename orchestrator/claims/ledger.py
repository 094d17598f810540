"""Turns claims and samples into a record of what was said before data were seen, and into what has changed since."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestrator.store import point_ids

if TYPE_CHECKING:
    import pyarrow as pa

    from orchestrator.spec import Spec
    from orchestrator.spec.claim_model import Claim
    from orchestrator.store import Store


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
    said = claim.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"foreseen"})
    return hashlib.blake2b(json.dumps(said, sort_keys=True).encode(), digest_size=8).hexdigest()


def sample(plan: pa.Table) -> Sample:
    """The sample that a plan draws: a table with `point` and `seed`, in any order."""
    import polars as pl

    points = pl.Series(plan["point"]).unique().sort()
    letters = pl.Series(point_ids.letters(points.to_numpy()))
    known = hashlib.blake2b(str(letters.str.join("").item()).encode(), digest_size=8).hexdigest()
    return Sample(points=len(points), seeds=pl.Series(plan["seed"]).n_unique(), hash=known)


def enter(book: Mapping[str, Any] | None, spec: Spec, size: str, drawn: Sample, seen: bool) -> dict[str, Any]:
    """The record with this spec's claims and sample entered where they are new; `seen` once rows have been looked at.

    What was entered first stays: that is what later claims and samples are compared with.
    """
    old = book or {"claims": {}, "samples": {}, "seen": False}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    claims = dict(old["claims"])
    for claim in spec.claims:
        claims.setdefault(claim.id, {"hash": claim_hash(claim), "since": now, "after_data": old["seen"], "seen": False})
        claims[claim.id] = {**claims[claim.id], "seen": claims[claim.id]["seen"] or seen}
    entry = old["samples"].get(size)
    if entry is None or not entry["seen"]:
        entry = {"points": drawn.points, "seeds": drawn.seeds, "hash": drawn.hash, "since": now, "seen": seen}
    return {"claims": claims, "samples": {**old["samples"], size: entry}, "seen": old["seen"] or seen}


def changed(book: Mapping[str, Any], claim: Claim, size: str, drawn: Sample) -> str:
    """What changed after data were seen, as a sentence; empty where nothing did."""
    first, taken = book["claims"].get(claim.id), book["samples"].get(size)
    parts = []
    if first is not None and first["after_data"]:
        parts.append(f"the claim was added after data were seen, on {first['since'][:10]}")
    if first is not None and first["seen"] and first["hash"] != claim_hash(claim):
        parts.append(f"the claim changed after data were seen (it was {first['hash']} on {first['since'][:10]})")
    if taken is not None and taken["seen"] and taken["hash"] != drawn.hash:
        before = Sample(points=taken["points"], seeds=taken["seeds"], hash=taken["hash"])
        parts.append(f"the sample changed after data were seen (it was {before}, is {drawn})")
    return "; ".join(parts)


def register(spec: Spec, store: Store, size: str, drawn: Sample) -> dict[str, Any]:
    """Enter the claims of a spec into its store before its first point is measured; the record."""
    book = enter(store.load("claims", spec.name), spec, size, drawn, seen=False)
    store.save("claims", spec.name, book)
    return book
