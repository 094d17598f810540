"""A figure shows points with intervals, fitted laws and theory lines, and becomes a PNG and an SVG without a browser."""

from __future__ import annotations

import struct
from typing import Any

import polars as pl
import pytest

from orchestrator.claims import judge_rows
from orchestrator.errors import SpecError
from orchestrator.figures.data import CurveData, collect
from orchestrator.figures.draw import draw, render
from orchestrator.figures.drawing import Drawing
from tests.helpers.judging import FIELDS, KISSING, rows_of, spec_of

CLAIM = {"id": "c", "fit": {"law": "exponential", "x": "d", "y": "y"}, "expect": {"rate": {"at_least": 0}}}
FIGURE = {
    "kind": "curve",
    "x": "d",
    "y": "y",
    "log": ["y"],
    "lines": [{"y": "=2**d", "label": "2^d"}, {"y": 100, "label": "a hundred"}],
}


def rows(**more: Any) -> pl.DataFrame:
    return rows_of(KISSING.__getitem__, KISSING, noise=0.1).with_columns(**more)


def drawn(table: pl.DataFrame, **figure: Any) -> CurveData:
    spec = spec_of(CLAIM, figures=[{**FIGURE, **figure}])
    return collect(spec, spec.figures[0], table, FIELDS, judge_rows(spec, table, FIELDS))


def drawing(table: pl.DataFrame, **figure: Any) -> Drawing:
    return draw(spec_of(CLAIM, figures=[{**FIGURE, **figure}]), 0, table, FIELDS)


def test_a_rendered_figure_is_an_image() -> None:
    png, svg = render(drawing(rows(), color="arm", title="Kissing numbers"))
    width, height = struct.unpack(">II", png[16:24])
    assert png.startswith(b"\x89PNG") and width > 900 and height > 600 and len(png) > 20_000
    assert "Kissing numbers" in svg and "2^d" in svg


def test_every_x_has_a_point_inside_its_interval() -> None:
    points = drawn(rows()).points
    assert [p["x"] for p in points] == list(KISSING) and all(p["low"] < p["y"] < p["high"] for p in points)


def test_the_law_of_a_claim_is_drawn() -> None:
    found = drawn(rows()).laws
    assert {r["label"] for r in found} == {"exponential"} and found[-1]["y"] == pytest.approx(240, rel=0.2)


def test_one_law_of_two_claims_is_drawn_once() -> None:
    again = {**CLAIM, "id": "again"}
    spec = spec_of(CLAIM, again, figures=[FIGURE])
    assert len(collect(spec, spec.figures[0], rows(), FIELDS, judge_rows(spec, rows(), FIELDS)).laws) == len(drawn(rows()).laws)


def test_laws_of_two_claims_in_one_colour_have_dashes_of_their_own() -> None:
    early = {**CLAIM, "id": "early", "where": "d <= 5"}
    alone, both = drawing(rows()), draw(spec_of(CLAIM, early, figures=[FIGURE]), 0, rows(), FIELDS)
    assert "law of" not in str(alone.chart) and "Solid lines are" in alone.caption
    (scale,) = [
        line["encoding"]["strokeDash"]["scale"] for line in both.chart["layer"] if "strokeDash" in line.get("encoding", {})
    ]
    assert scale["domain"] == ["c", "early"] and len({tuple(dash) for dash in scale["range"]}) == 2
    assert "Lines, of each claim with a dash of its own, are fitted laws (exponential, of c and early)" in both.caption


def test_a_theory_line_is_a_formula_of_columns() -> None:
    found = [r for r in drawn(rows()).theory if r["label"] == "2^d"]
    assert len(found) == 60 and found[-1]["y"] == 2.0**8


def test_a_theory_line_that_names_a_param_is_drawn_for_each_value() -> None:
    table = pl.concat([rows(beta=pl.lit(b)) for b in (1.0, 2.0)])
    found = drawn(table, color="beta", lines=[{"y": "=10*beta", "label": "ten"}]).theory
    assert {(r["label"], r["y"]) for r in found} == {("ten (beta = 1)", 10.0), ("ten (beta = 2)", 20.0)}


def test_a_theory_line_without_a_group_is_in_every_facet() -> None:
    table = pl.concat([rows(arm=pl.lit(a)) for a in ("left", "right")])
    assert {r["facet"] for r in drawn(table, facet="arm").theory} == {"left", "right"}


def test_words_at_the_axes_take_the_place_of_columns() -> None:
    svg = render(drawing(rows(), labels={"x": "dimension d", "y": "memories"}))[1]
    assert "dimension d" in svg and "memories" in svg and ">y<" not in svg


def test_axes_of_claims_have_no_words_of_their_own() -> None:
    with pytest.raises(SpecError, match="a figure of kind 'slopes' must have no labels"):
        spec_of(CLAIM, figures=[{"kind": "slopes", "labels": {"x": "rate"}}])


def test_facets_are_rendered() -> None:
    table = pl.concat([rows(arm=pl.lit(a)) for a in ("left", "right")])
    _, svg = render(drawing(table, facet="arm"))
    assert "right" in svg and svg.count(">2^d<") == 2  # a theory line has its name in every panel


def test_params_that_vary_are_curves_of_their_own() -> None:
    table = pl.concat([rows(beta=pl.lit(b)) for b in (1.0, 2.0)])
    assert {p["curve"] for p in drawn(table).points} == {"beta = 1", "beta = 2"}


def test_a_logarithm_shows_no_zero() -> None:
    assert len(drawn(rows(y=pl.when(pl.col("d") == 2).then(0.0).otherwise("y"))).points) == 6


def test_colours_and_shapes_both_tell_arms_apart() -> None:
    table = pl.concat([rows(arm=pl.lit(a)) for a in ("left", "right")])
    encoding = drawing(table, color="arm").chart["layer"][-1]["encoding"]
    assert encoding["color"]["scale"]["range"] == ["#0072B2", "#D55E00"]
    assert encoding["shape"]["scale"]["range"] == ["circle", "square"]


def test_lost_points_are_in_the_caption() -> None:
    table = rows(status=pl.when((pl.col("d") == 8) & (pl.col("seed") == 0)).then(pl.lit("oom")).otherwise(pl.lit("ok")))
    assert "1 point has no result" in drawing(table).caption


def test_a_caption_says_what_is_drawn() -> None:
    assert drawing(rows()).caption.startswith("y (number of memories) over d. Marks are the mean over 8 seeds")


def test_a_wrong_column_names_the_nearest() -> None:
    with pytest.raises(SpecError, match=r"figures: 'betta' must name columns .* did you mean 'beta'"):
        drawing(rows(), color="betta")


def test_the_chart_is_the_same_every_time() -> None:
    assert drawing(rows(), color="arm").chart == drawing(rows(), color="arm").chart


def test_values_that_lie_among_one_another_are_curves_of_their_own() -> None:
    among = rows(beta=(pl.col("d") % 2).cast(pl.Float64))
    beside = rows(beta=(pl.col("d") // 5).cast(pl.Float64))
    assert {p["curve"] for p in drawn(among).points} == {"beta = 0", "beta = 1"}
    assert {p["curve"] for p in drawn(beside).points} == {p["curve"] for p in drawn(among, color="beta").points} == {""}
