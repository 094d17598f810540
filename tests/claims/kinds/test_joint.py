"""A loss of two sizes is fitted as an independent search fits it, its intervals cover, and what it cannot say is unmet."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import optimize

from orchestrator.fitting import joint_law
from orchestrator.fitting.joint_law import Configurations
from tests.helpers.judging import judged

NS, DS = 2.0 ** np.arange(4, 14, 2), 2.0 ** np.arange(6, 16, 2)
FLOOR, A, DECAY, B, OTHER = 1.7, 12.0, 0.35, 20.0, 0.45
CLAIM = {"joint": {"sizes": ["d", "beta"], "y": "y"}}
GRID = {"axes": {"d": [2, 3, 4], "beta": [1.0, 2.0]}}


def configurations(noise: float, draw: int) -> Configurations:
    n, d = (np.array(column) for column in zip(*itertools.product(NS, DS), strict=True))
    loss = FLOOR + A * n**-DECAY + B * d**-OTHER
    return Configurations(first=n, second=d, loss=loss * np.exp(noise * np.random.default_rng(draw).normal(size=len(n))))


def rows(noise: float, draw: int, seeds: int = 4) -> pl.DataFrame:
    parts = [configurations(noise, 1000 * draw + seed) for seed in range(seeds)]
    blank = {"arm": "all", "final": True, "status": "ok", "error": None, "step": 0, "top": 1.0}
    frames = [
        pl.DataFrame({"d": c.first.astype(int), "beta": c.second, "y": c.loss}).with_columns(seed=pl.lit(seed))
        for seed, c in enumerate(parts)
    ]
    table = pl.concat(frames).with_columns(**{key: pl.lit(value) for key, value in blank.items()})
    return table.with_columns(point=pl.concat_str("d", "beta", "seed", separator="/"))


def huber(theta: Any, data: Configurations, delta: float) -> float:
    """The loss of Hoffmann et al., written anew."""
    e, a, alpha, b, beta = theta
    off = np.log(np.exp(e) + np.exp(a) * data.first**-alpha + np.exp(b) * data.second**-beta) - np.log(data.loss)
    return float(np.where(np.abs(off) <= delta, off**2 / 2, delta * (np.abs(off) - delta / 2)).sum())


@pytest.mark.parametrize("delta", [1e-3, 1e-2])
def test_the_fit_is_the_least_that_an_independent_search_finds(delta: float) -> None:
    data = configurations(0.02, 1)
    fitted = joint_law.fit(data, delta)
    near = [np.log(FLOOR), np.log(A), DECAY, np.log(B), OTHER]
    options = {"maxiter": 40_000, "maxfev": 40_000, "xatol": 1e-10, "fatol": 1e-14}
    end = optimize.minimize(huber, near, args=(data, delta), method="Nelder-Mead", options=options)
    assert huber(fitted.theta, data, delta) <= end.fun * 1.01
    assert fitted.estimate("first_decay") == pytest.approx(end.x[2], abs=0.02)


def test_without_noise_it_is_the_truth() -> None:
    fitted = joint_law.fit(configurations(0.0, 0), 1e-3)
    assert [fitted.estimate(n) for n in ("floor", "first_decay", "second_decay")] == pytest.approx(
        [FLOOR, DECAY, OTHER], rel=1e-3
    )
    assert fitted.estimate("compute_exponent") == pytest.approx(OTHER / (DECAY + OTHER), rel=1e-3)


def test_its_intervals_cover() -> None:
    fits = [joint_law.fit(configurations(0.01, draw), 1e-3) for draw in range(20)]
    for name, truth in {"first_decay": DECAY, "floor": FLOOR}.items():
        ends = [fitted.interval(name, 0.95) for fitted in fits]
        assert sum(end.low <= truth <= end.high for end in ends) >= 16  # 19 expected; fewer have a probability of 0.3 %


def test_verdicts_are_those_of_the_planted_law() -> None:
    table = rows(0.005, 1)
    words = {
        name: judged({**CLAIM, "expect": {"first_decay": region}}, table, **GRID).verdict
        for name, region in {"inside": {"between": [0.2, 0.5]}, "outside": {"at_least": 0.6}}.items()
    }
    assert words == {"inside": "supported", "outside": "refuted"}


def test_a_law_that_misses_is_told_to_be_rejected() -> None:
    table = rows(0.002, 1).with_columns(y=pl.col("y") * (1 + 0.2 * (pl.col("d").log() * 2).sin()))
    assert "the law is rejected" in judged({**CLAIM, "expect": {"first_decay": {"at_least": 0.1}}}, table, **GRID).sentence


def test_lost_points_leave_it_open_and_too_few_sizes_unmet() -> None:
    table, claim = rows(0.005, 1), {**CLAIM, "expect": {"first_decay": {"between": [0.2, 0.5]}}}
    lost = table.with_columns(status=pl.when(pl.col("seed") == 0).then(pl.lit("oom")).otherwise(pl.col("status")))
    assert judged(claim, lost, **GRID).verdict == "undecided"
    few = judged(claim, table.filter(pl.col("d") < 300), **GRID)
    assert few.verdict == "unmet" and "values of d and needs 4" in few.reasons[0]
