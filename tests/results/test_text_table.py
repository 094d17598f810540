"""A table of texts: aligned, folded to a width, and coloured without moving a column."""

from __future__ import annotations

import pytest

from orchestrator.results import text_table

ROWS = [["rate", "0.6 [0.5, 0.7]; 0.8 [0.7, 0.9]", "12"], ["a longer name", "", "3"]]


def test_columns_stand_under_their_names() -> None:
    assert list(text_table.lines(["name", "found", "rows"], ROWS, right=["rows"], rule=True)) == [
        "name           found                           rows",
        "-------------  ------------------------------  ----",
        "rate           0.6 [0.5, 0.7]; 0.8 [0.7, 0.9]    12",
        "a longer name                                     3",
    ]


def test_wide_columns_are_folded_but_for_those_that_stay_whole() -> None:
    shown = list(text_table.lines(["name", "found", "rows"], ROWS, width=38, whole=["name"]))
    assert max(map(len, shown)) <= 38 and "a longer name" in shown[-1]
    assert [line[15:31].strip() for line in shown[1:3]] == ["0.6 [0.5, 0.7];", "0.8 [0.7, 0.9]"]


def test_a_colour_moves_no_column() -> None:
    shown = list(text_table.lines(["a", "b"], [["x", "y"]], style=lambda cell, text: f"<{text}>" if cell == "x" else text))
    assert shown == ["a  b", "<x>  y"]


def test_no_rows_and_no_columns_are_tables_too() -> None:
    assert list(text_table.lines(["n"], [], rule=True)) == ["n", "-"] and list(text_table.lines([], [])) == [""]


@pytest.mark.parametrize("text", ["a\tb", "a\x1bb", "a\nb"])
def test_no_cell_redraws_the_terminal(text: str) -> None:
    assert text_table.plain(text) == "a b"
