"""Makes of a store that may only be read a folder elsewhere, in which the same rows are judged and reported."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from orchestrator.errors import StoreError
from orchestrator.store import durable, renumbering
from orchestrator.store.store import MARK, Store, open_store

LINKED = ("rows", "boundaries", "fronts", "sources", "specs", "logs")
SAID = ("claims", "verdicts", "checks", "audits", "same_code")


def writable(path: str | os.PathLike[str]) -> tuple[Path, str]:
    """The store's folder, or one elsewhere that stands for it where it may not be written, with a sentence that says so.

    Raises StoreError where it is no store, and for any other reason not to write, as a full disk.
    """
    store = open_store(path)
    try:
        durable.try_out(store.path)
    except StoreError as error:
        if not durable.is_shut(error):
            raise
        stand_in = _standing_for(store)
        sentence = f"store {store.path} may only be read: what is new is written into {stand_in}; name that with '--store'."
        return stand_in, sentence
    return store.path, ""


def _standing_for(store: Store) -> Path:
    """A new folder with the rows, texts and logs of the store as links, and copies of its records."""
    folder = Path(tempfile.mkdtemp(prefix=f"lawsweep-{store.path.resolve().name}-"))
    here, read_only = Store(folder), store.path.resolve()
    shutil.copyfile(read_only / MARK, folder / MARK)
    for name in LINKED:
        if (read_only / name).exists():
            (folder / name).symlink_to(read_only / name)
    for name in SAID:
        for file in (read_only / name).glob("[!.]*.json"):
            (folder / name).mkdir(exist_ok=True)
            shutil.copyfile(file, folder / name / file.name)
    for run in store.runs():
        durable.write(here.run_path(run["generation"]), durable.json_bytes(renumbering.moved(run, here, store)))
    for record in store.plans():
        target = here.plan_path(record)
        durable.write(target.with_suffix(".json"), durable.json_bytes(renumbering.moved(record, here, store)))
        target.symlink_to(store.plan_path(record).resolve())
    return folder
