"""How separation grows with the feature dimension, for a linear and a free feature map, and the dimension a target demands.

Source: arXiv:2410.23126, section 3 (D grows like log m); arXiv:2404.03827 (linear maps).
Symbols: d = dimension of the data; D = feature_dim; m = memories; delta = 1 - cos of the least angle; target = delta asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from workloads.khm.maths import best, making
from workloads.shared.hopfield import bounds, known_codes
from workloads.shared.packs import groups

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 2
MEASURES = "value"
METHODS = ("linear", "affine", "free", "bounds")


@dataclass(frozen=True)
class Params:
    """Memories in R^d, the features they are mapped to, and the separation asked for."""

    m: Annotated[int, "number of memories, at least 2", {"shape": True}]
    d: Annotated[
        int, "dimension of the data, at least 2; for free and bounds only the default of feature_dim", {"shape": True}
    ] = 4
    feature_dim: Annotated[int | None, "dimension D of the features, at least 2; none means d", {"shape": True}] = None
    method: Annotated[
        str, "linear | affine (with a bias) | free (any map) | bounds (no search: closed forms alone)", {"shape": True}
    ] = "free"
    angle_deg: Annotated[float, "least angle asked for, in (0, 180]", {"unit": "degrees"}] = 60.0
    restarts: Annotated[int, "starts of the search, the best of which counts", {"shape": True}] = 8
    iterations: Annotated[int, "steps of the search", {"shape": True}] = 2000


@dataclass(frozen=True)
class Result:
    """The separation found at this feature dimension, and the dimensions that the target asks for."""

    target: Annotated[float, "delta asked for, 1 - cos(angle_deg)"]
    dimension: Annotated[int, "dimension of the space that the features span at most: min(d, D) for a linear map"]
    delta: Annotated[float | None, "delta found, the best of the restarts; absent for method bounds", {"bound": "lower"}]
    delta_typical: Annotated[
        float | None, "median over the restarts of the delta that each has, as a property of these codes; absent for bounds"
    ]
    delta_upper: Annotated[float, "least upper bound on delta at this dimension that is a theorem", {"bound": "upper"}]
    delta_exists: Annotated[float, "a delta known to exist at this dimension", {"bound": "lower"}]
    delta_known: Annotated[float | None, "delta of the best code known at this dimension, absent where no table has it"]
    reached: Annotated[bool | None, "whether delta reached the target within 1e-3 of it; absent for bounds"]
    demand: Annotated[
        int | None,
        "smallest D for which memories with the target are known, by a table or a proof; absent where there are none",
        {"bound": "upper"},
    ]
    demand_lower: Annotated[
        int | None,
        "smallest D that no proved bound forbids (Hamming, Rankin, Fejes Toth, caps); absent where all do",
        {"bound": "lower"},
    ]


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[tuple[int, int, Result]]:
    """Every point of a pack; those that differ in seed and target alone share one batch: (index, 0, result)."""
    for (how, measured), indices in groups(params, lambda p: (recipe(p), p.method != "bounds")):
        device = ctxs[indices[0]].device
        theory = _theory(how.dimension, how.m)
        if not measured:
            yield from ((i, 0, _result(params[i], None, None, theory)) for i in indices)
            continue
        deltas = making.deltas(how, [ctxs[i].generator for i in indices], device)
        typical = deltas.quantile(0.5, dim=1).tolist()
        for i, delta, middle in zip(indices, deltas.amax(1).tolist(), typical, strict=True):
            yield i, 0, _result(params[i], delta, middle, theory)


def recipe(params: Params) -> making.Recipe:
    """How the features of these params are made; ValueError where they cannot be."""
    if params.method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, but got {params.method!r}; choose one.")
    if not 0.0 < params.angle_deg <= 180.0:
        raise ValueError(f"angle_deg must lie in (0, 180], but got {params.angle_deg}; give an angle.")
    linear = params.method in ("linear", "affine")
    how = making.Recipe(
        "linear" if linear else "annealed",
        params.d,
        params.m,
        params.feature_dim,
        params.restarts,
        params.iterations,
        bias=params.method == "affine",
    )
    how.check()
    return how


def _result(params: Params, delta: float | None, typical: float | None, theory: dict[str, Any]) -> Result:
    """The result of one point from the best and the median separation of its codes, None where none were made."""
    target = bounds.delta_of(math.radians(params.angle_deg))
    return Result(
        target=target,
        delta=delta,
        delta_typical=typical,
        reached=None if delta is None else delta >= target * (1.0 - 1e-3),
        demand=best.smallest_dimension(params.m, target),
        demand_lower=bounds.dimension_necessary(params.m, target),
        **theory,
    )


def _theory(d: int, m: int) -> dict[str, Any]:
    """What is known of m memories in R^d without a measurement."""
    return {
        "dimension": d,
        "delta_upper": bounds.delta_upper(d, m),
        "delta_exists": bounds.delta_greedy(d, m),
        "delta_known": known_codes.known_delta(d, m),
    }
