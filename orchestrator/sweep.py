"""Takes a sweep all the way: rows, then verdicts, a report, and the MLflow mirror."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator import shipped
from orchestrator.driver import measure
from orchestrator.driver.executors.executor import Executor
from orchestrator.driver.measure import Summary, Where
from orchestrator.driver.origins import apart
from orchestrator.driver.progress import say
from orchestrator.driver.signals import INTERRUPTED
from orchestrator.errors import SpecError, SweepError
from orchestrator.plan import Plan
from orchestrator.results.sources import code_changes
from orchestrator.search.growth import grows
from orchestrator.spec import Spec, read
from orchestrator.spec.parsing import speaking
from orchestrator.store import Store, open_store
from orchestrator.store.store import BASE
from orchestrator.wording import Tell
from orchestrator.workload.describe import Reference, Workload

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import xarray as xr

    from orchestrator.mirror.process import Background
    from orchestrator.results.stored_sweep import StoredSweep

GROWS = "--until-decided must have a sweep of fixed seeds, but its points depend on rows already; leave the option out."
Failed = Callable[[str, Exception], None]
"""Told which sweep failed, and by what."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one sweep: the run's counts, its verdicts and checks as JSON values, paths of the report, and warnings."""

    summary: Summary
    verdicts: tuple[dict[str, Any], ...] = ()
    report: dict[str, str] | None = None
    warnings: tuple[str, ...] = ()
    code_change: str = ""
    checks: tuple[dict[str, Any], ...] = ()

    def exit_code(self, strict: bool = False) -> int:
        """The run's exit code, else 2 where nothing could be judged, 3 where a judge raised, 5 where a check is broken.

        With `strict` 1 where a claim is refuted that was not foreseen to be, or the code has changed since rows were measured.
        """
        from orchestrator.check import bug_guards

        if bug_guards.broken(self.checks):
            return bug_guards.EXIT
        if self.summary.exit_code or self.report is None:
            return self.summary.exit_code or 2
        if not strict and not any(verdict.get("fault") for verdict in self.verdicts):
            return 0
        from orchestrator.claims.verdict import exit_code

        return exit_code(self.verdicts, strict) or int(strict and bool(self.code_change))

    def rows(self) -> pl.DataFrame:
        """The rows of the sweep's points that count, with `arm`."""
        return self._stored().measured

    def to_pandas(self) -> pd.DataFrame:
        """The rows as a pandas frame."""
        from orchestrator.report import conversions

        return conversions.to_pandas(self.rows())

    def to_xarray(self) -> xr.Dataset:
        """The final rows as an xarray Dataset: results along the params that vary, and seed."""
        from orchestrator.report import conversions

        return conversions.to_xarray(self._stored())

    def _stored(self) -> StoredSweep:
        from orchestrator.results.stored_sweep import StoredSweep

        store = open_store(self.summary.store)
        return StoredSweep(store=store, record=store.latest(self.summary.sweep))

    def _repr_html_(self) -> str:
        from orchestrator.report import conversions

        table = conversions.table([{key: v.get(key) for key in ("id", "verdict", "says", "text")} for v in self.verdicts])
        points = f"{self.summary.measured:,} points measured, {self.summary.held:,} were there"
        return f"<p>sweep <code>{self.summary.sweep}</code>: {points}</p>{table._repr_html_()}"

    def as_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        change = {"code_change": self.code_change} if self.code_change else {}
        run = {**asdict(self.summary), "store": str(self.summary.store), "missing": self.summary.missing}
        return {
            **run,
            "verdicts": list(self.verdicts),
            "checks": list(self.checks),
            "report": self.report,
            "warnings": list(self.warnings),
            **change,
        }


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
    until_decided: bool = False,
) -> Result:
    """Run one sweep, a Spec or a file or the name of a shipped one, as `lawsweep run` does; `workload` may be a module
    or a function. With `until_decided` claims get more seeds where these decide, within `limits`.

    Raises SpecError, WorkloadError or StoreError before the first trial.
    """
    chosen_spec = spec if isinstance(spec, Spec) else read(spec, size=size)
    where = Where(executor="inline" if inline else "ray", address=address, cpus=cpus, gpus=gpus, progress=progress)
    settings = {"workload": workload, "retry": retry, "tracking_uri": tracking_uri, "mlflow": mlflow, "same_code": same_code}
    (result,) = run_all([chosen_spec], store, where, until_decided=until_decided, **settings)  # type: ignore[arg-type]
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
    until_decided: bool = False,
    failed: Failed | None = None,
) -> Iterator[Result]:
    """Run sweeps one after the other on one cluster; all are checked before the first, results come as they are ready.

    `failed` is told of a sweep that fails, and the others go on; without it, the error is raised.
    """
    store = Path(store).expanduser()
    with ExitStack() as stack:
        executor = stack.enter_context(where.new_executor())
        begun = _all_new(specs, store, executor)
        if begun:
            say(where.progress, where.coming_up())
            executor.begin(())
        mirror = stack.enter_context(_mirror(tracking_uri, mlflow and not executor.light))
        able = []
        for spec in specs:
            with for_itself(spec.name, failed):
                if until_decided and grows(spec):
                    raise SpecError(f"{spec.where()}: {GROWS}")
                pair = _prepared(spec, workload, executor.light)
                able.append((speaking(spec, pair[0].claimed), pair))
        opened = open_store(store, create=True)
        ready, origins = [], []
        for spec, pair in able:
            with for_itself(spec.name, failed), opened.hold(spec.name):  # another run of it is told of now, not when all is up
                origins.append(measure.check(spec, pair[0], opened, workload))
                ready.append((spec, pair))
        apart(origins)
        specs, prepared = [spec for spec, _ in ready], [pair for _, pair in ready]
        workloads = [described for described, _ in prepared]
        if mirror is not None:
            mirror.begin(opened)
        if not (begun or executor.light) and _unfinished(specs, prepared, opened, retry):
            say(where.progress, where.coming_up())
            executor.begin(workloads)
            begun = True
        if begun:
            _import_ahead()
        for spec in specs:
            last = spec is specs[-1]
            summary = None
            with for_itself(spec.name, failed):
                # The plan goes with the run: a million points are not held while they are judged.
                summary = measure.run(spec, store, where, workload, retry, prepared.pop(0), executor)
                if same_code:
                    code_changes.accept(opened, opened.latest(spec.name, spec.size or BASE), spec)
            if last and not until_decided:
                executor.close()
            if summary is None:
                continue
            if summary.why == INTERRUPTED:
                yield _interrupted(summary, spec, opened, executor.light)
                return
            say(where.progress, f"{spec.name}: judging {len(spec.claims)} claims, writing the report")
            result = None
            with for_itself(spec.name, failed):
                result = _finished(summary, spec, opened, executor.light, mirror)
                if until_decided:
                    finished = partial(_finished, store=opened, light=executor.light, mirror=mirror)
                    again = partial(measure.run, store=store, where=where, workload=workload, retry=retry, executor=executor)
                    result = _decided(result, spec, opened, where.progress, again, finished)
            if mirror is not None and last and result is not None:
                say(where.progress, f"{spec.name}: bringing MLflow into line")
                result, mirror = _mirrored(result, mirror), None
            if result is not None:
                yield result
        if mirror is not None and begun:
            with suppress(SweepError):  # the last sweep failed, and MLflow still hears of those before it
                mirror.finish()


def _decided(result: Result, spec: Spec, store: Store, progress: str, measured: Any, finished: Any) -> Result:
    """The result once no seeds decide any more, or the limits end it; each round is judged and reported."""
    from orchestrator.driver import until_decided

    for summary, grown in until_decided.rounds(result.summary, spec, store, measured, partial(say, progress)):
        result = _interrupted(summary, grown, store, True) if summary.why == INTERRUPTED else finished(summary, grown)
        if result.report is None:
            break
    return result


def _prepared(spec: Spec, workload: Reference | None, light: bool) -> tuple[Workload, Plan]:
    """The workload and the plan of a sweep that may begin."""
    described, plan = measure.prepare(spec, workload, needs=True)
    if not light:
        _check_conditions(spec, described)
    return described, plan


@contextmanager
def for_itself(name: str, failed: Failed | None) -> Iterator[None]:
    """A block of one sweep's work, whose error is told where somebody wants to go on with other sweeps."""
    try:
        yield
    except Exception as error:
        if failed is None:
            raise
        failed(name, error)


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


def _finished(summary: Summary, spec: Spec, store: Store, light: bool, mirror: Background | None) -> Result:
    """The rows judged and reported."""
    return _elsewhere(summary, spec) if light else _judged(summary, spec, store, mirror)


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


def _check_conditions(spec: Spec, workload: Workload) -> None:
    """Refuse SQL that names what is not there; a light run, which imports no DuckDB, leaves that to its report."""
    from orchestrator.check import conditions

    conditions.check(spec, workload)


def _judged(summary: Summary, spec: Spec, store: Store, mirror: Background | None) -> Result:
    """Verdicts and report from the store's rows; the mirror writes their curves meanwhile, and then the rest."""
    from orchestrator.check import bug_guards
    from orchestrator.claims import judging, verdict
    from orchestrator.mirror import entries, sweep_files
    from orchestrator.report import page
    from orchestrator.results.stored_sweep import in_store

    sweep = in_store(spec, store)
    if mirror is not None:
        folder = mirror.folder()
        entries.draw(sweep).write(folder / sweep_files.CURVES)
        mirror.ask(spec.name, spec.size, files=False, ready=folder)
    verdicts, checks = judging.judge(sweep), bug_guards.look(sweep)
    paths = page.paths(page.write(sweep, verdicts))
    if mirror is not None:
        sweep_files.tables(sweep, folder)
        mirror.ask(spec.name, spec.size, ready=folder)
    records = tuple(each.record() for each in verdicts)
    return Result(
        summary=summary,
        verdicts=records,
        report=paths,
        warnings=verdict.faults(records),
        code_change=sweep.code_change,
        checks=tuple(check.record() for check in checks),
    )


def _elsewhere(summary: Summary, spec: Spec) -> Result:
    """Verdicts and report by a process of their own: a light run imports nothing but what its workload needs."""
    reference = str(spec.path) if spec.path else spec.name
    command = [*shipped.command("orchestrator.cli"), "report", reference, "--store", str(summary.store), "--json"]
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
        checks=tuple(printed["checks"]),
    )


def judge_again(store: Store, workloads: Collection[str], tell: Tell) -> Iterator[str]:
    """New verdicts and reports for all plans of these workloads; what comes back is a sentence for each that has none now."""
    from orchestrator.check import bug_guards
    from orchestrator.claims import judging
    from orchestrator.report import page
    from orchestrator.results.stored_sweep import of_record

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
