"""Finds the code that a worker on another machine needs: the engine, the workloads and the user's own."""

from __future__ import annotations

import sys
import types
from pathlib import Path

from orchestrator.workload.describe import Workload


def import_path(workload: Workload) -> tuple[str, ...]:
    """Entries of sys.path that a worker needs to import the workload; none for what is shipped."""
    return () if workload.module.__name__.startswith("workloads.") else tuple(entry or str(Path.cwd()) for entry in sys.path)


def code(workload: Workload) -> tuple[str, ...]:
    """Folders and files that a node with only the dependencies needs: the engine, the workloads, and the user's own."""
    import workloads

    shipped = [str(Path(__file__).parents[1]), str(Path(next(iter(workloads.__path__))))]
    own = workload.module
    if own.__name__.startswith("workloads.") or not getattr(own, "__file__", None):
        return tuple(shipped)
    return (*shipped, str(_top(own)))


def _top(module: types.ModuleType) -> Path:
    """The folder of a module's outermost package, or the module's own file."""
    top = sys.modules[module.__name__.split(".")[0]]
    return Path(next(iter(top.__path__))) if hasattr(top, "__path__") else Path(str(top.__file__))
