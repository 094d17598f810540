"""The echo of a well, and what it took to hear it: the workload that the store of format 1 was measured with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

VERSION = 1
MEASURES = "value"
CRUMBLES = 4  # a well of that depth gives no answer


@dataclass(frozen=True)
class Params:
    """Params of a well."""

    depth: Annotated[int, "how deep it is", {"unit": "m"}]
    loud: Annotated[float, "how loud one calls"] = 1.0
    wall: Annotated[str | None, "what its wall is made of"] = None


@dataclass(frozen=True)
class Result:
    """What is heard."""

    echo: Annotated[float, "loudness of the echo", {"finite": True}]


def run(params, ctx):
    """Call three times; the last answer is the final one, and there is none where the well crumbles."""
    for step in range(3):
        crumbled = params.depth == CRUMBLES and ctx.seed == 1 and step == 2
        yield step, Result(echo=float("nan") if crumbled else params.loud**2 * (step + 1) - params.depth + 0.125 * ctx.seed)
