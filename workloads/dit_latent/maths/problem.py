"""Turns the params of a training into its problem: the latent law, the subspace, the data and the network's shape.

Source: arXiv:2407.01079, A2.1 (x = B h) and Def. 3.1 (reshape layer); `ambient_noise` leaves A2.1 and says so.
Symbols: D = ambient_dim · d0 = latent_dim · B (D, d0), orthonormal columns · tokens (L, d) with d L = d0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch
from torch import Tensor

from workloads.dit_latent.maths import latents
from workloads.dit_latent.maths.latents import Latent
from workloads.shared.diffusion import problem as training_problem
from workloads.shared.diffusion.network import orthonormal

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

ESTIMATORS = ("transformer", "plugin", "empirical")


@dataclass(frozen=True)
class Params:
    """What fixes one training: its data, its network, how it is trained and what it is measured with."""

    latent_dim: Annotated[int, "dimension d0 of the latent law", {"shape": True}]
    ambient_dim: Annotated[int, "dimension D of the data", {"shape": True}] = 8
    n: Annotated[int, "training points"] = 128
    fresh: Annotated[bool, "new data at every step, as if n were infinite: what error remains is no lack of data"] = False
    family: Annotated[str, "latent law: gaussian | mixture | laplace"] = "mixture"
    ambient_noise: Annotated[float, "standard deviation of normal noise on the clean data; above 0 outside of A2.1"] = 0.0
    estimator: Annotated[
        str, "transformer | plugin (a Gaussian fitted to the data) | empirical (score of the smoothed data)", {"shape": True}
    ] = "transformer"
    tokens: Annotated[
        int, "tokens L of the reshape layer, a divisor of latent_dim; 0 for 4-dimensional ones", {"shape": True}
    ] = 0
    depth: Annotated[int, "transformer blocks K", {"shape": True}] = 2
    heads: Annotated[int, "heads r of a block", {"shape": True}] = 2
    head_dim: Annotated[int, "size m of a head", {"shape": True}] = 8
    ff: Annotated[int, "width of the ReLU layer", {"shape": True}] = 64
    width: Annotated[int, "width of a token between the blocks", {"shape": True}] = 32
    steps: Annotated[int, "training steps", {"shape": True}] = 800
    batch: Annotated[int, "noisy points of a training step", {"shape": True}] = 64
    learning_rate: Annotated[float, "Adam's first rate"] = 1e-2
    schedule: Annotated[str, "what becomes of the rate: cosine (to zero at the last step) | constant", {"shape": True}] = (
        "cosine"
    )
    clip: Annotated[float, "longest gradient, Euclidean norm over a model's parameters"] = 1.0
    weight: Annotated[float, "power k of 1/sigma(t) in the loss: 2 is score matching, 0 regression on the clean point"] = 1.0
    spread: Annotated[
        str, "training times even in ln t (log) or in t (uniform); log with weight k is about uniform with k + 1"
    ] = "log"
    t0: Annotated[float, "least time of training and sampling, T0"] = 0.02
    horizon: Annotated[float, "largest time, T"] = 4.0
    every: Annotated[int, "training steps from one row to the next; 0 for a last row alone", {"shape": True}] = 0
    points: Annotated[int, "test points for each of 12 times", {"shape": True}] = 256
    samples: Annotated[int, "points drawn by the trained sampler; 0 for none", {"shape": True}] = 1024
    sampler_steps: Annotated[int, "steps of the sampler, of equal ratio of times", {"shape": True}] = 40
    precision: Annotated[str, "float32 | float64", {"shape": True}] = "float32"


def check(p: Params) -> None:
    """Refuse params that mean nothing."""
    latents.check(p.family)
    training_problem.check(p, {"estimator": ESTIMATORS}, {"samples": 0})
    if not 1 <= p.latent_dim <= p.ambient_dim:
        raise ValueError(
            f"latent_dim must lie between 1 and ambient_dim, but got {p.latent_dim} and {p.ambient_dim}; raise ambient_dim."
        )
    if p.tokens and p.latent_dim % p.tokens:
        raise ValueError(f"tokens must divide latent_dim = {p.latent_dim}, but got {p.tokens}; write 0 for the default.")
    if p.samples == 1:
        raise ValueError("samples must be 0 or at least 2, but got 1; distances of samples need two.")
    if p.estimator != "transformer" and (p.fresh or (p.estimator == "plugin" and p.n <= p.latent_dim)):
        raise ValueError(
            f"estimator '{p.estimator}' needs data at once, and 'plugin' more than latent_dim of them, but got "
            f"fresh = {p.fresh}, n = {p.n}; train a transformer, or raise n."
        )


def reshape(p: Params) -> tuple[int, int]:
    """(L, d) of the reshape layer: tokens of 4 numbers where d0 is 8 or more, as patches of 2 x 2; else two tokens or one.

    The paper asks for d = (patch size)^2 of at least 4; smaller latent spaces are our relaxation of it.
    """
    if p.tokens:
        return p.tokens, p.latent_dim // p.tokens
    if p.latent_dim >= 8 and p.latent_dim % 4 == 0:
        return p.latent_dim // 4, 4
    tokens = 2 if p.latent_dim % 2 == 0 else 1
    return tokens, p.latent_dim // tokens


Problem = training_problem.Problem[Params, Latent]


def build(params: Sequence[Params], ctxs: Sequence["Context"]) -> Problem:
    """The problem of params that agree in everything that sets shapes."""
    laws = [Latent(p.family, p.latent_dim, jitter=p.ambient_noise) for p in params]
    bases = [subspace(p.ambient_dim, p.latent_dim, ctx.generator("subspace")) for p, ctx in zip(params, ctxs, strict=True)]
    basis = torch.stack(bases).to(ctxs[0].device, training_problem.dtype(params[0]))
    data = [
        clean(p, law, own, 0 if p.fresh else p.n, ctx.generator("data")).to(basis)
        for p, law, own, ctx in zip(params, laws, bases, ctxs, strict=True)
    ]
    return Problem(params, ctxs, laws, basis, data)


def subspace(ambient: int, latent: int, generator: torch.Generator) -> Tensor:
    """A uniformly random B (D, d0) with orthonormal columns, float64."""
    return orthonormal(torch.randn(ambient, latent, generator=generator, dtype=torch.float64))


def clean(p: Params, law: Latent, basis: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Clean points x = B h (count, D), with the ambient noise asked for; typed as the basis, on the generator's device."""
    x = latents.sample(law, count, generator, basis.dtype) @ basis.mT
    if p.ambient_noise > 0:
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        x = x + p.ambient_noise * noise
    return x
