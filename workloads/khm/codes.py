"""Separation of m memories on the sphere, by the method that places them, beside every bound and the best code known.

Source: arXiv:2410.23126, Prop. 3.1 and Algorithm 1 (U-Hop+); arXiv:2404.03827 (U-Hop).
Symbols: d = dimension of the data; D = feature_dim; m = memories; delta = 1 - cos of the least angle; R = half least distance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from workloads.khm.maths import making
from workloads.shared.hopfield import bounds, known_codes
from workloads.shared.packs import groups

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"


@dataclass(frozen=True)
class Params:
    """A number of memories, a dimension and how they are placed."""

    d: Annotated[int, "dimension of the data, at least 2", {"shape": True}]
    m: Annotated[int, "number of memories, at least 2", {"shape": True}]
    method: Annotated[
        str, "random | uhop | uhop_plus | annealed | linear | ce (annealed cross-entropy) | known", {"shape": True}
    ] = "annealed"
    feature_dim: Annotated[int | None, "dimension D of the features; none means d", {"shape": True}] = None
    restarts: Annotated[
        int,
        "starts of annealed, ce and linear, the best of which counts; draws of random, the first of which counts",
        {"shape": True},
    ] = 8
    iterations: Annotated[
        int | None, "steps of the search; none means 2000 (annealed, ce, linear), 100 (uhop), 20 (uhop_plus)", {"shape": True}
    ] = None
    variant: Annotated[
        str | None, "uhop: average | max; uhop_plus: published | shipped; none means the first", {"shape": True}
    ] = None
    bias: Annotated[bool, "whether the map of linear and uhop_plus has a bias", {"shape": True}] = False


@dataclass(frozen=True)
class Result:
    """The separation found and what is proved, printed and known of it."""

    delta: Annotated[
        float,
        "least 1 - cos between two memories, the best of the restarts (random: the first draw)",
        {"bound": "lower", "finite": True},
    ]
    angle_deg: Annotated[float, "least angle between two memories", {"unit": "degrees", "bound": "lower"}]
    radius: Annotated[float, "half the least distance of two memories, R", {"bound": "lower"}]
    delta_typical: Annotated[
        float, "median over the restarts or draws of the delta that each has, as a property of these codes"
    ]
    delta_raw: Annotated[float | None, "delta of the unit memories before the map, absent for methods without one"]
    dimension: Annotated[int, "dimension of the space that the features span at most; the bounds are for this one"]
    delta_lower: Annotated[
        float, "printed lower bound on the best delta (Prop. 3.1)", {"bound": "lower", "formula": "bounds.lower_printed"}
    ]
    delta_upper: Annotated[
        float, "least upper bound on delta that is a theorem", {"bound": "upper", "formula": "bounds.delta_upper"}
    ]
    delta_upper_printed: Annotated[
        float,
        "printed upper bound on delta (Prop. 3.1), one of the chord",
        {"bound": "upper", "formula": "bounds.upper_printed"},
    ]
    delta_upper_sharp: Annotated[float, "derived upper bound with the lower bound's exponent", {"bound": "upper"}]
    delta_known: Annotated[float | None, "delta of the best code known, absent where no table has it"]
    delta_ratio: Annotated[float | None, "delta over that of the best code known", {"bound": "lower"}]
    delta_random: Annotated[float, "predicted median delta of random memories"]


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[tuple[int, int, Result]]:
    """Every point of a pack, those with the same params in one batch over their seeds: (index, 0, result)."""
    for point, indices in groups(params, lambda p: p):
        how, streams = recipe(point), [ctxs[i].generator for i in indices]
        deltas = making.deltas(how, streams, ctxs[indices[0]].device)
        theory = _theory(how.dimension, how.m)
        best = deltas[:, 0] if how.method == "random" else deltas.amax(1)
        raw = making.raw_deltas(how, streams).tolist() if how.method in making.MAPS else [None] * len(indices)
        for i, delta, middle, before in zip(indices, best.tolist(), deltas.quantile(0.5, dim=1).tolist(), raw, strict=True):
            yield i, 0, _result(delta, middle, before, theory)


def recipe(params: Params) -> making.Recipe:
    """How the memories of these params are placed."""
    return making.Recipe(
        params.method, params.d, params.m, params.feature_dim, params.restarts, params.iterations, params.variant, params.bias
    )


def _result(delta: float, typical: float, raw: float | None, theory: dict[str, Any]) -> Result:
    """The result of one point from the best and the median separation of its codes, and that before a map."""
    best = theory["delta_known"]
    return Result(
        delta=delta,
        angle_deg=math.degrees(bounds.angle_of(delta)),
        radius=math.sqrt(max(0.5 * delta, 0.0)),
        delta_typical=typical,
        delta_raw=raw,
        delta_ratio=None if best is None else delta / best,
        **theory,
    )


def _theory(d: int, m: int) -> dict[str, Any]:
    """What is known of m memories in R^d without a measurement."""
    return {
        "dimension": d,
        "delta_lower": bounds.lower_printed(d, m),
        "delta_upper": bounds.delta_upper(d, m),
        "delta_upper_printed": bounds.upper_printed(d, m),
        "delta_upper_sharp": bounds.upper_sharp(d, m),
        "delta_known": known_codes.known_delta(d, m),
        "delta_random": bounds.median_random(d, m),
    }
