"""How far points of the reversed diffusion are from the law they are drawn for, as the step and the score vary.

Source: arXiv:2407.01079, D.2 to D.4 (Euler's step), Cor. 3.2.1 (iii) and Lemma F.9 (variance off the subspace).
Symbols: mu = step · T0 = t0 · T = horizon · B = subspace · sigma(t) = 1 - e^(-t), a variance.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor

from workloads.dit_latent.maths import estimators, evaluation, problem
from workloads.shared import packs
from workloads.shared.diffusion import process
from workloads.shared.diffusion.training_run import block

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 2
MEASURES = "value"
# Relative; points measured together share matrix products, whose last digits depend on how many there are.
TOLERANCE = 1e-6
SCORES = ("exact", "plugin", "empirical")


@dataclass(frozen=True)
class Params:
    """A law, a score and a sampler."""

    mu: Annotated[float, "length of a step in diffusion time"]
    latent_dim: Annotated[int, "dimension d0 of the latent law", {"shape": True}] = 2
    ambient_dim: Annotated[int, "dimension D of the data", {"shape": True}] = 8
    family: Annotated[str, "latent law: gaussian | mixture | laplace"] = "mixture"
    score: Annotated[
        str, "exact | plugin (a Gaussian fitted to n points) | empirical (score of n smoothed points)", {"shape": True}
    ] = "exact"
    n: Annotated[int, "points that the score is estimated from; of no account for the exact one"] = 256
    scheme: Annotated[str, "euler (drift held still) | bridge (predicted clean point held still)", {"shape": True}] = "euler"
    t0: Annotated[float, "diffusion time at which sampling stops, T0"] = 0.1
    horizon: Annotated[float, "diffusion time at which it starts, T"] = 5.0
    samples: Annotated[int, "points drawn", {"shape": True}] = 2048
    points: Annotated[int, "paths for the bound on tv, in each step", {"shape": True}] = 64


@dataclass(frozen=True)
class Result:
    """What was sampled, beside exact values and bounds."""

    orthogonal_variance: Annotated[
        float, "mean square of a sampled coordinate outside of the score's subspace; NaN where d0 = D"
    ]
    orthogonal_exact: Annotated[
        float, "its expectation, by the sampler's own recursion", {"formula": "process.orthogonal_variances"}
    ]
    orthogonal_se: Annotated[float, "standard error of orthogonal_variance; NaN where d0 = D"]
    orthogonal_bound: Annotated[
        float, "what the expectation can be at most, e (T0 + mu)", {"bound": "upper", "formula": "e (T0 + mu)"}
    ]
    tv: Annotated[
        float,
        "total variation of sampled from true points at t0, in 8 cells an axis of the first two latent coordinates",
        {"range": [0, 1]},
    ]
    tv_noise: Annotated[float, "what chance may add to tv, at most (probability 1 - 1e-9)"]
    tv_bound: Annotated[
        float, "what tv can be at most but for tv_noise, by Girsanov and Pinsker, discretisation included", {"bound": "upper"}
    ]
    path_integral: Annotated[float, "squared error of the sampler's drift, integrated over time on true paths"]
    energy_distance: Annotated[float, "energy distance of sampled from true points at t0, in the data's subspace"]
    mmd: Annotated[float, "squared maximum mean discrepancy of them, Gaussian kernel as wide as the true points lie apart"]
    sliced_wasserstein: Annotated[float, "sliced 2-Wasserstein distance of them, 64 directions"]
    steps: Annotated[int, "steps of the sampler"]


EXAMPLES = (
    Params(mu=0.5, samples=64, points=8),
    Params(mu=0.5, samples=64, points=8, family="laplace", scheme="bridge", t0=0.2),
    Params(mu=0.5, samples=64, points=8, family="gaussian", score="plugin", n=32),
    Params(mu=1.0, samples=64, points=8, score="empirical", latent_dim=1, ambient_dim=2),
)
NAMES = tuple(field.name for field in dataclasses.fields(Result))


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, Any]]:
    """Columns for all points; those of one shape and one grid of times are sampled together."""
    for p in params:
        _check(p)
    keys = [dataclasses.replace(p, family="", n=0 if p.score == "exact" else 1) for p in params]
    for _, indices in packs.groups(list(range(len(params))), lambda i: keys[i]):
        values = _measure([params[i] for i in indices], [ctxs[i] for i in indices])
        yield block(indices, 0, NAMES, values)


def _check(p: Params) -> None:
    if p.score not in SCORES or p.scheme not in process.SCHEMES:
        raise ValueError(
            f"score must be one of {', '.join(SCORES)} and scheme one of {', '.join(process.SCHEMES)}, but got '{p.score}' "
            f"and '{p.scheme}'; write one of them."
        )
    if not p.mu > 0 or p.samples < 2:
        raise ValueError(f"mu must be above 0 and samples at least 2, but got {p.mu} and {p.samples}; raise them.")


def _measure(params: list[Params], ctxs: list[Context]) -> dict[str, Tensor]:
    task = problem.build([_training(p) for p in params], ctxs)
    p = params[0]
    field, span = (evaluation.exact(task), task.basis) if p.score == "exact" else estimators.fitted(task)
    grid = process.schedule(p.t0, p.horizon, step=p.mu).to(task.like.device)
    distances = evaluation.sample_errors(task, field, span, grid.expand(len(params), -1), p.scheme)
    expected = list(variances(p))[-1]
    rest = p.samples * (p.ambient_dim - p.latent_dim)
    exact = torch.full((len(params),), expected, dtype=torch.float64)
    return {
        **distances,
        "orthogonal_exact": exact,
        "orthogonal_se": exact * (math.sqrt(2.0 / rest) if rest else math.nan),
        "orthogonal_bound": torch.full_like(exact, math.e * (p.t0 + p.mu)),
        "steps": torch.full((len(params),), len(grid) - 1),
    }


def variances(p: Params) -> Iterator[float]:
    """Variance of a coordinate without data after each step of the sampler, the start first."""
    if p.scheme == "euler":
        yield from process.orthogonal_variances(p.t0, p.horizon, p.mu)
        return
    for t in process.schedule(p.t0, p.horizon, step=p.mu).tolist():
        # The bridge to a clean point 0 is exact: what the start has too much shrinks with the square of its factor.
        factor = math.exp(0.5 * (t - p.horizon)) * math.expm1(-t) / math.expm1(-p.horizon) if t else 0.0
        yield -math.expm1(-t) + factor**2 * math.exp(-p.horizon)


def _training(p: Params) -> problem.Params:
    """The same problem as that of a training, in double precision."""
    training = problem.Params(
        latent_dim=p.latent_dim,
        ambient_dim=p.ambient_dim,
        n=p.n,
        family=p.family,
        fresh=p.score == "exact",
        estimator="transformer" if p.score == "exact" else p.score,
        t0=p.t0,
        horizon=p.horizon,
        samples=p.samples,
        points=p.points,
        precision="float64",
    )
    problem.check(training)
    return training
