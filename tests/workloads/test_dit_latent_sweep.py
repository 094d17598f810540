"""The rate sweep's claim on planted rows: a true rate, one too slow, and an optimiser's floor each get their own verdict."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from orchestrator.claims import Verdict, judge_rows
from orchestrator.claims.evidence import Described
from orchestrator.plan import expand
from orchestrator.spec import read
from orchestrator.workload import load


def judged(decay: float, floor: float, gap: float = 0.0) -> Verdict:
    """The verdict of the claim `rate` at smoke size where errors are n^-decay + floor with a tenth of noise."""
    spec = read("dit_latent_rate", size="smoke")
    workload = load(spec.workload)
    plan = expand(spec, workload)
    table = pl.DataFrame({"point": plan.ids, "seed": plan.seeds, **plan.params}, strict=False)
    n, noise = table["n"].cast(pl.Float64).to_numpy(), np.random.default_rng(0).lognormal(0, 0.1, len(table))
    error = np.where(table["fresh"].to_numpy(), floor, n**-decay + floor) * noise
    table = table.with_columns(
        score_mse_on_support=error, optimisation_gap=gap * error, status=pl.lit("ok"), final=pl.lit(True), step=pl.lit(800)
    )
    arms = [table[places].with_columns(arm=pl.lit(arm)) for arm, places in plan.arms]
    fields = {f.name: Described(name=f.name, role="param") for f in workload.params}
    fields |= {f.name: Described(name=f.name, role="result", aggregate=f.aggregate) for f in workload.results}
    alone = spec.model_copy(update={"claims": tuple(c for c in spec.claims if c.id == "rate")})
    (verdict,) = judge_rows(alone, pl.concat(arms), fields)
    return verdict


@pytest.mark.parametrize(
    ("decay", "floor", "gap", "verdict"),
    [
        (0.9, 1e-3, 0.0, "supported"),
        (0.05, 1e-3, 0.0, "refuted"),
        (0.9, 1.0, 0.0, "unmet"),
        (0.05, 1e-3, 0.2, "unmet"),
    ],
)
def test_a_planted_rate_gets_its_verdict(decay: float, floor: float, gap: float, verdict: str) -> None:
    assert judged(decay, floor, gap).verdict == verdict


def test_a_planted_floor_is_said_to_be_the_optimiser_s() -> None:
    assert "optimisation-limited" in " ".join(judged(0.05, 5.0).reasons)
