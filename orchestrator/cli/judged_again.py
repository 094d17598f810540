"""Judges and reports sweeps once more after their rows have changed under them."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from orchestrator.check import bug_guards
from orchestrator.claims import judging
from orchestrator.errors import SweepError
from orchestrator.report import page
from orchestrator.results.stored_sweep import of_record
from orchestrator.store import Store
from orchestrator.wording import Tell


def of_workloads(store: Store, workloads: Collection[str], tell: Tell) -> Iterator[str]:
    """New verdicts and reports for all plans of these workloads; what comes back is a sentence for each that has none now."""
    for record in store.plans():
        if record["workload"] in workloads:
            name = f"{record['sweep']}, size {record['size']}"
            tell(f"judging {name}")
            try:
                sweep = of_record(store, record)
                verdicts = judging.judge(sweep)
                bug_guards.look(sweep)
                page.write(sweep, verdicts)
            except SweepError as error:
                yield f"{name}: not judged again, so its verdicts are as they were: {error}"
