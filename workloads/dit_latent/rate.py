"""How wrong a trained latent score is, and what it samples, against the number of training points.

Source: arXiv:2407.01079, Thm 3.1 and 3.2, Cor. 3.2.1, Lemma 2.1; parent rate: arXiv:2302.07194; the bound on tv is ours.
Symbols: D = ambient dimension · d0 = latent dimension · B = subspace · W = learnt subspace · sigma(t) = 1 - e^(-t), a variance.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor

from workloads.dit_latent.maths import estimators, evaluation, network, training_groups
from workloads.dit_latent.maths.problem import Params, Problem
from workloads.shared.diffusion import probes, times
from workloads.shared.diffusion.process import Field
from workloads.shared.diffusion.training_run import Measure
from workloads.shared.training import ensemble

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 2
MEASURES = "value"
STEPS = "steps"
# Relative; models trained together share matrix products, whose last digits depend on how many there are.
TOLERANCE = 1e-4
EXAMPLES = (
    Params(latent_dim=2, n=16, steps=20, every=10, batch=32, points=16, samples=64),
    Params(latent_dim=2, n=64, steps=20, every=10, batch=32, points=16, samples=64, family="laplace", t0=0.05),
    Params(latent_dim=3, ambient_dim=4, n=16, steps=12, batch=32, points=16, samples=64, precision="float64"),
    Params(latent_dim=2, n=64, estimator="plugin", family="gaussian", points=16, samples=64),
    Params(latent_dim=2, n=64, estimator="empirical", points=16, samples=64),
)


@dataclass(frozen=True)
class Result(times.ByTime):
    """Errors of one trained score; the sampler's are null before the last row, and where samples is 0."""

    score_mse: Annotated[
        float, "squared error of the score, averaged over points and over t uniform in [t0, horizon]", {"finite": True}
    ]
    score_mse_on_support: Annotated[float, "its part in the subspace that the data span", {"finite": True}]
    score_mse_orthogonal: Annotated[float, "its part outside of that subspace"]
    relative_mse: Annotated[float, "score_mse over that of a network that predicts zero"]
    sigma_slope: Annotated[float, "slope of ln RMSE(t) in ln sigma(t)"]
    scaled_rmse: Annotated[float, "largest sigma(t) RMSE(t) / sqrt(d0) over the times", {"aggregate": "max"}]
    subspace_error: Annotated[float, "squared Frobenius distance of W W' from B B'"]
    train_loss: Annotated[
        float, "weighted loss on the training data, time averaged as score_mse: squared error of beta x0 / sigma"
    ]
    true_loss: Annotated[float, "that of the true score on the same points"]
    optimisation_gap: Annotated[float, "train_loss less true_loss; above zero training has not reached what the truth attains"]
    loss_floor: Annotated[
        float | None, "what true_loss is on average over all data, the least loss of any function; null where no Gaussian"
    ]
    latent_kl: Annotated[float | None, "KL(latent law | Gaussian fitted to it), where the estimator is plugin on Gaussian data"]
    tv: Annotated[
        float | None,
        "total variation of sampled from true points at t0, in 8 cells an axis of the first two latent coordinates",
        {"range": [0, 1]},
    ]
    tv_noise: Annotated[float | None, "what chance may add to tv, at most (probability 1 - 1e-9)"]
    tv_bound: Annotated[
        float | None,
        "what tv can be at most but for tv_noise, from the score's error on the sampler's own path",
        {"bound": "upper"},
    ]
    path_integral: Annotated[float | None, "squared error of the sampler's drift, integrated over time on true paths"]
    energy_distance: Annotated[float | None, "energy distance of sampled from true points at t0, in the data's subspace"]
    mmd: Annotated[
        float | None, "squared maximum mean discrepancy of them, Gaussian kernel as wide as the true points lie apart"
    ]
    sliced_wasserstein: Annotated[float | None, "sliced 2-Wasserstein distance of them, 64 directions"]
    orthogonal_variance: Annotated[float | None, "mean square of a sampled coordinate outside of W; NaN where d0 = D"]
    orthogonal_bound: Annotated[
        float | None, "what it can be at most but for chance, e (t0 + longest last step)", {"bound": "upper"}
    ]
    n_params: Annotated[int, "numbers that the network learns; 0 where nothing is trained"]


NAMES = tuple(field.name for field in dataclasses.fields(Result))


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, Any]]:
    """Columns of rows as trainings reach them; models of one shape are trained together."""
    for columns in training_groups.columns(params, ctxs, lambda p: ensemble.marks(p.steps, p.every), NAMES, measured):
        columns["loss_floor"] = [None if math.isnan(floor) else floor for floor in columns["loss_floor"]]
        yield columns


def measured(task: Problem) -> Measure[Field]:
    """What measures the rows of a problem, on points drawn once."""
    probe = evaluation.probe(task)

    def measure(predict: Field, span: Tensor, last: bool) -> dict[str, Tensor]:
        """The errors of a prediction after a span of steps, and what only the last row tells."""
        values = evaluation.score_errors(task, probe, predict, span) | counted(task)
        values["loss_floor"] = evaluation.loss_floors(task)
        if last and task.first.samples:
            values |= evaluation.sample_errors(task, predict, span, probes.sampler_times(task))
        if task.first.estimator == "plugin":
            values["latent_kl"] = estimators.divergences(task, span)
        return values

    return measure


def counted(task: Problem) -> dict[str, Tensor]:
    """What each network learns, in numbers."""
    trained = task.first.estimator == "transformer"
    return {"n_params": torch.full((len(task.params),), network.layout(task.first).count if trained else 0)}
