"""Turns what `run_pack` yields, as it comes, into columns of rows: some at once as partial rows, the last ones as final."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

Whole = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Taken:
    """Rows in columns: `index` of the point in the call, `step`, whether `final`, and a column of values for each result."""

    index: Whole
    step: Whole
    final: Flags
    values: list[Any]


class Intake:
    """Collects the rows of one call on `n` points; `values` reads a result's fields, `names` in order.

    The last row of each point is kept back, for it may be the final one. A row sent as partial before a checkpoint is sent
    again as final if it turns out to be the point's last.
    """

    def __init__(self, n: int, names: Sequence[str], values: Callable[[Any], tuple[Any, ...]]) -> None:
        self._n, self._names, self._values = n, tuple(names), values
        self._items: list[Any] = []
        self._told: Flags = np.zeros(0, dtype=bool)  # of the rows kept back: whether they were given out

    def take(self, item: Any) -> None:
        """Collect one thing that run_pack yields: a row, or columns of rows."""
        self._items.append(item)

    def enter(self, rows: Sequence[tuple[int, tuple[Any, ...]]]) -> None:
        """Collect rows of the only point of the call: step and values of each."""
        if rows:
            values = list(zip(*(values for _, values in rows), strict=True))
            self._items.append(_columns_of(self._names, [0] * len(rows), [step for step, _ in rows], values))

    def resume(self, rows: Mapping[int, tuple[int, list[Any]]]) -> None:
        """Begin with the row that each of these points had come to, and that was given out, when its state was saved."""
        if rows:
            values = list(zip(*(row for _, row in rows.values()), strict=True))
            self._items.insert(0, _columns_of(self._names, list(rows), [step for step, _ in rows.values()], values))
            self._told = np.ones(len(rows), dtype=bool)

    def kept(self) -> dict[int, tuple[int, list[Any]]]:
        """Step and values of the last row of each point, as plain Python values."""
        index, step, columns = self._gathered()
        last = np.flatnonzero(_last(index, self._n))
        return {int(index[row]): (int(step[row]), [_plain(column[row]) for column in columns]) for row in last}

    def steps(self) -> Whole:
        """The step each point has come to; -1 before its first row."""
        index, step, _ = self._gathered()
        reached = np.full(self._n, -1, dtype=np.int64)
        np.maximum.at(reached, index, step)
        return reached

    def partial(self, everything: bool) -> Taken:
        """The rows collected so far as partial ones; the last of each point only with `everything`."""
        index, step, columns = self._gathered()
        last, sent = _last(index, self._n), self._all_told(len(index))
        chosen_rows = ~sent & (everything | ~last)
        self._items = [_columns_of(self._names, index[last], step[last], [_at(c, last) for c in columns])]
        self._told = sent[last] | everything
        return Taken(
            index[chosen_rows],
            step[chosen_rows],
            np.zeros(int(chosen_rows.sum()), dtype=bool),
            [_at(c, chosen_rows) for c in columns],
        )

    def whole(self) -> Taken:
        """All rows not given out yet, the last of each point as final; ValueError where a point has none."""
        index, step, columns = self._gathered()
        _check_index(index, self._n)
        last = _last(index, self._n)
        chosen_rows = ~self._all_told(len(index)) | last
        return (
            Taken(index, step, last, columns) if chosen_rows.all() else _select(Taken(index, step, last, columns), chosen_rows)
        )

    def __bool__(self) -> bool:
        return bool(self._items)

    def _gathered(self) -> tuple[Whole, Whole, list[Any]]:
        """Index, step and values of all rows held, in the order in which they came."""
        parts = [part for kind, items in groupby(self._items, _is_columns) for part in self._as_columns(kind, list(items))]
        places, steps, *measured = _joined_columns(parts, ("index", "step", *self._names))
        index, step = _whole(places, "index"), _whole(steps, "step")
        _check_known(index, self._n)
        _check_steps(index, step)
        return index, step, measured

    def _as_columns(self, kind: bool, items: list[Any]) -> list[Mapping[str, Any]]:
        if kind:
            return items
        values = list(zip(*(self._values(item[2]) for item in items), strict=True))
        return [_columns_of(self._names, [item[0] for item in items], [item[1] for item in items], values)]

    def _all_told(self, rows: int) -> Flags:
        """Whether each row was given out: only rows kept back may have been, and they come first."""
        sent = np.zeros(rows, dtype=bool)
        sent[: len(self._told)] = self._told
        return sent


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _is_columns(item: Any) -> bool:
    return isinstance(item, Mapping)


def _columns_of(names: Sequence[str], index: Any, step: Any, values: Sequence[Any]) -> dict[str, Any]:
    return {"index": index, "step": step, **dict(zip(names, values, strict=True))}


def _select(collected: Taken, rows: Flags) -> Taken:
    return Taken(collected.index[rows], collected.step[rows], collected.final[rows], [_at(c, rows) for c in collected.values])


def _at(column: Any, rows: Flags) -> Any:
    """The rows of a column that are flagged."""
    if isinstance(column, np.ndarray):
        return column[rows]
    return [value for value, keep in zip(column, rows, strict=True) if keep]


def _last(index: Whole, n: int) -> Flags:
    """Which rows are the last of their point."""
    position = np.full(n, -1, dtype=np.int64)
    position[index] = np.arange(len(index))
    flags = np.zeros(len(index), dtype=bool)
    flags[position[position >= 0]] = True
    return flags


def _joined_columns(tables: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[Any]:
    """The columns of all parts, joined; ValueError where a part lacks one or has them of different lengths."""
    for part in tables:
        lengths = {name: len(part[name]) for name in names if name in part}
        if len(lengths) < len(names) or len(set(lengths.values())) > 1:
            raise ValueError(
                f"run_pack must give the columns {list(names)}, all of one length, but got {lengths}; "
                f"{list(part)} stand in what it gave."
            )
    return [joined([part[name] for part in tables]) for name in names]


def _whole(column: Any, what: str) -> Whole:
    """The column as whole numbers; ValueError where it holds others."""
    array = np.asarray(column)
    if array.size and array.dtype.kind not in "iu":
        raise ValueError(f"run_pack's column '{what}' must hold ints, but got {array[:5].tolist()}; count from 0.")
    return array.astype(np.int64)


def joined(parts: Sequence[Any]) -> Any:
    """One column out of its parts: an array where they are arrays or tensors of one type, else a list."""
    if parts and all(hasattr(part, "__array__") for part in parts):
        arrays = [np.asarray(part) for part in parts]
        if len({array.dtype for array in arrays}) == 1:
            return np.concatenate(arrays)
    if len(parts) == 1:
        return parts[0]
    return [value for part in parts for value in part]


def _check_known(index: Whole, n: int) -> None:
    strange = np.setdiff1d(index, np.arange(n)) if index.size and (index.min() < 0 or index.max() >= n) else index[:0]
    if len(strange):
        raise ValueError(_wrong_index(n, [], strange.tolist()))


def _check_index(index: Whole, n: int) -> None:
    """Every point must have a row."""
    missing = np.setdiff1d(np.arange(n), index)
    if len(missing):
        raise ValueError(_wrong_index(n, missing.tolist(), []))


def _wrong_index(n: int, missing: list[int], strange: list[int]) -> str:
    return (
        f"run_pack must give rows for the indices 0 to {n - 1}, but {missing[:5]} have none and "
        f"{strange[:5]} are not there; yield (index, step, Result) for each point."
    )


def _check_steps(index: Whole, step: Whole) -> None:
    """Steps of a point must rise from row to row."""
    order = np.argsort(index, kind="stable")
    same = np.diff(index[order]) == 0
    if (step < 0).any() or (same & (np.diff(step[order]) <= 0)).any():
        raise ValueError(
            f"run_pack's steps must count up for each index, from 0 at the least, but got {step[order][:10].tolist()} for the "
            f"indices {index[order][:10].tolist()}; number the rows of a point 0, 1, 2, …"
        )
