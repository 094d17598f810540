"""How a block of measured values becomes a table of rows, and how a value that does not fit is told."""

from __future__ import annotations

import datetime
import json
import math
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from orchestrator.columns import ENGINE_COLUMNS
from orchestrator.store.row_format import row_schema
from orchestrator.worker.row_table import RowBlock, to_table
from tests.helpers.running import HEAD, RUN, batch_of, made, terms_of

HALVES = made(RUN)
FINITE = made(RUN, "finite", HEAD.replace('"half of it"', '"half of it", {"finite": True, "aggregate": "rms", "unit": "m"}'))
KINDS = made(
    RUN,
    "kinds",
    HEAD.replace('half: Annotated[float, "half of it"]', 'half: Annotated[bool, "a truth"]').replace(
        "int | None", "str | None"
    ),
)


def table(half: Any, whole: Any = None, workload: Any = HALVES, **columns: Any) -> pa.Table:
    """The table of a block with these values, a row a point, everything else as of a point that went well."""
    n = len(half)
    good = {"at": list(range(n)), "step": [0] * n, "final": [True] * n, "status": ["ok"] * n, "error": [None] * n}
    values = [half, [None] * n if whole is None else whole]
    block = RowBlock(**{"started": 1e9, **good, "seconds": [0.5] * n, "values": values, **columns})
    return to_table([block], batch_of(workload, n), workload, terms_of())


def told(made_of: pa.Table) -> list[tuple[str, str | None]]:
    """Status of each row, and the part of its error after the class."""
    return [(row["status"], row["error"]) for row in made_of.to_pylist()]


def test_rows_have_the_schema_of_their_workload() -> None:
    assert table([0.5]).schema.equals(row_schema(HALVES), check_metadata=True)


def test_every_engine_column_is_filled() -> None:
    (row,) = table([0.5]).to_pylist()
    empty = {c.name for c in ENGINE_COLUMNS if row[c.name] is None}
    assert empty == {"error"}


def test_a_row_says_where_it_came_from() -> None:
    (row,) = table([0.5]).to_pylist()
    said = {"workload": "halves", "version": 1, "pack": "p", "generation": 7, "commit": "abc", "dirty": True, "threads": 1}
    assert said.items() <= row.items()
    assert row["started"] == datetime.datetime(2001, 9, 9, 1, 46, 40, tzinfo=datetime.UTC)
    assert row["torch"] == (str(sys.modules["torch"].__version__) if "torch" in sys.modules else "none")


def test_rows_hold_all_params_in_full() -> None:
    rows = table([0.5, 1.0]).to_pylist()
    assert [(row["i"], row["scale"], row["label"]) for row in rows] == [(0, 1.0, None), (1, 1.0, None)]


def test_descriptions_and_units_stand_in_the_metadata() -> None:
    schema = table([0.5], workload=FINITE).schema
    notes = {key.decode(): value.decode() for key, value in schema.field("half").metadata.items()}
    assert notes == {"says": "half of it", "unit": "m", "role": "result", "aggregate": "rms", "bound": "exact"}
    assert json.loads(schema.metadata[b"lawsweep"])["version"] == 1


def test_nan_is_a_measurement_and_none_an_absence() -> None:
    made_of = table([float("nan"), 1.0], [None, 3])
    assert math.isnan(made_of["half"][0].as_py()) and made_of["half"].null_count == 0
    assert made_of["whole"].to_pylist() == [None, 3]
    assert told(made_of) == [("ok", None), ("ok", None)]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_what_must_be_finite_and_is_not_makes_the_row_diverged(bad: float) -> None:
    made_of = table([1.0, bad, 2.0], workload=FINITE)
    assert [status for status, _ in told(made_of)] == ["ok", "diverged", "ok"]
    assert repr(made_of["half"][1].as_py()) == repr(bad)


@pytest.mark.parametrize(
    ("half", "whole", "text"),
    [
        (["x"], None, "result 'half' must be of type float, but got 'x'"),
        ([[1.0]], None, "result 'half' must be of type float, but got [1.0]"),
        ([None], None, "result 'half' must be of type float, but got None"),
        ([1.0], [2.5], "result 'whole' must be of type int, but got 2.5"),
        ([1.0], [True], "result 'whole' must be of type int, but got True"),
        ([1.0], np.array([2.5]), "result 'whole' must be of type int, but got 2.5"),
        ([1.0], [2**70], f"result 'whole' must be of type int, but got {2**70}"),
        ([1.0], ["2"], "result 'whole' must be of type int, but got '2'"),
        ([1.0], [float("nan")], "result 'whole' must be of type int, but got nan"),
        (np.array([1j]), None, "result 'half' must be of type float, but got 1j"),
        ([object], None, "result 'half' must be of type float, but got <class 'object'>"),
    ],
)
def test_a_value_of_the_wrong_type_makes_its_row_an_error(half: Any, whole: Any, text: str) -> None:
    assert told(table(half, whole)) == [("error", f"WorkloadError: {text}; mend the workload's run, or annotate the result.")]


@pytest.mark.parametrize(
    ("half", "whole", "text"),
    [
        (["yes"], ["a"], "bool, but got 'yes'"),
        ([1], ["a"], "bool, but got 1"),
        (np.array([0.5]), ["a"], "bool, but got 0.5"),
        ([True], [3], "str, but got 3"),
    ],
)
def test_truths_and_texts_are_checked_too(half: Any, whole: Any, text: str) -> None:
    ((status, error),) = told(table(half, whole, workload=KINDS))
    assert status == "error" and text in str(error)


@pytest.mark.parametrize("half", [np.array([1, 2]), [1, 2], (1.0, 2), np.array([1, 2], "f4"), [np.float32(1), np.int64(2)]])
def test_numbers_of_every_make_are_floats(half: Any) -> None:
    assert table(half)["half"].to_pylist() == [1.0, 2.0]


@pytest.mark.parametrize("whole", [[3.0, None], [3, None], [np.int32(3), None], (3, None)])
def test_whole_numbers_of_every_make_are_ints(whole: Any) -> None:
    assert table([1.0, 1.0], whole)["whole"].to_pylist() == [3, None]


def test_only_the_row_with_the_wrong_value_fails() -> None:
    made_of = table([1.0, "x", 3.0])
    assert [status for status, _ in told(made_of)] == ["ok", "error", "ok"]
    assert made_of["half"].to_pylist() == [1.0, None, 3.0]


def test_a_point_with_one_wrong_row_has_failed() -> None:
    made_of = table(["x", 1.0, 2.0], at=[0, 0, 1], step=[0, 1, 0], final=[False, True, True])
    assert [status for status, _ in told(made_of)] == ["error", "error", "ok"]
    assert made_of["error"][0] == made_of["error"][1]


def test_a_failure_keeps_its_status_whatever_its_values() -> None:
    made_of = table([None], status=["timeout"], error=["too long"], step=[-1], workload=FINITE)
    assert told(made_of) == [("timeout", "too long")]
