"""Keeps the texts that rows come from, each under its hash: spec files as written, and the files of workloads."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.store import durable
from orchestrator.store.store import Store
from orchestrator.workload.own_files import OwnFiles

SOURCES, SPECS = "sources", "specs"
LARGEST = 64 * 2**20
"""Bytes of a data file above which only its hash is kept."""


def keep_code(store: Store, own: OwnFiles) -> None:
    """Keep the files of a workload; those that are there already are left."""
    for place, content in own.contents.items():
        target = code_folder(store, own.code) / place
        if not target.exists() and len(content) <= LARGEST:
            durable.write(target, content)


def code_folder(store: Store, code: str) -> Path:
    """Where the files of that code lie, each at its place below the folder of the workload."""
    return store.path / SOURCES / code


def keep_spec(store: Store, text: str) -> str:
    """Keep the text of a sweep file; its name among the texts."""
    name = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
    path = store.path / SPECS / f"{name}.yaml"
    if not path.exists():
        durable.write(path, text.encode())
    return name


def spec_text(store: Store, record: Mapping[str, Any]) -> str | None:
    """The text of the sweep file that a plan was made of; None where it was not kept, as older versions did not."""
    path = store.path / SPECS / f"{record.get('spec_text')}.yaml"
    return path.read_text() if path.is_file() else None


def code_file(store: Store, record: Mapping[str, Any]) -> Path | None:
    """The file of the workload that a plan was measured with, as it was then; None where it was not kept."""
    path = code_folder(store, str(record.get("code"))) / str(record.get("module"))
    return path if path.is_file() else None


def is_inside(store: Store, path: Path) -> bool:
    """Whether a file is one of those that a store keeps."""
    return path.resolve().is_relative_to(store.path.resolve() / SOURCES)
