"""Finds the kinds that stand in a folder: a kind is a module there, and adding one edits no list."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from types import ModuleType


@cache
def names_in(package: str) -> tuple[str, ...]:
    """Names of the modules directly in a package, sorted; none is imported."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(import_module(package).__path__)))


def module_of(package: str, kind: str) -> ModuleType:
    """The module of one kind, imported when it is asked for."""
    return import_module(f"{package}.{kind}")
