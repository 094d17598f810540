"""Checks what a run needs of this machine, and says what to do where it is missing."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

NEEDED = ("ray", "torch", "mlflow", "pyarrow", "polars", "duckdb", "altair", "vl-convert-python")
ROOM = 1 << 30  # bytes that a store and Ray's object store should find free


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what was found, whether it is good, and what to do if not."""

    check: str
    found: str
    good: str
    do: str = ""


def checks(store: str | Path) -> list[Check]:
    """Everything that is looked at, in order."""
    return [
        _check("Python", sys.version.split()[0], sys.version_info >= (3, 11), "install Python 3.11 or newer"),
        *(_package(name) for name in NEEDED),
        _check("processors", str(os.cpu_count()), True),
        _room("shared memory", Path("/dev/shm"), "make it larger, or Ray moves its object store to disk"),
        _room("disk of the store", _there(Path(store)), "free some room, or choose another --store"),
        _check("store", str(store), os.access(_there(Path(store)), os.W_OK), "choose a --store that you may write"),
    ]


def _check(name: str, result: str, good: bool, do: str = "") -> Check:
    return Check(name, result, "yes" if good else "NO", "" if good else do)


def _package(name: str) -> Check:
    try:
        return _check(name, version(name), True)
    except PackageNotFoundError:
        return _check(name, "not installed", False, f"pip install {name}")


def _room(name: str, path: Path, do: str) -> Check:
    if not path.exists():
        return _check(name, "none", True)
    free = shutil.disk_usage(path).free
    return _check(name, f"{free / (1 << 30):.1f} GiB free", free > ROOM, do)


def _there(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    path = path.resolve()
    return path if path.exists() else _there(path.parent)
