"""How many input-output pairs a soft prompt of p tokens makes a fixed layer memorise, as far as a solver finds prompts.

Source: Hu et al. 2025, arXiv:2411.16525 (memorisation); arXiv:2509.00421 (at most linear in p); counts of numbers: derived.
Symbols: N = pairs · L, d = tokens of a sequence and their dimension · p = prompt tokens · ε = largest error allowed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch
from torch import Tensor

from workloads.prompt.maths import block, levenberg

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
NETWORKS = ("attention", "random", "scaled", "pretrained")
SHARPER = 4.0
"""What keys are multiplied by in the scaled network."""
TASKS, TRAINING = 32, 300
"""Data sets and Adam steps of the pretrained network."""
FOUND = {"bound": "upper"}


@dataclass(frozen=True)
class Params:
    """A network, a data set and how hard prompts are sought."""

    pairs: Annotated[int, "input-output pairs N", {"shape": True}]
    prompt_len: Annotated[int, "prompt tokens p", {"shape": True}]
    dim: Annotated[int, "dimension d of a token", {"shape": True}] = 4
    seq_len: Annotated[int, "tokens L of each sequence", {"shape": True}] = 2
    eps: Annotated[float, "largest error of an output's entry that counts as memorised"] = 1e-2
    network: Annotated[
        str,
        "attention (that layer alone) | random (with skip and ReLU layer) | scaled (keys 4 times as large) | pretrained",
        {"shape": True},
    ] = "attention"
    reach: Annotated[float, "standard deviation of targets about the outputs of some random prompt"] = 0.02
    restarts: Annotated[int, "random prompts from which the solver starts; the best end counts", {"shape": True}] = 8
    steps: Annotated[int, "moves of the solver from each", {"shape": True}] = 100


@dataclass(frozen=True)
class Result:
    """Whether a prompt was found; a miss is the solver's, and no proof that none exists."""

    success: Annotated[
        bool, "whether some prompt was found with max_error at most eps", {"aggregate": "proportion", "bound": "lower"}
    ]
    max_error: Annotated[float, "largest error of an output's entry, best of the restarts", {"finite": True, **FOUND}]
    rms_error: Annotated[float, "root of the mean square error, least of the restarts", {"aggregate": "rms", **FOUND}]
    wins: Annotated[float, "share of restarts that succeeded", {"range": [0, 1]}]
    error_without: Annotated[float, "largest error where the prompt's tokens are the random ones that the solver starts from"]
    numbers_asked: Annotated[int, "numbers in the targets, N L d"]
    numbers_free: Annotated[int, "numbers in the prompt, p d"]


EXAMPLES = (
    Params(1, 2),
    Params(3, 2),
    Params(2, 3, 3, 1, network="random", steps=20),
    Params(2, 4, network="scaled", restarts=4, steps=20),
    Params(1, 2, 3, 1, network="pretrained", steps=20, restarts=2),
)


def run(params: Params, ctx: Context) -> Iterator[tuple[int, Result]]:
    """The one row of a point."""
    p = params
    _check(p)
    network = _network(p, ctx)
    start, x, y = (part.to(ctx.device) for part in _task(p, ctx, network, ""))
    network = network.to(ctx.device)

    def residual(prompt: Tensor) -> Tensor:
        """What a prompt misses of the targets, as one vector."""
        return (network(prompt.reshape(p.prompt_len, p.dim), x) - y).reshape(-1)

    # One point at a time: its restarts are a batch of one size, so that rounding does not depend on who shares the pack.
    solution, _ = levenberg.solve(residual, start, (), p.steps)
    missed = torch.func.vmap(residual)(solution)
    worst = missed.abs().amax(-1)
    yield (
        0,
        Result(
            success=bool(worst.amin() <= p.eps),
            max_error=float(worst.amin()),
            rms_error=float(missed.square().mean(-1).sqrt().amin()),
            wins=float((worst <= p.eps).double().mean()),
            error_without=float(torch.func.vmap(residual)(start).abs().amax(-1).amin()),
            numbers_asked=p.pairs * p.seq_len * p.dim,
            numbers_free=p.prompt_len * p.dim,
        ),
    )


def _check(p: Params) -> None:
    if p.network not in NETWORKS:
        raise ValueError(f"network must be one of {', '.join(NETWORKS)}, but got '{p.network}'; write one of them.")
    if min(p.pairs, p.prompt_len, p.dim, p.seq_len, p.restarts, p.steps) < 1 or not min(p.eps, p.reach) > 0:
        raise ValueError(f"counts must be at least 1, eps and reach above 0, but got {p}; mend the one below.")


def _network(p: Params, ctx: Context) -> block.Block:
    """The fixed network of a seed, the same for every number of pairs."""
    whole = p.network != "attention"
    plain = block.random(p.dim, whole, ctx.generator("weights"))
    if p.network == "scaled":
        plain = plain.scaled(SHARPER)
    if p.network == "pretrained":
        own = dataclasses.replace(p, pairs=4, prompt_len=4, restarts=1)
        tasks = [_task(own, ctx, plain, f"task {i} ") for i in range(TASKS)]
        prompts, x, y = (torch.stack(part) for part in zip(*tasks, strict=True))
        plain = block.trained(plain, prompts.reshape(TASKS, 4, p.dim), x, y, TRAINING)
    return plain


def _task(p: Params, ctx: Context, network: block.Block, name: str) -> tuple[Tensor, Tensor, Tensor]:
    """Starts (restarts, p d), inputs and targets (N, L, d); the first pairs of a seed are those of every larger N."""
    centre = torch.randn(p.prompt_len, p.dim, dtype=torch.float64, generator=ctx.generator(f"{name}prompt"))
    start = torch.randn(p.restarts, p.prompt_len * p.dim, dtype=torch.float64, generator=ctx.generator(f"{name}starts"))
    x, away = (_pairs(p, ctx.generator(f"{name}{stream}")) for stream in ("inputs", "targets"))
    return start, x, network(centre, x) + p.reach * away


def _pairs(p: Params, generator: torch.Generator) -> Tensor:
    """Normal numbers (N, L, d), pair by pair: one draw of another size would not begin alike."""
    return torch.stack([torch.randn(p.seq_len, p.dim, dtype=torch.float64, generator=generator) for _ in range(p.pairs)])
