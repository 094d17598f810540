"""Turns claims and samples into a record of what was said before data were seen, and into what has changed since."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

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
    record = claim.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"foreseen"})
    return hashlib.blake2b(json.dumps(record, sort_keys=True).encode(), digest_size=8).hexdigest()


def sample(plan: pa.Table) -> Sample:
    """The sample that a plan draws: a table with `point` and `seed`, in any order."""
    points = pl.Series(plan["point"]).unique().sort()
    letters = pl.Series(point_ids.letters(points.to_numpy()))
    digest = hashlib.blake2b(str(letters.str.join("").item()).encode(), digest_size=8).hexdigest()
    return Sample(points=len(points), seeds=pl.Series(plan["seed"]).n_unique(), hash=digest)


def enter(book: Mapping[str, Any] | None, spec: Spec, size: str, current: Sample, has_rows: bool) -> dict[str, Any]:
    """The record with this spec's claims and sample entered where they are new; `has_rows` once there are rows to look at.

    What was entered first stays: that is what later claims and samples are compared with.
    """
    old = book or {"claims": {}, "samples": {}, "seen": False}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    claims = dict(old["claims"])
    for claim in spec.claims:
        claims.setdefault(claim.id, {"hash": claim_hash(claim), "since": now, "after_data": old["seen"], "seen": False})
        claims[claim.id] = {**claims[claim.id], "seen": claims[claim.id]["seen"] or has_rows}
    entry = old["samples"].get(size)
    if entry is None or not entry["seen"]:
        entry = {"points": current.points, "seeds": current.seeds, "hash": current.hash, "since": now, "seen": has_rows}
    return {"claims": claims, "samples": {**old["samples"], size: entry}, "seen": old["seen"] or has_rows}


def changed(book: Mapping[str, Any], claim: Claim, size: str, current: Sample) -> str:
    """What changed after data were seen, as a sentence; empty where nothing did."""
    first, first_sample = book["claims"].get(claim.id), book["samples"].get(size)
    parts = []
    if first is not None and first["after_data"]:
        parts.append(f"the claim was added after data were seen, on {first['since'][:10]}")
    if first is not None and first["seen"] and first["hash"] != claim_hash(claim):
        parts.append(f"the claim changed after data were seen (it was {first['hash']} on {first['since'][:10]})")
    if first_sample is not None and first_sample["seen"] and first_sample["hash"] != current.hash:
        before = Sample(points=first_sample["points"], seeds=first_sample["seeds"], hash=first_sample["hash"])
        parts.append(f"the sample changed after data were seen (it was {before}, is {current})")
    return "; ".join(parts)


def register(spec: Spec, store: Store, size: str, current: Sample) -> dict[str, Any]:
    """Enter the claims of a spec into its store before its first point is measured; the record."""
    book = enter(store.load("claims", spec.name), spec, size, current, has_rows=False)
    store.save("claims", spec.name, book)
    return book
