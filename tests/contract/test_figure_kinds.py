"""Every kind of figure that is here keeps its contract; a new module in the folder is tested unasked."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from orchestrator import kinds
from orchestrator.errors import SpecError
from orchestrator.figures.draw import KINDS as DRAWN
from orchestrator.figures.draw import draw
from orchestrator.figures.drawing import Drawing, Found
from orchestrator.spec import json_schema
from orchestrator.spec.figure_model import FIGURES, KINDS
from tests.helpers.judging import FIELDS, KISSING, rows_of, spec_of

CLAIM = {"id": "c", "fit": {"law": "exponential", "x": "d", "y": "y"}, "expect": {"rate": {"at_least": 0.5}}}
AXES = {"x": "d", "y": "y", "color": "beta"}


def rows() -> pl.DataFrame:
    return rows_of(KISSING.__getitem__, KISSING, noise=0.1).with_columns(seconds=pl.col("d") / 10.0, beta=pl.lit(2.0))


def figure(kind: str, without: str = "") -> dict[str, Any]:
    """A figure of the kind with the keys that it needs, but for one."""
    return {"kind": kind, **{key: AXES[key] for key in KINDS[kind].needs if key != without}}


def drawing(asks: dict[str, Any]) -> Drawing:
    return draw(spec_of(CLAIM, figures=[asks]), 0, rows(), FIELDS, Found())


def marks(chart: Any) -> list[Any]:
    """All marks of a chart, wherever they are nested."""
    inner = [part for key in ("layer", "vconcat", "hconcat") for part in chart.get(key, [])]
    return [*([chart["mark"]] if "mark" in chart else []), *(mark for part in inner for mark in marks(part))]


def test_a_figure_kind_is_in_both_folders() -> None:
    assert kinds.names_in(FIGURES) == kinds.names_in(DRAWN) and set(KINDS) == set(kinds.names_in(FIGURES))


@pytest.mark.parametrize("kind", KINDS)
def test_planted_rows_are_drawn(kind: str) -> None:
    made = drawing(figure(kind))
    assert marks(made.chart) and made.title and made.caption.endswith(".") and made.name == "figure_1"
    assert made.data and all(record["shows"] for record in made.data)


@pytest.mark.parametrize(("kind", "axis"), [(kind, axis) for kind, about in KINDS.items() for axis in about.needs])
def test_a_missing_axis_is_refused_with_what_to_do(kind: str, axis: str) -> None:
    with pytest.raises(SpecError, match=rf"figures\[0\]\S*: .*{kind}.* must have '{axis}', but has none; name "):
        drawing(figure(kind, without=axis))


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_has_the_kind_and_says_what_it_draws(kind: str) -> None:
    key = json_schema.generate()["$defs"]["Figure"]["properties"]["kind"]
    assert kind in key["enum"] and f"{kind}: {KINDS[kind].says}" in key["description"]


def test_every_key_of_a_figure_is_explained() -> None:
    made = json_schema.generate()["$defs"]
    assert [
        key for model in ("Figure", "Line") for key, about in made[model]["properties"].items() if not about.get("description")
    ] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_s_modules_say_what_they_are(kind: str) -> None:
    assert all(kinds.module_of(package, kind).__doc__ for package in (FIGURES, DRAWN)) and KINDS[kind].says
