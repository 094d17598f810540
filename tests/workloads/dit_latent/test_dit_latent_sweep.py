"""The rate sweeps' claims on planted rows: a true rate, one too slow, and an optimiser's floor each get their own verdict.

And every point of every shipped size is one that its workload takes.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from orchestrator.claims import Verdict, judge_rows
from orchestrator.plan import expand
from orchestrator.results.described import Described
from orchestrator.spec import read, shipped
from orchestrator.workload.describe import load
from workloads.dit_conditional.maths import problem as conditional
from workloads.dit_latent.maths import problem as latent

# Sweep, size, claim, and the column that errs.
RATES = [
    ("dit_latent_rate", "smoke", "rate", "score_mse_on_support"),
    ("dit_conditional_rate", "paper", "score_rate", "score_mse"),
    ("dit_conditional_latent", "paper", "rate", "score_mse_on_support"),
]
DITS = [name for name in shipped() if name.startswith("dit_")]


def judged(name: str, size: str, claim: str, y: str, decay: float, floor: float, gap: float = 0.0) -> Verdict:
    """The verdict of a claim where errors are n^-decay + floor with a tenth of noise."""
    spec = read(name, size)
    workload = load(spec.workload)
    plan = expand(spec, workload)
    table = pl.DataFrame({"point": plan.ids, "seed": plan.seeds, **plan.params}, strict=False)
    n, noise = table["n"].cast(pl.Float64).to_numpy(), np.random.default_rng(0).lognormal(0, 0.1, len(table))
    error = pl.Series(y, np.where(table["fresh"].to_numpy(), floor, n**-decay + floor) * noise)
    table = table.with_columns(error, optimisation_gap=gap * error, status=pl.lit("ok"), final=pl.lit(True), step=pl.lit(800))
    arms = [table[places].with_columns(arm=pl.lit(arm)) for arm, places in plan.arms]
    fields = {f.name: Described(name=f.name, role="param") for f in workload.params}
    fields |= {f.name: Described(name=f.name, role="result", aggregate=f.aggregate) for f in workload.results}
    alone = spec.model_copy(update={"claims": tuple(c for c in spec.claims if c.id == claim)})
    (verdict,) = judge_rows(alone, pl.concat(arms), fields)
    return verdict


@pytest.mark.parametrize(("name", "size", "claim", "y"), RATES)
@pytest.mark.parametrize(
    ("decay", "floor", "gap", "verdict"),
    [
        (0.9, 1e-5, 0.0, "supported"),
        (0.05, 1e-5, 0.0, "refuted"),
        (0.9, 1.0, 0.0, "unmet"),
        (0.05, 1e-5, 0.2, "unmet"),
    ],
)
def test_a_planted_rate_gets_its_verdict(
    name: str, size: str, claim: str, y: str, decay: float, floor: float, gap: float, verdict: str
) -> None:
    found = judged(name, size, claim, y, decay, floor, gap)
    assert found.verdict == verdict, found.reasons


@pytest.mark.parametrize(("name", "size", "claim", "y"), RATES)
def test_a_planted_floor_is_said_to_be_the_optimiser_s(name: str, size: str, claim: str, y: str) -> None:
    assert "optimisation-limited" in " ".join(judged(name, size, claim, y, 0.05, 5.0).reasons)


@pytest.mark.parametrize("name", DITS)
def test_at_paper_size_no_claim_lacks_points(name: str) -> None:
    # Any numbers: what is asked is whether each claim has the groups, x and seeds that it needs once all is measured. Laws with
    # a floor are dear to fit, and the rates above have them.
    spec = read(name, "paper")
    cheap = tuple(c for c in spec.claims if c.trend is None and (c.fit is None or c.fit.law != "power_with_floor"))
    spec = spec.model_copy(update={"claims": cheap})
    workload = load(spec.workload)
    plan = expand(spec, workload)
    table = pl.DataFrame({"point": plan.ids, "seed": plan.seeds, **plan.params}, strict=False)
    draws, fresh = np.random.default_rng(0), table["fresh"].to_numpy() if "fresh" in table.columns else np.zeros(len(table))
    found = {f.name: draws.lognormal(0, 0.05, len(table)) * np.where(fresh, 1e-6, 1.0) for f in workload.results}
    found |= {"optimisation_gap": np.zeros(len(table))} if "optimisation_gap" in found else {}
    table = table.with_columns(pl.DataFrame(found), status=pl.lit("ok"), final=pl.lit(True), step=pl.lit(1))
    rows = pl.concat([table[places].with_columns(arm=pl.lit(arm)) for arm, places in plan.arms])
    fields = {f.name: Described(name=f.name, role="param") for f in workload.params}
    fields |= {f.name: Described(name=f.name, role="result", aggregate=f.aggregate) for f in workload.results}
    reasons = {claim.id: judged.reasons for claim, judged in zip(spec.claims, judge_rows(spec, rows, fields), strict=True)}
    assert not {id_: said for id_, said in reasons.items() if "needs" in " ".join(said)}


@pytest.mark.parametrize("size", ["smoke", "paper", "gpu"])
@pytest.mark.parametrize("name", DITS)
def test_every_point_of_a_shipped_sweep_is_one_that_its_workload_takes(name: str, size: str) -> None:
    spec = read(name, size)
    workload = load(spec.workload)
    made = workload.module.Params
    columns = expand(spec, workload).params
    for values in set(zip(*columns.values(), strict=True)):
        params = made(**dict(zip(columns, values, strict=True)))
        for problem in (latent, conditional):
            if isinstance(params, problem.Params):
                problem.check(params)
