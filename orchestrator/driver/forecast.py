"""Tells what a run of a spec would do and cost, before it is run."""

from __future__ import annotations

import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator.driver import remaining
from orchestrator.driver.measure import machine_of, prepare
from orchestrator.driver.pack_queue import MAX_PACKS, SHORTEST
from orchestrator.driver.session import gather
from orchestrator.plan import Plan, shape_groups
from orchestrator.search.growth import growing
from orchestrator.spec import Spec
from orchestrator.store import Store, open_store
from orchestrator.worker.attempt import attempt
from orchestrator.worker.watchdog import Watchdog
from orchestrator.workload.context import Context

PILOTS = 24  # shapes that a pilot measures at most; the others are taken to cost their mean


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Counts of a plan, and what is known of its cost; seconds are None where nothing was measured yet."""

    sweep: str
    size: str
    workload: str
    points: int
    arms: dict[str, int]
    done: int
    todo: int
    shapes: int
    packs: int | None
    workers: int
    worker_seconds: float | None  # summed over workers
    wall_seconds: float | None
    gpu_hours: float | None
    basis: str  # recorded, pilot or none
    grows: bool = False  # whether points depend on what others give: `todo` is what they usually come to
    most: int = 0  # points that the plan may grow to

    def as_json(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return asdict(self)


def forecast(spec: Spec, store: str | Path, pilot: bool = False, plan: Plan | None = None) -> Forecast:
    """What `run` would do with this store, empty where it is not there; `plan` is the sweep's, where it was made already."""
    plan = plan or prepare(spec)[1]
    path = Path(store)
    opened = open_store(path) if path.exists() else None
    growth = growing(spec, plan, opened or Store(path), False, machine_of(spec))
    if growth is not None:
        todo = [i for wave in growth.more().values() for i in wave]
    else:
        todo = remaining.missing(plan, opened) if opened else list(range(len(plan)))
    usual, most = growth.forecast() if growth is not None else (len(plan), len(plan))
    to_measure = max(len(todo), usual - len(plan) + len(todo)) if todo else 0
    groups = shape_groups.groups(plan, todo)
    rates = remaining.rates(plan, groups, opened) if opened else [None] * len(groups)
    recorded = any(rate is not None for rate in rates)
    if pilot and todo:
        every = -(-len(groups) // PILOTS)
        rates = [_pilot(plan, group[0], spec.limits.seconds) if i % every == 0 else None for i, group in enumerate(groups)]
    seconds = shape_groups.estimate(groups, rates)
    seconds = None if seconds is None else seconds * to_measure / max(1, len(todo))
    workers = max(1, int((os.cpu_count() or 1) / max(spec.needs.cpu, 1e-9)))
    wall = None if seconds is None else seconds / workers
    return Forecast(
        sweep=spec.name,
        size=spec.size or "",
        workload=plan.workload.name,
        points=len(plan),
        arms={arm: len(members) for arm, members in plan.arms},
        done=len(plan) - len(todo),
        todo=to_measure,
        shapes=len(groups),
        packs=_packs(seconds, workers, spec.pack.seconds) if todo else 0,
        workers=workers,
        worker_seconds=seconds,
        wall_seconds=wall,
        gpu_hours=None if seconds is None else seconds * spec.needs.gpu / 3600,
        grows=growth is not None,
        most=max(most, len(plan)),
        basis="pilot" if pilot and todo else "recorded" if recorded else "none",
    )


def _packs(seconds: float | None, workers: int, length: float) -> int | None:
    """About how many packs the points make at the pack length of the dispatcher."""
    if seconds is None:
        return None
    target = max(SHORTEST, min(length, seconds / (4 * workers)))
    return min(MAX_PACKS, math.ceil(seconds / target))


def _pilot(plan: Plan, position: int, limit: float | None) -> float | None:
    """Seconds that one point takes here, the second time, so that start-up is not counted; None where it fails."""
    module = plan.workload.module
    batch = gather(plan, "pilot", [position], 0.0)
    params = module.Params(**plan.workload.inside({name: column[0] for name, column in batch.params.items()}))
    plan.workload.enter()
    context, watchdog, ends = Context(batch.seeds[0]), Watchdog(limit), [time.perf_counter()]

    def measure() -> None:
        list(module.run_pack([params], [context]) if plan.workload.vectorised else plan.workload.stream(params, context))
        ends.append(time.perf_counter())

    failed = attempt(measure, watchdog) or attempt(measure, watchdog)
    return None if failed else ends[2] - ends[1]
