"""How far one update of an efficient Hopfield network ends from the memory that was asked for, beside its bound and controls.

Source: Hu et al. 2024, arXiv:2404.03900, section 3 (retrieval maps) and theorem 4.1; bounds and closed forms are derived here.
Symbols: ξ_μ = memory (m of them in d dimensions) · x = query · β = inverse temperature · k = kept memories · Δ = separation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from torch import Tensor

from workloads.hopfield.maths import closed, kernels, masks, memories, retrieving
from workloads.hopfield.maths.retrieving import Kind, Network, Point
from workloads.shared import packs
from workloads.shared.hopfield import symmetric_codes

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
ELEMENTS = {"cpu": 1 << 17, "cuda": 1 << 26}
"""Weights (points, queries, memories) held at once, in numbers."""
FEATURES = 64
"""Random features of prf unless told."""


@dataclass(frozen=True)
class Params:
    """A retrieval map, the memories it reads and how a query was spoilt."""

    variant: Annotated[
        Literal["dense", "masked", "random", "window", "top_k", "linear", "prf"],
        "what a query reads: all memories, some (masked: its own and the next in order, random, window, top_k), or features",
        {"shape": True},
    ] = "dense"
    form: Annotated[
        Literal["renormalised", "unnormalised", "zero_fill"] | None,
        "how a mask meets the softmax; none means renormalised where there is a mask",
        {"shape": True},
    ] = None
    data: Annotated[str, "sphere | simplex | orthoplex | digits | the path of a .npy file", {"shape": True}] = "sphere"
    d: Annotated[int, "dimension of a memory; 0 for the set's own", {"shape": True}] = 0
    m: Annotated[int, "number of memories, and of queries", {"shape": True}] = 16
    keep: Annotated[int | None, "memories that a mask keeps; none means all", {"shape": True}] = None
    features: Annotated[int | None, "random features of prf, orthogonal ones; none means 64", {"shape": True}] = None
    kernel: Annotated[
        Literal["exp", "elu", "relu"] | None, "of linear and prf; none means elu (linear), exp (prf)", {"shape": True}
    ] = None
    beta: Annotated[float, "inverse temperature; linear has none and ignores it", {"at_least": 0}] = 1.0
    updates: Annotated[int, "updates of every query", {"shape": True, "at_least": 1}] = 1
    corruption: Annotated[
        Literal["none", "noise", "half"], "what a query lacks: nothing, or by noise, or its first coordinates", {"shape": True}
    ] = "none"
    strength: Annotated[float, "standard deviation of the noise, or share of coordinates that are set to 0"] = 0.5
    normalise: Annotated[
        bool, "whether memories and queries are brought to unit length for the scores; what is read out stays", {"shape": True}
    ] = False


NOTE = {"aggregate": "proportion"}


@dataclass(frozen=True)
class Result:
    """Where the queries ended, what bounds it, and what needs no network."""

    error_mean: Annotated[float, "distance of the result from the memory, mean over the queries", {"finite": True}]
    error_max: Annotated[float, "largest such distance", {"aggregate": "max", "finite": True}]
    error_exact: Annotated[
        float | None, "closed form of that distance (simplex with a mask that holds the target, orthoplex dense); else null"
    ]
    bound: Annotated[
        float | None,
        "bound on the distance for this form at its worst query, of those whose mask holds the target; of zero_fill that of "
        "renormalised; null for linear and prf",
        {"bound": "upper"},
    ]
    bound_broken: Annotated[int, "queries that lie above their own bound", {"aggregate": "max"}]
    worse_than_dense: Annotated[float, "share of queries that end further off than by the dense network", NOTE]
    accuracy: Annotated[float, "share of results within a mean absolute difference of 0.1 of their memory", NOTE]
    accuracy_kept: Annotated[float | None, "the same among queries whose mask holds their memory; null without such", NOTE]
    accuracy_without: Annotated[float | None, "the same among those whose mask does not; null without such", NOTE]
    accuracy_nearest: Annotated[float, "share of queries whose nearest memory, on what they still have, is their own", NOTE]
    accuracy_dot: Annotated[float, "share of queries whose largest dot product is with their own memory", NOTE]
    accuracy_mean_item: Annotated[float, "share of memories within 0.1 of the mean of all", NOTE]
    masked_mass: Annotated[float | None, "weight on memories outside of the mask, mean; null where there is no mask"]
    target_kept: Annotated[float, "share of queries whose mask holds their own memory", NOTE]
    separation: Annotated[float, "least ⟨ξ_μ, ξ_μ⟩ - ⟨ξ_μ, ξ_ν⟩ of two memories, as scores take them"]
    energy_increases: Annotated[
        int | None, "updates of a query that raised the energy of what it may read; null for forms without an energy"
    ]


EXAMPLES = (
    Params(d=5, m=9),
    Params("masked", data="simplex", m=8, keep=4, beta=5.0),
    Params("random", "unnormalised", d=6, m=12, keep=3, beta=4.0, corruption="noise", strength=0.1),
    Params("window", "zero_fill", data="orthoplex", m=10, keep=5, updates=3),
    Params("top_k", data="digits", m=11, keep=4, corruption="half", updates=2, normalise=True, beta=8.0),
    Params("linear", d=6, m=12, beta=4.0),
    Params("prf", d=6, m=12, features=32, corruption="half"),
)


def refuse(p: Params) -> None:
    """Raise ValueError where the params ask for what there is not."""
    if not (p.beta >= 0 and math.isfinite(p.beta)):
        raise ValueError(f"beta must be at least 0 and finite, but got {p.beta}; it is the inverse temperature.")
    memories.check(p.data, p.d, p.m)
    if p.updates < 1 or not (p.strength >= 0 and math.isfinite(p.strength)) or (p.corruption == "half" and p.strength > 1):
        raise ValueError(
            f"updates must be at least 1, strength at least 0 (and at most 1 for half), but got updates = {p.updates}, "
            f"strength = {p.strength}; mend them."
        )
    _refuse_masks(p)
    if p.features is not None and (p.features < 1 or p.variant != "prf"):
        raise ValueError(
            f"features must be at least 1 and of the variant prf, but got {p.features} for {p.variant}; leave them out."
        )
    if p.kernel is not None and p.variant not in kernels.DEFAULT:
        raise ValueError(f"a kernel must stand beside linear or prf, but got '{p.kernel}' for {p.variant}; leave it out.")


def _refuse_masks(p: Params) -> None:
    if p.variant not in masks.MASKED and (p.form is not None or p.keep is not None):
        raise ValueError(
            f"form and keep must stand beside a variant with a mask ({', '.join(masks.MASKED)}), but got form = {p.form}, "
            f"keep = {p.keep} for {p.variant}; leave them out."
        )
    if p.keep is not None and not 1 <= p.keep <= p.m:
        raise ValueError(f"keep must lie in 1..m = {p.m}, but got {p.keep}; it is the number of memories that a mask keeps.")


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, Any]]:
    """Columns for every point; points of one scene share its Gram matrix, and those of one map a batch."""
    for p in params:
        refuse(p)
    networks: dict[tuple[Any, ...], Network] = {}
    size = ELEMENTS["cpu" if ctxs[0].device == "cpu" else "cuda"]
    for key, indices in packs.groups(params, lambda p: (_kind(p), p.data, p.d, p.m, p.corruption, p.normalise)):
        for part in packs.chunks(indices, size // (params[indices[0]].m * retrieving.rows(params[indices[0]].m))):
            points = [_point(key[0], params[i], ctxs[i], networks) for i in part]
            yield {"index": part, "step": [0] * len(part), **_measure(key[0], points, [params[i] for i in part])}


def _kind(p: Params) -> Kind:
    form = (p.form or "renormalised") if p.variant in masks.MASKED else None
    kernel = p.kernel or kernels.DEFAULT.get(p.variant, "")
    return Kind(p.variant, form, p.keep or p.m, p.features or FEATURES, kernel, p.updates)


def _point(kind: Kind, p: Params, ctx: Context, networks: dict[tuple[Any, ...], Network]) -> Point:
    """The point's network, which is made once a pack, with the mask or the directions that its seed gives the map."""
    key = (p.data, p.d, p.m, p.corruption, p.strength, p.normalise, p.updates, ctx.seed)
    if key not in networks:
        networks[key] = Network(memories.scene(p.data, p.d, p.m, p.corruption, p.strength, ctx), p.normalise)
    network = networks[key]
    if kind.variant == "random":
        return Point(network, places=masks.places(kind.variant, p.m, p.m, kind.keep, ctx.generator("mask")))
    if kind.variant in masks.KNOWN:
        return Point(network, places=masks.ordered(kind.variant, p.m, p.m, kind.keep))
    if kind.variant == "prf":
        width = network.keys.shape[1]
        omega = kernels.directions("orthogonal", kind.features, width, ctx.generator("directions"))
        return Point(network, omega=omega[0].to(ctx.device))
    return Point(network)


def _measure(kind: Kind, points: list[Point], params: list[Params]) -> dict[str, list[Any]]:
    betas = [p.beta for p in params]
    outcome = retrieving.measured(kind, points, betas)
    dense = retrieving.dense_errors(points, betas, kind.updates)
    shares = {
        "worse_than_dense": retrieving.above(outcome.error, dense),
        "accuracy": outcome.close,
        "target_kept": outcome.target_kept,
    }
    described = {name: [point.network.described[name] for point in points] for name in points[0].network.described}
    return (
        {
            "error_mean": outcome.error.mean(1).tolist(),
            "error_max": outcome.error.amax(1).tolist(),
            "error_exact": [_exact(kind, p) for p in params],
            "masked_mass": _absent(len(params)) if outcome.outside is None else outcome.outside.mean(1).tolist(),
            "energy_increases": _absent(len(params)) if outcome.increases is None else outcome.increases.sum(1).tolist(),
        }
        | {name: flags.double().mean(1).tolist() for name, flags in shares.items()}
        | {"accuracy_kept": _among(outcome.close, outcome.target_kept)}
        | {"accuracy_without": _among(outcome.close, ~outcome.target_kept)}
        | _bounded(outcome)
        | described
    )


def _among(flags: Tensor, selection: Tensor) -> list[float | None]:
    """The share of true flags (p, q) among the chosen queries of each point."""
    shares = (flags & selection).sum(1).double() / selection.sum(1)
    return [None if share != share else share for share in shares.tolist()]


def _absent(points: int) -> list[None]:
    return [None] * points


def _bounded(outcome: retrieving.Outcome) -> dict[str, list[Any]]:
    """The bound at the worst query of each point, and how many lie above their own; a query without its target has none."""
    if outcome.bound is None:
        return {"bound": _absent(len(outcome.error)), "bound_broken": [0] * len(outcome.error)}
    worst = outcome.bound.nan_to_num(nan=-1.0).amax(1).tolist()
    broken = retrieving.above(outcome.error, outcome.bound).sum(1).tolist()
    return {"bound": [value if value >= 0 else None for value in worst], "bound_broken": broken}


def _exact(kind: Kind, p: Params) -> float | None:
    """The closed form of the error at a memory itself, where there is one."""
    if p.corruption != "none" or p.updates > 1:
        return None
    if p.data == "simplex" and kind.variant in ("dense", "masked", "top_k"):
        return closed.simplex_error(p.m, kind.keep, p.beta, kind.form or "renormalised")
    law = symmetric_codes.distribution(p.data, p.m // 2) if p.data == "orthoplex" and kind.variant == "dense" else None
    return None if law is None else symmetric_codes.closed_error(p.beta, law)
