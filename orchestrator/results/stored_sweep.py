"""Finds the spec of a sweep that a store has run: by its file, or by its name from the store itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.errors import SpecError
from orchestrator.spec import Spec, parse, read
from orchestrator.store import Store, open_store


def open_sweep(reference: str, size: str | None, store: str | Path) -> tuple[Spec, Store]:
    """The spec and the store it was run in, at the size asked for, else at the size of the latest run.

    Raises SpecError where neither a file nor the store knows the sweep, StoreError where it was never run there.
    """
    kept = open_store(store)
    name = Path(reference).stem if reference.endswith((".yaml", ".yml")) else reference
    size = size or _latest_size(kept, name)
    try:
        return read(reference, size=size), kept
    except SpecError:
        if reference != name or not any(plan["sweep"] == name for plan in kept.plans()):
            raise
    found = parse(json.dumps(kept.latest(name, size)["spec"]), name)
    return found.model_copy(update={"size": size}), kept


def _latest_size(store: Store, name: str) -> str | None:
    """The size that was run last; None for the base, and for a sweep that the store does not know."""
    from orchestrator.store.store import BASE

    if not any(plan["sweep"] == name for plan in store.plans()):
        return None
    size = store.latest(name)["size"]
    return None if size == BASE else str(size)


def spec_of(record: Mapping[str, Any]) -> Spec:
    """The spec that a plan was saved with; one without claims and figures where an older version wrote it."""
    said = record.get("spec") or {}
    try:
        return parse(json.dumps(said), str(record["sweep"]))
    except SpecError:
        least = {"question": str(record.get("question") or "none"), "workload": str(record["workload"]), "axes": {"any": [0]}}
        return parse(json.dumps(least), "sweep")
