"""Takes a sweep from its spec to recorded rows: plan, minus what the store holds, through an executor."""

from __future__ import annotations

import os
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.driver import remaining, shipping, stored_plan
from orchestrator.driver.executors.choice import EXECUTORS
from orchestrator.driver.executors.executor import Executor, Resources
from orchestrator.driver.grower import Grower
from orchestrator.driver.origins import Origins, origins
from orchestrator.driver.pack_queue import Queue
from orchestrator.driver.progress import say, showing
from orchestrator.driver.provenance import origin, surroundings
from orchestrator.driver.session import Session
from orchestrator.driver.signals import INTERRUPTED
from orchestrator.errors import SpecError, StoreError
from orchestrator.plan import Plan, expand, first_points, refusals, shape_groups
from orchestrator.plan.identity import machine
from orchestrator.search.growth import Waves, growing, grows
from orchestrator.spec import Spec
from orchestrator.spec.checks import check_columns, unsupported
from orchestrator.spec.parsing import speaking
from orchestrator.store import Store, open_store
from orchestrator.worker.attempt import attempt
from orchestrator.worker.batch import Terms
from orchestrator.worker.watchdog import Watchdog
from orchestrator.workload.describe import Field, Reference, Trial, Value, Workload, load


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where to measure: the name of an executor, and what it may use; and how to show progress."""

    executor: str = "ray"
    address: str | None = None
    cpus: int | None = None
    gpus: int | None = None
    progress: str = "auto"

    def coming_up(self) -> str:
        """What is said while the executor comes up."""
        if self.address:
            return f"joining the cluster at {self.address}"
        return f"starting {self.executor.capitalize()} on {self.cpus or os.cpu_count()} CPUs"

    def new_executor(self) -> Executor:
        """The executor, which has not begun."""
        return EXECUTORS[self.executor](Resources(address=self.address, cpus=self.cpus, gpus=self.gpus))


@dataclass(kw_only=True)
class Summary:
    """What a run did: counts of points, seconds, and why it ended early where it did."""

    sweep: str
    store: Path
    generation: int
    points: int
    held: int  # final in the store before this run
    held_failed: int = 0  # of those, failures
    measured: int = 0
    failures: dict[str, int] = field(default_factory=dict)  # of this run, by status
    first: float | None = None  # when the first row was recorded, seconds since the epoch
    seconds: float = 0.0  # wall time of the run
    busy: float = 0.0  # seconds of its packs, summed over workers
    why: str = ""
    note: dict[str, object] = field(default_factory=dict)  # of a plan that grew: rounds, seeds spent

    def after(self, before: Summary) -> Summary:
        """This run and the one before it of fewer points, as one."""
        failures = {key: self.failures.get(key, 0) + n for key, n in before.failures.items()}
        return replace(
            self,
            held=before.held,
            held_failed=before.held_failed,
            measured=before.measured + self.measured,
            failures={**self.failures, **failures},
            first=self.first if before.first is None else before.first,
            seconds=before.seconds + self.seconds,
            busy=before.busy + self.busy,
        )

    @property
    def missing(self) -> int:
        """Points of the plan that have no final row yet."""
        return self.points - self.held - self.measured

    @property
    def exit_code(self) -> int:
        """0 done, 3 some points failed or are missing, 130 interrupted."""
        return 130 if self.why == INTERRUPTED else 3 if self.failures or self.held_failed or self.missing else 0


def prepare(spec: Spec, workload: Reference | None = None, needs: bool = False) -> tuple[Workload, Plan]:
    """The workload and the plan of a spec, with everything refused that can be refused before the first trial.

    What points need and this machine has not is refused with `needs` alone: a plan may be looked at without it.
    """
    workload_described = load(workload if workload is not None else spec.workload, folder_of(spec), _trial(spec))
    spec = speaking(spec, workload_described.claimed)
    missing = unsupported(spec)
    if missing:
        raise SpecError("\n".join(missing))
    check_columns(spec, [f.name for f in (*workload_described.params, *workload_described.results)])
    for grid in spec.grids():
        for name in grid.derive.keys() & {f.name for f in workload_described.results}:
            raise SpecError(f"{grid.places[name]}: a derived name must be no result's, but '{name}' is one; rename it.")
    if spec.search is not None:
        from orchestrator.search.studies import studies

        studies(spec, workload_described)  # every curve's interval must have a value
    plan = expand(spec, workload_described, machine_of(spec))
    refusals.refuse(spec, plan, needs)
    return workload_described, plan


def _trial(spec: Spec) -> Trial:
    """First points of the sweep, on which a function is tried that does not say what it gives."""

    def guard(measure: Callable[[], None]) -> str:
        watchdog = Watchdog(spec.limits.seconds)
        failed = attempt(measure, watchdog)
        watchdog.close()
        return f"the first point failed: {failed.error}" if failed else ""

    def points(name: str, module: types.ModuleType, params: tuple[Field, ...]) -> Iterator[dict[str, Value | None]]:
        plain = Workload(name=name, module=module, version=1, measures="value", params=params, results=())
        return first_points(spec, plain)

    return Trial(points, guard)


def folder_of(spec: Spec) -> Path:
    """The folder from which a workload's path counts."""
    return spec.path.resolve().parent if spec.path else Path.cwd()


def run(
    spec: Spec,
    store: str | Path,
    where: Where,
    workload: Reference | None = None,
    retry: bool = False,
    prepared: tuple[Workload, Plan] | None = None,
    executor: Executor | None = None,
) -> Summary:
    """Measure what the plan has and the store has not; with `retry` failed points too. Rows only: verdicts come after.

    `prepared` is what `prepare` gave, where that was asked already; `executor` is one that was begun, else it is made here.

    Raises SpecError, WorkloadError or StoreError before the first trial, and StoreError where rows can no longer be kept.
    """
    prepared = prepared or prepare(spec, workload, needs=True)
    if executor is not None:
        return _run(spec, store, where, workload, retry, prepared, executor)
    with where.new_executor() as own:
        own.begin([prepared[0]])
        return _run(spec, store, where, workload, retry, prepared, own)


def _run(
    spec: Spec,
    store: str | Path,
    where: Where,
    workload: Reference | None,
    retry: bool,
    prepared: tuple[Workload, Plan],
    executor: Executor,
) -> Summary:
    begun = time.time()
    described, plan = prepared
    opened = open_store(store, create=True)
    own = check(spec, described, opened, workload)
    with opened.hold(spec.name):
        remaining.refuse_near(spec, plan, opened)
        growth = growing(spec, plan, opened, retry, machine_of(spec))
        waves: Waves = growth.more() if growth else {None: remaining.missing(plan, opened, retry)}
        todo = [i for wave in waves.values() for i in wave]
        began_asking = time.time()
        slots = executor.slots(spec.needs) if todo else 0  # refuses what it has not, before anything is written
        begun += time.time() - began_asking  # a sweep is not charged for an executor that is still coming up
        own.keep(opened)
        terms = _terms(own, described, workload, opened, len(todo), executor.remote)
        about = own.plan_record(opened)
        grower = Grower(growth, spec, plan, opened, terms, set(todo), origins=about) if growth else None
        if grower:
            grower.stop()
            grower.save()
        else:
            opened.save_plan(stored_plan.table(plan), stored_plan.record(spec, plan, terms.generation, about))
        already_final = len(plan) - len(todo)
        summary = Summary(
            sweep=spec.name,
            store=opened.path,
            generation=terms.generation,
            points=len(plan),
            held=already_final,
            held_failed=remaining.failed(plan, opened) if already_final and not retry else 0,
        )
        if todo:
            session = Session(spec, plan, _queue(spec, plan, opened, terms, waves, slots), opened, terms, grower)
            _measure(session, executor, where.progress, summary)
        if grower:
            grower.save()
            summary.points, summary.note = len(plan), grower.growth.note()
            summary.held = len(plan) - len(grower.known) if todo else len(plan)
        summary.seconds = time.time() - begun
        outcome = {"measured": summary.measured, "failures": summary.failures, "why": summary.why}
        opened.finish(terms.generation, {**outcome, "note": summary.note} if summary.note else outcome)
    return summary


def unfinished(spec: Spec, plan: Plan, store: Store, retry: bool = False) -> bool:
    """Whether any point of the sweep is still to be measured."""
    if not grows(spec):
        return bool(remaining.missing(plan, store, retry))
    growth = growing(spec, expand(spec, plan.workload, machine_of(spec)), store, retry, machine_of(spec))
    return growth is not None and any(growth.more().values())


def machine_of(spec: Spec) -> str:
    """What the cost of a point depends on beside its params."""
    return machine("cuda" if spec.needs.gpu else "cpu", spec.needs.cpu)


def check(spec: Spec, described: Workload, store: Store, workload: Reference | None = None) -> Origins:
    """The files of the sweep; StoreError where what the store holds under its names is of other files or of other types."""
    store.check(described)
    reference = workload if workload is not None else spec.workload
    own = origins(spec, described.name, described.version, reference, folder_of(spec))
    own.check(store)
    return own


def _terms(own: Origins, described: Workload, reference: Reference | None, store: Store, todo: int, remote: bool) -> Terms:
    """The terms of a new generation, which the store now knows."""
    spec = own.spec
    code, around = origin(getattr(described.module, "__file__", None)), surroundings()
    about = {"sweep": spec.name, "size": spec.size, "todo": todo, **own.run_record(store)}
    generation = store.begin({**about, **vars(code), **around})
    workload_reference = reference if reference is not None else spec.workload
    loads, folder = (
        shipping.reference(described, workload_reference)
        if remote and isinstance(workload_reference, str)
        else (workload_reference, "")
    )
    return Terms(
        workload=loads,
        folder=folder or str(folder_of(spec)),
        generation=generation,
        commit=code.commit,
        dirty=code.dirty,
        host=str(around["host"]),
        device="cuda" if spec.needs.gpu else "cpu",
        device_name="cpu",
        threads=max(1, int(spec.needs.cpu)),
        limit=spec.limits.seconds,
        path=() if remote else shipping.import_path(described),
        results=described.results if hasattr(described.module, "COLUMNS") else (),
    )


def _queue(spec: Spec, plan: Plan, store: Store, terms: Terms, waves: Waves, slots: int) -> Queue:
    """The points that wait, those that take longest first, for so many packs at once."""
    queue = Queue(
        groups=(), workers=slots, seconds=spec.pack.seconds, prefix=f"{terms.generation:06d}-", together=spec.pack.points
    )
    for until, todo in waves.items():
        groups = shape_groups.groups(plan, todo)
        rates = remaining.rates(plan, groups, store)
        order = shape_groups.longest_first(plan, groups, rates)
        queue.add([groups[i] for i in order], [rates[i] for i in order], until)
    return queue


def _measure(session: Session, executor: Executor, progress: str, summary: Summary) -> None:
    """Run the packs of the session, and those that come of them, and enter into the summary what became of them."""
    say(progress, f"{session.spec.name}: measuring {session.total:,} points, {session.queue.workers} packs at once")
    with showing(session.spec.name, progress) as show:
        executor.run(session, show)
    summary.measured, summary.failures, summary.why = session.done, dict(session.failures), session.why
    summary.first, summary.busy = session.first, session.busy
    if session.halted:
        raise StoreError(f"{session.halted} The run stopped; the rows recorded so far are kept.")
