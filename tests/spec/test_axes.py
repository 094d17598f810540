"""Axes: which values they have, how they are counted, and how they move together."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.spec.axes import AxisGroup, Wrong, read_axes, write_axes
from orchestrator.spec.expressions import Expression


def values(raw: object) -> list[object]:
    (group,) = read_axes({"d": raw})
    return [row[0] for row in group.rows]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ([4, 2, 8], [4, 2, 8]),
        (["a", True, 0.5], ["a", True, 0.5]),
        (["=2**10", "=1/4"], [1024, 0.25]),
        ({"range": [2, 8, 1]}, [2, 3, 4, 5, 6, 7, 8]),
        ({"range": [6, 18, 5]}, [6, 11, 16]),
        ({"range": [0, 1, 0.25]}, [0.0, 0.25, 0.5, 0.75, 1.0]),
        ({"range": [0, 0.3, 0.1]}, [0.0, 0.1, 0.2, 0.3]),
        ({"range": [3, 1, -1]}, [3, 2, 1]),
        ({"range": [5, 5, 1]}, [5]),
        ({"pow2": [6, 9]}, [64, 128, 256, 512]),
        ({"pow2": [-2, 0]}, [0.25, 0.5, 1.0]),
        ({"lin": [0, 1, 6]}, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ({"lin": [2, 8, 3]}, [2, 5, 8]),
        ({"geom": [8, 64, 4]}, [8, 16, 32, 64]),
        ({"geom": [0.001, 1, 4]}, [0.001, 0.01, 0.1, 1.0]),
        ({"lin": ["=1/2", "=3/2", 3]}, [0.5, 1.0, 1.5]),
    ],
)
def test_an_axis_has_its_values(raw: object, expected: list[object]) -> None:
    found = values(raw)
    assert [(value, type(value)) for value in found] == [(value, type(value)) for value in expected]


@pytest.mark.parametrize(("form", "middle"), [("lin", 3.0), ("geom", 5**0.5)])
def test_ends_may_depend_on_params(form: str, middle: float) -> None:
    found = values({form: ["=u", "=5*u", 3]})
    assert [e.evaluate({"u": 1}) for e in found if isinstance(e, Expression)] == pytest.approx([1, middle, 5])


def test_params_of_a_zip_move_together() -> None:
    (group,) = read_axes({"zip": {"levels": [10, 14], "alpha": [0.5, 0.1]}})
    assert (group.names, list(group.rows)) == (("alpha", "levels"), [(0.5, 10), (0.1, 14)])


def test_a_column_of_a_zip_may_repeat_a_value() -> None:
    (group,) = read_axes({"zip": {"a": [1, 1], "b": {"range": [1, 2, 1]}}})
    assert list(group.rows) == [(1, 1), (1, 2)]


def test_a_row_of_a_zip_must_not_repeat() -> None:
    with pytest.raises(Wrong, match=r"must have different values, but \(1, 2\) stands at \[0\] too"):
        read_axes({"zip": {"a": [1, 1], "b": [2, 2]}})


def test_true_is_not_one() -> None:
    assert values([True, 1]) == [True, 1]


def test_rows_can_be_taken_from_either_end_and_in_slices() -> None:
    rows = read_axes({"d": {"range": [1, 10**9, 1]}})[0].rows
    assert (rows[-1], rows[1:3]) == ((10**9,), ((2,), (3,)))


def test_a_row_past_the_end_is_an_index_error() -> None:
    with pytest.raises(IndexError, match="3"):
        read_axes({"d": [1, 2, 3]})[0].rows[3]


@pytest.mark.parametrize("raw", [{"range": [1, 10**12, 1]}, {"lin": [0, 1, 10**12]}, {"geom": [1, 10**12, 10**12]}])
def test_a_trillion_rows_are_counted_at_once(raw: object) -> None:
    began = time.process_time()
    (group,) = read_axes({"d": raw})
    assert len(group) == 10**12
    assert time.process_time() - began < 0.05


def test_a_count_may_be_of_any_size() -> None:
    assert read_axes({"d": {"range": [1, 1e25, 1]}})[0].count == 10**25


def test_a_lin_axis_finer_than_floats_is_refused() -> None:
    with pytest.raises(Wrong, match=r"must have different values, but 1000 values from 1.0 to 1.0000000000000002 repeat"):
        read_axes({"d": {"lin": [1.0, 1.0000000000000002, 1000]}})


def test_groups_stand_in_the_order_of_their_names() -> None:
    assert read_axes({"b": [1], "a": [2]}) == read_axes({"a": [2], "b": [1]})


@settings(deadline=None)
@given(st.integers(-100, 100), st.integers(1, 60), st.integers(1, 7))
def test_a_range_is_that_of_python_with_its_end(start: int, span: int, step: int) -> None:
    assert values({"range": [start, start + span, step]}) == list(range(start, start + span + 1, step))


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.integers(), min_size=1, max_size=4, unique=True), min_size=1))
def test_what_is_written_reads_as_the_same_groups(raw: dict[str, list[int]]) -> None:
    groups = read_axes(raw)
    assert read_axes(write_axes(groups)) == groups


def test_a_group_is_as_long_as_its_rows() -> None:
    group = AxisGroup(("d",), read_axes({"d": [1, 2]})[0].columns)
    assert len(group) == len(group.rows) == group.count
