"""A figure shows what was measured, and nothing else: failures, open intervals, searched params, laws of unmet claims."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner

from orchestrator.cli import cli
from orchestrator.figures import of_sweep
from orchestrator.figures.draw import draw, render
from orchestrator.figures.drawing import Drawing
from orchestrator.figures.theme import COLORS, LOST, NIGHT, SHAPES
from orchestrator.results.stored_sweep import open_sweep
from tests.helpers.judging import FIELDS, rows_of, spec_of

NS = (1, 2, 4, 8, 16, 32)
CURVE: dict[str, Any] = {"kind": "curve", "x": "d", "y": "y"}
FIT = {"fit": {"law": "power", "x": "d", "y": "y"}, "expect": {"exponent": {"between": [-1.1, -0.9]}}}


def marks(made: Drawing, kind: str) -> list[dict[str, Any]]:
    return [layer for layer in made.chart["layer"] if layer["mark"]["type"] == kind]


def arms(**values: Any) -> pl.DataFrame:
    """Rows of 1/d in arms of these names, times a factor each."""
    return pl.concat(
        rows_of(lambda d, k=k: k / d, NS, noise=0.01, draw=i).with_columns(arm=pl.lit(arm))
        for i, (arm, k) in enumerate(values.items())
    )


def drawing(table: pl.DataFrame, *claims: dict[str, Any], **figure: Any) -> Drawing:
    return draw(spec_of(*claims, figures=[{**CURVE, **figure}]), 0, table, FIELDS)


def test_a_failure_stands_at_the_foot_whatever_height_the_page_gives_the_plot() -> None:
    table = arms(a=1, b=2).with_columns(status=pl.when(pl.col("d") == 8).then(pl.lit("error")).otherwise(pl.lit("ok")))
    made = drawing(table, color="arm")
    (cross,) = [layer for layer in made.chart["layer"] if layer["mark"].get("color") == LOST]
    assert cross["encoding"]["y"] == {"value": {"expr": "height - 7"}} and render(made)


def test_no_arm_has_the_colour_or_the_shape_of_a_failure() -> None:
    every = {color.lower() for color in (*COLORS, *(NIGHT[color] for color in COLORS if color in NIGHT))}
    assert not {LOST.lower(), NIGHT[LOST].lower()} & every and "cross" not in SHAPES


def test_an_interval_below_zero_has_no_end_on_a_logarithmic_axis() -> None:
    table = rows_of(lambda d: 1.0, NS).with_columns(y=pl.when(pl.col("seed") == 0).then(30.0).otherwise(0.01))
    made = drawing(table, log=["x", "y"])
    assert all(p["low"] < 0 for p in made.data if p["shows"] == "point")
    assert "An arrow at the foot" in made.caption and render(made)
    cut = [layer for layer in marks(made, "rule") if layer["transform"] == [{"filter": "!(datum.low > 0)"}]]
    assert [layer["encoding"]["y2"] for layer in cut] == [{"value": {"expr": "height - 0"}}]
    assert "An arrow" not in drawing(table, log=["x"]).caption


def test_a_mark_that_a_logarithmic_axis_has_no_place_for_is_told() -> None:
    table = rows_of(lambda d: d - 1.0, NS)
    assert "1 mark has no place on a logarithmic axis" in drawing(table, log=["y"]).caption


def test_a_law_of_an_unmet_claim_is_not_drawn() -> None:
    few = {"id": "few", **FIT, "require": {"x_decades": 9}}
    limited = {"id": "limited", **FIT, "by": ["arm"], "require": {"seeds": 4}}
    assert not [p for p in drawing(arms(a=1), few).data if p["shows"] == "law"]
    table = arms(a=1, b=2).filter((pl.col("arm") == "a") | (pl.col("d") < 4))
    made = drawing(table, limited, color="arm")
    assert not [p for p in made.data if p["shows"] == "law"] and "limited: the claim is unmet" in made.caption


def test_an_arm_without_a_law_keeps_its_line() -> None:
    made = drawing(arms(a=1, b=2), {"id": "c", **FIT, "where": "arm = 'a'"}, color="arm")
    (trace,) = [layer for layer in marks(made, "line") if layer["mark"].get("strokeWidth") == 1]
    assert {p["color"] for p in trace["data"]["values"]} == {"b"}
    assert {p["color"] for p in made.data if p["shows"] == "law"} == {"a"}


def test_an_arm_that_a_pooled_law_leaves_out_keeps_its_line() -> None:
    made = drawing(arms(a=1, b=1, c=2), {"id": "c", **FIT, "where": "arm in ('a', 'b')"}, color="arm")
    (trace,) = [layer for layer in marks(made, "line") if layer["mark"].get("strokeWidth") == 1]
    assert {p["color"] for p in trace["data"]["values"]} == {"c"}


@pytest.mark.parametrize(("figure", "rows"), [({}, "each of 8 rows"), ({"x": "d*0 + 1"}, "each of 48 rows")])
def test_a_caption_says_how_many_rows_a_mark_stands_for(figure: dict[str, Any], rows: str) -> None:
    assert rows in drawing(arms(a=1), **figure).caption


SEARCHED = """
from dataclasses import dataclass
from typing import Annotated

VERSION, MEASURES = 1, "value"

@dataclass(frozen=True)
class Params:
    n: Annotated[int, "size"]
    b: Annotated[float, "a place"] = 1.0

@dataclass(frozen=True)
class Result:
    gap: Annotated[float, "what is missing"]

def run(params, ctx):
    yield 0, Result(gap=params.b - params.n / 7)
"""
SWEEP = """
question: where?
workload: ./edge.py
axes: {n: [1, 2, 3]}
search: {boundary: {along: b, of: gap, level: 0, between: [0.05, 3], tolerance: 0.01, round: 4}}
figures: [{kind: boundary, x: n, y: b}]
"""


def test_what_a_search_probed_is_never_averaged(tmp_path: Path) -> None:
    (tmp_path / "edge.py").write_text(SEARCHED)
    (tmp_path / "edge.yaml").write_text(SWEEP)
    CliRunner().invoke(cli, ["run", str(tmp_path / "edge.yaml"), "--inline", "--no-mlflow", "--store", str(tmp_path / "s")])
    sweep = open_sweep("edge", None, str(tmp_path / "s"))
    given = sweep.store, sweep.record
    probes = of_sweep.explore(*given, {"x": "n", "y": "gap"}, sweep.rows, sweep.fields)
    points = [p for p in probes.data if p["shows"] == "point"]
    assert len(points) == len(sweep.rows) > 12 and {p["rows"] for p in points} == {1}
    assert "nothing is averaged over b" in probes.caption and not marks(probes, "line")
    found = of_sweep.explore(*given, {"x": "n", "y": "b"}, sweep.rows, sweep.fields)
    places = {p["x"]: p["y"] for p in found.data if p["shows"] == "point"}
    assert all(math.isclose(b, n / 7, abs_tol=0.02) for n, b in places.items()) and len(places) == 3
    assert "each stands for 1 row" in found.caption.lower()


@pytest.mark.parametrize("status", ["ok", "error"])
def test_the_seed_may_be_the_x_of_a_figure(status: str) -> None:
    table = rows_of(lambda d: 1 / d, NS, noise=0.01)
    table = table.with_columns(
        status=pl.when((pl.col("d") == 4) & (pl.col("seed") == 2)).then(pl.lit(status)).otherwise("status")
    )
    made = draw(spec_of(figures=[{**CURVE, "x": "seed", "color": "d"}]), 0, table, FIELDS)
    assert made.chart["layer"]
