"""Finds the module of a workload: by its name, by the path of its file, or as an entry point."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from orchestrator import shipped as beside_engine
from orchestrator.errors import WorkloadError, nearest
from orchestrator.workload import beside

# The package of `workloads` that papers share: it measures nothing.
SHARED = "shared"
OURS = "workloads"
# What a user's module may raise while it is imported.
FAULTS = (
    ImportError,
    SyntaxError,
    NameError,
    AttributeError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    OSError,
    RuntimeError,
    AssertionError,
    SystemExit,
)


def shipped() -> tuple[str, ...]:
    """Names of all workloads in the package `workloads` and of group `lawsweep.workloads`, sorted, none imported."""
    folder = str(beside_engine.folder(OURS))
    names = [f"{paper}.{measurement}" for paper, measurement in _measurements([folder])]
    return tuple(sorted({*names, *_entry_points()}))


def _measurements(path: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(paper, measurement): each package beside `shared` is a paper, and each public module directly in it measures; packages
    in a paper, as its `maths`, do not."""
    for paper in pkgutil.iter_modules(path):
        if paper.ispkg and paper.name != SHARED:
            inside = [str(Path(folder) / paper.name) for folder in path]
            for module in pkgutil.iter_modules(inside):
                if not module.ispkg and not module.name.startswith("_"):
                    yield paper.name, module.name


def _entry_points() -> dict[str, Any]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group="lawsweep.workloads")}


def by_name(name: str) -> types.ModuleType:
    """The module of a shipped workload, of a module that can be imported, or of an entry point."""
    beside.enter(None)
    if _shipped_exists(name):
        return _imported(f"{OURS}.{name}", name)
    if _exists(name):
        return _imported(name, name)
    point = _entry_points().get(name)
    if point is not None:
        return _imported(point.value, name)
    raise WorkloadError(
        f"workload '{name}' must be a shipped workload, an importable module, a .py path or an entry point, but nothing "
        f"of that name is here{nearest(name, shipped())} Shipped: {', '.join(shipped())}."
    )


def _shipped_exists(name: str) -> bool:
    """Whether a module of that name lies among the shipped workloads."""
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        return False
    path = beside_engine.folder(OURS).joinpath(*parts)
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def _exists(module: str) -> bool:
    """Whether an import of the module would find a file, parents imported on the way; their own faults are told."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError as error:
        if error.name is None or module.startswith(error.name):
            return False
        raise WorkloadError(f"workload '{module}': its package must import, but {error}; install what is missing.") from error
    except (ImportError, ValueError):  # no name of a module: '..', an empty part
        return False


def _imported(module: str, name: str) -> types.ModuleType:
    try:
        return beside_engine.module(module) if module.startswith(f"{OURS}.") else importlib.import_module(module)
    except FAULTS as error:
        raise WorkloadError(
            f"workload '{name}': its module must import, but {error_text(error)}; mend or install it."
        ) from error


def by_path(reference: str, folder: Path | None) -> tuple[types.ModuleType, Path]:
    """The module of a file, and the folder from which it imports what is its own: as for `python file.py`.

    A file of a package belongs to the package: its relative imports work, and the folder is the one that holds the package.
    """
    path = ((folder or Path.cwd()) / reference).resolve()
    if not path.is_file():
        raise WorkloadError(
            f"workload '{reference}' must be a file, but {path} is none; the path counts from the sweep's folder."
        )
    parts, top = [path.stem], path.parent
    while (top / "__init__.py").is_file():
        parts, top = [top.name, *parts], top.parent
    beside.enter(None)
    name = _free_name(parts, top)
    beside.enter(top)
    try:
        if "." in name:
            importlib.import_module(name.rpartition(".")[0])
        return _executed(name, path), top
    except FAULTS as error:
        raise WorkloadError(
            f"workload '{reference}': its file must import, but {error_text(error)}; mend {path.name}."
        ) from error


def _free_name(parts: Sequence[str], top: Path) -> str:
    """The name by which the file is imported, so that processes it starts can import it too; another where that is taken."""
    name, first = ".".join(parts), parts[0]
    unusable = first in sys.stdlib_module_names or not all(part.isidentifier() for part in parts)
    spec = None if unusable or first in beside_engine.PACKAGES else importlib.util.find_spec(first)
    elsewhere = spec is not None and not str(spec.origin).startswith((str(top / first) + ".", str(top / first) + "/"))
    return f"lawsweep_user_{table_name(parts[-1])}" if unusable or elsewhere else name


def _executed(name: str, path: Path) -> types.ModuleType:
    """The file's module, read anew: a file that was mended since is not the one that was imported before."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Params and Result are dataclasses with string annotations: resolving those needs the module under its name.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def table_name(name: str) -> str:
    """A workload's name as an SQL identifier."""
    return "".join(c if c.isalnum() else "_" for c in name)


def error_text(error: BaseException) -> str:
    """The error's text, with its kind where that says more."""
    return str(error) if isinstance(error, (ImportError, SyntaxError)) else f"{type(error).__name__}: {error}"
