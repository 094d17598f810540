"""Finds which rows of a sweep were seen before under another sweep's name: a row is known by its point, not by a name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from orchestrator.results.stored_sweep import StoredSweep


@dataclass(frozen=True, kw_only=True)
class Before:
    """Another sweep whose claims were judged on rows of this one: how many of how many, and its record."""

    sweep: str
    points: int
    of: int
    book: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.points} of its {self.of} points were seen before, in sweep '{self.sweep}'"


def seen_before(sweep: StoredSweep) -> tuple[Before, ...]:
    """The other sweeps of the store that were judged on points of this one, most points first."""
    mine = pl.Series(sweep.plan["point"]).unique()
    found_sweeps = (Before(sweep=name, points=n, of=len(mine), book=book) for name, n, book in _overlapping(sweep, mine) if n)
    return tuple(sorted(found_sweeps, key=lambda before: -before.points))


def _overlapping(sweep: StoredSweep, mine: pl.Series) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    workload = sweep.record.get("workload")
    for name in sweep.store.sweeps():
        plans = [plan for plan in sweep.store.plans(name) if plan.get("workload") == workload] if name != sweep.name else []
        if not plans:
            continue
        book = sweep.store.load("claims", name)
        if book and book["seen"]:
            seen_sizes = [plan for plan in plans if (book["samples"].get(str(plan["size"])) or {}).get("seen")]
            points = [pl.Series(sweep.store.planned(plan, ("point",))["point"]) for plan in seen_sizes]
            yield name, int(mine.is_in(pl.concat(points).unique().implode()).sum()) if points else 0, book
