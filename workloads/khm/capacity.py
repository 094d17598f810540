"""How many memories a code of dimension d stores: at a fixed least angle (any temperature), or at a fixed temperature.

Source: Hu, Wu, Liu 2024, arXiv:2410.23126, Lemma 2.1, 2.2 and section 3; brackets by Gilbert-Varshamov, Hamming, Rankin.
Symbols: d = feature dimension · θ = least angle · β = inverse temperature · Δ = 1 - cos θ · R = √(Δ/2) · M = capacity.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch

from workloads.khm.maths import best, growth, simulate, storage
from workloads.shared import packs
from workloads.shared.hopfield import separation

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 2
MEASURES = "value"
# What is found is one code, so the largest may be larger.
FOUND = {"bound": "lower"}


@dataclass(frozen=True)
class Params:
    """What fixes one capacity."""

    d: Annotated[int, "feature dimension", {"shape": True}]
    code: Annotated[
        str, "optimal | random | simplex | orthoplex | polygon | icosahedron | cell24 | cell600 | e8 | leech", {"shape": True}
    ] = "optimal"
    criterion: Annotated[str, "when a memory counts as stored: printed | rigorous", {"shape": True}] = "printed"
    angle_deg: Annotated[float | None, "least angle of the code; give it or beta, not both", {"unit": "degrees"}] = None
    beta: Annotated[float | None, "inverse temperature; give it or angle_deg, not both"] = None
    rho: Annotated[float, "share of the radius R that the rigorous condition's balls have, in (0, 1)"] = 0.5
    limit: Annotated[int, "most memories that a random code may have", {"shape": True}] = 2048


@dataclass(frozen=True)
class Result:
    """What was found, and between what bounds it lies."""

    capacity: Annotated[float, "most memories that a code known here stores; real where a bound and no code gives it", FOUND]
    ln_capacity: Annotated[float, "natural logarithm of capacity", FOUND]
    capacity_lower: Annotated[float, "memories that some code is known to store (Gilbert-Varshamov, simplex, orthoplex)", FOUND]
    capacity_upper: Annotated[
        float, "memories that no code meeting the criterion can exceed (Hamming, Rankin)", {"bound": "upper"}
    ]
    ceiling: Annotated[
        float | None,
        "at fixed beta, what no dimension exceeds once M is at least d + 2; null at a fixed angle",
        {"formula": "storage.ceiling"},
    ]
    separation: Annotated[float, "1 - cos of the least angle of the code that gives capacity; NaN for one memory"]
    beta_needed: Annotated[float, "smallest beta at which capacity meets the condition"]
    cut: Annotated[bool, "whether the search ended at limit, so that more might be stored"]


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, list[Any]]]:
    """Columns for every point; points of one dimension, code and criterion share their bounds and codes."""
    plain_params = [dataclasses.replace(p, code=best.plain(p.code)) for p in params]
    for p in plain_params:
        _check(p)
    for _, indices in packs.groups(plain_params, _group):
        rows = _measure([plain_params[i] for i in indices], [ctxs[i] for i in indices])
        columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in rows[0]}
        yield {"index": indices, "step": [0] * len(indices), **columns}


def _check(p: Params) -> None:
    if (p.angle_deg is None) == (p.beta is None):
        raise ValueError(
            f"exactly one of angle_deg and beta must be given, but got angle_deg = {p.angle_deg}, beta = {p.beta}; "
            "fix the angle, or the temperature."
        )
    if p.angle_deg is not None and not 0 < p.angle_deg <= 180:
        raise ValueError(
            f"angle_deg must lie in (0, 180], but got {p.angle_deg}; it is the least angle of the code in degrees."
        )
    if p.beta is not None and not (p.beta > 0 and math.isfinite(p.beta)):
        raise ValueError(f"beta must be positive and finite, but got {p.beta}; it is the inverse temperature.")
    if p.criterion not in storage.CRITERIA:
        raise ValueError(f"criterion must be one of {', '.join(storage.CRITERIA)}, but got '{p.criterion}'; write one of them.")
    if p.d < 2 or p.limit < 2 or not 0 < p.rho < 1:
        raise ValueError(
            f"d and limit must be at least 2 and rho in (0, 1), but got d = {p.d}, limit = {p.limit}, rho = {p.rho}; "
            "the sphere of one dimension holds two memories."
        )
    if p.code in best.MADE:
        raise ValueError(f"code must be a known or a random one, but got '{p.code}'; measure its separation with khm.codes.")
    best.shape(p.code, p.d, 2 if p.code in (*best.FREE, "polygon") else 0)


def _group(p: Params) -> Params:
    """What points must share to be measured together: all but the value of the angle or the temperature."""
    return dataclasses.replace(p, beta=None if p.beta is None else 1.0, angle_deg=None if p.angle_deg is None else 1.0)


def _measure(params: list[Params], ctxs: list[Context]) -> list[dict[str, Any]]:
    proved = _proved(params)
    if params[0].code == "random":
        codes = [_random(p, ctx) for p, ctx in zip(params, ctxs, strict=True)]
    elif params[0].code == "optimal":
        codes = [(c.constructed, c.delta, False) for c in proved]
    else:
        codes = [_named(p) for p in params]
    return [_row(p, f, c) for p, f, c in zip(params, codes, proved, strict=True)]


def _proved(params: list[Params]) -> list[growth.Capacity]:
    """What is proved of the optimal code at each point of a group."""
    p = params[0]
    if p.beta is None:
        return [growth.at_angle(p.d, math.radians(q.angle_deg or 0.0)) for q in params]
    return list(growth.at_beta(p.d, np.array([q.beta for q in params], dtype=np.float64), p.criterion, p.rho))


def _random(p: Params, ctx: Context) -> tuple[float, float, bool]:
    def code(n: int) -> torch.Tensor:
        """n memories of the point's kind."""
        return separation.random_unit(p.d, n, ctx.generator("memories"))

    if p.angle_deg is not None:
        least = 1 - math.cos(math.radians(p.angle_deg))
        return simulate.prefix(code, lambda m, delta: delta >= least, p.limit)
    share, slack = (p.rho, 1 - p.rho) if p.criterion == "rigorous" else (1.0, 1.0)
    beta = p.beta or 0.0
    return simulate.prefix(
        code,
        lambda m, delta: m <= 1 + 0.5 * share * (delta.clamp_min(0) / 2).sqrt() * torch.exp(beta * delta * slack),
        p.limit,
    )


def _named(p: Params) -> tuple[float, float, bool]:
    codes = best.members(p.code, p.d, p.limit)
    if p.beta is not None:
        m, delta = growth.part(codes, p.beta, p.criterion, p.rho)
    else:
        least = 1 - math.cos(math.radians(p.angle_deg or 0.0))
        m, delta = max([(float(m), own) for m, own in codes if own >= least - 1e-12], default=(1.0, math.nan))
    return m, delta, p.code == "polygon" and m >= p.limit


def _row(p: Params, code: tuple[float, float, bool], proved: growth.Capacity) -> dict[str, Any]:
    capacity, delta, cut = code
    return {
        "capacity": capacity,
        "ln_capacity": math.log(capacity),
        "capacity_lower": proved.lower if p.code == "optimal" else capacity,
        "capacity_upper": proved.upper,
        "ceiling": None if p.beta is None else storage.ceiling(p.beta, p.criterion, p.rho),
        "separation": delta,
        "beta_needed": storage.beta_needed(delta, capacity, p.criterion, p.rho),
        "cut": cut,
    }
