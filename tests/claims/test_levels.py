"""Groups cost a claim's support nothing, and all false refutations of a sweep together stay below 5 %."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from orchestrator.claims import judging
from orchestrator.claims.sharing import levels
from orchestrator.claims.verdict import Finding
from orchestrator.fitting.intervals import student
from tests.claims.kinds.test_means import frame
from tests.helpers.judging import FIELDS, spec_of

NORMAL = 10**6
SYMMETRIC = np.array([0.93, 0.97, 1.03, 1.07])
"""Seeds of one group, whose interval is 1 ± 0.10 at 95 % and 1 ± 0.34 at 1 - 0.05 / 30."""


def group(z: float, level: float) -> Finding:
    """A normal estimate with standard error 1, expected below 0."""
    half = student(level, NORMAL)
    word = "supported" if z + half <= 0 else "refuted" if z - half > 0 else "undecided"
    return Finding(verdict=word, sentence="", numbers={"n": {"estimate": z, "low": z - half, "high": z + half}})


def decided(*claims: list[float], together: bool = False, error: float = 0.05) -> list[levels.Decision]:
    def judge(index: int, level: float, all_hold: bool) -> list[Finding]:
        return [group(z, level) for z in claims[index]]

    return levels.decide([len(claim) for claim in claims], judge, error, [together] * len(claims))


def words(decisions: list[levels.Decision]) -> list[list[str]]:
    return [[finding.verdict for finding in decision.findings] for decision in decisions]


def test_groups_cost_support_nothing() -> None:
    (alone,), (many,) = words(decided([-2.1])), words(decided([-2.1] * 40))
    assert alone == ["supported"] and set(many) == {"supported"}


def test_claims_share_the_error_of_support() -> None:
    assert words(decided([-2.1], [-2.1])) == [["undecided"], ["undecided"]]
    assert words(decided([-2.3], [-2.3])) == [["supported"], ["supported"]]


def test_a_refutation_counts_every_interval() -> None:
    assert words(decided([2.5])) == [["refuted"]]
    assert words(decided([2.5, *[-9.0] * 39])) == [["undecided", *["supported"] * 39]]


def test_what_is_refuted_makes_the_rest_easier_step_by_step() -> None:
    assert words(decided([2.1], [9.0])) == [["refuted"], ["refuted"]]
    assert words(decided([2.1], [-1.0])) == [["undecided"], ["undecided"]]
    z = [3.3, 2.9, 2.45, 2.3, 2.1]  # each at 0.05 / 5, 4, 3, 2, 1
    assert words(decided(*[[value] for value in z])) == [["refuted"]] * 5
    assert words(decided(z)) == [["refuted"] * 5]


def test_intervals_say_what_their_words_say() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        claims = [(3 * rng.normal(size=rng.integers(1, 5))).tolist() for _ in range(rng.integers(1, 5))]
        for decision in decided(*claims):
            for finding in decision.findings:
                low, high = finding.numbers["n"]["low"], finding.numbers["n"]["high"]
                assert finding.verdict == ("supported" if high <= 0 else "refuted" if low > 0 else "undecided")


def test_false_verdicts_of_a_sweep_together_stay_below_five_percent() -> None:
    rng, refuted, supported = np.random.default_rng(1), 0, 0
    for _ in range(2000):
        z = rng.normal(size=12)  # each truth lies on the edge
        found = [word for claim in words(decided(*[z[i:j].tolist() for i, j in pairwise((0, 1, 4, 12))])) for word in claim]
        refuted += "refuted" in found
        judged = [set(w) == {"supported"} for w in words(decided([z[0]], [z[1]], [z[2]]))]
        supported += any(judged)
    assert refuted / 2000 < 0.06 and supported / 2000 < 0.06


def test_a_sweep_of_many_groups_is_supported_by_its_own_claims_share() -> None:
    values = np.tile(SYMMETRIC, (40, 1))
    spec = spec_of({"id": "c", "mean": {"y": "y", "by": ["d"]}, "expect": {"mean": {"between": [0.8, 1.2]}}})
    (verdict,) = judging.judge_rows(spec, frame(values, range(40)), FIELDS)
    assert (verdict.verdict, verdict.level) == ("supported", 0.95)


def test_a_table_is_met_entry_by_entry_and_broken_by_the_whole() -> None:
    values = np.tile(SYMMETRIC, (30, 1))
    table = [{"d": d, "y": 1.0} for d in range(30)]
    spec = spec_of({"id": "c", "equals": {"y": "y", "table": table, "tolerance": 0.2}})
    assert judging.judge_rows(spec, frame(values, range(30)), FIELDS)[0].verdict == "supported"
    moved = values.copy()
    moved[3] += 0.35  # past the edge at 95 %, not at 1 - 0.05 / 30
    assert judging.judge_rows(spec, frame(moved, range(30)), FIELDS)[0].verdict == "undecided"


def test_an_exact_claim_takes_no_share() -> None:
    spec = spec_of({"id": "a", "holds": "y > 0"}, {"id": "b", "mean": {"y": "y"}, "expect": {"mean": {"at_least": 0}}})
    found = judging.judge_rows(spec, frame(np.random.default_rng(0).normal(1, 0.1, 8)), FIELDS)
    assert found[1].level == pytest.approx(0.95)
