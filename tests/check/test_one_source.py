"""Claims in which nothing is measured are warned of, as far as a workload says what is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.check.one_source import warnings
from tests.helpers.judging import spec_of, toy

FIT = {"fit": {"law": "power", "x": "d", "y": "top"}, "expect": {"exponent": {"at_least": 0}}}


def warned(claim: Mapping[str, Any], y: str, top: str, **more: Any) -> tuple[str, ...]:
    """The warnings of one claim on the toy, whose results are said to come from those functions."""
    declared = {"y": y, "top": top}
    work = toy()
    work = replace(work, results=tuple(replace(field, formula=declared[field.name]) for field in work.results))
    return warnings(spec_of({"id": "c", **claim}, **more), work)


@pytest.mark.parametrize(
    ("claim", "y", "top", "told"),
    [
        ({"holds": "y <= top"}, "cap", "cap", "'top' and 'y' come from one function, cap"),
        ({"holds": "y <= top"}, "cap", "remainder", "'top' and 'y' come from cap and remainder, formulas"),
        ({"holds": "y <= 5 * d"}, "cap", "", "'y' comes from one function, cap"),
        ({"holds": "d <= 5"}, "", "", "speaks of params alone"),
        (FIT, "", "remainder", "'top' comes from one function, remainder"),
    ],
)
def test_formulas_against_formulas_are_warned_of(claim: Mapping[str, Any], y: str, top: str, told: str) -> None:
    (text,) = warned(claim, y, top)
    assert told in text and "write it under 'checks'" in text and "claims[0]" in text


@pytest.mark.parametrize(
    ("claim", "y", "top"),
    [
        ({"holds": "y <= top"}, "", ""),
        ({"holds": "y <= top"}, "", "cap"),
        ({"holds": "y <= 5"}, "", "cap"),
        (FIT, "cap", ""),
        ({"holds": "y <= top", "from": "sweep:other"}, "cap", "cap"),
    ],
)
def test_what_is_measured_is_not_warned_of(claim: Mapping[str, Any], y: str, top: str) -> None:
    assert warned(claim, y, top) == ()


def test_a_derived_column_is_what_it_is_made_of() -> None:
    assert warned({"holds": "share <= 1"}, "cap", "cap", derive={"share": "y / top"})
    assert not warned({"holds": "share <= 1"}, "cap", "", derive={"share": "y / top"})


def test_a_name_in_quotes_is_no_column() -> None:
    assert warned({"holds": "y <= 5 or 'top' = 'top'"}, "cap", "")
