"""Fits agree with lmfit, their intervals cover, their lack of fit is calibrated, and rival laws compare."""

from __future__ import annotations

from typing import Any

import lmfit
import numpy as np
import pytest

from orchestrator.fitting.fits import advantage, aicc, fit, held_out, rivals
from orchestrator.fitting.laws import law
from orchestrator.fitting.series import Series, series

X = np.geomspace(4, 64, 6)


def drawn(rng: np.random.Generator, seeds: int, noise: float = 0.1, shared: float = 0.0, aggregate: str = "mean") -> Series:
    """2 / sqrt(x), with noise of its own at each x and a slope of its own in each seed."""
    error = noise * rng.normal(size=(len(X), seeds)) + shared * rng.normal(size=(1, seeds)) * np.log(X)[:, None]
    return Series(x=X, values=2 * X[:, None] ** -0.5 * (1 + error), units=tuple(range(seeds)), aggregate=aggregate)


def covered(seeds: int, **more: Any) -> float:
    rng = np.random.default_rng(100 + seeds)
    found = [fit(law("power"), drawn(rng, seeds, **more)).interval("exponent") for _ in range(1500)]
    return float(np.mean([i.low <= -0.5 <= i.high for i in found]))


@pytest.mark.parametrize("seeds", [4, 8, 32])
def test_an_exponents_interval_covers(seeds: int) -> None:
    assert covered(seeds) >= 0.93


@pytest.mark.parametrize("seeds", [4, 8, 32])
def test_an_exponents_interval_covers_where_seeds_bend_whole_curves(seeds: int) -> None:
    assert covered(seeds, noise=0.02, shared=0.05) >= 0.93


def test_an_exponent_of_an_rms_covers() -> None:
    assert covered(8, aggregate="rms") >= 0.93


def test_lack_of_fit_is_seen_in_one_of_twenty_true_laws() -> None:
    rng = np.random.default_rng(0)
    lacks = [fit(law("power"), drawn(rng, 8)).lack or 1.0 for _ in range(400)]
    assert 0.02 <= np.mean(np.array(lacks) < 0.05) <= 0.09


def lmfit_of(name: str, found: Series, weights: Any, start: dict[str, float]) -> dict[str, float]:
    """The law fitted by lmfit in logarithms, with those weights."""
    formulas = {
        "power": lambda x, prefactor, exponent: np.log(prefactor) + exponent * np.log(x),
        "exponential": lambda x, prefactor, rate: np.log(prefactor) + rate * x,
        "power_with_floor": lambda x, floor, prefactor, exponent: np.log(floor + prefactor * x**exponent),
    }
    model = lmfit.Model(formulas[name])
    told = model.fit(np.log(found.y), x=found.x, weights=np.sqrt(weights), **start, fit_kws={"xtol": 1e-14, "ftol": 1e-14})
    return dict(told.best_values)


@pytest.mark.parametrize("name", ["power", "exponential", "power_with_floor"])
def test_a_fit_agrees_with_lmfit(name: str) -> None:
    rng = np.random.default_rng(3)
    values = (0.1 * (name == "power_with_floor") + 2 * X[:, None] ** -0.5) * np.exp(0.02 * rng.normal(size=(6, 8)))
    ours = fit(law(name), Series(x=X, values=values, units=tuple(range(8))))
    start = {p.name: ours.estimate(p.name) * 1.1 for p in ours.law.parameters if p.name != "decay"}
    for parameter, value in lmfit_of(name, ours.series, ours.weights, start).items():
        assert ours.estimate(parameter) == pytest.approx(value, rel=1e-6)


def test_a_scatter_error_agrees_with_lmfit() -> None:
    found = Series(x=X, values=(2 * X**-0.5 * np.array([1.1, 0.9, 1.05, 1.0, 0.95, 1.02]))[:, None], units=(0,))
    model = lmfit.models.LinearModel().fit(np.log(found.y), x=np.log(X))
    assert fit(law("power"), found).scatter[1] == pytest.approx(model.params["slope"].stderr, rel=1e-6)


def test_an_exact_law_has_an_interval_as_wide_as_rounding() -> None:
    found = fit(law("power"), Series(x=X, values=np.repeat(3 * X[:, None] ** 2, 3, axis=1), units=(0, 1, 2))).interval(
        "exponent"
    )
    assert 0 < found.high - found.low < 1e-6 and found.low <= 2 <= found.high


def test_rows_in_any_order_make_one_series() -> None:
    found = series(np.array([2.0, 1.0, 2.0, 1.0]), np.array([4.0, 1.0, 6.0, 3.0]), np.array([0, 0, 1, 1]))
    assert found.values.tolist() == [[1.0, 3.0], [4.0, 6.0]]


def test_rows_of_one_x_and_seed_are_combined_first() -> None:
    found = series(np.ones(3), np.array([3.0, 4.0, 7.0]), np.array([0, 0, 1]), "rms")
    assert found.values[0] == pytest.approx([np.sqrt(12.5), 7.0])


def test_a_law_that_misses_beyond_the_noise_has_the_width_of_its_misfit() -> None:
    rng = np.random.default_rng(1)
    bent = np.exp(-0.1 * np.log(X) ** 2)[:, None] * np.exp(1e-4 * rng.normal(size=(6, 8)))
    found = fit(law("power"), Series(x=X, values=bent, units=tuple(range(8)))).interval("exponent")
    assert found.high - found.low > 0.1 and "exceeds the noise" in found.method


def test_aicc_is_the_textbook_formula() -> None:
    found = fit(law("linear"), Series(x=X, values=(X + np.array([1, -1, 1, -1, 1, -1]))[:, None], units=(0,)))
    by_hand = 6 * np.log(float(found.residuals @ found.residuals) / 6) + 2 * 3 + 2 * 3 * 4 / (6 - 3 - 1)
    assert aicc(found) == pytest.approx(by_hand)


def test_the_true_law_is_ahead_and_predicts_the_largest_x() -> None:
    found = drawn(np.random.default_rng(2), 8)
    power, exponential = rivals((law("power"), law("exponential")), found)
    assert advantage(power, exponential) > 6
    misses = [held_out(f.law, found, f.space, f.weights) for f in (power, exponential)]
    assert misses[0] < misses[1]


def test_a_law_with_another_parameter_needs_x_for_the_correction() -> None:
    found = drawn(np.random.default_rng(2), 8).window(2)
    power, constant = rivals((law("power"), law("constant")), found)
    assert advantage(power, constant) == -np.inf and advantage(constant, power) == np.inf


def test_an_exponent_of_a_median_covers() -> None:
    rng = np.random.default_rng(5)
    found = [fit(law("power"), drawn(rng, 8, aggregate="median")).interval("exponent") for _ in range(60)]
    assert np.mean([i.low <= -0.5 <= i.high for i in found]) >= 0.85


def test_the_best_of_n_is_one_number_whatever_the_seeds() -> None:
    assert not drawn(np.random.default_rng(0), 8, aggregate="max").noisy


def test_a_value_below_zero_is_fitted_where_it_has_a_place() -> None:
    found = fit(law("power"), Series(x=X, values=(X**2 - 20)[:, None], units=(0,)))
    assert found.space == "linear"
