"""khm.spaces: with linear features both spaces hold one network; on the unit sphere they part, and meet again."""

from __future__ import annotations

import pytest

from orchestrator.workload.context import Context
from workloads.khm import spaces
from workloads.khm.spaces import Params, Result
from workloads.shared.hopfield import retrieval


def measured(params: Params, seed: int = 0) -> Result:
    """The result of one point."""
    ((_, result),) = spaces.run(params, Context(seed=seed))
    return result


@pytest.mark.parametrize("beta", [1.0, 6.0, 30.0])
def test_linear_features_are_one_network(beta: float) -> None:
    result = measured(Params(10, 5, beta, "linear", steps=50))
    assert (result.agreement, result.kept_data) == (1.0, result.kept_features) and result.weight_gap < 1e-12


def test_unit_features_keep_memories_that_their_code_loses() -> None:
    results = [measured(Params(10, 5, 4.0, steps=200), seed) for seed in range(3)]
    assert sum(r.kept_data for r in results) > sum(r.kept_features for r in results) + 0.5


def test_where_balls_are_kept_both_keep_all() -> None:
    beta = measured(Params(6, 5, 1.0, steps=100)).beta_rigorous
    result = measured(Params(6, 5, beta, steps=100))
    assert (result.kept_data, result.kept_features, result.agreement) == (1.0, 1.0, 1.0)


def test_a_read_out_of_other_memories_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    right = retrieval.read
    monkeypatch.setattr(retrieval, "read", lambda weights, x: right(weights, x.roll(1, 0) if len(x) == 10 else x))
    assert measured(Params(10, 5, 30.0, "linear", steps=50)).kept_data < 1


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (Params(10, 5, 1.0, "cubic"), "features must be one of linear, unit, but got 'cubic'"),
        (Params(1, 5, 1.0), "m and d must be at least 2, .* but got m = 1"),
    ],
)
def test_params_that_mean_nothing_are_refused(params: Params, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measured(params)
