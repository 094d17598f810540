"""Tells of rows whose workload has other code now under the same VERSION, and notes where that is said to be no matter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.errors import WorkloadError
from orchestrator.spec import Spec
from orchestrator.store import Store
from orchestrator.store.store import BASE
from orchestrator.workload.own_files import OwnFiles, own_files

SAME = "same_code"
"""The folder of what was said to be the same code, a file for each workload."""


@dataclass(frozen=True, kw_only=True)
class CodeChange:
    """How many of a sweep's points were measured by other code than the workload has now, under the same VERSION."""

    sweep: str
    workload: str
    version: int
    points: int

    @property
    def sentence(self) -> str:
        """What there is to know of it, and to do."""
        return (
            f"The code has changed since {self.points:,} of these rows were measured, VERSION is still {self.version}: "
            f"raise VERSION in workload '{self.workload}' to measure them again, give --same-code once if results are the "
            f"same, or let `lawsweep audit` tell."
        )


def code_change(
    store: Store, record: Mapping[str, Any], generations: Mapping[int, int], spec: Spec | None = None
) -> CodeChange | None:
    """What changed since the points of a plan were measured, so many by each generation; None where nothing is known to have.

    The workload is that of the spec, where one is given that was read from a file, else the one that the plan was run with.
    """
    own = code_now(store, record, spec)
    if own is None or own.version not in (None, record.get("version")):
        return None
    good = _same(store, record, own.code)
    other = {run["generation"] for run in store.runs() if run.get("code") and run["code"] not in good}
    audited = _audited_until(store, record, own.code)
    other -= {run["generation"] for run in store.runs() if _since(run) <= audited}
    points = sum(number for generation, number in generations.items() if generation in other)
    if not points:
        return None
    return CodeChange(
        sweep=str(record["sweep"]),
        workload=str(record["workload"]),
        version=int(record["version"]),
        points=points,
    )


def code_now(store: Store, record: Mapping[str, Any], spec: Spec | None = None) -> OwnFiles | None:
    """The files of a plan's workload as they are now; None where they are not found."""
    name = str(record.get("workload"))
    named_file = spec.workload if spec is not None else str((record.get("spec") or {}).get("workload", ""))
    reference: tuple[str, Path | None] = (name, None)
    if spec is not None and spec.path is not None and name in (named_file, Path(named_file).stem):
        reference = named_file, spec.path.resolve().parent
    elif named_file != name and record.get("code_file"):
        reference = str((store.path / str(record["code_file"])).resolve()), None
    try:
        return own_files(*reference)
    except (WorkloadError, OSError):
        return None


def accept(store: Store, record: Mapping[str, Any], spec: Spec | None = None) -> None:
    """Note that all code that a workload's rows of this VERSION were measured by gives the same as the code it has now."""
    own = code_now(store, record, spec)
    if own is not None:
        book = store.load(SAME, str(record["workload"])) or {}
        groups = [*book.get(str(record["version"]), []), sorted({own.code, *_codes(store, record)})]
        store.save(SAME, str(record["workload"]), {**book, str(record["version"]): groups})


def _codes(store: Store, record: Mapping[str, Any]) -> Iterator[str]:
    """The codes by which rows of the plan's workload and VERSION were measured."""
    for run in store.runs():
        if run.get("code") and (run.get("workload"), run.get("version")) == (record["workload"], record["version"]):
            yield str(run["code"])


def _same(store: Store, record: Mapping[str, Any], code: str) -> set[str]:
    """The codes that were said to give the same as this one, itself too."""
    same = {code}
    for group in (store.load(SAME, str(record["workload"])) or {}).get(str(record["version"]), []):
        same |= set(group) if code in group else set()
    return same


def _since(run: Mapping[str, Any]) -> str:
    """Since when the rows of a run lie in the store: an audit knows of no row that was merged in after it."""
    origin = run.get("merged")
    return str(origin["when"] if isinstance(origin, dict) else run.get("started", ""))


def _audited_until(store: Store, record: Mapping[str, Any], code: str) -> str:
    """When an audit of the sweep at this size, by this code, found no difference; nothing where none did."""
    audit = store.load("audits", str(record["sweep"])) or {}
    good = audit.get("code") == code and audit.get("size") == (record.get("size") or BASE) and not audit.get("mismatches")
    return str(audit.get("when", "")) if good else ""
