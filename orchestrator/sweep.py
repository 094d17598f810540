"""Takes a sweep all the way: rows, then verdicts, a report, and the MLflow mirror."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.driver import measure
from orchestrator.driver.executors.executor import Executor
from orchestrator.driver.measure import Summary, Where
from orchestrator.driver.origins import apart
from orchestrator.driver.signals import INTERRUPTED
from orchestrator.plan import Plan
from orchestrator.results import code_changes
from orchestrator.spec import Spec, read
from orchestrator.store import Store, open_store
from orchestrator.store.store import BASE
from orchestrator.workload.describe import Reference, Workload

if TYPE_CHECKING:
    from orchestrator.mirror.process import Background


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one sweep: the run's counts, its verdicts as JSON values, paths of the report, and warnings."""

    summary: Summary
    verdicts: tuple[dict[str, Any], ...] = ()
    report: dict[str, str] | None = None
    warnings: tuple[str, ...] = ()
    code_change: str = ""

    def exit_code(self, strict: bool = False) -> int:
        """The run's exit code, else 2 where nothing could be judged, 3 where a judge raised.

        With `strict` 1 where a claim is refuted that was not foreseen to be, or the code has changed since rows were measured.
        """
        if self.summary.exit_code or self.report is None:
            return self.summary.exit_code or 2
        if not strict and not any(verdict.get("fault") for verdict in self.verdicts):
            return 0
        from orchestrator.claims.verdict import exit_code

        return exit_code(self.verdicts, strict) or int(strict and bool(self.code_change))

    def as_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        change = {"code_change": self.code_change} if self.code_change else {}
        run = {**asdict(self.summary), "store": str(self.summary.store), "missing": self.summary.missing}
        return {**run, "verdicts": list(self.verdicts), "report": self.report, "warnings": list(self.warnings), **change}


def run(
    spec: Spec | str | Path,
    *,
    size: str | None = None,
    store: str | Path = "results",
    workload: Reference | None = None,
    inline: bool = False,
    address: str | None = None,
    retry: bool = False,
    cpus: int | None = None,
    gpus: int | None = None,
    progress: str = "auto",
    tracking_uri: str | None = None,
    mlflow: bool = True,
    same_code: bool = False,
) -> Result:
    """Run one sweep, a Spec or a file or the name of a shipped one, as `lawsweep run` does; `workload` may be a module
    or a function.

    Raises SpecError, WorkloadError or StoreError before the first trial.
    """
    chosen_spec = spec if isinstance(spec, Spec) else read(spec, size=size)
    where = Where(executor="inline" if inline else "ray", address=address, cpus=cpus, gpus=gpus, progress=progress)
    settings = {"workload": workload, "retry": retry, "tracking_uri": tracking_uri, "mlflow": mlflow, "same_code": same_code}
    (result,) = run_all([chosen_spec], store, where, **settings)  # type: ignore[arg-type]
    return result


def run_all(
    specs: Sequence[Spec],
    store: str | Path,
    where: Where,
    *,
    workload: Reference | None = None,
    retry: bool = False,
    tracking_uri: str | None = None,
    mlflow: bool = True,
    same_code: bool = False,
) -> Iterator[Result]:
    """Run sweeps one after the other on one cluster; all are checked before the first, results come as they are ready."""
    with ExitStack() as stack:
        executor = stack.enter_context(where.new_executor())
        begun = _all_new(specs, store, executor)
        if begun:
            executor.begin(())
        mirror = stack.enter_context(_mirror(tracking_uri, mlflow and not executor.light))
        prepared = [measure.prepare(spec, workload) for spec in specs]
        workloads = [described for described, _ in prepared]
        if not executor.light:
            _check_conditions(specs, workloads)
        opened = open_store(store, create=True)
        apart([measure.check(spec, described, opened, workload) for spec, described in zip(specs, workloads, strict=True)])
        for spec in specs:
            with opened.hold(spec.name):
                pass  # another run of the sweep is told of now, not when the executor is up
        if mirror is not None:
            mirror.begin(opened)
        if not (begun or executor.light) and _unfinished(specs, prepared, opened, retry):
            executor.begin(workloads)
            begun = True
        if begun:
            _import_ahead()
        for spec in specs:
            # The plan goes with the run: a million points are not held while they are judged.
            summary = measure.run(spec, store, where, workload, retry, prepared.pop(0), executor)
            if same_code:
                code_changes.accept(opened, opened.latest(spec.name, spec.size or BASE), spec)
            if summary.why == INTERRUPTED:
                yield _interrupted(summary, spec, opened, executor.light)
                return
            last = spec is specs[-1]
            if last:
                executor.close()
            yield _finished(summary, spec, opened, executor.light, mirror, last)


def _import_ahead() -> None:
    """Import what verdicts and reports need while the executor comes up, so that nobody waits for it at the end."""
    from orchestrator.fitting import intervals
    from orchestrator.mirror import curves
    from orchestrator.report import page

    page.prepare()
    intervals.quantile(curves.LEVEL, 2)


def _all_new(specs: Sequence[Spec], store: str | Path, executor: Executor) -> bool:
    """Whether the executor is needed for certain, so that it may come up while the workloads are imported.

    A store that knows one of the sweeps may have nothing left to do; a remote executor must first be told what code to bring.
    """
    records = (Path(store) / "plans" / spec.name / f"{spec.size or BASE}.json" for spec in specs)
    return not executor.light and not executor.remote and not any(path.exists() for path in records)


def _unfinished(specs: Sequence[Spec], prepared: Sequence[tuple[Workload, Plan]], store: Store, retry: bool) -> bool:
    """Whether there is anything to measure."""
    return any(measure.unfinished(spec, plan, store, retry) for spec, (_, plan) in zip(specs, prepared, strict=True))


def _finished(summary: Summary, spec: Spec, store: Store, light: bool, mirror: Background | None, last: bool) -> Result:
    """The rows judged and reported; the last sweep's result waits until MLflow says it all too."""
    result = _elsewhere(summary, spec) if light else _judged(summary, spec, store, mirror)
    return _mirrored(result, mirror) if mirror is not None and last else result


@contextmanager
def _mirror(uri: str | None, enabled: bool) -> Iterator[Background | None]:
    """A process that brings MLflow into line beside the run; it imports that while the plan is made and the executor starts."""
    if not enabled:
        yield None
        return
    from orchestrator.mirror.process import Background

    mirror = Background(uri)
    try:
        yield mirror
    finally:
        mirror.stop()


def _mirrored(result: Result, mirror: Background) -> Result:
    """The result once MLflow says what the store says; a server that is missing is a warning."""
    from orchestrator.mirror.mlflow_server import TrackError

    try:
        mirror.finish()
    except TrackError as error:
        return replace(result, warnings=(*result.warnings, str(error)))
    return result


def _interrupted(summary: Summary, spec: Spec, store: Store, light: bool) -> Result:
    """Counts alone; but whoever has seen rows has made their claims before."""
    if not light:
        from orchestrator.claims import judging
        from orchestrator.results.stored_sweep import in_store

        judging.register(in_store(spec, store))
    return Result(summary=summary)


def _check_conditions(specs: Sequence[Spec], workloads: Sequence[Workload]) -> None:
    """Refuse SQL that names what is not there; a light run, which imports no DuckDB, leaves that to its report."""
    from orchestrator.check import conditions

    for spec, workload in zip(specs, workloads, strict=True):
        conditions.check(spec, workload)


def _judged(summary: Summary, spec: Spec, store: Store, mirror: Background | None) -> Result:
    """Verdicts and report from the store's rows; the mirror writes their curves meanwhile, and then the rest."""
    from orchestrator.claims import judging, verdict
    from orchestrator.mirror import entries, sweep_files
    from orchestrator.report import page
    from orchestrator.results.stored_sweep import in_store

    sweep = in_store(spec, store)
    if mirror is not None:
        folder = mirror.folder()
        entries.draw(sweep).write(folder / sweep_files.CURVES)
        mirror.ask(spec.name, spec.size, files=False, ready=folder)
    verdicts = judging.judge(sweep)
    paths = page.paths(page.write(sweep, verdicts))
    if mirror is not None:
        sweep_files.tables(sweep, folder)
        mirror.ask(spec.name, spec.size, ready=folder)
    records = tuple(each.record() for each in verdicts)
    warnings = verdict.faults(records)
    return Result(summary=summary, verdicts=records, report=paths, warnings=warnings, code_change=sweep.code_change)


def _elsewhere(summary: Summary, spec: Spec) -> Result:
    """Verdicts and report by a process of their own: a light run imports nothing but what its workload needs."""
    reference = str(spec.path) if spec.path else spec.name
    command = [sys.executable, "-m", "orchestrator.cli", "report", reference, "--store", str(summary.store), "--json"]
    command += ["--size", spec.size] if spec.size else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return Result(summary=summary, warnings=(done.stderr.strip() or "no report could be written",))
    printed = json.loads(done.stdout)
    return Result(
        summary=summary,
        verdicts=tuple(printed["verdicts"]),
        report=printed["report"],
        warnings=tuple(f"claims.{each['id']}: {each['fault']}" for each in printed["verdicts"] if each.get("fault")),
        code_change=printed["code_change"],
    )
