"""What workloads printed: one file a pack, with the last letters and the points that they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from orchestrator.store import durable
from orchestrator.store.store import Store

KEPT = 64 * 1024
"""Letters that are kept of a pack: the last ones."""
Entry = dict[str, Any]
"""Some text with the `points` that it belongs to; none where the workload was being imported."""


def keep(store: Store, workload: str, pack: str, entries: Sequence[Entry]) -> None:
    """Add to what a pack printed; of more than KEPT letters the last ones stay, and `total` says how many there were."""
    path = store.path / "logs" / store.folder(workload).name / f"{pack}.json"
    before: dict[str, Any] = durable.load(path) if path.exists() else {"total": 0, "entries": []}
    total = before["total"] + sum(len(entry["text"]) for entry in entries)
    record = {"pack": pack, "total": total, "entries": _last([*before["entries"], *entries])}
    durable.write(path, durable.json_bytes(record))


def _last(entries: Sequence[Entry]) -> list[Entry]:
    """The entries with the last KEPT letters."""
    room, latest = KEPT, []
    for entry in reversed(entries):
        if room <= 0:
            break
        latest.append({**entry, "text": entry["text"][-room:]})
        room -= len(entry["text"])
    return latest[::-1]


def of_workload(store: Store, workload: str) -> Iterator[dict[str, Any]]:
    """What the packs of a workload printed, those of the first run first: `pack, total, entries`."""
    for path in sorted(paths(store, workload), key=_order):
        yield durable.load(path)


def of_point(store: Store, workload: str, point: str) -> list[tuple[str, str]]:
    """What was printed while a point was measured: the pack's name and the text, a pair for each pack that printed some."""
    texts = []
    for record in of_workload(store, workload):
        text = "".join(entry["text"] for entry in record["entries"] if point in entry["points"])
        texts += [(str(record["pack"]), text)] if text else []
    return texts


def paths(store: Store, workload: str) -> list[Path]:
    """The files of a workload's packs."""
    return list((store.path / "logs" / store.folder(workload).name).glob("[!.]*.json"))


def _order(path: Path) -> tuple[str, int, str]:
    """Runs in order, and the packs of each by their number."""
    run, _, pack = path.stem.partition("-")
    return run, int(pack) if pack.isdigit() else 0, pack
