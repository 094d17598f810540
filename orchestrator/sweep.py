"""Takes a sweep all the way: rows, then verdicts, a report, and the MLflow mirror."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import types
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator import measure
from orchestrator.measure import Summary, Where
from orchestrator.session import INTERRUPTED
from orchestrator.spec import Spec, read
from orchestrator.store import Store, open_store
from orchestrator.workload import Workload


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one sweep: the run's counts, its verdicts as JSON values, paths of the report, and warnings."""

    summary: Summary
    verdicts: tuple[dict[str, Any], ...] = ()
    report: dict[str, str] | None = None
    warnings: tuple[str, ...] = ()

    def exit_code(self, strict: bool = False) -> int:
        """The run's exit code, or 1 with `strict` where a claim is refuted."""
        refuted = any(verdict["verdict"] == "refuted" for verdict in self.verdicts)
        return self.summary.exit_code or (1 if strict and refuted else 0)

    def as_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        run = {**asdict(self.summary), "store": str(self.summary.store), "missing": self.summary.missing}
        return {**run, "verdicts": list(self.verdicts), "report": self.report, "warnings": list(self.warnings)}


def run(
    spec: Spec | str | Path,
    *,
    size: str | None = None,
    store: str | Path = "results",
    workload: str | types.ModuleType | None = None,
    inline: bool = False,
    address: str | None = None,
    retry: bool = False,
    cpus: int | None = None,
    gpus: int | None = None,
    progress: str = "auto",
    tracking_uri: str | None = None,
    mlflow: bool = True,
) -> Result:
    """Run one sweep, a Spec or a file or the name of a shipped one, as `lawsweep run` does; `workload` may be a module.

    Raises SpecError, WorkloadError or StoreError before the first trial.
    """
    found = spec if isinstance(spec, Spec) else read(spec, size=size)
    where = Where(inline=inline, address=address, cpus=cpus, gpus=gpus, progress=progress)
    (result,) = run_all([found], store, where, workload=workload, retry=retry, tracking_uri=tracking_uri, mlflow=mlflow)
    return result


def run_all(
    specs: Sequence[Spec],
    store: str | Path,
    where: Where,
    *,
    workload: str | types.ModuleType | None = None,
    retry: bool = False,
    tracking_uri: str | None = None,
    mlflow: bool = True,
) -> Iterator[Result]:
    """Run sweeps one after the other on one cluster; all are checked before the first, results come as they are ready."""
    workloads = [measure.prepare(spec, workload)[0] for spec in specs]
    if not where.inline:
        _check_conditions(specs, workloads)
    kept = open_store(store, create=True)
    warm = None if where.inline or not mlflow else _warm(kept, tracking_uri)
    with measure.cluster(where, workloads):
        for spec in specs:
            summary = measure.run(spec, store, where, workload, retry)
            if summary.why == INTERRUPTED:
                yield Result(summary=summary)
                return
            yield _elsewhere(summary, spec) if where.inline else _judged(summary, spec, kept, warm, tracking_uri)


def _check_conditions(specs: Sequence[Spec], workloads: Sequence[Workload]) -> None:
    """Refuse SQL that names what is not there; an inline run, which imports no DuckDB, leaves that to its report."""
    from orchestrator.claims import early

    for spec, workload in zip(specs, workloads, strict=True):
        early.check(spec, workload)


def _judged(summary: Summary, spec: Spec, store: Store, warm: threading.Thread | None, uri: str | None) -> Result:
    """Verdicts and report from the store's rows, then the mirror with both; a missing server is a warning."""
    from orchestrator import claims, report, track

    verdicts = claims.judge(spec, store)
    written = report.write(spec, store, verdicts)
    warnings: list[str] = []
    if warm is not None:
        warm.join()
        try:
            track.mirror(store, spec.name, spec.size, uri)
        except track.TrackError as error:
            warnings.append(f"MLflow was not updated: {error} 'lawsweep sync' makes up for it.")
    return Result(
        summary=summary,
        verdicts=tuple(verdict.record() for verdict in verdicts),
        report=report.paths(written),
        warnings=tuple(warnings),
    )


def _warm(store: Store, uri: str | None) -> threading.Thread:
    """Import MLflow and make its database while Ray starts: both wait more than they compute."""
    from orchestrator import track

    def prepare() -> None:
        with suppress(track.TrackError):  # the mirror says so at the end, when it still matters
            track.prepare(store, uri)

    thread = threading.Thread(target=prepare, name="lawsweep-mlflow", daemon=True)
    thread.start()
    return thread


def _elsewhere(summary: Summary, spec: Spec) -> Result:
    """Verdicts and report by a process of their own: an inline run imports nothing but what its workload needs."""
    reference = str(spec.path) if spec.path else spec.name
    command = [sys.executable, "-m", "orchestrator.cli", "report", reference, "--store", str(summary.store), "--json"]
    command += ["--size", spec.size] if spec.size else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return Result(summary=summary, warnings=(done.stderr.strip() or "no report could be written",))
    found = json.loads(done.stdout)
    return Result(summary=summary, verdicts=tuple(found["verdicts"]), report=found["report"])
