"""Tuned settings and best restarts are chosen on seeds that are then held out of the verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from orchestrator.claims import judging, verdict
from orchestrator.errors import SpecError
from orchestrator.results import query
from orchestrator.results.stored_sweep import in_store
from tests.helpers.judging import FIELDS, judged, spec_of, stored

CHOOSE = {"over": ["beta"], "of": "y", "goal": "maximize"}
COMPARE = {"y": "y", "arms": "tuned - plain", "pair": ["seed"]}


def rows(draw: int, settings: int = 8, seeds: int = 8) -> pl.DataFrame:
    """An arm of one setting and an arm of several, all alike but for their noise."""
    rng = np.random.default_rng(draw)
    listed = [("plain", 0.0), *(("tuned", float(b)) for b in range(settings))]
    found = [{"arm": a, "d": 2, "beta": b, "seed": s, "y": rng.normal()} for a, b in listed for s in range(seeds)]
    blank = {"final": True, "status": "ok", "error": None, "step": 0, "top": 0.0}
    return pl.DataFrame(found).with_columns(pl.lit(v).alias(n) for n, v in blank.items()).with_columns(point=pl.lit("p"))


def compared(table: pl.DataFrame, **more: Any) -> verdict.Verdict:
    return judged({"compare": COMPARE, "choose": CHOOSE, **more}, table, arms={"plain": {}, "tuned": {}}, axes={"d": [2]})


def test_the_best_of_settings_that_are_alike_is_not_better() -> None:
    held = [compared(rows(draw)).numbers["difference"]["estimate"] for draw in range(200)]
    means = [rows(draw).group_by("arm", "beta").agg(pl.col("y").mean()).sort("y").row(-1)[2] for draw in range(200)]
    assert abs(np.mean(held)) < 3 * np.std(held) / np.sqrt(200) < 0.2 and np.mean(means) > 0.3


def test_what_was_chosen_is_told_and_its_seeds_judge_nothing() -> None:
    table = rows(0, settings=3).with_columns(y=pl.when((pl.col("beta") == 1) & (pl.col("seed") < 4)).then(9.0).otherwise("y"))
    found = compared(table)
    assert "chosen by y on 4 held-out seeds" in found.reasons[-1] and "beta = 1 at arm = tuned" in found.reasons[-1]
    assert (found.rows, found.seeds) == (8, 4) and found.numbers["difference"]["estimate"] < 3


def test_a_setting_that_lost_a_seed_is_chosen_last() -> None:
    lost = (pl.col("beta") == 1) & (pl.col("seed") == 0)
    table = rows(0, settings=3).with_columns(y=pl.when(pl.col("beta") == 1).then(9.0).otherwise("y"))
    found = compared(table.with_columns(status=pl.when(lost).then(pl.lit("oom")).otherwise("status")))
    assert "beta = 1" not in found.reasons[-1]


def test_without_a_seed_left_a_choice_is_unmet() -> None:
    found = compared(rows(0, seeds=1))
    assert found.verdict == "unmet" and "none is left to judge on" in found.sentence


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
@pytest.mark.parametrize("how", ["mean", "rms", "median"])
def test_the_sql_of_a_choice_gives_the_rows_it_rests_on(tmp_path: Path, goal: str, how: str) -> None:
    noise = np.random.default_rng(0).normal(size=(9, 8))
    fits = {"law": "power", "x": "d", "y": "y"}
    claim = {"fit": fits, "choose": {"over": ["d"], "of": "0 - y", "goal": goal, "seeds": 3}, "where": "d > 2"}
    spec = spec_of({"id": "c", **claim, "expect": {"exponent": {"at_least": 0}}})
    store = stored(tmp_path, spec, lambda d, seed: float(noise[int(d), seed]))
    fields = {**FIELDS, "0 - y": FIELDS["y"].__class__(name="0 - y", role="result", aggregate=how)}
    found = judging.judge_rows(spec, in_store(spec, store).rows, fields)[0]
    assert query.run(store, found.sql).num_rows == found.rows == 5
    assert set(query.run(store, found.sql)["seed"].to_pylist()) == {3, 4, 5, 6, 7}
    assert f"d = {query.run(store, found.sql)['d'][0].as_py()}" in found.reasons[-1]


def test_boundaries_have_no_seeds_to_choose_on() -> None:
    search = {"boundary": {"along": "beta", "of": "y", "level": 0, "between": [0.1, 4]}}
    fits = {"law": "power", "x": "d", "y": "beta"}
    with pytest.raises(SpecError, match="'choose' must be of rows with seeds of their own"):
        spec_of(
            {"id": "c", "from": "boundary", "fit": fits, "choose": CHOOSE, "expect": {"exponent": {"at_least": 0}}},
            search=search,
            axes={"d": [64]},
        )


def test_a_choice_names_columns_that_are_there() -> None:
    from orchestrator.spec.columns_used import columns_used

    spec = spec_of({"id": "c", "holds": "y > 0", "choose": {**CHOOSE, "of": "yy"}})
    assert any(text == "yy" for _, text in columns_used(spec))
