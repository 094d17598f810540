"""Turns the name of a sweep into its spec, by a store's kept texts where no file of that name is here."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.errors import SpecError
from orchestrator.spec import Spec, parse, read
from orchestrator.spec.parsing import find
from orchestrator.store import Store, kept_texts, open_store
from orchestrator.store.store import BASE, MARK
from orchestrator.workload.describe import FILE


def spec_of(reference: str, size: str | None, store: str | Path) -> Spec:
    """The spec of a file or of a shipped sweep; else of the sweep of that name in the store, with the workload kept there.

    Raises SpecError where neither is found.
    """
    try:
        find(reference)
    except SpecError:
        by_name = _in_store(reference, size, Path(store).expanduser())
        if by_name is None:
            raise
        return by_name
    return read(reference, size=size)


def original(store: Store, record: Mapping[str, Any]) -> Spec | None:
    """The spec of the file that a plan came from, where it still lies there, with the workload as it is now."""
    file = store.path / str(record["spec_file"]) if record.get("spec_file") else None
    size = None if record["size"] == BASE else str(record["size"])
    return read(str(file.resolve()), size=size) if file is not None and file.is_file() else None


def command(store: Store, words: str, name: str, size: str | None = None, more: str = "") -> str:
    """A command about a sweep of the store that works from any folder."""
    option = f" --size {size}" if size not in (None, BASE) else ""
    return f"lawsweep {words} {name}{option}{more} --store {shlex.quote(str(store.path.resolve()))}"


def workload_of(store: Store, record: Mapping[str, Any]) -> str:
    """What a sweep file elsewhere writes as the workload of a plan: the kept file where a file is meant, else its name."""
    file = kept_texts.code_file(store, record)
    reference = str((record.get("spec") or {}).get("workload", record["workload"]))
    match = FILE.fullmatch(reference)
    if file is None or match is None:
        return str(record["workload"])
    return f"{file.resolve()}:{match['function']}" if match["function"] else str(file.resolve())


def _in_store(name: str, size: str | None, folder: Path) -> Spec | None:
    if not (folder / MARK).exists():
        return None
    store = open_store(folder)
    plans = {record["size"]: record for record in store.plans(name)}
    record = plans.get(size or BASE) or next(reversed(plans.values()), None)
    text = kept_texts.spec_text(store, record) if record else None
    if record is None or text is None:
        return None
    spec = parse(text, name, size)
    file = kept_texts.code_file(store, record)
    if file is not None and not FILE.fullmatch(spec.workload):
        sys.path.append(str(kept_texts.code_folder(store, record["code"]).resolve()))  # behind all that is installed
    return spec.model_copy(update={"workload": workload_of(store, record)}) if file is not None else spec
