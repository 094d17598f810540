"""How far a modern Hopfield network, asked with its own memories, ends from them, and how many of them it keeps.

Source: Hu, Wu, Liu 2024, arXiv:2410.23126, section 2 (dense, and alpha-entmax as in its code); closed forms are derived.
Symbols: ξ = memory (m of them in d dimensions) · β = inverse temperature · T(x) = Ξ sep(βΞx) · Δ = separation · R = radius.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor

from workloads.khm.maths import best, making, onset, storage
from workloads.shared import packs
from workloads.shared.hopfield import retrieval, separation, symmetric_codes

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
# Weights (points, queries, memories) held at once, in numbers: about the second-level cache, and 2 GB of a GPU.
ELEMENTS = {"cpu": 1 << 17, "cuda": 1 << 28}
# Memories above which the queries of one point go in turns and no Gram matrix is held whole.
WHOLE = 4096


@dataclass(frozen=True)
class Params:
    """A code, a temperature and how long the network runs."""

    code: Annotated[
        str,
        "random | optimal | annealed | linear | uhop | uhop_plus, or by name simplex | orthoplex | polygon | icosahedron "
        "| cell24 | cell600 | e8 | leech",
        {"shape": True},
    ] = "random"
    d: Annotated[int, "dimension of a memory; 0 for the code's own", {"shape": True}] = 0
    m: Annotated[int, "number of memories; 0 for the code's own", {"shape": True}] = 0
    beta: Annotated[float, "inverse temperature"] = 1.0
    alpha: Annotated[float, "separation: 1 softmax, 1.5 entmax, 2 sparsemax", {"shape": True}] = 1.0
    updates: Annotated[int, "updates of every query", {"shape": True}] = 1
    noise: Annotated[float, "standard deviation of the normal noise on every coordinate of a query"] = 0.0


@dataclass(frozen=True)
class Result:
    """Where the queries ended, beside what closed forms say of it."""

    error_mean: Annotated[
        float, "distance of the last iterate from the memory it belongs to, mean over the memories", {"finite": True}
    ]
    error_max: Annotated[float, "largest such distance", {"aggregate": "max", "finite": True}]
    error_exact: Annotated[
        float | None, "closed form of that distance; null where none is known (noise, alpha > 1, random codes)"
    ]
    stored_fraction: Annotated[
        float, "share of memories whose last iterate lies within the radius R of them", {"aggregate": "proportion"}
    ]
    exact_fraction: Annotated[float, "share of memories that come back without any error", {"aggregate": "proportion"}]
    norm_mean: Annotated[float, "length of the last iterate, mean over the queries"]
    support_mean: Annotated[float, "memories with a weight above 0 (alpha > 1) or 0.01 (softmax) in the last update, mean"]
    energy_increases: Annotated[int, "updates of a query that raised the energy, all queries together; a descent has none"]
    delta: Annotated[float, "least 1 - cos between two memories"]
    radius: Annotated[float, "half the least distance of two memories, R"]
    beta_printed: Annotated[float, "beta from which the printed condition holds"]
    beta_rigorous: Annotated[float, "beta from which the ball condition with rho = 1/2 holds, so that balls of R/2 are kept"]
    beta_onset: Annotated[
        float | None, "beta from which a fixed point along a memory exists; null where no closed form is known"
    ]
    norm_onset: Annotated[float | None, "length of that fixed point where it appears; 0 for a continuous onset"]
    origin_rate: Annotated[float, "largest eigenvalue of the update's derivative at the origin, which is stable below 1"]


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, Any]]:
    """Columns for every point; points of one shape share batches, those of one code its Gram matrix."""
    shapes = [_shape(p) for p in params]
    for key, indices in packs.groups(list(zip(shapes, params, strict=True)), lambda s: (*s[0], s[1].alpha, s[1].updates)):
        m = key[2]
        size = ELEMENTS["cpu" if ctxs[0].device == "cpu" else "cuda"] // (m * _rows(m))
        for part in packs.chunks(indices, size):
            columns = _measure(key, [params[i] for i in part], [ctxs[i] for i in part])
            yield {"index": part, "step": [0] * len(part), **columns}


def _shape(p: Params) -> tuple[str, int, int]:
    if not (p.beta > 0 and math.isfinite(p.beta)):
        raise ValueError(f"beta must be positive and finite, but got {p.beta}; it is the inverse temperature.")
    if p.alpha not in retrieval.ALPHAS:
        raise ValueError(f"alpha must be 1 (softmax), 1.5 (entmax) or 2 (sparsemax), but got {p.alpha}; write one of them.")
    if p.updates < 1 or p.noise < 0 or not math.isfinite(p.noise):
        raise ValueError(
            f"updates must be at least 1 and noise at least 0, but got updates = {p.updates}, noise = {p.noise}; "
            "write updates: 1 for one step."
        )
    return (best.plain(p.code), *best.shape(best.plain(p.code), p.d, p.m))


def _measure(key: tuple[Any, ...], params: list[Params], ctxs: list[Context]) -> dict[str, list[Any]]:
    code, d, m, alpha, updates = key
    by_seed = {ctx.seed: _memories(code, d, m, ctx) for ctx in ctxs}
    memories = torch.stack([by_seed[ctx.seed] for ctx in ctxs]).to(ctxs[0].device)
    beta = torch.tensor([p.beta for p in params], dtype=torch.float64, device=memories.device)
    queries_of = _queries(memories, params, ctxs)
    rows = _rows(m)
    parts = [_ended(queries_of[:, first : first + rows], memories, beta, alpha, updates, first) for first in range(0, m, rows)]
    joined = {name: torch.cat([part[name] for part in parts], 1) for name in parts[0]}
    seeded = code == "random" or code in best.MADE
    described = _described(code, d, m, memories if seeded else memories[:1], len(params))
    return _columns(joined, described, params, alpha, m) | _closed(code, d, params, described["delta"])


def _rows(m: int) -> int:
    """Queries that go together: all, or as many as keep the weights at 128 MB."""
    return m if m <= WHOLE else max(1, WHOLE * WHOLE // m)


def _memories(code: str, d: int, m: int, ctx: Context) -> Tensor:
    """Coordinates (m, d) of a code; one that is random, searched or trained depends on the seed, and shares its data."""
    if code == "random":
        return separation.random_unit(d, m, ctx.generator("memories"))
    if code in best.MADE:
        return making.best_code(making.Recipe(method=code, d=d, m=m), ctx.generator, ctx.device)
    return best.build(code, d, m)


def _queries(memories: Tensor, params: list[Params], ctxs: list[Context]) -> Tensor:
    """The memories, each with its noise (points, m, d); noise of one seed differs between points by its size alone."""
    if all(p.noise == 0 for p in params):
        return memories
    shape = memories.shape[1:]
    draws = [
        torch.randn(shape, dtype=torch.float64, generator=ctx.generator("noise")) * p.noise
        for p, ctx in zip(params, ctxs, strict=True)
    ]
    return memories + torch.stack(draws).to(memories.device)


def _ended(start: Tensor, memories: Tensor, beta: Tensor, alpha: float, updates: int, first: int) -> dict[str, Tensor]:
    """Per query (points, q): error, length of the last iterate, size of the support; and energy increases (points, 1)."""
    trace = retrieval.iterate(start, memories, beta[:, None, None], alpha, updates)
    floor = 0.01 if alpha == 1.0 else 0.0
    return {
        "error": retrieval.errors(trace.weights, memories, first),
        "norm": trace.x.norm(dim=-1),
        "support": (trace.weights > floor).sum(-1).double(),
        "increases": trace.increases[:, None],
    }


def _described(code: str, d: int, m: int, memories: Tensor, points: int) -> dict[str, list[float]]:
    """Separation, radius and spread of each point's code, once where all points have the same."""
    if m > WHOLE:
        delta = torch.tensor([separation.delta_blocked(x) for x in memories], dtype=torch.float64)
    else:
        delta = separation.delta(memories).cpu()
    # One matrix at a time: a batch is not solved to the same bits whatever stands beside.
    spread = torch.stack([torch.linalg.eigvalsh(x.clone()).amax() for x in retrieval.jacobian_at_origin(memories, 1.0)])
    columns = {"delta": delta.tolist(), "radius": (delta.clamp_min(0) / 2).sqrt().tolist(), "spread": spread.tolist()}
    return {name: values * (points // len(values)) for name, values in columns.items()}


def _columns(
    ended: dict[str, Tensor], described: dict[str, list[float]], params: list[Params], alpha: float, m: int
) -> dict[str, list[Any]]:
    error = ended["error"].cpu()
    radius = torch.tensor(described["radius"], dtype=torch.float64)[:, None]
    return {
        "error_mean": error.mean(1).tolist(),
        "error_max": error.amax(1).tolist(),
        "stored_fraction": (error < radius).double().mean(1).tolist(),
        "exact_fraction": (error == 0).double().mean(1).tolist(),
        "norm_mean": ended["norm"].mean(1).tolist(),
        "support_mean": ended["support"].mean(1).tolist(),
        "energy_increases": ended["increases"].sum(1).tolist(),
        "delta": described["delta"],
        "radius": described["radius"],
        "beta_printed": [storage.beta_needed(delta, m) for delta in described["delta"]],
        "beta_rigorous": [storage.beta_needed(delta, m, "rigorous") for delta in described["delta"]],
        "origin_rate": [p.beta * m ** (alpha - 1) * s for p, s in zip(params, described["spread"], strict=True)],
    }


def _closed(code: str, d: int, params: list[Params], deltas: list[float]) -> dict[str, list[float | None]]:
    """Closed forms of a symmetric code under softmax; under entmax an error of 0 from β = 1/((α-1)Δ) on; null elsewhere."""
    onsets = symmetric_codes.distribution(code, d)
    nothing: list[float | None] = [None] * len(params)
    if params[0].alpha != 1.0:
        zero = [
            0.0 if p.noise == 0 and p.beta * delta * (p.alpha - 1) >= 1 else None
            for p, delta in zip(params, deltas, strict=True)
        ]
        return {"error_exact": zero, "beta_onset": nothing, "norm_onset": nothing}
    if onsets is None:
        return {"error_exact": nothing, "beta_onset": nothing, "norm_onset": nothing}
    start = _onset(code, d)
    return {
        "error_exact": [None if p.noise else symmetric_codes.closed_error(p.beta, onsets, p.updates) for p in params],
        "beta_onset": [start.beta] * len(params),
        "norm_onset": [start.norm] * len(params),
    }


@functools.lru_cache(maxsize=256)
def _onset(code: str, d: int) -> onset.Onset:
    onsets = symmetric_codes.distribution(code, d)
    assert onsets is not None
    return onset.onset(onsets)
