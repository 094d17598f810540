"""Sweeps that test theorems, from Python: `run` a spec, `open` a store. Nothing heavy is imported before it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.results.query import Results as Results
    from orchestrator.results.query import results as open
    from orchestrator.sweep import Result as Result
    from orchestrator.sweep import run as run

__all__ = ["Result", "Results", "open", "run"]
_PLACES = {
    "run": ("orchestrator.sweep", "run"),
    "Result": ("orchestrator.sweep", "Result"),
    "open": ("orchestrator.results.query", "results"),
    "Results": ("orchestrator.results.query", "Results"),
}


def __getattr__(name: str) -> Any:
    """The public names, imported at their first use."""
    if name not in _PLACES:
        raise AttributeError(f"orchestrator has no '{name}'; it has {', '.join(__all__)}.")
    import importlib

    module, attribute = _PLACES[name]
    return getattr(importlib.import_module(module), attribute)
