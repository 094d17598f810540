"""How much the estimate of a softmax kernel by positive random features varies, by the kind of their directions.

Source: Hu et al. 2024, arXiv:2404.03900, appendix C (random features); arXiv:2009.14794, lemma 2; the variance is derived here.
Symbols: x, y = unit vectors · c = their cosine · β = inverse temperature · m = features · K = e^(βc), what is estimated.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from torch import Tensor

from workloads.hopfield.maths import kernels
from workloads.shared import packs
from workloads.shared.attention import operators

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
NUMBERS = 1 << 21
"""Coordinates of directions that are drawn and held at a time."""


@dataclass(frozen=True)
class Params:
    """A pair of vectors, a temperature and how often their kernel is estimated."""

    d: Annotated[int, "dimension, at least 2", {"shape": True, "at_least": 2}] = 8
    features: Annotated[int, "features of one estimate", {"shape": True, "at_least": 1}] = 64
    beta: Annotated[float, "inverse temperature", {"at_least": 0}] = 0.5
    cosine: Annotated[float, "cosine of the two vectors; 1 where the query is the memory", {"at_least": -1, "at_most": 1}] = 1.0
    kind: Annotated[Literal["iid", "orthogonal"], "directions: independent, or orthogonal in blocks of d", {"shape": True}] = (
        "iid"
    )
    draws: Annotated[int, "estimates", {"shape": True, "at_least": 2}] = 4096


@dataclass(frozen=True)
class Result:
    """The relative variance of an estimate, measured and in closed form."""

    variance: Annotated[float, "variance of the estimate over K squared, over the draws", {"finite": True}]
    variance_exact: Annotated[
        float, "(e^(β(2 + 2c)) - 1)/m, that of independent directions", {"formula": "features.variance", "seedless": True}
    ]
    bias_in_se: Annotated[float, "mean of the estimates less K, in standard errors"]


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, Any]]:
    """Columns for every point; points that differ in β or the cosine alone share their directions."""
    for p in params:
        refuse(p)
    every = list(zip(params, ctxs, strict=True))
    for (shape, ctx), indices in packs.groups(every, lambda e: (dataclasses.replace(e[0], beta=0.0, cosine=1.0), e[1])):
        estimates = [torch.empty(0, dtype=torch.float64)] * len(indices)
        for omega in _directions(shape, ctx):
            for position, i in enumerate(indices):
                estimates[position] = torch.cat([estimates[position], estimated(params[i], omega).cpu()])
        rows = [_row(params[i], values) for i, values in zip(indices, estimates, strict=True)]
        yield {"index": indices, "step": [0] * len(indices)} | {name: [row[name] for row in rows] for name in rows[0]}


def refuse(p: Params) -> None:
    """Raise ValueError where the params ask for what there is not."""
    if not (0 <= p.beta < math.inf) or not -1 <= p.cosine <= 1:
        raise ValueError(
            f"beta must be at least 0 and finite, cosine in [-1, 1], but got beta = {p.beta}, cosine = {p.cosine}; mend them."
        )
    if p.features < 1 or p.draws < 2 or p.d < 2:
        raise ValueError(
            f"features must be at least 1, draws and d at least 2, but got {p.features}, {p.draws} and {p.d}; raise them."
        )


def _directions(p: Params, ctx: Context) -> Iterator[Tensor]:
    """Directions (draws, features, d) of all estimates, a part at a time."""
    generator, part = ctx.generator("directions"), max(1, NUMBERS // (p.features * p.d))
    for start in range(0, p.draws, part):
        yield kernels.directions(p.kind, p.features, p.d, generator, min(part, p.draws - start)).to(ctx.device)


def estimated(p: Params, omega: Tensor) -> Tensor:
    """Estimates (draws,) of the kernel of two unit vectors, over its value."""
    pair = omega.new_zeros(2, p.d)
    pair[:, 0], pair[1, 1] = omega.new_tensor([1.0, p.cosine]), math.sqrt(1 - p.cosine**2)
    x, y = operators.positive(pair, p.beta, omega).unbind(-1)
    return (x * y).mean(-1) / math.exp(p.beta * p.cosine)


def variance(p: Params) -> float:
    """(e^(|s|²) - 1)/m with s = √β(x + y): exp(ω.s - |s|²/2) has mean 1 and second moment e^(|s|²)."""
    return math.expm1(p.beta * (2 + 2 * p.cosine)) / p.features


def _row(p: Params, estimates: Tensor) -> dict[str, float]:
    spread = float(estimates.std())
    bias = float(estimates.mean()) - 1
    return {
        "variance": spread**2,
        "variance_exact": variance(p),
        "bias_in_se": bias / (spread / math.sqrt(p.draws)) if spread else 0.0,
    }
