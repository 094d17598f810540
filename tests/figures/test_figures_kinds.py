"""Fronts, slopes, costs, residuals, borders, steps and failures are drawn as what they are."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from orchestrator.claims import judge_rows
from orchestrator.errors import SpecError
from orchestrator.figures.data import collect
from orchestrator.figures.draw import draw, printed, render
from orchestrator.figures.drawing import Drawing, Found
from orchestrator.figures.kinds.pareto import front
from orchestrator.figures.kinds.slopes import estimates
from tests.helpers.judging import FIELDS, KISSING, rows_of, spec_of

FIT = {"law": "exponential", "x": "d", "y": "y"}
CLAIM = {"id": "c", "fit": FIT, "expect": {"rate": {"at_least": 0.5}}}
CURVE = {"kind": "curve", "x": "d", "y": "y", "log": ["y"]}
MAP = {"kind": "heatmap", "x": "d", "y": "beta", "color": "y"}
KINDS = {
    "pareto": {"kind": "pareto", "x": "d", "y": "y", "best": ["high", "low"]},
    "slopes": {"kind": "slopes", "x": "rate"},
    "cost": {"kind": "cost", "x": "d", "color": "arm"},
    "residuals": {**CURVE, "residuals": True},
    "heatmap": MAP,
}


def rows(**more: Any) -> pl.DataFrame:
    extra = {"seconds": pl.col("d") / 10.0, "beta": pl.lit(2.0), **more}
    return rows_of(KISSING.__getitem__, KISSING, noise=0.1).with_columns(**extra)


def drawing(table: pl.DataFrame, found: Found | None = None, **figure: Any) -> Drawing:
    return draw(spec_of(CLAIM, figures=[figure]), 0, table, FIELDS, found or Found())


def marks(chart: Any) -> list[str]:
    """The kinds of marks of a chart, in the order in which they are drawn."""
    if "mark" in chart:
        mark = chart["mark"]
        return [mark if isinstance(mark, str) else mark["type"]]
    return [kind for part in chart.get("layer", chart.get("vconcat", [])) for kind in marks(part)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_becomes_a_picture_and_a_page(kind: str) -> None:
    made = drawing(rows(), **KINDS[kind])
    assert render(made)[0].startswith(b"\x89PNG") and printed(made).startswith(b"%PDF") and made.caption and made.data


SHAPES = {
    "pareto": ["line", "point"],
    "slopes": ["bar", "rule", "point"],
    "cost": ["line", "point"],
    "residuals": ["line", "rule", "point", "rule", "rule", "point"],
    "heatmap": ["point"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_drawn_with_its_marks(kind: str) -> None:
    assert marks(drawing(rows(), **KINDS[kind]).chart) == SHAPES[kind]


@pytest.mark.parametrize("best", [("low", "low"), ("high", "high"), ("low", "high"), ("high", "low")])
def test_a_front_is_what_none_beats(best: tuple[str, str]) -> None:
    places = [(1.0, 3.0), (2.0, 2.0), (2.0, 4.0), (3.0, 1.0), (4.0, 2.0)]
    beaten = {
        i
        for i, p in enumerate(places)
        for q in places
        if q != p and all((a <= b) if end == "low" else (a >= b) for a, b, end in zip(q, p, best, strict=True))
    }
    assert front(places, best) == set(range(5)) - beaten


def test_a_slope_stands_beside_its_expected_region() -> None:
    (found,) = estimates(judge_rows(spec_of(CLAIM), rows(), FIELDS), "rate")
    assert found["expected_low"] == 0.5 and found["expected_high"] is None
    assert found["low"] < found["estimate"] < found["high"] and found["verdict"] == "supported"


def test_the_cost_of_a_point_is_its_seconds() -> None:
    points = [r for r in drawing(rows(), **KINDS["cost"]).data if r["shows"] == "point"]
    assert [r["y"] for r in points] == pytest.approx([d / 10 for d in KISSING])


def test_residuals_are_what_the_law_leaves() -> None:
    left = [r["y"] for r in drawing(rows(), **KINDS["residuals"]).data if r["shows"] == "residual"]
    assert len(left) == len(KISSING) and min(left) < 1 < max(left) and max(left) < 1.6


def test_a_place_without_a_result_is_a_cross() -> None:
    lost = rows(status=pl.when((pl.col("d") == 8) & (pl.col("seed") == 0)).then(pl.lit("oom")).otherwise(pl.lit("ok")))
    made = drawing(lost, **CURVE)
    assert [r["x"] for r in made.data if r["shows"] == "no result"] == [8.0] and "crosses at the foot" in made.caption
    assert made.chart["layer"][-1]["mark"]["shape"] == "cross"


def test_a_figure_over_steps_has_all_of_them() -> None:
    steps = [rows(step=pl.lit(n), final=pl.lit(n == 2), y=pl.col("y") / (n + 1)) for n in range(3)]
    spec = spec_of(CLAIM, figures=[{"kind": "curve", "x": "step", "y": "y", "color": "d"}])
    assert {p["x"] for p in collect(spec, spec.figures[0], pl.concat(steps), FIELDS, ()).points} == {0.0, 1.0, 2.0}


def test_the_boundary_that_was_found_is_drawn_over_the_map() -> None:
    found = pl.DataFrame(
        {"arm": rows()["arm"][0], "d": [2, 8], "beta": [1.0, 3.0], "beta_lower": [0.9, 2.9], "beta_upper": [1.1, 3.1]}
    )
    made = drawing(rows(), Found(boundaries=found), **MAP)
    assert [(r["y_low"], r["y_high"]) for r in made.data if r["shows"] == "boundary"] == [(0.9, 1.1), (2.9, 3.1)]
    assert marks(made.chart) == ["point", "line", "rule", "rule"] and "boundary that the search found" in made.caption


def test_a_substitute_for_real_data_is_named_on_the_figure() -> None:
    made = drawing(rows(substitute=pl.lit(True)), **CURVE)
    assert "substitute for real data" in render(made)[1] and "substitute for real data" in made.caption


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        ({"kind": "curve", "x": "d"}, "'curve' must have 'y'"),
        ({"kind": "cost"}, "'cost' must have 'x'"),
        ({"kind": "heatmap", "x": "d", "y": "beta"}, "must have 'color'"),
        ({**CURVE, "residuals": True, "facet": "arm"}, "without 'facet'"),
    ],
)
def test_a_figure_that_lacks_something_is_refused(figure: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        spec_of(CLAIM, figures=[figure])
