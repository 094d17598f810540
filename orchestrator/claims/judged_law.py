"""Turns the law that a claim was judged by into JSON values in its verdict, and those into a law that can be drawn.

A law is fitted once, when its claim is judged. What draws it later, from a verdict in hand or one that was saved, fits nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from orchestrator.claims.case import Case
from orchestrator.claims.evidence import settled
from orchestrator.claims.verdict import Finding, jsonable
from orchestrator.columns import ENGINE_NAMES
from orchestrator.fitting import laws
from orchestrator.fitting.fits import FittedLaw
from orchestrator.fitting.intervals import Array, interval
from orchestrator.fitting.laws import Law
from orchestrator.fitting.series import Series
from orchestrator.wording import shown

ENDS = ("y", "low", "high")


@dataclass(frozen=True, kw_only=True)
class JudgedLaw:
    """A law as it was judged on one group: `theta` `(p,)` are its internal parameters, `low` and `high` the x it rests on.

    `source` is the claim's `from`, `by` are the columns that its groups differ in, `constant` the columns that have one value
    in the rows that were judged, with that value. `points` are what was measured at each x, with intervals.
    """

    law: Law
    theta: Array
    x: str
    y: str
    source: str
    low: float
    high: float
    by: tuple[str, ...]
    constant: Mapping[str, Any]
    points: Sequence[Mapping[str, float]]

    def values(self, x: Array) -> Array:
        """The law's y at x."""
        return self.law.value(self.theta, x)


def summary(fitted: FittedLaw) -> dict[str, Any]:
    """A fit as JSON values: the law, its parameters, the x it rests on and the lack of fit."""
    return {
        "law": fitted.law.name,
        "space": fitted.space,
        "parameters": {p.name: fitted.estimate(p.name) for p in fitted.law.parameters},
        "x_points": len(fitted.series.near.x),
        "x_from": float(fitted.series.near.x[0]),
        "x_to": float(fitted.series.near.x[-1]),
        "seeds": len(fitted.series.units),
        "lack_of_fit": fitted.lack,
        "noisy": fitted.series.noisy,
    }


def reach(fitted: FittedLaw) -> str:
    """How far x goes, and whether the law is rejected over it: what an exponent is worth."""
    near = fitted.series.near
    length = f"{near.decades:.2g} decades of x" if near.x[0] > 0 else f"x from {shown(float(near.x[0]))}"
    missed = f"; the law is rejected: it misses by more than the noise (p = {fitted.lack:.2g})" if fitted.rejected else ""
    return f"over {length}{missed}"


def drawable(fitted: FittedLaw, case: Case, rows: pl.DataFrame) -> dict[str, Any]:
    """The summary of a fit to a group's rows, with all that it takes to draw the law from a saved verdict."""
    claim = case.claim
    (x, y), by = claim.axes, claim.groups
    constant = _constant(case, rows, by)
    return {
        **summary(fitted),
        "x": x,
        "y": y,
        "from": claim.from_,
        "by": list(by),
        "constant": [[name, jsonable(value)] for name, value in constant.items()],
        "points": _points(fitted.series.near),
    }


def _constant(case: Case, rows: pl.DataFrame, by: Sequence[str]) -> dict[str, Any]:
    """The arm, the params and the derived columns that have one value in the rows with a result, with that value."""
    results = {name for name, field in case.fields.items() if field.role == "result"}
    names = [name for name in rows.columns if name.isidentifier() and name not in ENGINE_NAMES | results]
    judged = rows.filter(settled(rows))
    candidates = [name for name in dict.fromkeys(("arm", *by, *names)) if name in rows.columns]
    return {name: judged[name][0] for name in candidates if judged[name].n_unique() == 1}


def _points(curve: Series) -> dict[str, list[float]]:
    """What was measured at each x, seeds combined, with its interval: a list a column."""
    spans = [interval(values, curve.aggregate) for values in curve.values]
    return {
        "x": curve.x.tolist(),
        "y": [span.estimate for span in spans],
        "low": [span.low for span in spans],
        "high": [span.high for span in spans],
    }


def laws_of(finding: Finding) -> Iterator[JudgedLaw]:
    """The laws that a finding's claim was judged by: one, two of a comparison, none where nothing was fitted.

    None either where an older version saved the verdict, which did not say what it takes to draw them.
    """
    numbers = finding.numbers
    for record in (numbers, *(numbers.get("fits") or ())[:1], *numbers.values()):
        if isinstance(record, Mapping) and "parameters" in record and "constant" in record:
            yield _restored(record)


def _restored(record: Mapping[str, Any]) -> JudgedLaw:
    law, points = laws.law(record["law"]), record["points"]
    columns = [_floats(points[name]) for name in ("x", *ENDS)]
    return JudgedLaw(
        law=law,
        theta=law.internal(record["parameters"]),
        x=record["x"],
        y=record["y"],
        source=record["from"],
        low=record["x_from"],
        high=record["x_to"],
        by=tuple(record["by"]),
        constant=dict(record["constant"]),
        points=[dict(zip(("x", *ENDS), values, strict=True)) for values in zip(*columns, strict=True)],
    )


def _floats(values: Sequence[float | None]) -> list[float]:
    """Numbers where JSON, which has no infinity, says null."""
    return [np.nan if value is None else float(value) for value in values]
