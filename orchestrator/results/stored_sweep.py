"""Turns a name or a file into the sweep as a store holds it: one object, each file of which is read once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from orchestrator.errors import SpecError, WorkloadError
from orchestrator.results import frames, sweep_rows
from orchestrator.results.described import Described, fields_of, with_notes
from orchestrator.results.sources import code_changes
from orchestrator.spec import Spec, parse, read
from orchestrator.spec.parsing import speaking
from orchestrator.store import Store, open_store, row_format
from orchestrator.store.store import BASE
from orchestrator.workload.describe import load


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredSweep:
    """One sweep at one size as a store holds it; whatever is asked of it is read when it is asked first, and then kept.

    `record` is that of its plan. `file_spec` is the spec where it was read already; else the one saved with the plan is meant.
    """

    store: Store
    record: Mapping[str, Any]
    file_spec: Spec | None = None

    @property
    def name(self) -> str:
        """The sweep's name."""
        return str(self.record["sweep"])

    @property
    def size(self) -> str:
        """The size, `base` where the file names none."""
        return str(self.record["size"])

    @cached_property
    def spec(self) -> Spec:
        """The spec of the file, else the one that the plan was saved with."""
        return self.file_spec or saved_spec(self.record)

    @cached_property
    def plan(self) -> pa.Table:
        """The plan without its params, `arm, point, seed`; ids are numbers, here and in the rows."""
        return self.store.planned(self.record, sweep_rows.PLAIN)

    @cached_property
    def measured(self) -> pl.DataFrame:
        """The rows of the plan's points that count, in order of arm, point and step."""
        return frames.judged(self.store, self.record, self.plan)

    @cached_property
    def rows(self) -> pl.DataFrame:
        """The measured rows, and a row of status `absent` for each planned point without one."""
        if self.measured["final"].sum() >= self.plan.num_rows:
            return self.measured
        return sweep_rows.completed(self.spec, self.measured, self.store.planned(self.record))

    @cached_property
    def fields(self) -> dict[str, Described]:
        """What the params and results are, by the names of their columns."""
        columns = fields_of(self.store, str(self.record["workload"]))
        if self.spec.seeds.max > 1 or not columns:  # only what one seed can say rests on notes that a row may be too old for
            return columns
        try:
            return with_notes(columns, load(self.spec.workload, self.spec.path.parent if self.spec.path else None))
        except WorkloadError:
            return columns

    @cached_property
    def verdicts_of_sizes(self) -> tuple[dict[str, Any], ...]:
        """The verdicts on its claims at all sizes, as they were saved last."""
        return self.store.verdicts(self.name)

    @property
    def verdicts(self) -> tuple[dict[str, Any], ...]:
        """The verdicts at this size; one that names none is of each, as older versions judged one size alone."""
        return tuple(verdict for verdict in self.verdicts_of_sizes if verdict.get("size", self.size) == self.size)

    @cached_property
    def boundaries(self) -> pl.DataFrame | None:
        """What its search found, a row a curve; None where it has found nothing yet."""
        return frames.boundaries(self.store, self.record)

    @cached_property
    def fronts(self) -> pl.DataFrame | None:
        """The fronts that its search found, a row a point that no other beats; None where it found none."""
        return frames.fronts(self.store, self.record)

    @cached_property
    def audit(self) -> dict[str, Any] | None:
        """What came of measuring a sample once more; None where that was not done at this size."""
        saved = self.store.load("audits", self.name)
        return saved if saved and saved.get("size", self.size) == self.size else None

    @property
    def checks(self) -> tuple[dict[str, Any], ...]:
        """What came of its checks at this size, as it was saved last."""
        return tuple(check for check in self.store.load("checks", self.name) or () if check["size"] == self.size)

    @cached_property
    def code_change(self) -> str:
        """What there is to say where the workload's code has changed since points were measured; nothing where it has not."""
        final = self.measured.filter("final").unique("point") if self.measured.height else self.measured
        generations = dict(final["generation"].value_counts().iter_rows())
        change = code_changes.code_change(self.store, self.record, generations, self.file_spec)
        return change.sentence if change else ""

    def accept_code(self) -> None:
        """Note that the workload's code as it is now gives the same as that by which its rows were measured."""
        code_changes.accept(self.store, self.record, self.file_spec)

    def save_verdicts(self, verdicts: Iterable[Mapping[str, Any]]) -> None:
        """Save the verdicts beside those of other sizes, which are read now: they may have been judged meanwhile."""
        self._save("verdicts", self.store.verdicts(self.name), verdicts)

    def save_checks(self, checks: Iterable[Mapping[str, Any]]) -> None:
        """Save what came of the checks beside that of other sizes; nothing is written where there never was a check."""
        saved, records = self.store.load("checks", self.name), list(checks)
        if saved is not None or records:
            self._save("checks", saved or (), records)

    def _save(self, kind: str, saved: Iterable[Mapping[str, Any]], records: Iterable[Mapping[str, Any]]) -> None:
        of_other_sizes = [record for record in saved if record.get("size", self.size) != self.size]
        self.store.save(kind, self.name, [*of_other_sizes, *records])

    def neighbour(self, name: str) -> StoredSweep | None:
        """Another sweep of the store, at this one's size where it has that, else at that of its latest run."""
        records = {str(record["size"]): record for record in self.store.plans(name)}
        if not records:
            return None
        record = records.get(self.size) or records[next(reversed(records))]
        return of_record(self.store, record)


def in_store(spec: Spec, store: Store) -> StoredSweep:
    """The sweep of that spec, at its size, as the store holds it; StoreError where it was never run there."""
    return StoredSweep(store=store, record=store.latest(spec.name, spec.size or BASE), file_spec=spec)


def of_record(store: Store, record: Mapping[str, Any]) -> StoredSweep:
    """The sweep of a plan, to be judged by the spec saved with it; SpecError where that cannot be read any more."""
    return StoredSweep(store=store, record=record, file_spec=_parsed(record) if record.get("spec") else None)


def open_sweep(reference: str, size: str | None, store: str | Path) -> StoredSweep:
    """The sweep that a file, or a name, means in a store, at the size asked for, else at the size of the latest run.

    Raises SpecError where neither a file nor the store knows the sweep, StoreError where it was never run there.
    """
    opened = open_store(store)
    name = Path(reference).stem if reference.endswith((".yaml", ".yml")) else reference
    records = {str(record["size"]): record for record in opened.plans(name)}
    latest = next(reversed(records), BASE)
    size = size or (None if latest == BASE else latest)
    spec: Spec | None = None
    try:
        spec = read(reference, size=size)
    except SpecError:
        if reference != name or not records:
            raise
    record = records.get(size or BASE) or opened.latest(name, size or BASE)  # the latter says what sizes there are
    workload = str(record["workload"])
    claimed = row_format.claimed(opened.schema(workload)) if workload in opened.workloads() else {}
    return StoredSweep(store=opened, record=record, file_spec=speaking(spec, claimed) if spec else _parsed(record))


def saved_spec(record: Mapping[str, Any]) -> Spec:
    """The spec that a plan was saved with, at the plan's size; without claims and figures where it cannot be read any more."""
    try:
        return _parsed(record)
    except SpecError:
        least = {"question": str(record.get("question") or "none"), "workload": str(record["workload"]), "axes": {"any": [0]}}
        return _sized(parse(json.dumps(least), "sweep"), record)


def _parsed(record: Mapping[str, Any]) -> Spec:
    """The spec that a plan was saved with, at the plan's size; SpecError where it cannot be read any more."""
    return _sized(parse(json.dumps(record.get("spec") or {}), str(record["sweep"])), record)


def _sized(spec: Spec, record: Mapping[str, Any]) -> Spec:
    return spec.model_copy(update={"size": None if record.get("size") in (None, BASE) else record["size"]})
