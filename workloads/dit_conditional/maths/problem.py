"""Turns the params of a training into its problem: the law, the subspace, the data with their conditions, the shape.

Source: arXiv:2411.17522, (2.4) to (2.6) and its assumptions A1 (generic Hoelder), A2 (strong), A3 (x = U h in a subspace).
Symbols: dx = x_dim, of the law · dy = y_dim, of the condition · D = ambient dimension, dx where there is no subspace.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch
from torch import Tensor

from workloads.dit_conditional.maths import family, waves
from workloads.dit_conditional.maths.classes import Classes
from workloads.dit_conditional.maths.family import Law
from workloads.shared.diffusion import problem as training_problem
from workloads.shared.diffusion.network import orthonormal

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

AnyLaw = Law | Classes
FAMILIES = ("series", "classes")
ESTIMATORS = ("transformer", "kde")
CHOICES = {"family": FAMILIES, "estimator": ESTIMATORS, "assumption": tuple(family.AMPLITUDES)}
LEAST = {"x_dim": 1, "y_dim": 0, "waves": 1, "classes": 1, "fourier": 0}


@dataclass(frozen=True)
class Params:
    """What fixes one training: its law and data, its network, how it is trained and what it is measured with."""

    family: Annotated[
        str, "series (of smoothness beta) | classes (normal laws, one for each label; beta plays no part)", {"shape": True}
    ] = "series"
    classes: Annotated[int, "labels K of the family classes, whose condition is (k + 1/2)/K", {"shape": True}] = 4
    beta: Annotated[float, "smoothness of the law"] = 1.0
    x_dim: Annotated[int, "dimension dx of the law", {"shape": True}] = 1
    y_dim: Annotated[int, "dimension dy of the condition, uniform on [0, 1]^dy; 0 for none", {"shape": True}] = 1
    n: Annotated[int, "training points"] = 256
    fresh: Annotated[bool, "new data at every step, as if n were infinite: what error remains is no lack of data"] = False
    assumption: Annotated[str, "strong (A2, the law's factor is above 0.4) | generic (A1, it comes down to 0)"] = "strong"
    waves: Annotated[int, "terms of the law's series; each doubles the frequency", {"shape": True}] = 8
    estimator: Annotated[
        str, "transformer | kde (kernel density estimate with the best bandwidth for the true law)", {"shape": True}
    ] = "transformer"
    mask: Annotated[float, "share of training points whose condition is hidden"] = 0.5
    fourier: Annotated[
        int, "random waves, up to the law's highest frequency, that a token is given; 0 for none", {"shape": True}
    ] = 16
    depth: Annotated[int, "transformer blocks", {"shape": True}] = 2
    heads: Annotated[int, "heads of a block", {"shape": True}] = 2
    head_dim: Annotated[int, "size of a head", {"shape": True}] = 8
    ff: Annotated[int, "width of the ReLU layer", {"shape": True}] = 64
    width: Annotated[int, "width of a token between the blocks", {"shape": True}] = 32
    steps: Annotated[int, "training steps", {"shape": True}] = 600
    batch: Annotated[int, "noisy points of a training step", {"shape": True}] = 64
    learning_rate: Annotated[float, "Adam's first rate"] = 1e-2
    schedule: Annotated[str, "what becomes of the rate: cosine (to zero at the last step) | constant", {"shape": True}] = (
        "cosine"
    )
    clip: Annotated[float, "longest gradient, Euclidean norm over a model's parameters"] = 1.0
    weight: Annotated[float, "power k of 1/sigma(t)^2 in the loss: 2 is score matching, 0 regression on the clean point"] = 1.0
    spread: Annotated[str, "training times even in ln t (log) or in t (uniform)"] = "log"
    t0: Annotated[float, "least time of training and sampling"] = 0.01
    horizon: Annotated[float, "largest time, T"] = 4.0
    every: Annotated[int, "training steps from one row to the next; 0 for a last row alone", {"shape": True}] = 0
    points: Annotated[int, "test points for each of 12 times", {"shape": True}] = 128
    samples: Annotated[int, "points drawn by the trained sampler; 0 for none", {"shape": True}] = 0
    sampler_steps: Annotated[int, "steps of the sampler, of equal ratio of times", {"shape": True}] = 40
    gamma: Annotated[float, "guidance strength of the sampler; 1 is none"] = 1.0
    precision: Annotated[str, "float32 | float64", {"shape": True}] = "float32"


def check(p: Params) -> None:
    """Refuse params that mean nothing."""
    training_problem.check(p, CHOICES, LEAST)
    if not 0 <= p.mask < 1 or p.gamma < 1 or p.y_dim > 2 or p.samples in (1, *range(-9, 0)):
        raise ValueError(
            f"mask must lie in [0, 1), gamma must be at least 1, y_dim at most 2 and samples 0 or at least 2, but got "
            f"{p.mask}, {p.gamma}, {p.y_dim} and {p.samples}; mend them."
        )
    if ambient(p) < p.x_dim:
        raise ValueError(f"ambient_dim must be at least x_dim = {p.x_dim}, but got {ambient(p)}; raise it.")
    if p.estimator == "kde" and (p.fresh or p.x_dim + p.y_dim > 2 or latent(p) or p.family != "series"):
        raise ValueError(
            f"estimator 'kde' needs data at once and one or two dimensions in all, of a series, but got fresh = {p.fresh}, "
            f"family = '{p.family}', x_dim = {p.x_dim}, y_dim = {p.y_dim}; train a transformer."
        )
    if p.family == "classes" and p.y_dim != 1:
        raise ValueError(f"family 'classes' has one condition, its label, but got y_dim = {p.y_dim}; write 1.")


def latent(p: Params) -> bool:
    """Whether the law lies in a subspace that is to be learnt."""
    return hasattr(p, "ambient_dim")


def ambient(p: Params) -> int:
    """Dimension D of the data."""
    return int(getattr(p, "ambient_dim", p.x_dim))


Problem = training_problem.Problem[Params, AnyLaw]


def build(params: Sequence[Params], ctxs: Sequence["Context"]) -> Problem:
    """The problem of params that agree in everything that sets shapes."""
    p, device = params[0], ctxs[0].device
    laws = [law(q) for q in params]
    basis = torch.stack([_basis(q, ctx) for q, ctx in zip(params, ctxs, strict=True)])
    pairs = [
        drawn(law, own, 0 if q.fresh else q.n, ctx.generator("data"))
        for q, law, own, ctx in zip(params, laws, basis, ctxs, strict=True)
    ]
    data, conditions = ([pair[i].to(device, training_problem.dtype(p)) for pair in pairs] for i in (0, 1))
    draws = [ctx.generator("waves") for ctx in ctxs]
    fixed = waves.drawn([law.frequencies for law in laws], (p.x_dim, p.y_dim), p.fourier, draws)
    return Problem(
        params, ctxs, laws, basis.to(device), data, conditions, {name: part.to(data[0]) for name, part in fixed.items()}
    )  # fmt: skip


def law(p: Params) -> AnyLaw:
    """The law of the points."""
    if p.family == "classes":
        return Classes(p.x_dim, p.classes)
    return Law(p.beta, p.x_dim, p.y_dim, p.waves, p.assumption)


def drawn(law: AnyLaw, basis: Tensor, count: int, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    """Clean points (count, D) and their conditions (count, dy), float64, on the generator's device."""
    y = law.conditions(count, draws)
    return law.sample(y, draws) @ basis.mT, y


def _basis(p: Params, ctx: "Context") -> Tensor:
    """U (D, dx), float64: uniformly random orthonormal columns, or the identity."""
    if not latent(p):
        return torch.eye(p.x_dim, dtype=torch.float64)
    return orthonormal(torch.randn(ambient(p), p.x_dim, generator=ctx.generator("subspace"), dtype=torch.float64))
