"""Turns the curves of a sweep into the page of MLflow that compares them: all curves in one list, every metric over x."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.mirror.entries import Entry

STATE = "mlflow.sharedViewState."
"""How the tag of an experiment begins that holds what MLflow's page of runs shows."""
BY_NAME = "tags.`mlflow.runName`"


def key(size: str) -> str:
    """The name of the page for one size of a sweep."""
    return f"curves-{size}"


def state(size: str, curves: Sequence[Entry]) -> str:
    """What the page shows, as MLflow keeps it: the curves of that size without their parents, along the x that they have.

    MLflow folds runs under their parent unless they are sorted by something else than their time.
    """
    x = next((e.tags["x"] for e in curves if e.tags.get("x") in {name for name, *_ in e.metrics}), "")
    along = {"xAxisKey": "metric", "selectedXAxisMetricKey": x} if x else {"xAxisKey": "step", "selectedXAxisMetricKey": ""}
    search = f"tags.`lawsweep.kind` != 'invocation' and tags.`lawsweep.size` = '{size}'"
    view = {"searchFilter": search, "orderByKey": BY_NAME, "orderByAsc": True}
    return json.dumps({**view, "globalLineChartConfig": {"lineSmoothness": 0, **along}})


def link(experiment: str, size: str) -> str:
    """The way to that page from another page of the same MLflow server, in Markdown."""
    address = f"#/experiments/{experiment}/runs?viewStateShareKey={key(size)}&compareRunsMode=CHART"
    return f"[Compare its curves]({address})"
