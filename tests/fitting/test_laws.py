"""A law is its formula: parameters by name, values, a linear form, and a start near the truth."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from orchestrator.errors import SpecError
from orchestrator.fitting.law_names import LAWS as NAMED
from orchestrator.fitting.laws import LAWS, law

X = np.array([2.0, 3.0, 5.0, 8.0, 13.0])
TRUE = {
    "power": [0.5, -1.5],
    "exponential": [0.5, -0.3],
    "linear": [1.0, 2.0],
    "constant": [3.0],
    "sqrt_log": [1.0, 2.0],
    "power_with_floor": [0.5, -1.0, 0.2],
    "logistic": [0.1, 0.9, 6.0, 0.5],
    "saturating": [2.0, -1.0],
    "piecewise": [1.0, 5.0, 0.5, 2.0],
    "power_log": [0.5, -0.5, 1.0],
    "power_corrected": [0.5, -1.5, 2.565, -0.3595],
    "broken_power": [0.5, -0.3, -1.0, 1.589, -1.204],
}


@pytest.mark.parametrize("name", LAWS)
def test_a_laws_linear_form_is_its_formula(name: str) -> None:
    found = law(name)
    theta = np.array(TRUE[name])
    if found.design is None:
        assert not found.linear("log") and not found.linear("linear")
        return
    assert found.design(X) @ theta == pytest.approx(found.fitted(theta, X, found.space))


@pytest.mark.parametrize("name", LAWS)
def test_a_start_is_near_the_truth(name: str) -> None:
    found = law(name)
    assert found.start(X, found.value(np.array(TRUE[name]), X)) == pytest.approx(TRUE[name], rel=0.05, abs=0.05)


@pytest.mark.parametrize("name", LAWS)
def test_a_claim_may_expect_what_its_law_has(name: str) -> None:
    assert {p.name for p in law(name).parameters} == set(NAMED[name].parameters)


def test_a_law_has_its_text_and_the_readme_lists_it() -> None:
    listed = re.search(r"Laws: ([\w,\s]+)\.", (Path(__file__).parents[2] / "README.md").read_text())
    assert listed is not None and sorted(re.split(r",\s+", listed[1])) == sorted(LAWS) == sorted(NAMED)


def test_decay_is_the_negative_of_the_exponent() -> None:
    assert law("power").parameter("decay").span(-0.6, -0.4) == (0.4, 0.6)


def test_a_prefactor_is_fitted_as_its_logarithm() -> None:
    assert law("power").parameter("prefactor").outer(np.log(3.0)) == pytest.approx(3.0)


def test_an_unknown_law_names_the_nearest() -> None:
    with pytest.raises(SpecError, match=r"must be one of .* got 'exponental'; did you mean 'exponential'"):
        law("exponental")


def test_an_unknown_parameter_names_the_nearest() -> None:
    with pytest.raises(SpecError, match="law power: it has no parameter 'exponant'; did you mean 'exponent'"):
        law("power").parameter("exponant")


def test_laws_are_ordered_by_how_fast_they_grow_in_the_end() -> None:
    growth = [law(name).growth for name in ("constant", "sqrt_log", "power", "exponential")]
    assert growth == sorted(set(growth))
