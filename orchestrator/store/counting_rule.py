"""Turns rows of which some measure the same point and step into the rows that count.

The rule, and the only place where it stands: a point has one final row, the first by ok before failure, then by higher
generation; of two rows for one (point, step) a final one beats a partial one, ok beats a failure, then the higher generation
counts. Rows that tie in all of that are told apart by start, pack and host, so that every reader picks the same one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchestrator.columns import OK
from orchestrator.store import point_ids

WATCHED = ("point", "step", "final")
COLUMNS = ("point", "step", "final", "status", "generation", "started", "pack", "host")
RANK = ("ok", "generation", "started", "pack", "host")


def contested(table: pa.Table) -> pa.Array:
    """Points with more than one final row, or with two rows for one step; needs `point, step, final`."""
    if distinct(table):
        return pa.array([], point_ids.NUMBER)
    points = pc.dictionary_encode(table["point"]).combine_chunks()
    codes = pc.cast(points.indices, pa.int64())
    repeated = [
        _repeated(codes.filter(table["final"].combine_chunks())),
        _repeated_steps(codes, table["step"].combine_chunks()),
    ]
    return points.dictionary.take(pc.unique(pa.concat_arrays(repeated)))


def distinct(table: pa.Table) -> bool:
    """Whether it is certain at a glance that no point is contested; False where only a full look can tell.

    Numbers are sorted ten times as fast as rows are grouped: a million of them in a tenth of a second.
    """
    keys = table["point"].to_numpy()
    final = table["final"].combine_chunks().to_numpy(zero_copy_only=False)
    if not final.all():
        steps = table["step"].combine_chunks().to_numpy().astype(np.uint64)
        if not _unlike(keys + steps * np.uint64(0x9E3779B97F4A7C15)):
            return False
    return _unlike(keys[final])


def _unlike(keys: NDArray[np.uint64]) -> bool:
    ordered = np.sort(keys)
    return not bool((ordered[1:] == ordered[:-1]).any())


def _repeated(codes: pa.Array) -> pa.Array:
    """Numbers that occur more than once."""
    if len(codes) == pc.count_distinct(codes).as_py():
        return codes.slice(0, 0)
    counts = pc.value_counts(codes)
    return counts.field("values").filter(pc.greater(counts.field("counts"), 1))


def _repeated_steps(codes: pa.Array, steps: pa.Array) -> pa.Array:
    """Numbers of the points of which a step occurs more than once."""
    if len(steps) == 0:
        return codes
    low, high = (pc.min_max(steps)[end].as_py() for end in ("min", "max"))
    span = high - low + 1
    if len(codes) * span < 2**62:
        return pc.cast(pc.divide(_repeated(pc.add(pc.multiply(codes, span), pc.subtract(steps, low))), span), pa.int64())
    pairs = pa.table({"code": codes, "step": steps}).group_by(["code", "step"]).aggregate([([], "count_all")])
    return pairs.filter(pc.greater(pairs["count_all"], 1))["code"].combine_chunks()


def once(table: pa.Table, rule: Callable[[pa.Table], pa.Table]) -> pa.Table:
    """The table with the rows of its contested points as a rule (`settle` or `survivors`) leaves them, after the others."""
    points = contested(table)
    if not len(points):
        return table
    among = pc.is_in(table["point"], points)
    return pa.concat_tables([table.filter(pc.invert(among)), rule(table.filter(among))])


def finals(table: pa.Table) -> pa.Table:
    """Of final rows, the one that counts for each point; the table needs the columns of the rule."""
    return _first(table, ["point"])


def settle(table: pa.Table) -> pa.Table:
    """The rows that count; the table needs the columns of the rule."""
    return _first(survivors(table), ["point", "step"])


def survivors(table: pa.Table) -> pa.Table:
    """The rows that count or may count once more rows come: a partial row may outlive the final row that hides it."""
    final = table["final"]
    surviving = pa.concat_tables([finals(table.filter(final)), table.filter(pc.invert(final))])
    return _first(surviving, ["point", "step", "final"])


def _first(table: pa.Table, by: list[str]) -> pa.Table:
    """Of the rows that agree in the columns `by`, the first by the rule; rows come in the order in which they are given."""
    if table.num_rows < 2:
        return table
    keys = {name: table[name] for name in by}
    rank = {"last": pc.cast(table["final"], pa.int8()), "ok": pc.cast(pc.equal(table["status"], OK), pa.int8())}
    rank |= {name: table[name] for name in (*RANK[1:], "step")}
    order = [(name, "ascending") for name in keys] + [(f"_{name}", "descending") for name in rank]
    ranked = pa.table({**keys, **{f"_{name}": column for name, column in rank.items()}})
    places = pc.sort_indices(ranked, sort_keys=order)
    sorted_keys = [ranked[name].take(places).combine_chunks() for name in keys]
    return table.take(places.filter(_starts(sorted_keys)).sort())


def _starts(columns: list[pa.Array]) -> pa.Array:
    """Where a row of sorted columns differs from the row before it."""
    differs = pc.not_equal(columns[0][1:], columns[0][:-1])
    for column in columns[1:]:
        differs = pc.or_(differs, pc.not_equal(column[1:], column[:-1]))
    return pa.concat_arrays([pa.array([True]), differs])
