"""Tells of which files a run is: keeps their texts, and refuses those that another file's rows or plan would be taken for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.errors import StoreError
from orchestrator.spec import Spec
from orchestrator.store import Store, kept_texts
from orchestrator.workload.describe import Reference
from orchestrator.workload.own_files import OwnFiles, own_files


@dataclass(frozen=True, kw_only=True)
class Origins:
    """The files of one run: its spec, and the workload's own, None where it has none."""

    spec: Spec
    workload: str
    version: int
    own: OwnFiles | None

    def run_record(self, store: Store) -> dict[str, Any]:
        """What the record of a run says of its code."""
        about: dict[str, Any] = {"workload": self.workload, "version": self.version}
        if self.own is not None:
            about |= {"code": self.own.code, "code_file": _relative(self.own.root / self.own.file, store)}
        return about

    def plan_record(self, store: Store) -> dict[str, Any]:
        """The same for the record of a plan, with the name under which the spec's text is kept."""
        about = self.run_record(store)
        del about["workload"], about["version"]
        if self.own is not None:
            about["module"] = self.own.file
        if self.spec.path is not None:
            about["spec_file"] = _relative(self.spec.path.resolve(), store)
        if self.spec.text:
            about["spec_text"] = kept_texts.keep_spec(store, self.spec.text)
        return about

    def keep(self, store: Store) -> None:
        """Keep the texts of the workload."""
        if self.own is not None:
            kept_texts.keep_code(store, self.own)

    def check(self, store: Store) -> None:
        """Raise StoreError where rows of another file's workload, or another file's sweep, bear the same name in the store."""
        mine = self.spec.path
        if self.own is not None and self.spec.workload.endswith(".py"):
            path = self.own.root / self.own.file
            _refuse(store, f"workload '{self.workload}'", path, _other_codes(store, self.workload, self.own, path))
        if mine is not None and not _shipped(mine):
            plans = (store.path / str(r["spec_file"]) for r in store.plans(self.spec.name) if r.get("spec_file"))
            others = (p for p in plans if _is_other(p, mine) and p.read_text(errors="replace") != self.spec.text)
            _refuse(store, f"sweep '{self.spec.name}'", mine, others)


def apart(each: Sequence[Origins]) -> None:
    """Raise StoreError where two sweeps of one command are of different files of one name, or their workloads are."""
    codes: dict[str, Origins] = {}
    sweeps: dict[str, Origins] = {}
    for mine in each:
        code, sweep = codes.setdefault(mine.workload, mine), sweeps.setdefault(mine.spec.name, mine)
        if mine.own and code.own and mine.own.code != code.own.code:
            raise _clash(f"workload '{mine.workload}'", mine.own.root / mine.own.file, code.own.root / code.own.file)
        if mine.spec.text != sweep.spec.text:
            raise _clash(f"sweep '{mine.spec.name}'", Path(mine.spec.path or "none"), Path(sweep.spec.path or "none"))


def origins(spec: Spec, name: str, version: int, reference: Reference, folder: Path) -> Origins:
    """The files of a run of the workload of that name and VERSION."""
    return Origins(spec=spec, workload=name, version=version, own=own_files(reference, folder))


def _refuse(store: Store, what: str, mine: Path, others: Iterator[Path]) -> None:
    other = next(others, None)
    if other is not None:
        raise _clash(f"store {store.path}: {what}", mine, other)


def _clash(what: str, mine: Path, other: Path) -> StoreError:
    return StoreError(
        f"{what} must be one file, but {other.resolve()} bears that name too, and {mine.resolve()} differs from it; "
        "rename one, or choose another '--store'."
    )


def _other_codes(store: Store, workload: str, own: OwnFiles, mine: Path) -> Iterator[Path]:
    """Files of another place and another text that rows under the name of this workload were measured by."""
    runs = (run for run in store.runs() if run.get("workload") == workload and run.get("code_file"))
    paths = [store.path / str(run["code_file"]) for run in runs]
    inside = kept_texts.is_inside(store, mine)
    for path in () if inside else dict.fromkeys(paths):
        if _is_other(path, mine) and not kept_texts.is_inside(store, path):
            other = own_files(str(path.resolve()))
            if other is not None and other.code != own.code:
                yield path


def _is_other(path: Path, mine: Path) -> bool:
    return path.is_file() and not path.samefile(mine)


def _shipped(path: Path) -> bool:
    """Whether a sweep file comes with a package: each installation has its own."""
    return (path.parent / "__init__.py").is_file()


def _relative(path: Path, store: Store) -> str:
    """The path as the store notes it: from its own folder, as all paths in it."""
    return os.path.relpath(path, store.path.resolve())
