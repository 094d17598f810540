"""Looks at what rows say of a sweep's claims before it is run: those of its store, or of a few seeds measured aside."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.claims import judging
from orchestrator.claims.outlook.decidable import Decidable, decidable
from orchestrator.claims.sources import sources
from orchestrator.driver import measure
from orchestrator.driver.measure import Where
from orchestrator.errors import StoreError
from orchestrator.results.stored_sweep import StoredSweep, in_store
from orchestrator.search.growth import grows
from orchestrator.spec import Spec
from orchestrator.spec.sweep_model import Seeds
from orchestrator.store import open_store
from orchestrator.wording import duration, plural

SEEDS = 4
"""Seeds that a pilot measures of each assignment: the fewest that tell a noise."""
SECONDS = 60.0
"""Time after which a pilot ends with the points that it has."""
UNITS = 512
"""Seeds that judges are asked about at most before a run."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What rows say of each claim, and which rows these are in words; no claims where there are none to ask."""

    claims: tuple[Decidable, ...] = ()
    rows: str = ""

    def as_json(self) -> dict[str, Any]:
        """The answers as JSON values."""
        return {"rows": self.rows, "claims": [each.as_json() for each in self.claims]}


def outlook(spec: Spec, store: str | Path | None, pilot: bool) -> Outlook:
    """What the rows of the sweep say of its claims: a pilot's where that is asked for, else those of the store.

    A sweep whose points depend on rows has no pilot of its seeds.
    """
    if pilot and not grows(spec):
        return _measured(spec)
    if store is None or not Path(store).exists():
        return Outlook()
    try:
        sweep = in_store(spec, open_store(store))
    except StoreError:
        return Outlook()
    if sweep.measured.is_empty():
        return Outlook()
    books = judging.bookkeeping(sweep)
    return Outlook(claims=decidable(sweep.spec, sources(sweep), books, UNITS), rows=f"the {_rows(sweep)} of the store")


def _measured(spec: Spec) -> Outlook:
    """The claims on a few seeds that are measured in a store of their own, which is gone afterwards."""
    alone = {arm: arm_spec.model_copy(update={"seeds": None}) for arm, arm_spec in spec.arms.items()}
    limits = spec.limits.model_copy(update={"deadline": min(spec.limits.deadline or SECONDS, SECONDS)})
    few = spec.model_copy(update={"seeds": Seeds(min=SEEDS, max=SEEDS), "arms": alone, "limits": limits, "size": None})
    with tempfile.TemporaryDirectory(prefix="lawsweep-pilot-") as folder:
        summary = measure.run(few, folder, Where(executor="inline", progress="quiet"))
        sweep = in_store(few, open_store(folder))
        if sweep.measured.is_empty():
            return Outlook(rows="no point of the pilot ended")
        missing = f"; {summary.missing:,} are missing ({summary.why})" if summary.missing else ""
        rows = f"the {_rows(sweep)} of a pilot of {SEEDS} seeds, measured in {duration(summary.seconds)}{missing}"
        return Outlook(claims=decidable(few, sources(sweep), None, UNITS), rows=rows)


def _rows(sweep: StoredSweep) -> str:
    n = int(sweep.measured["final"].sum())
    return f"{n:,} {plural('point', n)}"
