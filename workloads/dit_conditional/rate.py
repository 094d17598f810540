"""How wrong a trained conditional score and its density are against the number of training points, beside a kernel estimate.

Source: arXiv:2411.17522, its theorems on score risk and E_y TV under generic (A1) and strong (A2) Hoelder laws; the exponents
are those of the ReLU theory that it builds on.
Symbols: dx, dy = dimensions of law and condition · beta = smoothness.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from workloads.dit_conditional.maths import training_groups
from workloads.dit_conditional.maths.problem import Params
from workloads.shared.diffusion import times

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 2
MEASURES = "value"
STEPS = "steps"
# Relative; models trained together share matrix products, whose last digits depend on how many there are.
TOLERANCE = 1e-4
EXAMPLES = (
    Params(n=16, steps=12, every=6, batch=32, points=16, samples=32, sampler_steps=6),
    Params(n=32, steps=12, batch=32, points=16, samples=32, sampler_steps=6, gamma=2.0, beta=2.0, t0=0.05),
    Params(x_dim=2, y_dim=0, n=16, steps=8, batch=32, points=16, fourier=4, precision="float64"),
    Params(x_dim=2, y_dim=2, fresh=True, steps=8, batch=32, points=2, mask=0.0, waves=3, assumption="generic"),
    Params(family="classes", classes=3, n=32, steps=8, batch=32, points=8, samples=32, sampler_steps=6, gamma=2.0),
    Params(y_dim=0, n=64, estimator="kde"),
    Params(n=64, estimator="kde", beta=0.5),
)


@dataclass(frozen=True)
class Result(times.ByTime):
    """Errors of one trained score, or of one kernel estimate; what does not apply is null."""

    score_mse: Annotated[
        float | None,
        "squared error of the score given y, averaged over points, y and t uniform in [t0, horizon]; null for kde",
        {"finite": True},
    ]
    score_mse_uncond: Annotated[
        float | None, "that of the score without y, against the mixture over y; null where y is never hidden", {"finite": True}
    ]
    relative_mse: Annotated[float | None, "score_mse over that of a network that predicts zero"]
    tv: Annotated[
        float | None,
        "mean over y of the total variation of the estimated density from the true one: kde's at time 0; at t0 that of the "
        "trained score's probability flow, for dx = 1",
    ]
    bandwidth: Annotated[float | None, "kde's best bandwidth, in x and in y"]
    tv_sampled: Annotated[
        float | None,
        "total variation of sampled (x, y) from true ones at t0, in 8 cells an axis; null above dx + dy = 2 and for labels",
        {"range": [0, 1]},
    ]
    tv_noise: Annotated[float | None, "what chance may add to tv_sampled, at most (probability 1 - 1e-9)"]
    energy_distance: Annotated[float | None, "energy distance of sampled (x, y) from those of the exact scores' sampler"]
    mmd: Annotated[
        float | None, "squared maximum mean discrepancy of them, Gaussian kernel as wide as the true points lie apart"
    ]
    variance_ratio: Annotated[float | None, "variance of sampled x over that of the exact scores' sampler"]
    train_loss: Annotated[float | None, "loss given y on the training data, averaged as score_mse"]
    true_loss: Annotated[float | None, "that of the true score on the same points"]
    optimisation_gap: Annotated[
        float | None, "train_loss less true_loss; above zero training has not reached what the truth attains"
    ]
    n_params: Annotated[int, "numbers that the network learns; 0 where nothing is trained"]


NAMES = tuple(field.name for field in dataclasses.fields(Result))


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, Any]]:
    """Columns of rows as trainings reach them; models of one shape are trained together."""
    yield from training_groups.columns(params, ctxs, NAMES)
