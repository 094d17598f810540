"""Sweeps that test theorems, from Python: `run` a spec, `open` a store. Nothing heavy is imported before it is used."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lawsweep.opened import Opened as Opened
    from lawsweep.opened import open as open
    from lawsweep.reporting import report as report
    from orchestrator.cli import main as main
    from orchestrator.errors import SweepError as SweepError
    from orchestrator.sweep import Result as Result
    from orchestrator.sweep import run as run

__all__ = ["Opened", "Result", "SweepError", "main", "open", "report", "run"]
_PLACES = {
    "run": "orchestrator.sweep",
    "Result": "orchestrator.sweep",
    "open": "lawsweep.opened",
    "Opened": "lawsweep.opened",
    "report": "lawsweep.reporting",
    "SweepError": "orchestrator.errors",
    "main": "orchestrator.cli",
}


def _engine() -> None:
    """Import the engine that lies beside this package, also in a folder that has one of its name."""
    place = Path(__file__).resolve().parents[1] / "orchestrator"
    if "orchestrator" in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(
        "orchestrator", place / "__init__.py", submodule_search_locations=[str(place)]
    )  # fmt: skip
    assert spec is not None and spec.loader is not None
    sys.modules["orchestrator"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["orchestrator"])


def __getattr__(name: str) -> Any:
    """The public names, imported at their first use."""
    if name not in _PLACES:
        raise AttributeError(f"lawsweep has no '{name}'; it has {', '.join(__all__)}.")
    _engine()
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
