"""Lets a workload's file import what lies beside it, as `python file.py` does, and keeps two such folders apart."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator import shipped


@dataclass
class _Entered:
    """The folder whose modules are found first, what it brought into sys.modules, and what waits of other folders."""

    folder: str = ""
    added: bool = False  # whether the folder was put on sys.path for it
    before: frozenset[str] = frozenset()  # modules that were there before the folder's own were imported
    waiting: dict[str, dict[str, types.ModuleType]] = field(default_factory=dict)


_NOW = _Entered()


def enter(folder: Path | None) -> None:
    """Find modules of this folder first, and none that another workload's folder has brought; None is no folder."""
    name = str(folder) if folder is not None else ""
    if name == _NOW.folder:
        return
    _leave()
    if not name:
        return
    _NOW.folder, _NOW.added = name, name not in sys.path
    if _NOW.added:
        sys.path.insert(0, name)
    # A package of the user's own that is called as one of ours hides it while the user's workload is at work.
    hidden = (
        {package for package in shipped.PACKAGES if (Path(name) / package).exists()} if Path(name) != shipped.ROOT else set()
    )
    for other in [other for other in sys.modules if other.split(".")[0] in hidden]:
        _NOW.waiting.setdefault("", {})[other] = sys.modules.pop(other)
    _NOW.before = frozenset(sys.modules)
    sys.modules.update(_NOW.waiting.pop(name, {}))


def _leave() -> None:
    """Take out of sys.modules and sys.path what the folder that was entered has brought; it comes back with the folder."""
    if not _NOW.folder:
        return
    brought = {name: module for name, module in list(sys.modules.items()) if _brought(name)}
    for name in brought:
        del sys.modules[name]
    _NOW.waiting[_NOW.folder] = brought
    if _NOW.added and _NOW.folder in sys.path:
        sys.path.remove(_NOW.folder)
    sys.modules.update(_NOW.waiting.pop("", {}))
    _NOW.folder = ""


def _brought(name: str) -> bool:
    """Whether a module was imported since the folder was entered, and from it."""
    top = name.split(".")[0]
    if name in _NOW.before or top in _NOW.before:
        return False
    file = getattr(sys.modules.get(top), "__file__", None)
    paths = [Path(str(file))] if file else [Path(path) / "_" for path in getattr(sys.modules.get(top), "__path__", ())]
    return any(str(path.parent) == _NOW.folder or str(path.parent.parent) == _NOW.folder for path in paths)
