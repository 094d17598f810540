"""How wrong a trained conditional score is where the law lies in a subspace, against the dimension of the space around it.

Source: arXiv:2411.17522, assumption A3 (x = U h, h of a Hoelder law given y) and section 4: rates in d0 and not in D.
Symbols: d0 = x_dim, dimension of the latent law · D = ambient_dim · U (D, d0), orthonormal columns, learnt.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from workloads.dit_conditional.maths import problem, training_groups
from workloads.shared.diffusion import times

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 2
MEASURES = "value"
STEPS = "steps"
# Relative; models trained together share matrix products, whose last digits depend on how many there are.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Params(problem.Params):
    """A training on data in a subspace; `x_dim` is that of the latent law."""

    x_dim: Annotated[int, "dimension d0 of the latent law", {"shape": True}] = 2
    ambient_dim: Annotated[int, "dimension D of the data", {"shape": True}] = 8


@dataclass(frozen=True)
class Result(times.ByTime):
    """Errors of one trained score, in the subspace and outside of it."""

    score_mse: Annotated[
        float, "squared error of the score given y, averaged over points, y and t uniform in [t0, horizon]", {"finite": True}
    ]
    score_mse_on_support: Annotated[float, "its part in the subspace that the data span", {"finite": True}]
    score_mse_orthogonal: Annotated[float, "its part outside of that subspace"]
    score_mse_uncond: Annotated[
        float | None, "squared error of the score without y; null where y is never hidden", {"finite": True}
    ]
    relative_mse: Annotated[float, "score_mse over that of a network that predicts zero"]
    subspace_error: Annotated[float, "squared Frobenius distance of the learnt subspace's projection from the true one's"]
    energy_distance: Annotated[
        float | None, "energy distance of sampled (h, y) from those of the exact scores' sampler; null where none are"
    ]
    mmd: Annotated[
        float | None, "squared maximum mean discrepancy of them, Gaussian kernel as wide as the true points lie apart"
    ]
    train_loss: Annotated[float, "loss given y on the training data, averaged as score_mse"]
    true_loss: Annotated[float, "that of the true score on the same points"]
    optimisation_gap: Annotated[float, "train_loss less true_loss; above zero training has not reached what the truth attains"]
    n_params: Annotated[int, "numbers that the network learns"]


EXAMPLES = (
    Params(n=16, steps=12, every=6, batch=32, points=16, samples=32, sampler_steps=6),
    Params(x_dim=1, ambient_dim=3, n=32, steps=12, batch=32, points=16, y_dim=0, fourier=0),
    Params(x_dim=2, ambient_dim=2, fresh=True, steps=10, batch=32, points=16, precision="float64"),
)
NAMES = tuple(field.name for field in dataclasses.fields(Result))


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, Any]]:
    """Columns of rows as trainings reach them; models of one shape are trained together."""
    yield from training_groups.columns(params, ctxs, NAMES)
