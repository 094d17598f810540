"""Tells where the code that runs comes from: commit, whether it was changed since, host and versions."""

from __future__ import annotations

import platform
import socket
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("lawsweep", "ray", "torch", "mlflow", "pyarrow", "numpy")


@dataclass(frozen=True)
class Origin:
    """The git commit of a module's folder, 'none' outside of git, and whether tracked files differ from it."""

    commit: str
    dirty: bool


def origin(file: str | None) -> Origin:
    """Where the code in that file comes from."""
    folder = Path(file).resolve().parent if file else Path.cwd()
    commit = _git(folder, "rev-parse", "HEAD")
    return Origin(commit or "none", bool(commit and _git(folder, "status", "--porcelain", "--untracked-files=no")))


def _git(folder: Path, *words: str) -> str:
    """What git says, an empty string where it is missing or knows nothing of the folder."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def surroundings() -> dict[str, Any]:
    """Host, Python and versions of the packages that results may depend on."""
    return {
        "host": socket.gethostname(),
        "machine": platform.machine(),
        "python": sys.version.split()[0],
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
