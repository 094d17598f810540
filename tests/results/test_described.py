"""What a result can be at all is declared once, travels with its rows, and holds for formulas of it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from orchestrator.results.described import ANYTHING, Described, fields, possible
from orchestrator.store import row_format
from orchestrator.workload.describe import load

MINE = """
from __future__ import annotations
from dataclasses import dataclass
from typing import Annotated
VERSION = 1
MEASURES = "value"

@dataclass(frozen=True)
class Params:
    x: Annotated[int, "a number"] = 1

@dataclass(frozen=True)
class Result:
    gap: Annotated[float, "no less than nothing", {"range": [0, None]}] = 0.0
    angle: Annotated[float, "an angle", {"range": (0, 90)}] = 0.0
    free: Annotated[float, "anything"] = 0.0

def run(p, ctx):
    yield 0, Result()
"""


def test_a_range_travels_with_the_rows(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    known = fields(row_format.describe(row_format.row_schema(load("./mine.py", tmp_path))))
    ranges = {name: known[name].range for name in ("gap", "angle", "free")}
    assert ranges == {"gap": (0, math.inf), "angle": (0, 90), "free": ANYTHING}


@pytest.mark.parametrize(
    ("column", "expected"),
    [("angle", (0, 90)), ("90 - angle", (0, 90)), ("angle/45 - 1", (-1, 1)), ("hit", (0, 1)), ("1/angle", ANYTHING)],
)
def test_a_formula_can_be_what_its_column_can_be(column: str, expected: tuple[float, float]) -> None:
    known = {
        "angle": Described(name="angle", role="result", range=(0.0, 90.0)),
        "hit": Described(name="hit", role="result", aggregate="proportion"),
    }
    assert possible(known, column) == expected


def test_a_formula_of_two_columns_can_be_anything() -> None:
    known = {name: Described(name=name, role="result", range=(0.0, 1.0)) for name in ("a", "b")}
    assert possible(known, "a/b") == ANYTHING
