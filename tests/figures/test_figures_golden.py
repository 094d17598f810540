"""The Vega-Lite chart of every kind of figure is, mark by mark, the one that was looked at and accepted."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from orchestrator.figures.draw import draw
from orchestrator.figures.drawing import NOTHING, Drawing, Found
from tests.helpers.judging import FIELDS, KISSING, rows_of, spec_of

GOLDEN = Path(__file__).parents[1] / "golden" / "figures"
ACCEPT = "ACCEPT=1 .venv/bin/python -m pytest tests/figures/test_figures_golden.py"
NEAR = 1e-6
"""Relative difference that is no change; no golden number is nought beside one that is not."""
CLAIM = {"id": "c", "fit": {"law": "exponential", "x": "d", "y": "y"}, "expect": {"rate": {"at_least": 0.5}}}
CURVE = {"kind": "curve", "x": "d", "y": "y", "log": ["y"], "title": "Kissing numbers"}
LINES = [{"y": "=2**d", "label": "2^d"}, {"y": 100, "label": "a hundred"}]
FIGURES = {
    "curve": {**CURVE, "color": "arm", "lines": LINES},
    "facets": {**CURVE, "facet": "beta", "log": ["x", "y"]},
    "failures": CURVE,
    "residuals": {**CURVE, "residuals": True},
    "points": {"kind": "points", "x": "d", "y": "y", "color": "beta"},
    "heatmap": {"kind": "heatmap", "x": "d", "y": "beta", "color": "y", "log": ["color"]},
    "phase": {"kind": "heatmap", "x": "d", "y": "beta", "color": "y"},
    "pareto": {"kind": "pareto", "x": "d", "y": "y", "best": ["high", "low"]},
    "slopes": {"kind": "slopes", "x": "rate"},
    "cost": {"kind": "cost", "x": "d", "color": "arm"},
}


def rows(**more: Any) -> pl.DataFrame:
    found = [rows_of(KISSING.__getitem__, KISSING, noise=0.1, draw=i).with_columns(beta=pl.lit(float(i + 1))) for i in range(3)]
    return pl.concat(found).with_columns(seconds=pl.col("d") / 10.0, **more)


def boundary() -> pl.DataFrame:
    ends = {"beta_lower": [0.9, 1.9, 2.6], "beta_upper": [1.1, 2.1, 2.9]}
    return pl.DataFrame({"arm": "all", "d": [2, 5, 8], "beta": [1.0, 2.0, 2.75], **ends})


def made(kind: str) -> Drawing:
    lost = pl.when((pl.col("d") == 8) & (pl.col("seed") == 0)).then(pl.lit("oom")).otherwise(pl.lit("ok"))
    table = rows(status=lost) if kind == "failures" else rows()
    found = Found(boundaries=boundary()) if kind == "phase" else NOTHING
    return draw(spec_of(CLAIM, figures=[FIGURES[kind]]), 0, table, FIELDS, found)


def differences(drawn: Any, accepted: Any, where: str = "") -> Iterator[str]:
    """Where two charts differ in more than a number's last digits, which are the machine's."""
    if isinstance(drawn, dict) and isinstance(accepted, dict) and drawn.keys() == accepted.keys():
        for key in drawn:
            yield from differences(drawn[key], accepted[key], f"{where}.{key}")
    elif isinstance(drawn, list) and isinstance(accepted, list) and len(drawn) == len(accepted):
        for place, pair in enumerate(zip(drawn, accepted, strict=True)):
            yield from differences(*pair, f"{where}[{place}]")
    elif isinstance(drawn, float) and isinstance(accepted, float):
        if not math.isclose(drawn, accepted, rel_tol=NEAR):
            yield f"{where}: {drawn!r}, not {accepted!r}"
    elif drawn != accepted or type(drawn) is not type(accepted):
        yield f"{where}: {str(drawn)[:200]}, not {str(accepted)[:200]}"


@pytest.mark.parametrize("kind", FIGURES)
def test_a_figure_is_the_one_that_was_accepted(kind: str) -> None:
    drawing = made(kind)
    drawn = {"caption": drawing.caption, "chart": drawing.chart}
    path = GOLDEN / f"{kind}.json"
    if os.environ.get("ACCEPT"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(drawn, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    changes = list(differences(drawn, json.loads(path.read_text())))
    assert changes == [], f"figure '{kind}' changed; look at it, and if that is meant: {ACCEPT}"


def test_a_number_of_another_size_is_a_change_and_its_last_digits_are_none() -> None:
    chart = {"data": {"values": [{"x": 1.0, "y": 0.1}]}}
    assert not list(differences(chart, {"data": {"values": [{"x": 1.0, "y": 0.1 * (1 + 1e-9)}]}}))
    assert list(differences(chart, {"data": {"values": [{"x": 1.0, "y": 0.1000002}]}})) == [
        ".data.values[0].y: 0.1, not 0.1000002"
    ]
    assert list(differences(chart, {"data": {"values": []}})) and list(differences(chart, {"data": {"name": "a"}}))


def test_no_golden_figure_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == {*FIGURES}
