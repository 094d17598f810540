"""The Vega-Lite chart of every kind of figure is, mark by mark, the one that was looked at and accepted."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from orchestrator.figures import NOTHING, Drawing, Found, draw
from tests.judging import FIELDS, KISSING, rows_of, spec_of

GOLDEN = Path(__file__).parent / "golden" / "figures"
ACCEPT = "ACCEPT=1 .venv/bin/python -m pytest tests/test_figures_golden.py"
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


def plain(value: Any) -> Any:
    """The value with its numbers at seven digits: the last ones are the machine's."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return float(f"{value:.7g}") if isinstance(value, float) else value


@pytest.mark.parametrize("kind", FIGURES)
def test_a_figure_is_the_one_that_was_accepted(kind: str) -> None:
    drawing = made(kind)
    found = plain({"caption": drawing.caption, "chart": drawing.chart})
    path = GOLDEN / f"{kind}.json"
    if os.environ.get("ACCEPT"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    assert found == json.loads(path.read_text()), f"figure '{kind}' changed; look at it, and if that is meant: {ACCEPT}"


def test_no_golden_figure_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == {*FIGURES}
