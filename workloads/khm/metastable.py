"""How many memories a query's end state mixes, with a trained feature map, with its features normalised, and without one.

Source: Hu, Wu, Liu 2024, arXiv:2410.23126, table of metastable states, with the settings of its official code; arms are ours.
Symbols: Φ = affine feature map (d to feature_dim) · k = mean ‖Φ(ξ)‖² over the memories ξ · p = weights of the last update.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor

from workloads.khm.maths import making, search
from workloads.shared import packs
from workloads.shared.hopfield import retrieval, separation

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
METHODS = ("dense", "uhop_plus", "uhop_plus_normalised", "dense_scaled")
# A softmax weight counts from here on (the official code's threshold); a sparse one where it is not 0.
COUNTED = 0.01
# Weights (points, queries, memories) held at once, in numbers.
ELEMENTS = 1 << 20


@dataclass(frozen=True)
class Params:
    """An arm of the ablation and its settings; memories, queries and map of one seed are the same in every arm."""

    method: Annotated[
        str, "dense | uhop_plus | uhop_plus_normalised | dense_scaled (dense at beta times k)", {"shape": True}
    ] = "dense"
    m: Annotated[int, "number of memories", {"shape": True}] = 10
    d: Annotated[int, "dimension of a memory", {"shape": True}] = 5
    feature_dim: Annotated[int, "dimension of the features; 0 for d", {"shape": True}] = 0
    beta: Annotated[float, "inverse temperature"] = 1.0
    alpha: Annotated[float, "separation: 1 softmax, 1.5 entmax, 2 sparsemax", {"shape": True}] = 1.0
    updates: Annotated[int, "updates of every query", {"shape": True}] = 20
    queries: Annotated[int, "random unit queries; 0 for as many as memories", {"shape": True}] = 0
    steps: Annotated[int, "training steps of the map", {"shape": True}] = 20
    rate: Annotated[float, "learning rate of Adam", {"shape": True}] = 1.0
    tau: Annotated[float, "temperature of the separation loss", {"shape": True}] = 0.1


@dataclass(frozen=True)
class Result:
    """The sizes of the end states, and what the map did to lengths and angles."""

    single_share: Annotated[float, "share of queries that end on one memory alone", {"aggregate": "mean", "range": [0, 1]}]
    few_share: Annotated[float, "share of queries that end on 2 to 5 memories", {"range": [0, 1]}]
    many_share: Annotated[
        float, "share of queries that end on more than 5 memories, or on none above the threshold", {"range": [0, 1]}
    ]
    support_mean: Annotated[float, "memories with a weight above 0 (alpha > 1) or 0.01 (softmax) at the end, mean"]
    support_max: Annotated[int, "most memories in one end state", {"aggregate": "max"}]
    entropy_mean: Annotated[float, "entropy of the last weights, mean over the queries", {"unit": "nats"}]
    k_norm: Annotated[float, "k, mean squared length of the trained features of the memories: what multiplies beta"]
    beta_effective: Annotated[float, "beta at which unit features would see the same scores: beta times k where lengths count"]
    delta_memories: Annotated[float, "least 1 - cos between two memories"]
    delta_features: Annotated[float, "least 1 - cos between the features of two memories, in the arm's own space"]
    energy_increases: Annotated[int | None, "updates that raised the energy; null for a map with a bias, which has none"]


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, Any]]:
    """Columns for every point; points of one shape train their maps and run their queries in one batch."""
    for p in params:
        _check(p)
    for _, indices in packs.groups(params, lambda p: dataclasses.replace(p, beta=1.0)):
        first = params[indices[0]]
        for part in packs.chunks(indices, ELEMENTS // (first.m * (first.queries or first.m))):
            columns = _measure([params[i] for i in part], [ctxs[i] for i in part])
            yield {"index": part, "step": [0] * len(part), **columns}


def _check(p: Params) -> None:
    if p.method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, but got '{p.method}'; write one of them.")
    if p.alpha not in retrieval.ALPHAS:
        raise ValueError(f"alpha must be 1 (softmax), 1.5 (entmax) or 2 (sparsemax), but got {p.alpha}; write one of them.")
    if not (p.beta > 0 and math.isfinite(p.beta) and p.tau > 0):
        raise ValueError(f"beta and tau must be positive and finite, but got beta = {p.beta}, tau = {p.tau}; raise them.")
    if p.m < 2 or p.d < 2 or p.updates < 1 or min(p.feature_dim, p.queries, p.steps) < 0:
        raise ValueError(
            f"m and d must be at least 2, updates at least 1, feature_dim, queries and steps at least 0, but got m = {p.m}, "
            f"d = {p.d}, updates = {p.updates}, feature_dim = {p.feature_dim}, queries = {p.queries}, steps = {p.steps}."
        )


def _measure(params: list[Params], ctxs: list[Context]) -> dict[str, list[Any]]:
    p, device = params[0], ctxs[0].device
    memories = _unit(ctxs, "memories", p.m, p.d).to(device)
    queries = _unit(ctxs, "queries", p.queries or p.m, p.d).to(device)
    weight = torch.stack([_start(p, ctx) for ctx in ctxs]).to(device)
    trained = search.uhop_plus(making.with_bias(memories), weight, p.steps, p.rate, p.tau, shipped=True)
    features = _features(memories, trained)
    gain = (features * features).sum(-1).mean(-1)
    beta = torch.tensor([q.beta for q in params], dtype=torch.float64, device=device)
    gains = {"dense": torch.ones_like(gain), "uhop_plus_normalised": torch.ones_like(gain)}.get(p.method, gain)
    weights, increases = _ended(p, memories, queries, trained, beta * gain if p.method == "dense_scaled" else beta)
    own = memories if p.method.startswith("dense") else separation.normalise(features)
    return _sizes(weights, p.alpha) | {
        "entropy_mean": torch.special.entr(weights).sum(-1).mean(1).tolist(),
        "k_norm": gain.tolist(),
        "beta_effective": (beta * gains).tolist(),
        "delta_memories": separation.delta(memories).tolist(),
        "delta_features": separation.delta(own).tolist(),
        "energy_increases": [None] * len(params) if increases is None else increases.tolist(),
    }


def _unit(ctxs: list[Context], stream: str, rows: int, d: int) -> Tensor:
    draws = [torch.randn(rows, d, dtype=torch.float64, generator=ctx.generator(stream)) for ctx in ctxs]
    return separation.normalise(torch.stack(draws))


def _start(p: Params, ctx: Context) -> Tensor:
    """The map (d + 1, D) before training: He's normal weights, and below them a bias uniform in ±1/√d."""
    generator, width = ctx.generator("map"), p.feature_dim or p.d
    weight = torch.randn(p.d, width, dtype=torch.float64, generator=generator) * math.sqrt(2 / p.d)
    bias = (2 * torch.rand(1, width, dtype=torch.float64, generator=generator) - 1) / math.sqrt(p.d)
    return torch.cat([weight, bias])


def _features(x: Tensor, trained: Tensor) -> Tensor:
    """Φ(x) (points, n, D) of x (points, n, d), to the same bits in whatever batch."""
    return retrieval.read(making.with_bias(x), trained)


def _ended(p: Params, memories: Tensor, queries: Tensor, trained: Tensor, beta: Tensor) -> tuple[Tensor, Tensor | None]:
    """Weights (points, q, m) of the last update, and energy increases (points,) where the network has an energy."""
    if p.method.startswith("dense"):
        trace = retrieval.iterate(queries, memories, beta[:, None, None], p.alpha, p.updates)
        return trace.weights, trace.increases
    unit = p.method == "uhop_plus_normalised"
    stored = _features(memories, trained)
    stored = separation.normalise(stored) if unit else stored
    x, weights = queries, torch.empty(0)
    for _ in range(p.updates):
        features = _features(x, trained)
        scores = retrieval.overlaps(separation.normalise(features) if unit else features, stored)
        weights = retrieval.separate(beta[:, None, None] * scores, p.alpha)
        x = retrieval.read(weights, memories)
    return weights, None


def _sizes(weights: Tensor, alpha: float) -> dict[str, list[Any]]:
    size = (weights > (COUNTED if alpha == 1.0 else 0.0)).sum(-1)  # (points, q)
    few = (size >= 2) & (size <= 5)
    return {
        "single_share": (size == 1).double().mean(1).tolist(),
        "few_share": few.double().mean(1).tolist(),
        "many_share": ((size != 1) & ~few).double().mean(1).tolist(),
        "support_mean": size.double().mean(1).tolist(),
        "support_max": size.amax(1).tolist(),
    }
