"""Finds the code that a worker on another machine needs: the engine, the workloads and the user's own."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import sys
import tempfile
import types
from collections.abc import Iterator
from pathlib import Path

from orchestrator import shipped
from orchestrator.errors import SweepError
from orchestrator.workload.describe import Workload

LARGEST = 100_000_000  # bytes beside a workload's file that travel to the nodes of a cluster
STAY = frozenset({"__pycache__", "node_modules"})
MARKS = ("store.json", "pyvenv.cfg")  # a folder that holds one of these is a store or an environment, no code


def import_path(workload: Workload) -> tuple[str, ...]:
    """Entries of sys.path that a worker needs to import the workload; none for what is shipped."""
    return () if workload.module.__name__.startswith("workloads.") else tuple(entry or str(Path.cwd()) for entry in sys.path)


def code(workload: Workload) -> tuple[str, ...]:
    """Folders that a node with only the dependencies needs: the engine, the workloads, and the user's own."""
    engine = (str(Path(__file__).parents[1]), str(shipped.folder("workloads")))
    own = workload.module
    if workload.folder is not None:
        return (*engine, str(parcel(workload.folder)))
    if own.__name__.startswith("workloads.") or not getattr(own, "__file__", None):
        return engine
    return (*engine, str(_top(own)))


def reference(workload: Workload, typed_reference: str) -> tuple[str, str]:
    """What a worker on another machine loads, and from which folder: the file as it lies in the parcel that came along."""
    if workload.folder is None:
        return typed_reference, ""
    file = Path(str(workload.module.__file__)).resolve().relative_to(workload.folder)
    _, colon, function = typed_reference.rpartition(".py")[2].partition(":")
    return f"{file}{colon}{function}", parcel(workload.folder).name


def parcel(folder: Path) -> Path:
    """A copy of what lies in the folder of a workload's file, to be sent; its name is the hash of what is inside."""
    files = sorted(_files(folder))
    size = sum(file.stat().st_size for file in files)
    if size > LARGEST:
        raise SweepError(
            f"--address: what lies beside a workload travels with it, at most {LARGEST / 1e6:.0f} MB, but {folder} holds "
            f"{size / 1e6:,.0f} MB; put the workload and its data into a folder of their own."
        )
    digest = hashlib.blake2b(digest_size=8)
    for file in files:
        digest.update(f"{file.relative_to(folder)}\n".encode() + file.read_bytes())
    parcel_folder = Path(tempfile.gettempdir()) / f"lawsweep-{os.getpid()}" / f"lawsweep_code_{digest.hexdigest()}"
    if not parcel_folder.exists():
        atexit.register(shutil.rmtree, parcel_folder.parent, ignore_errors=True)
        for file in files:
            target = parcel_folder / file.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    return parcel_folder


def _files(folder: Path) -> Iterator[Path]:
    for entry in os.scandir(folder):
        path = Path(entry.path)
        if entry.name.startswith(".") or entry.name in STAY:
            continue
        if entry.is_file():
            yield path
        elif entry.is_dir(follow_symlinks=False) and not any((path / mark).exists() for mark in MARKS):
            yield from _files(path)


def _top(module: types.ModuleType) -> Path:
    """The folder of a module's outermost package, or the module's own file."""
    top = sys.modules[module.__name__.split(".")[0]]
    return Path(next(iter(top.__path__))) if hasattr(top, "__path__") else Path(str(top.__file__))
