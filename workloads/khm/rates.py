"""How fast the numbers of memories that are proved possible and impossible at a least angle grow with the dimension.

Source: arXiv:2410.23126, abstract and Lemma 2.1; Gilbert-Varshamov; Hamming, Rankin 1955; Kabatiansky and Levenshtein 1978.
Symbols: d = dimension · θ = least angle · M = memories of a code · a rate is ln(M) / d.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from workloads.shared.hopfield import bounds

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"


@dataclass(frozen=True)
class Params:
    """A dimension and a least angle."""

    d: Annotated[int, "dimension, at least 3", {"shape": True}]
    angle_deg: Annotated[float, "least angle, in (0, 90)", {"unit": "degrees"}] = 60.0


@dataclass(frozen=True)
class Result:
    """The logarithms of both numbers at this dimension, and the rates that are known of them in the limit."""

    ln_lower: Annotated[float, "ln of a number of memories that some code has (Gilbert-Varshamov), at this dimension"]
    ln_upper: Annotated[float, "ln of the least number that no code is proved to exceed (Hamming, Rankin), at this dimension"]
    rate_lower: Annotated[float, "rate of the lower number in the limit, -ln sin(angle)", {"formula": "bounds.greedy_rate"}]
    rate_upper: Annotated[float, "rate of the upper number in the limit (Rankin)", {"formula": "bounds.rankin_rate"}]
    rate_best: Annotated[
        float, "least rate that is proved of all codes in the limit (Kabatiansky-Levenshtein)", {"formula": "bounds.kl_rate"}
    ]


def run(params: Params, ctx: Context) -> Iterator[tuple[int, Result]]:
    """Both numbers at one dimension: (0, result)."""
    if params.d < 3 or not 0 < params.angle_deg < 90:
        raise ValueError(
            f"d must be at least 3 and angle_deg in (0, 90), but got d = {params.d}, angle_deg = {params.angle_deg}; "
            "from 90 degrees on at most 2d memories fit, and no rate is left."
        )
    angle = math.radians(params.angle_deg)
    yield (
        0,
        Result(
            ln_lower=float(bounds.ln_greedy_count(params.d, angle)),
            ln_upper=float(min(bounds.ln_greedy_count(params.d, angle / 2), bounds.ln_rankin_count(params.d, angle))),
            rate_lower=bounds.greedy_rate(angle),
            rate_upper=bounds.rankin_rate(angle),
            rate_best=bounds.kl_rate(angle),
        ),
    )
