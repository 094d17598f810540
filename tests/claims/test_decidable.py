"""How many seeds decide is told from rows: by formula for fits, else by what the judges say of samples of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from orchestrator.claims import judge_rows
from orchestrator.claims.judging import LEVEL, shared_levels
from orchestrator.claims.outlook.decidable import Decidable, decidable
from orchestrator.claims.outlook.resampled import Resampling
from orchestrator.claims.sources import own
from tests.helpers.judging import FIELDS, rows_of, spec_of

NS = (1, 2, 4, 8, 16, 32)
MEAN = {"mean": {"y": "y"}, "expect": {"mean": {"at_least": 0.9}}}
FIT = {"fit": {"law": "power", "x": "d", "y": "y"}, "expect": {"exponent": {"between": [-0.52, -0.44]}}}


def rows_say(claim: dict[str, Any], rows: pl.DataFrame, **more: Any) -> Decidable:
    """What the rows say of one claim."""
    spec = spec_of({"id": "c", **claim})
    return decidable(spec, {"rows": own(spec, rows, FIELDS)}, **more)[0]


def share_decided(claim: dict[str, Any], seeds: int, draws: int, **law: Any) -> float:
    """The share of fresh samples of that many seeds whose verdict is not open."""
    words = [
        judge_rows(spec_of({"id": "c", **claim}), law_rows(seeds, draw, **law), FIELDS)[0].verdict for draw in range(draws)
    ]
    return float(np.mean([word in ("supported", "refuted") for word in words]))


def law_rows(seeds: int, draw: int, noise: float, xs: tuple[int, ...], exponent: float) -> pl.DataFrame:
    return rows_of(lambda d: d**exponent, xs, seeds=seeds, noise=noise, draw=1000 + draw)


def test_the_seeds_that_a_fit_is_said_to_need_decide_fresh_samples() -> None:
    law: dict[str, Any] = {"noise": 0.2, "xs": NS, "exponent": -0.48}
    needed = [answer.seeds for draw in range(40) if (answer := rows_say(FIT, law_rows(4, draw, **law))).seeds is not None]
    middle = int(np.median(needed))
    few, enough = share_decided(FIT, max(4, middle // 4), 60, **law), share_decided(FIT, 2 * middle, 60, **law)
    assert enough >= 0.75 and few < 0.6, (middle, few, enough)


def test_the_seeds_that_a_mean_is_said_to_need_are_those_of_its_judge() -> None:
    rows = law_rows(8, 5, noise=0.3, xs=(1,), exponent=0.0)
    answer = rows_say(MEAN, rows)
    assert answer.by == "seeds" and answer.seeds is not None
    spec = spec_of({"id": "c", **MEAN})
    by_source = {"rows": own(spec, rows, FIELDS)}
    samples = Resampling(spec=spec, claim=spec.claims[0], by_source=by_source, levels=shared_levels(spec, by_source, 1 - LEVEL))
    asked = samples.units()
    assert asked is not None and 0.4 < answer.seeds / asked < 2.5, (answer.seeds, asked)  # two ways to the same number


def test_a_claim_without_a_formula_asks_its_judge() -> None:
    claim = {"holds": "y > 0.2", "se": "top"}
    rows = rows_of(lambda d: 1.0, NS, seeds=4, noise=0.05).with_columns(top=pl.lit(0.5))
    answer = rows_say(claim, rows, most=8)
    assert answer.word == "undecided" and answer.seeds is None and "do not decide it" in answer.says


@pytest.mark.parametrize(
    ("claim", "seeds", "by"),
    [
        (FIT | {"require": {"x_points": 9}}, 8, "nothing"),  # x that are not there
        (FIT | {"require": {"seeds": 16}}, 8, "seeds"),
        (MEAN, 1, "nothing"),  # one seed says nothing of noise, nor of how many would do
    ],
)
def test_what_is_unmet_says_what_lacks(claim: dict[str, Any], seeds: int, by: str) -> None:
    answer = rows_say(claim, rows_of(lambda d: d**-0.48, NS, seeds=seeds, noise=0.02))
    assert answer.word == "unmet" and answer.by == by, answer


def test_rows_that_decide_say_so() -> None:
    answer = rows_say(FIT, rows_of(lambda d: d**-0.48, NS, noise=0.01))
    assert answer == Decidable(claim="c", word="supported") and answer.sentence == "supported by these rows"
