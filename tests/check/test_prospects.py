"""What will be unmet is told of a plan before anything is measured; what rows decide is told to be open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from orchestrator.claims.outlook.prospects import Prospect, prospects
from orchestrator.plan import expand
from tests.helpers.judging import spec_of, toy

FIT = {"fit": {"law": "power", "x": "d", "y": "y"}, "expect": {"exponent": {"at_least": 0}}}
X, ONE = {"axes": {"d": [2, 3]}}, {"seeds": 1}


def prospect(claim: Mapping[str, Any], **more: Any) -> Prospect:
    """What will be of one claim on the toy."""
    spec = spec_of({"id": "c", **claim}, **more)
    return prospects(spec, expand(spec, toy()))[0]


@pytest.mark.parametrize(
    ("claim", "more", "reason"),
    [
        (FIT | {"where": "d > 100"}, {}, "no row fulfils 'where'"),
        (FIT | {"where": "d > 100 and y > 2"}, {}, "no row fulfils 'where'"),
        (FIT, X, "it has 2 x and needs 4"),
        (FIT, {"axes": {"beta": [1.0, 2.0, 3.0, 4.0]}, "fixed": {"d": 2}}, "it has 1 x and needs 4"),
        (FIT | {"require": {"x_decades": 2}}, {}, "decades and it needs 2"),
        (FIT | {"require": {"seeds": 12}}, {}, "it has 8 seeds and needs 12"),
        ({"trend": {"of": "y", "along": "d", "is": "increasing"}}, ONE, "one seed shows no noise of y"),
        (FIT | {"fit": {"law": "power", "x": "arm", "y": "y"}}, {}, "'arm' must be a number"),
        ({"mean": {"y": "y"}, "expect": {"mean": {"at_least": 0}}}, ONE, "one seed"),
    ],
)  # fmt: skip
def test_what_will_be_unmet_is_told(claim: Mapping[str, Any], more: Mapping[str, Any], reason: str) -> None:
    told_of = prospect(claim, **more)
    assert told_of.word == "unmet" and any(reason in text for text in told_of.reasons), told_of
    assert "claims[0]" in told_of.warning


@pytest.mark.parametrize(
    "claim",
    [FIT, FIT | {"where": "y > 2"}, FIT | {"where": "coalesce(y, 0) > 2 and y is not null"}, FIT | {"unmet_if": "y > 0"},
     {"holds": "y <= top"}],
)  # fmt: skip
def test_what_can_be_judged_is_not_warned_of(claim: Mapping[str, Any]) -> None:
    assert not prospect(claim).warning


def test_conditions_over_results_are_said_to_be_open() -> None:
    assert prospect(FIT | {"where": "y > 2"}).conditions == ("where: y > 2",)
    assert prospect({**FIT, "by": "top"}).word == "open"


def test_the_groups_of_a_plan_are_counted() -> None:
    (group,) = prospect(FIT).groups
    assert (group.rows, group.x, group.seeds) == (56, 7, 8) and group.decades == pytest.approx(0.602, abs=1e-3)
