"""Turns the parts of a store into what is known of each plan's points, reading every part and every plan once."""

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
from orchestrator.store import counting_rule, parts, point_ids, row_format

READ = pa.schema([row_format.engine_schema().field(name).remove_metadata() for name in (*counting_rule.COLUMNS, "seconds")])
NUMBERS = {"step": np.int64, "generation": np.int64, "started": np.int64, "seconds": np.float64}
TEXTS = ("status", "pack", "host")
KINDS: dict[str, Any] = {"part": np.int32, "key": np.uint64, "final": np.bool_, **NUMBERS, **dict.fromkeys(TEXTS, np.int32)}
Columns = dict[str, NDArray[Any]]
"""Rows as equally long columns, named as KINDS; a text is its number among the words of the index."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far a plan is: its points, those that have ended by status, their seconds, the parts that hold their rows."""

    points: int
    statuses: Mapping[str, int]
    seconds: float
    parts: frozenset[str]
    changed: float

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
class _Plan:
    """The points of one plan as sorted numbers, and the rows that have been found of them."""

    keys: NDArray[np.uint64]
    rows: Columns
    standing: Standing | None = None


@dataclass
class Index:
    """The points of all parts below `rows` of a store, as numbers of 64 bits; parts never change, so each is read once."""

    rows: Path
    known: dict[str, int] = field(default_factory=dict)
    plans: dict[tuple[str, int], _Plan] = field(default_factory=dict)
    held: Columns = field(default_factory=lambda: _none())
    count: int = 0
    words: dict[str, int] = field(default_factory=lambda: {status.name: n for n, status in enumerate(STATUSES)})
    guard: threading.RLock = field(default_factory=threading.RLock)

    def refresh(self) -> None:
        """Take in the parts that have come, and drop those that are gone."""
        with self.guard:
            parts.settled(self._refresh)

    def _refresh(self) -> None:
        listed = [os.path.join(folder, name) for folder in self.rows.glob("workload=*") for name in parts.names(folder)]
        gone = [self.known[path] for path in self.known.keys() - set(listed)]
        new = [path for path in listed if path not in self.known]
        found = _read(new, self.count, self.words) if new else _none()
        if gone:
            self.held = _kept(self.held, ~np.isin(self.held["part"], gone))
            self.known = {path: number for path, number in self.known.items() if path in set(listed)}
        self.known |= {path: self.count + i for i, path in enumerate(new)}
        self.count += len(new)
        self.held = _joined(self.held, found) if new else self.held
        for plan in self.plans.values() if new or gone else ():
            matched = _matches(plan.keys, found)
            rows = _joined(_kept(plan.rows, ~np.isin(plan.rows["part"], gone)) if gone else plan.rows, matched)
            if len(matched["key"]) or len(rows["key"]) != len(plan.rows["key"]):
                plan.rows, plan.standing = rows, None

    def standing(self, path: Path) -> Standing:
        """How far the plan in that file is, by the parts that were there at the last `refresh`."""
        with self.guard:
            plan = self._plan(path)
            if plan.standing is None:
                plan.standing = self._standing(plan)
            return plan.standing

    def holding(self, point: str) -> tuple[str, ...]:
        """Paths of the parts that hold rows of a point."""
        with self.guard:
            key = point_ids.number(point)
            numbers = set(self.held["part"][self.held["key"] == np.uint64(key)].tolist()) if key is not None else set()
            return tuple(sorted(path for path, number in self.known.items() if number in numbers))

    def _plan(self, path: Path) -> _Plan:
        key = _named(path)
        if key not in self.plans:
            points = _points(path)
            self.plans = {k: plan for k, plan in self.plans.items() if k[0] != key[0]}
            self.plans[key] = _Plan(points, _matches(points, self.held))
        return self.plans[key]

    def match(self, paths: Iterable[Path]) -> None:
        """Find the rows of many plans at once: one sort of all rows instead of a search for each plan."""
        with self.guard:
            new = [path for path in paths if _named(path) not in self.plans]
            order = np.argsort(self.held["key"]) if len(new) > 1 else np.zeros(0, np.intp)
            ordered = self.held["key"][order]
            for path in new if len(new) > 1 else ():
                points = _points(path)
                low, high = np.searchsorted(ordered, points), np.searchsorted(ordered, points, "right")
                lengths = high - low
                places = np.repeat(high - np.cumsum(lengths), lengths) + np.arange(lengths.sum())
                self.plans[_named(path)] = _Plan(points, _kept(self.held, order[places]))

    def _standing(self, plan: _Plan) -> Standing:
        rows = plan.rows
        touched = set(np.unique(rows["part"]).tolist())
        paths = frozenset(path for path, number in self.known.items() if number in touched)
        words = list(self.words)
        finals = _counting(_kept(rows, rows["final"]), words)
        statuses = {words[number]: n for number, n in enumerate(np.bincount(finals["status"]).tolist()) if n}
        changed = max((Path(p).stat().st_mtime for p in paths if Path(p).exists()), default=0.0)
        seconds = float(np.nansum(finals["seconds"]))
        return Standing(
            points=len(plan.keys),
            statuses=statuses,
            seconds=seconds,
            parts=paths,
            changed=changed,
        )


def _none() -> Columns:
    return {name: np.zeros(0, kind) for name, kind in KINDS.items()}


def _kept(rows: Columns, keep: Any) -> Columns:
    return {name: column[keep] for name, column in rows.items()}


def _joined(first: Columns, second: Columns) -> Columns:
    return {name: np.concatenate([first[name], second[name]]) for name in KINDS}


def _read(paths: Sequence[str], first: int, words: dict[str, int]) -> Columns:
    """What the index keeps of these parts' rows, the parts numbered from `first`; new words are added to `words`."""
    numbers = {path: first + i for i, path in enumerate(paths)}
    tables, places = [READ.empty_table()], []
    for found, schema in _by_format(paths):
        for tagged in ds.dataset(found, schema=schema, format="parquet").scanner(columns=READ.names).scan_batches():
            tables.append(point_ids.numbered(pa.Table.from_batches([tagged.record_batch])))
            places.append(np.full(tagged.record_batch.num_rows, numbers[tagged.fragment.path], np.int32))
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
        if found := [path for path in paths if lettered[path] is letters]:
            yield found, schema


def _matches(keys: NDArray[np.uint64], rows: Columns) -> Columns:
    """The rows whose point is among the sorted keys."""
    if not len(keys) or not len(rows["key"]):
        return _none()
    places = np.minimum(np.searchsorted(keys, rows["key"]), len(keys) - 1)
    return _kept(rows, keys[places] == rows["key"])


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
    return _kept(finals, np.append(np.flatnonzero(~among), counting["place"].to_numpy()))


def _points(path: Path) -> NDArray[np.uint64]:
    """The points of a plan, sorted."""
    keys = np.sort(point_ids.numbered(pq.read_table(path, columns=["point"]))["point"].to_numpy())
    return keys[_firsts(keys)]


def _firsts(ordered: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Where a number of a sorted row differs from the one before it."""
    return np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]


def _named(path: Path) -> tuple[str, int]:
    return str(path), path.stat().st_mtime_ns
