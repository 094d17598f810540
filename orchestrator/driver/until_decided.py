"""Measures further seeds of a sweep, round by round, while they decide a claim and its limits allow them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from orchestrator.claims import judging
from orchestrator.claims.outlook.decidable import decidable
from orchestrator.claims.outlook.further_seeds import LOOKS, further
from orchestrator.claims.sources import sources
from orchestrator.driver.measure import Summary
from orchestrator.results.stored_sweep import in_store
from orchestrator.spec import Spec
from orchestrator.store import Store
from orchestrator.wording import Tell

UNITS = 4096
"""Seeds that judges are asked about at most."""


def rounds(
    summary: Summary, spec: Spec, store: Store, measured: Callable[..., Summary], tell: Tell
) -> Iterator[tuple[Summary, Spec]]:
    """All that was measured after each round, with the sweep as it is then; its claims must be judged before the next one.

    `measured(spec)` measures what a sweep has and the store has not. A round is a further look at the claims.
    """
    for look in range(2, LOOKS + 1):
        hours = summary.busy * spec.needs.gpu / 3600
        remaining = spec.limits.after(summary.seconds, hours)
        if summary.missing or remaining is None:
            return
        sweep = in_store(spec, store)
        more = further(spec, decidable(spec, sources(sweep), judging.bookkeeping(sweep), UNITS))
        for text in more.says:
            tell(f"{spec.name}: {text}")
        if more.spec is None:
            return
        spec = more.spec
        last = measured(spec.model_copy(update={"limits": remaining}))
        summary = replace(last.after(summary), note={"looks": look})
        yield summary, spec
