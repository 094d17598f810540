"""Whether a kernelised network, which reads out in data space, keeps the memories that the code of its features keeps.

Source: Hu, Wu, Liu 2024, arXiv:2410.23126, abstract and section 2 (KHMs); arXiv:2404.03827 (linear feature maps).
Symbols: ξ = memory in R^d, m of them · Φ = feature map · K(u, v) = ⟨Φ(u), Φ(v)⟩ · R = half the least distance of two features.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch
from torch import Tensor

from workloads.khm.maths import search, storage
from workloads.shared.hopfield import retrieval, separation

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
KINDS = ("linear", "unit")


@dataclass(frozen=True)
class Params:
    """Random unit memories, a map that is trained to separate them, and how both networks run."""

    m: Annotated[int, "number of memories, at least 2", {"shape": True}]
    d: Annotated[int, "dimension of the data and of the features, at least 2", {"shape": True}]
    beta: Annotated[float, "inverse temperature"]
    features: Annotated[
        str, "linear: Wu, scaled to a mean squared length of 1 | unit: Wu on the unit sphere, a spherical code", {"shape": True}
    ] = "unit"
    updates: Annotated[int, "updates of every query", {"shape": True}] = 200
    steps: Annotated[int, "steps of training the map; 0 for one that is drawn", {"shape": True}] = 300


@dataclass(frozen=True)
class Result:
    """What each of the two networks keeps, asked with the memories themselves, and where they agree."""

    kept_data: Annotated[
        float, "share of memories whose query in data space ends within R of them, by its features", {"aggregate": "mean"}
    ]
    kept_features: Annotated[
        float, "share of memories that the code of the features keeps within R in feature space", {"aggregate": "mean"}
    ]
    agreement: Annotated[float, "share of memories of which both networks say the same", {"aggregate": "mean"}]
    weight_gap: Annotated[float, "largest difference of a weight of both networks in their last update", {"aggregate": "max"}]
    separation: Annotated[float, "least 1 - cos between two features"]
    beta_rigorous: Annotated[float, "beta from which balls of R/2 about unit features are kept"]


def run(params: Params, ctx: Context) -> Iterator[tuple[int, Result]]:
    """Both networks on the same memories: (0, result)."""
    _check(params)
    memories = _normal(ctx, "memories", params.m, params.d)
    memories = separation.normalise(memories).to(ctx.device)
    feature = _feature(params, memories, _normal(ctx, "start", params.d, params.d).to(ctx.device))
    stored = feature(memories)
    reach = separation.radius(stored)
    x, z = memories, stored
    weights_x = weights_z = torch.zeros(params.m, params.m, dtype=torch.float64)
    for _ in range(params.updates):
        weights_x = retrieval.separate(params.beta * retrieval.overlaps(feature(x), stored), 1.0)
        weights_z = retrieval.separate(params.beta * retrieval.overlaps(z, stored), 1.0)
        x, z = retrieval.read(weights_x, memories), retrieval.read(weights_z, stored)
    kept_x, kept_z = ((end - stored).norm(dim=-1) < reach for end in (feature(x), z))
    delta = float(separation.delta(separation.normalise(stored)))
    yield (
        0,
        Result(
            kept_data=float(kept_x.double().mean()),
            kept_features=float(kept_z.double().mean()),
            agreement=float((kept_x == kept_z).double().mean()),
            weight_gap=float((weights_x - weights_z).abs().max()),
            separation=delta,
            beta_rigorous=storage.beta_needed(delta, params.m, "rigorous"),
        ),
    )


def _feature(p: Params, memories: Tensor, start: Tensor) -> Callable[[Tensor], Tensor]:
    """Φ of vectors (..., d) with the map (d, d) after training."""
    weight = start
    if p.steps:
        weight = search.train_map(memories[None], start[None], search.Annealing(steps=p.steps).rates(), search.lse_pull)[0]
    if p.features == "unit":
        return lambda u: separation.normalise(retrieval.read(u, weight))
    scale = retrieval.read(memories, weight).square().sum(-1).mean().sqrt()
    return lambda u: retrieval.read(u, weight) / scale


def _normal(ctx: Context, stream: str, rows: int, columns: int) -> Tensor:
    return torch.randn(rows, columns, dtype=torch.float64, generator=ctx.generator(stream))


def _check(p: Params) -> None:
    if p.features not in KINDS:
        raise ValueError(f"features must be one of {', '.join(KINDS)}, but got '{p.features}'; write one of them.")
    if p.m < 2 or p.d < 2 or p.updates < 1 or p.steps < 0 or not (p.beta > 0 and math.isfinite(p.beta)):
        raise ValueError(
            f"m and d must be at least 2, updates at least 1, steps at least 0 and beta positive, but got m = {p.m}, "
            f"d = {p.d}, updates = {p.updates}, steps = {p.steps}, beta = {p.beta}; raise what is too small."
        )
