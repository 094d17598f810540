"""Laws without a closed form (logistic, saturating, piecewise) agree with lmfit, cover, and judge what was planted."""

from __future__ import annotations

from typing import Any

import lmfit
import numpy as np
import polars as pl
import pytest

from orchestrator.fitting.fits import fit
from orchestrator.fitting.intervals import student
from orchestrator.fitting.laws import law
from orchestrator.fitting.series import Series
from orchestrator.results.described import Described
from tests.helpers.judging import FIELDS, judged, rows_of

X = np.linspace(1, 12, 12)
TRUE = {
    "logistic": {"low": 0.1, "high": 0.9, "centre": 6.0, "width": 1.2},
    "saturating": {"ceiling": 2.0, "rate": 0.3},
    "piecewise": {"intercept": 1.0, "knot": 6.4, "slope_before": 0.1, "slope_after": 0.8},
}
FORMULAS = {
    "logistic": lambda x, low, high, centre, width: low + (high - low) / (1 + np.exp(-(x - centre) / width)),
    "saturating": lambda x, ceiling, rate: ceiling * (1 - np.exp(-rate * x)),
    "piecewise": lambda x, intercept, knot, slope_before, slope_after: (
        intercept + slope_before * np.minimum(x, knot) + slope_after * np.maximum(x - knot, 0)
    ),
}


def truth(name: str, x: Any = X) -> Any:
    return FORMULAS[name](x, **TRUE[name])


def drawn(name: str, rng: np.random.Generator, seeds: int, noise: float = 0.03) -> Series:
    return Series(x=X, values=truth(name)[:, None] + noise * rng.normal(size=(len(X), seeds)), units=tuple(range(seeds)))


def told(name: str, found: Series, weights: Any) -> Any:
    """The law fitted by lmfit with those weights."""
    model = lmfit.Model(FORMULAS[name])
    close = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15, "jac": "3-point"}
    return model.fit(found.y, x=found.x, weights=np.sqrt(weights), **TRUE[name], method="least_squares", fit_kws=close)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("seeds", [1, 8])
def test_an_estimate_agrees_with_lmfit(name: str, seeds: int) -> None:
    found = fit(law(name), drawn(name, np.random.default_rng(3), seeds))
    values = told(name, found.series, found.weights).best_values
    assert {n: found.estimate(n) for n in values} == pytest.approx(values, rel=1e-6)


@pytest.mark.parametrize("name", FORMULAS)
def test_an_error_agrees_with_lmfit(name: str) -> None:
    found = fit(law(name), drawn(name, np.random.default_rng(3), 1))
    for parameter in found.law.parameters:
        if parameter.scale == "plain":
            error = told(name, found.series, found.weights).params[parameter.name].stderr
            half = found.half(parameter.index, 0.95)[0]
            assert half == pytest.approx(student(0.95, found.freedom) * error, rel=1e-3)


@pytest.mark.parametrize("name", ["logistic", "saturating"])
def test_an_interval_agrees_with_lmfits_profile(name: str) -> None:
    """A knot's squares have corners, where the two searches stop at different ones."""
    found = fit(law(name), drawn(name, np.random.default_rng(3), 1))
    fitted = lmfit.Model(FORMULAS[name]).fit(found.series.y, x=X, **TRUE[name])
    profile = fitted.conf_interval(sigmas=[0.95])
    for parameter, ends in profile.items():
        interval = found.interval(parameter, 0.95)
        assert (interval.low, interval.high) == pytest.approx((ends[0][1], ends[-1][1]), rel=2e-3)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("seeds", [4, 8, 32])
def test_every_parameters_interval_covers(name: str, seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    hits = []
    for _ in range(120):
        found = fit(law(name), drawn(name, rng, seeds))
        ends = [(found.interval(n), value) for n, value in TRUE[name].items()]
        hits += [[i.low <= value <= i.high for i, value in ends]]
    assert np.mean(hits, axis=0).min() >= 0.89 and np.mean(hits) >= 0.92


def bent(name: str, parameter: str, low: float, high: float, **more: Any) -> str:
    rows = rows_of(lambda d: float(truth(name, d)), X, noise=0.02)
    return judged(
        {"fit": {"law": name, "x": "d", "y": "y"}, "expect": {parameter: {"between": [low, high]}}, **more}, rows
    ).verdict


@pytest.mark.parametrize(("name", "parameter"), [("logistic", "centre"), ("saturating", "ceiling"), ("piecewise", "knot")])
def test_a_planted_parameter_is_supported_and_another_refuted(name: str, parameter: str) -> None:
    value = TRUE[name][parameter]
    assert bent(name, parameter, 0.8 * value, 1.2 * value) == "supported"
    assert bent(name, parameter, 1.5 * value, 2 * value) == "refuted"


def test_a_falling_curve_has_its_low_end_on_the_right() -> None:
    rows = rows_of(lambda d: 1 / (1 + np.exp(d - 6)), X, noise=0.01)
    claim = {
        "fit": {"law": "logistic", "x": "d", "y": "y"},
        "expect": {"high": {"between": [-0.1, 0.1]}, "width": {"at_least": 0.8}},
    }
    assert judged(claim, rows).verdict == "supported"


def test_a_saturating_law_is_preferred_where_it_is_true() -> None:
    rows = rows_of(lambda d: float(truth("saturating", d)), X, noise=0.01)
    asked = {"law": "saturating", "over": ["linear", "power"], "x": "d", "y": "y"}
    assert judged({"prefer": asked}, rows).verdict == "supported"


def test_a_bound_says_not_where_a_law_turns() -> None:
    fields = {**FIELDS, "y": Described(name="y", role="result", bound="lower")}
    rows = rows_of(lambda d: float(truth("piecewise", d)), X, noise=0.005)
    claim = {"fit": {"law": "piecewise", "x": "d", "y": "y"}, "expect": {"knot": {"between": [5, 8]}}}
    assert judged(claim, rows).verdict == "supported"
    assert "where along x a law turns" in judged(claim, rows, fields).sentence


def test_successes_of_few_seeds_have_a_centre() -> None:
    rng = np.random.default_rng(1)
    rows = rows_of(lambda d: 0.0, X, seeds=32)
    p = 1 / (1 + np.exp(-(rows["d"].to_numpy() - 6)))
    rows = rows.with_columns(y=pl.Series((rng.random(len(rows)) < p).astype(float)))
    claim = {"fit": {"law": "logistic", "x": "d", "y": "y"}, "expect": {"centre": {"between": [5, 7]}}}
    assert judged(claim, rows).verdict == "supported"
