"""Finds the packages that come with the engine by their place beside it, whatever else on the path has their names."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The folder that holds the engine, and beside it what comes with it."""
PACKAGES = ("workloads", "sweeps", "dashboards")


def folder(package: str) -> Path:
    """Where a package that comes with the engine lies: beside it, or on a cluster's node, where Ray unpacks each for itself, on
    the path.
    """
    beside = ROOT / package
    if beside.is_dir():
        return beside
    spec = importlib.util.find_spec(package)
    return Path(spec.submodule_search_locations[0]) if spec is not None and spec.submodule_search_locations else beside


def command(name: str) -> list[str]:
    """The words that run a module of the engine as a program, found by its place and not in the folder where it is run."""
    run = f"runpy.run_module({name!r}, run_name='__main__', alter_sys=True)"
    start = f"import runpy, sys; sys.path.insert(0, {str(ROOT)!r}); {run}"
    return [sys.executable, "-P", "-c", start]


def ours(module: types.ModuleType) -> bool:
    """Whether the module lies in a package that comes with the engine."""
    file = getattr(module, "__file__", None)
    return bool(file) and any(Path(str(file)).resolve().is_relative_to(folder(name)) for name in PACKAGES)


def module(name: str) -> types.ModuleType:
    """The module `package.module` of a package that comes with the engine; another package of its name is set aside."""
    package = name.split(".")[0]
    present = sys.modules.get(package)
    if present is None or not ours(present):
        for other in [other for other in sys.modules if other.split(".")[0] == package]:
            del sys.modules[other]
        package_folder = folder(package)
        spec = importlib.util.spec_from_file_location(
            package, package_folder / "__init__.py", submodule_search_locations=[str(package_folder)]
        )  # fmt: skip
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(f"no package '{package}' lies beside the engine in {ROOT}", name=package)
        sys.modules[package] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[package])
    return importlib.import_module(name)
