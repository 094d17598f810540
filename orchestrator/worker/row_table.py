"""Turns what a worker measured into an Arrow table of rows."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import ne
from typing import Any

import numpy as np
import pyarrow as pa

from orchestrator.columns import OK
from orchestrator.store import point_ids
from orchestrator.store.row_format import row_schema
from orchestrator.worker import error_text
from orchestrator.worker.batch import Batch, Terms
from orchestrator.worker.row_collector import joined
from orchestrator.workload.describe import Field, Workload

Row = tuple[int, int, str, str | None, float, tuple[Any, ...]]
"""Place in the batch, step, status, error, seconds and the results' values."""
NO_RESULT = -1  # the step of a failure row
MISFIT = (pa.ArrowException, TypeError, ValueError, OverflowError)  # how Arrow says that a value is of another type


@dataclass
class RowBlock:
    """Rows measured together, in columns; `at` is the place of a row's point in its batch, `values` one column a result.

    A failure has step -1 and None in every value.
    """

    started: float
    at: list[int] = field(default_factory=list)
    step: list[int] = field(default_factory=list)
    final: list[bool] = field(default_factory=list)
    status: list[str] = field(default_factory=list)
    error: list[str | None] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    values: list[Sequence[Any]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.at)

    def fill(self, rows: Sequence[Row]) -> None:
        """Take in the rows of points that were measured one by one to their end: the last of each is final."""
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            self.at, self.step, self.status, self.error, self.seconds, values = columns
            self.final = [*map(ne, self.at, self.at[1:]), True]
            self.values = list(zip(*values, strict=True))

    @classmethod
    def of(cls, blocks: Sequence[RowBlock]) -> RowBlock:
        """One block with the rows of all, in order; `started` is that of the first."""
        whole = cls(started=blocks[0].started)
        for name in ("at", "step", "final", "status", "error", "seconds"):
            setattr(whole, name, [value for block in blocks for value in getattr(block, name)])
        whole.values = [joined(columns) for columns in zip(*(block.values for block in blocks), strict=True)]
        return whole


def to_table(blocks: Sequence[RowBlock], batch: Batch, workload: Workload, terms: Terms) -> pa.Table:
    """The blocks' rows with all engine columns, params and results, in the workload's row schema.

    A value of the wrong type makes its row an error; a non-finite value of a result that must be finite makes it diverged.
    """
    block = RowBlock.of(blocks)
    started = pa.concat_arrays([_repeated(_moment(b), pa.timestamp("us", tz="UTC"), len(b)) for b in blocks])
    results = [_result(block, column, field) for column, field in zip(block.values, workload.results, strict=True)]
    _spread_errors(block)
    fixed = {**_engine(block, batch, workload, terms), "started": started}
    params = {
        f.name: pa.array([column[i] for i in block.at], _arrow(f))
        for f, column in ((f, batch.params[f.name]) for f in workload.params)
    }
    measured = {f.name: array for f, array in zip(workload.results, results, strict=True)}
    schema = row_schema(workload)
    columns = {**fixed, **params, **measured}
    return pa.table([columns[name] for name in schema.names], schema=schema)


def underway(table: pa.Table, batch: Batch, workload: Workload) -> dict[int, float]:
    """The part that is done of each point that has come to a step but not to its end, by its position in the plan.

    Known where the workload's module names in STEPS the param that says how many steps a point has.
    """
    steps = batch.params.get(getattr(workload.module, "STEPS", ""))
    if steps is None or bool(table["final"].to_numpy().all()):
        return {}
    positions = {point: at for at, point in enumerate(point_ids.numbers(batch.ids).to_pylist())}
    reached: dict[int, int] = {}
    for point, step in zip(table["point"].to_pylist(), table["step"].to_pylist(), strict=True):
        reached[positions[point]] = max(step, reached.get(positions[point], 0))
    return {batch.index[at]: min(1.0, step / max(1.0, float(steps[at] or 1))) for at, step in reached.items()}


def _engine(block: RowBlock, batch: Batch, workload: Workload, terms: Terms) -> dict[str, pa.Array]:
    def same(value: Any, kind: pa.DataType) -> pa.Array:
        return _repeated(value, kind, len(block))

    return {
        "point": point_ids.numbers([batch.ids[i] for i in block.at]),
        "workload": same(workload.name, pa.string()),
        "version": same(workload.version, pa.int64()),
        "seed": pa.array([batch.seeds[i] for i in block.at], pa.int64()),
        "step": pa.array(block.step, pa.int64()),
        "final": pa.array(block.final, pa.bool_()),
        "status": pa.array(block.status, pa.string()),
        "error": pa.array(block.error, pa.string()),
        "seconds": pa.array(block.seconds, pa.float64()),
        "pack": same(batch.pack, pa.string()),
        "generation": same(terms.generation, pa.int64()),
        "commit": same(terms.commit, pa.string()),
        "dirty": same(terms.dirty, pa.bool_()),
        "host": same(terms.host, pa.string()),
        "device": same(terms.device_name, pa.string()),
        "threads": same(terms.threads, pa.int64()),
        "torch": same(_torch_version(), pa.string()),
    }


def _repeated(value: Any, kind: pa.DataType, n: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, kind), n)


def _moment(block: RowBlock) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(block.started, datetime.UTC)


def _torch_version() -> str:
    """The version of torch where the workload has imported it; nothing is imported for the sake of a label."""
    import sys

    torch = sys.modules.get("torch")
    return str(torch.__version__) if torch else "none"


def _arrow(field: Field) -> pa.DataType:
    return {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}[field.kind]


def _result(block: RowBlock, column: Sequence[Any], field: Field) -> pa.Array:
    """One result column as Arrow; rows whose value does not fit become errors or diverged in the block."""
    try:
        array = _typed(column, field)
    except MISFIT:
        array = pa.array([_fitting(block, row, value, field) for row, value in enumerate(column)], _arrow(field))
    if array.null_count and not field.optional:
        _accuse_nulls(block, array, field)
    if field.finite:
        _mark_diverged(block, array)
    return array


def _typed(column: Sequence[Any], field: Field) -> pa.Array:
    """The column as Arrow; one of MISFIT where a value is of another type.

    Told the type at once, Arrow cuts 2.5 to a whole 2 and takes 0.5 for a truth: those it first has to find by itself.
    """
    kind = _arrow(field)
    if field.kind not in (int, bool):
        return pa.array(column, kind, from_pandas=False)
    array = pa.array(column, from_pandas=False)
    number = field.kind is int and (pa.types.is_integer(array.type) or pa.types.is_floating(array.type))
    if not (number or array.type == kind or pa.types.is_null(array.type)):
        raise TypeError(f"{array.type} is no {kind}")
    return array.cast(kind)


def _fitting(block: RowBlock, row: int, value: Any, field: Field) -> Any:
    """The value where Arrow takes it, else None with the row turned into an error."""
    value = value.value if isinstance(value, enum.Enum) else value
    try:
        return _typed([value], field)[0].as_py()
    except MISFIT:
        _fail(block, row, f"result '{field.name}' must be of type {field.kind.__name__}, but got {error_text.of_value(value)}")
        return None


def _accuse_nulls(block: RowBlock, array: pa.Array, field: Field) -> None:
    for row in np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False)):
        if block.status[row] == OK:
            _fail(block, int(row), f"result '{field.name}' must be of type {field.kind.__name__}, but got None")


def _fail(block: RowBlock, row: int, text: str) -> None:
    block.status[row] = "error"
    block.error[row] = f"WorkloadError: {text}; mend the workload's run, or annotate the result."


def _spread_errors(block: RowBlock) -> None:
    """A point with one wrong row has failed as a whole, so its final row says so too."""
    wrong = {at: error for at, status, error in zip(block.at, block.status, block.error, strict=True) if status == "error"}
    for row, at in enumerate(block.at if wrong else ()):
        if block.final[row] and block.status[row] == OK and at in wrong:
            block.status[row], block.error[row] = "error", wrong[at]


def _mark_diverged(block: RowBlock, array: pa.Array) -> None:
    numbers = array.fill_null(0).to_numpy(zero_copy_only=False)
    if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
        for row in np.flatnonzero(~np.isfinite(numbers)):
            if block.status[row] == OK:
                block.status[row] = "diverged"
