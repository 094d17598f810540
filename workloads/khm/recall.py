"""How many memories a modern Hopfield network gives back when it is asked: by running it, for optimal, learnt and random codes.

Source: Hu, Wu, Liu 2024, arXiv:2410.23126, Def. 2.2 (storage), section 3 (optimal codes) and 3.2 (learnt maps).
Symbols: d = feature dimension · M = memories · β = inverse temperature · Δ = 1 - cos of the least angle · R = √(Δ/2).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np

from workloads.khm.maths import growth, simulate, storage
from workloads.shared.hopfield import bounds

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"


@dataclass(frozen=True)
class Params:
    """A kind of code, a dimension, a temperature, and how the network is asked."""

    code: Annotated[
        str,
        "optimal (known coordinates, or a search) | annealed (a search alone) | learnt (random memories under a trained linear "
        "map) | uhop_plus (the map that Algorithm 1's script trains in 20 steps) | random | orthoplex",
        {"shape": True},
    ]
    d: Annotated[int, "feature dimension, at least 2", {"shape": True}]
    beta: Annotated[float, "inverse temperature"]
    angle_deg: Annotated[float, "least angle that a code must have, in [0, 180]; 0 for any", {"unit": "degrees"}] = 0.0
    start: Annotated[float, "distance of a query from its memory, as a share of R, in [0, 1)"] = 0.5
    updates: Annotated[int, "updates of every query", {"shape": True}] = 200
    steps: Annotated[int, "steps of a search, and of learning a linear map", {"shape": True}] = 200
    limit: Annotated[int, "most memories that are tried", {"shape": True}] = 1024


@dataclass(frozen=True)
class Result:
    """What was given back, beside what is proved and printed of it."""

    capacity: Annotated[
        int, "memories of the largest code, of those tried, whose every query ended within R of its memory; 1 where none did"
    ]
    lost_at: Annotated[int | None, "smallest number of memories tried beyond that and not given back; null at the limit"]
    separation: Annotated[float | None, "1 - cos of the least angle of that code; null for one memory"]
    capacity_lower: Annotated[
        float,
        "memories that the best code known is proved to give back, where its balls of start times R (R/2 at least) are kept",
        {"bound": "lower"},
    ]
    capacity_upper: Annotated[
        float | None,
        "memories that no code of the least angle exceeds (Hamming, Rankin); null without an angle",
        {"bound": "upper"},
    ]
    capacity_printed: Annotated[
        float, "memories up to which a code of that dimension, and angle, can meet the printed condition at beta"
    ]


def run(params: Params, ctx: Context) -> Iterator[tuple[int, Result]]:
    """The largest code that the network gives back at the point's temperature: (0, result)."""
    _check(params)
    p, least = params, bounds.delta_of(math.radians(params.angle_deg))
    search = simulate.Search(p.code, p.d, p.beta, least, p.start, p.updates, p.steps, p.limit)
    recalled = simulate.largest(search, ctx)
    lower, upper, printed = _theory(p, least)
    yield (
        0,
        Result(
            capacity=recalled.memories,
            lost_at=recalled.lost_at,
            separation=None if math.isnan(recalled.separation) else recalled.separation,
            capacity_lower=lower,
            capacity_upper=upper,
            capacity_printed=printed,
        ),
    )


def _check(p: Params) -> None:
    if p.code not in simulate.CODES:
        raise ValueError(f"code must be one of {', '.join(simulate.CODES)}, but got '{p.code}'; write one of them.")
    if not (p.beta > 0 and math.isfinite(p.beta) and 0 <= p.angle_deg <= 180 and 0 <= p.start < 1):
        raise ValueError(
            f"beta must be positive and finite, angle_deg in [0, 180] and start in [0, 1), but got beta = {p.beta}, "
            f"angle_deg = {p.angle_deg}, start = {p.start}; a query at R or beyond belongs to no memory."
        )
    if p.d < 2 or p.limit < 2 or p.updates < 1 or p.steps < 1:
        raise ValueError(
            f"d and limit must be at least 2, updates and steps at least 1, but got d = {p.d}, limit = {p.limit}, "
            f"updates = {p.updates}, steps = {p.steps}; raise what is too small."
        )


def _theory(p: Params, least: float) -> tuple[float, float | None, float]:
    """(proved to be given back, no code has more, most that meet the printed condition) of the best codes."""
    rho, beta = max(p.start, 0.5), np.array([p.beta])
    proved = growth.at_beta(p.d, beta, "rigorous", rho)[0].constructed
    printed = growth.at_beta(p.d, beta, "printed", rho)[0].upper
    if not p.angle_deg:
        return math.floor(proved), None, printed
    sized = growth.at_angle(p.d, math.radians(p.angle_deg))
    proved = min(sized.constructed, max(1.0, storage.memories_allowed(least, p.beta, "rigorous", rho)))
    return math.floor(proved), sized.upper, min(sized.upper, printed)
