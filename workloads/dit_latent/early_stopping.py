"""How the error of a latent score falls and rises again while it is trained, and how far it has learnt its data by heart.

Source: arXiv:2407.01079, (2.1) and Thm 3.2, whose estimator is a minimiser of the loss; training stopped early is none.
Symbols: n = training points · the truth's loss and that of the n points' own score are measured on what is trained with.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor

from workloads.dit_latent.maths import evaluation, problem, training_groups
from workloads.dit_latent.maths.problem import Problem
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


@dataclass(frozen=True)
class Params(problem.Params):
    """A training, and how densely its steps are looked at."""

    learning_rate: Annotated[float, "Adam's first rate"] = 3e-3
    schedule: Annotated[str, "what becomes of the rate: cosine (to zero at the last step) | constant", {"shape": True}] = (
        "constant"
    )
    octaves: Annotated[int, "rows in each doubling of the step; 0 to go by `every` alone", {"shape": True}] = 2
    samples: Annotated[int, "points drawn by the trained sampler; nothing is sampled here", {"shape": True}] = 0


@dataclass(frozen=True)
class Result:
    """Errors at one training step, beside the best so far."""

    score_mse: Annotated[
        float, "squared error of the score, averaged over points and over t uniform in [t0, horizon]", {"finite": True}
    ]
    score_mse_on_support: Annotated[float, "its part in the subspace that the data span", {"finite": True}]
    score_mse_orthogonal: Annotated[float, "its part outside of that subspace"]
    best_mse: Annotated[float, "least score_mse of a row so far"]
    best_step: Annotated[int, "training step of that row"]
    excess: Annotated[float, "score_mse over best_mse: what training on has cost"]
    train_loss: Annotated[
        float, "weighted loss on the training data, time averaged as score_mse: squared error of beta x0 / sigma"
    ]
    true_loss: Annotated[float, "that of the true score on the same points"]
    memory_loss: Annotated[
        float | None, "that of the training data's own score, the least that any function has; null for fresh data"
    ]
    memorised: Annotated[
        float | None, "share of the way from true_loss to memory_loss that train_loss has gone; null for fresh data"
    ]
    optimisation_gap: Annotated[float, "train_loss less true_loss; above zero training has not reached what the truth attains"]
    subspace_error: Annotated[float, "squared Frobenius distance of W W' from B B'"]


EXAMPLES = (
    Params(latent_dim=2, n=16, steps=16, octaves=1, batch=32, points=16),
    Params(latent_dim=2, n=16, steps=16, octaves=1, batch=32, points=16, fresh=True, family="gaussian"),
    Params(latent_dim=1, ambient_dim=2, n=8, steps=10, octaves=0, every=5, batch=32, points=16),
)
NAMES = tuple(field.name for field in dataclasses.fields(Result))


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, Any]]:
    """Columns of rows as trainings reach them; models of one shape are trained together."""
    for p in params:
        _check(p)
    for columns in training_groups.columns(params, ctxs, _marks, (*NAMES, "fresh"), _measured):
        columns["excess"] = [mse / best for mse, best in zip(columns["score_mse"], columns["best_mse"], strict=True)]
        for name in ("memory_loss", "memorised"):
            columns[name] = [None if fresh else v for v, fresh in zip(columns[name], columns["fresh"], strict=True)]
        del columns["fresh"]
        yield columns


def _check(p: Params) -> None:
    if p.estimator != "transformer" or p.samples or p.octaves < 0:
        raise ValueError(
            f"early stopping needs estimator transformer, samples 0 and octaves of at least 0, but got '{p.estimator}', "
            f"{p.samples} and {p.octaves}; measure other estimators and samples with dit_latent.rate."
        )


def _marks(p: problem.Params) -> list[int]:
    assert isinstance(p, Params)
    return ensemble.marks(p.steps, p.every, p.octaves)


def _measured(task: Problem) -> Measure[Field]:
    """What measures the rows of a problem, on points drawn once."""
    probe = evaluation.probe(task, memory=True)

    def measure(predict: Field, span: Tensor, last: bool) -> dict[str, Tensor]:
        """The errors of a prediction after a span of steps, and which share of the gap is memorised."""
        errors = evaluation.score_errors(task, probe, predict, span)
        errors["memorised"] = -errors["optimisation_gap"] / (errors["true_loss"] - errors["memory_loss"])
        return {**errors, "fresh": torch.tensor([p.fresh for p in task.params])}

    return measure
