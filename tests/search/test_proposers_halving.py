"""Early stopping: who goes on at a rung, the same whoever arrives first, and as kept libraries say."""

from __future__ import annotations

import math
import random
import warnings
from itertools import islice
from typing import Any

import polars as pl
import pytest

from orchestrator.search.rungs import StopRule
from orchestrator.search.stop_rules import halving, median
from orchestrator.search.stop_rules.halving import HalvingRule
from orchestrator.search.stop_rules.median import MedianRule
from orchestrator.spec.stop_kinds.halving import Halving
from orchestrator.spec.stop_kinds.median import Median
from tests.helpers.judging import judged, rows_of

LOSSES = {"a": 0.5, "b": 0.1, "c": 0.9, "d": 0.3, "e": 0.7, "f": 0.2, "g": 0.4}


def test_rungs_grow_by_the_factor() -> None:
    assert list(islice(HalvingRule(of="loss", first=100, factor=4).rungs(), 4)) == [100, 400, 1600, 6400]


def test_rungs_of_the_median_are_evenly_spaced() -> None:
    assert list(islice(MedianRule(of="loss", after=10).rungs(), 3)) == [10, 20, 30]
    assert list(islice(MedianRule(of="loss", after=10, every=5).rungs(), 3)) == [10, 15, 20]


def test_the_best_third_goes_on() -> None:
    assert HalvingRule(of="loss").survivors(LOSSES) == ("b", "d", "f")
    assert HalvingRule(of="loss", goal="maximize").survivors(LOSSES) == ("a", "c", "e")


@pytest.mark.parametrize("rule", [HalvingRule(of="loss"), MedianRule(of="loss")])
def test_survivors_do_not_depend_on_who_came_first(rule: StopRule) -> None:
    for seed in range(20):
        names = random.Random(seed).sample(sorted(LOSSES), len(LOSSES))
        assert rule.survivors({name: LOSSES[name] for name in names}) == rule.survivors(LOSSES)


def test_of_equal_values_the_lower_id_goes_on() -> None:
    assert HalvingRule(of="loss", factor=2).survivors({"z": 1.0, "y": 1.0, "x": 1.0, "w": 2.0}) == ("x", "y")
    assert HalvingRule(of="loss", factor=2).survivors({9: 1.0, 10: 1.0}) == (9,)


def test_candidates_without_a_number_stop() -> None:
    rung = {"a": None, "b": math.nan, "c": 5.0, "d": None}
    assert HalvingRule(of="loss", factor=2).survivors(rung) == MedianRule(of="loss").survivors(rung) == ("c",)
    assert HalvingRule(of="loss").survivors({"a": None}) == ()


def test_the_last_candidate_goes_on() -> None:
    assert HalvingRule(of="loss").survivors({"a": 3.0}) == MedianRule(of="loss").survivors({"a": 3.0}) == ("a",)


def test_nobody_stops_where_all_are_equal() -> None:
    assert MedianRule(of="loss").survivors(dict.fromkeys("abcd", 1.0)) == ("a", "b", "c", "d")


def test_halving_keeps_as_many_as_scikit_learn() -> None:
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import HalvingGridSearchCV

    grid: Any = {"alpha": [10.0**k for k in range(20)]}
    kept = HalvingGridSearchCV(Ridge(), grid, factor=3, resource="n_samples", min_resources=8, cv=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kept.fit([[float(k)] for k in range(300)], [float(k) for k in range(300)])
    ours, left = [20], {k: float(k) for k in range(20)}
    while len(ours) < len(kept.n_candidates_):
        left = {name: left[name] for name in HalvingRule(of="loss").survivors(left)}
        ours.append(len(left))
    assert ours == kept.n_candidates_


def test_the_median_rule_stops_whom_optuna_stops() -> None:
    import optuna
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=0)
    for seed in range(10):
        rung = {k: random.Random(seed * 100 + k).random() for k in range(7)}
        kept = []
        for name, value in rung.items():
            study = optuna.create_study()
            study.add_trials([create_trial(value=0.0, intermediate_values={3: v}) for k, v in rung.items() if k != name])
            one = create_trial(state=TrialState.RUNNING, intermediate_values={3: value})
            kept += [] if pruner.prune(study, one) else [name]
        assert MedianRule(of="loss").survivors(rung) == tuple(kept)


def test_a_candidate_is_judged_by_its_best_under_the_median_and_by_its_last_under_halving() -> None:
    values = {1: 0.9, 2: 0.3, 3: None, 4: 0.6, 5: 0.1}
    assert MedianRule(of="loss").best(values, 4) == 0.3 and HalvingRule(of="loss").best(values, 4) == 0.6
    assert MedianRule(of="loss", goal="maximize").best(values, 4) == 0.9
    assert HalvingRule(of="loss").best(values, 3) is MedianRule(of="loss").best({}, 3) is None


def test_models_become_rules() -> None:
    model = Halving(of="loss", goal="maximize", first=2, factor=4)
    assert halving.rule(model) == HalvingRule(of="loss", goal="maximize", first=2, factor=4)
    assert median.rule(Median(of="loss", after=5)) == MedianRule(of="loss", after=5)


def test_what_stopped_points_came_to_is_no_part_of_a_claim_s_means() -> None:
    rows = rows_of(lambda d: d**2.0, [2, 4, 8, 16, 32, 64], seeds=6, noise=0.05)
    finished, behind = rows.filter(pl.col("seed") < 4), rows.filter(pl.col("seed") >= 4)
    rung = behind.with_columns(final=pl.lit(False), y=pl.lit(1e6))
    stopped = behind.with_columns(status=pl.lit("stopped"), step=pl.lit(-1), y=pl.lit(None, dtype=pl.Float64))
    claim = {"fit": {"law": "power", "x": "d", "y": "y"}, "expect": {"exponent": {"between": [1.8, 2.2]}}}
    alone, both = judged(claim, finished), judged(claim, pl.concat([finished, rung, stopped]))
    estimates = [verdict.findings[0].numbers["exponent"]["estimate"] for verdict in (alone, both)]
    assert estimates[0] == estimates[1] == pytest.approx(2.0, abs=0.1)
    assert both.failed == {"stopped": 12} and both.verdict == "undecided" and "12 points have no result" in both.reasons
