"""Counts how far each plan of a store is, and reads every part and every plan once for that."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from numpy.typing import NDArray

from orchestrator.columns import STATUSES, failures, unfinished
from orchestrator.store import Store, counting_rule, parts, point_ids, row_format

READ = pa.schema([row_format.engine_schema().field(name).remove_metadata() for name in (*counting_rule.COLUMNS, "seconds")])
NUMBERS = {"step": np.int64, "generation": np.int64, "started": np.int64, "seconds": np.float64}
TEXTS = ("status", "pack", "host")
KINDS: dict[str, Any] = {"part": np.int32, "key": np.uint64, "final": np.bool_, **NUMBERS, **dict.fromkeys(TEXTS, np.int32)}
Columns = dict[str, NDArray[Any]]
"""Rows as equally long columns, named as KINDS; a text is its number among the words of the index."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far a plan is: its points, those that have ended by status and generation, their seconds, the parts of their rows."""

    points: int
    statuses: Mapping[str, int]
    seconds: float
    parts: frozenset[str]
    changed: float
    generations: Mapping[int, int]

    @property
    def done(self) -> int:
        """Points with a final row."""
        return sum(self.statuses.values())

    @property
    def failed(self) -> dict[str, int]:
        """Points that failed, by status."""
        return failures(self.statuses)

    @property
    def unfinished(self) -> dict[str, int]:
        """Points that have no result and yet did not fail, by status."""
        return unfinished(self.statuses)


@dataclass
class _PlannedPoints:
    """The points of one plan as sorted numbers, and the rows that there are of them."""

    keys: NDArray[np.uint64]
    rows: Columns
    standing: Standing | None = None


@dataclass
class StandingIndex:
    """The points of a store's parts, as numbers of 64 bits; parts never change, so each is read once.

    `only` is the workload and the VERSION whose parts are read, all where None.
    """

    store: Store
    only: tuple[str, int] | None = None
    numbers: dict[str, int] = field(default_factory=dict)
    plans: dict[tuple[str, int], _PlannedPoints] = field(default_factory=dict)
    rows: Columns = field(default_factory=lambda: _no_rows())
    count: int = 0
    words: dict[str, int] = field(default_factory=lambda: {status.name: n for n, status in enumerate(STATUSES)})
    guard: threading.RLock = field(default_factory=threading.RLock)

    def refresh(self) -> None:
        """Take in the parts that have come, and drop those that are gone."""
        with self.guard:
            parts.settled(self._refresh)

    def _refresh(self) -> None:
        paths = self._paths()
        dropped = [self.numbers[path] for path in self.numbers.keys() - set(paths)]
        new = [path for path in paths if path not in self.numbers]
        added = _read(new, self.count, self.words) if new else _no_rows()
        if dropped:
            self.rows = _filtered(self.rows, ~np.isin(self.rows["part"], dropped))
            self.numbers = {path: number for path, number in self.numbers.items() if path in set(paths)}
        self.numbers |= {path: self.count + i for i, path in enumerate(new)}
        self.count += len(new)
        self.rows = _joined(self.rows, added) if new else self.rows
        for plan in self.plans.values() if new or dropped else ():
            matched = _matches(plan.keys, added)
            rows = _joined(_filtered(plan.rows, ~np.isin(plan.rows["part"], dropped)) if dropped else plan.rows, matched)
            if len(matched["key"]) or len(rows["key"]) != len(plan.rows["key"]):
                plan.rows, plan.standing = rows, None

    def _paths(self) -> list[str]:
        if self.only is None:
            folders = (self.store.path / "rows").glob("workload=*")
            return [os.path.join(folder, name) for folder in folders for name in parts.names(folder)]
        workload, version = self.only
        return [str(part.path) for part in self.store.parts(workload) if part.version == version]

    def standing(self, path: Path) -> Standing:
        """How far the plan in that file is, by the parts that were there at the last `refresh`."""
        with self.guard:
            plan = self._plan(path)
            if plan.standing is None:
                plan.standing = self._standing(plan)
            return plan.standing

    def holders(self, point: str) -> tuple[str, ...]:
        """Paths of the parts that hold rows of a point."""
        with self.guard:
            key = point_ids.number(point)
            holders = set(self.rows["part"][self.rows["key"] == np.uint64(key)].tolist()) if key is not None else set()
            return tuple(sorted(path for path, number in self.numbers.items() if number in holders))

    def _plan(self, path: Path) -> _PlannedPoints:
        key = _stamp(path)
        if key not in self.plans:
            points = _points(path)
            self.plans = {k: plan for k, plan in self.plans.items() if k[0] != key[0]}
            self.plans[key] = _PlannedPoints(points, _matches(points, self.rows))
        return self.plans[key]

    def match(self, paths: Iterable[Path]) -> None:
        """Find the rows of many plans at once: one sort of all rows instead of a search for each plan."""
        with self.guard:
            new = [path for path in paths if _stamp(path) not in self.plans]
            order = np.argsort(self.rows["key"]) if len(new) > 1 else np.zeros(0, np.intp)
            ordered = self.rows["key"][order]
            for path in new if len(new) > 1 else ():
                points = _points(path)
                low, high = np.searchsorted(ordered, points), np.searchsorted(ordered, points, "right")
                lengths = high - low
                places = np.repeat(high - np.cumsum(lengths), lengths) + np.arange(lengths.sum())
                self.plans[_stamp(path)] = _PlannedPoints(points, _filtered(self.rows, order[places]))

    def _standing(self, plan: _PlannedPoints) -> Standing:
        rows = plan.rows
        touched = set(np.unique(rows["part"]).tolist())
        paths = frozenset(path for path, number in self.numbers.items() if number in touched)
        words = list(self.words)
        finals = _counting(_filtered(rows, rows["final"]), words)
        statuses = {words[number]: n for number, n in enumerate(np.bincount(finals["status"]).tolist()) if n}
        generations = np.unique(finals["generation"], return_counts=True)
        changed = max((Path(p).stat().st_mtime for p in paths if Path(p).exists()), default=0.0)
        seconds = float(np.nansum(finals["seconds"]))
        return Standing(
            points=len(plan.keys),
            statuses=statuses,
            seconds=seconds,
            parts=paths,
            changed=changed,
            generations=dict(zip(*(column.tolist() for column in generations), strict=True)),
        )


def _no_rows() -> Columns:
    return {name: np.zeros(0, kind) for name, kind in KINDS.items()}


def _filtered(rows: Columns, keep: Any) -> Columns:
    return {name: column[keep] for name, column in rows.items()}


def _joined(first: Columns, second: Columns) -> Columns:
    return {name: np.concatenate([first[name], second[name]]) for name in KINDS}


def _read(paths: Sequence[str], first: int, words: dict[str, int]) -> Columns:
    """What the index keeps of these parts' rows, the parts numbered from `first`; new words are added to `words`."""
    numbers = {path: first + i for i, path in enumerate(paths)}
    tables, places = [READ.empty_table()], []
    try:
        for group, schema in _by_format(paths):
            for tagged in ds.dataset(group, schema=schema, format="parquet").scanner(columns=READ.names).scan_batches():
                tables.append(point_ids.numbered(pa.Table.from_batches([tagged.record_batch])))
                places.append(np.full(tagged.record_batch.num_rows, numbers[tagged.fragment.path], np.int32))
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise parts.culprit(map(Path, paths), error) from error
    table = pa.concat_tables(tables)
    table = table.set_column(table.schema.get_field_index("started"), "started", pc.cast(table["started"], pa.int64()))
    return {
        "part": np.concatenate([np.zeros(0, np.int32), *places]),
        "key": table["point"].to_numpy(),
        "final": table["final"].to_numpy(),
        **{name: pc.fill_null(table[name], 0).to_numpy().astype(kind) for name, kind in NUMBERS.items()},
        **{name: _numbers(table[name], words) for name in TEXTS},
    }


def _numbers(texts: pa.ChunkedArray, words: dict[str, int]) -> NDArray[np.int32]:
    """The number of each text among the words; a new one is added."""
    encoded = pc.dictionary_encode(pc.fill_null(texts, "")).combine_chunks()
    numbers = [words.setdefault(word, len(words)) for word in encoded.dictionary.to_pylist()]
    each: NDArray[np.int32] = np.array(numbers, np.int32).take(encoded.indices.to_numpy())
    return each


def _by_format(paths: Sequence[str]) -> Iterator[tuple[list[str], pa.Schema]]:
    """The parts that hold ids in one way, with the schema that they are read by."""
    lettered = {path: parts.of(Path(path)).lettered for path in paths}
    for schema, letters in ((READ, False), (point_ids.in_letters(READ), True)):
        if matching := [path for path in paths if lettered[path] is letters]:
            yield matching, schema


def _matches(keys: NDArray[np.uint64], rows: Columns) -> Columns:
    """The rows whose point is among the sorted keys."""
    if not len(keys) or not len(rows["key"]):
        return _no_rows()
    places = np.minimum(np.searchsorted(keys, rows["key"]), len(keys) - 1)
    return _filtered(rows, keys[places] == rows["key"])


def _counting(finals: Columns, words: Sequence[str]) -> Columns:
    """Of several final rows of a point, the one that counts by the store's rule, which is asked of contested points alone."""
    ordered = np.sort(finals["key"])
    first = _firsts(ordered)
    if first.all():
        return finals
    among = np.isin(finals["key"], ordered[~first])
    places = np.flatnonzero(among)
    contested = {name: pa.array(column[places]) for name, column in finals.items()}
    contested |= {name: pa.array(words, pa.string()).take(contested[name]) for name in TEXTS}
    counting = counting_rule.finals(pa.table({**contested, "point": contested["key"], "place": places}))
    return _filtered(finals, np.append(np.flatnonzero(~among), counting["place"].to_numpy()))


def _points(path: Path) -> NDArray[np.uint64]:
    """The points of a plan, sorted."""
    keys = np.sort(point_ids.numbered(pq.read_table(path, columns=["point"]))["point"].to_numpy())
    return keys[_firsts(keys)]


def _firsts(ordered: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Where a number of a sorted row differs from the one before it."""
    return np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]


def _stamp(path: Path) -> tuple[str, int]:
    return str(path), path.stat().st_mtime_ns
