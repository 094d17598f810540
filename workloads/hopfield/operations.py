"""How many operations one retrieval of all queries takes, counted while the call itself runs on tensors without numbers.

Source: Hu et al. 2024, arXiv:2404.03900, abstract ("sub-quadratic complexity") and section 3; counts are of our programs.
Symbols: Q = queries · M = memories · d = dimension · k = kept memories · w = features.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from workloads.hopfield.maths import calls
from workloads.hopfield.maths.calls import Shape

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"


@dataclass(frozen=True)
class Params:
    """A retrieval map and its sizes."""

    variant: Annotated[
        Literal["dense", "masked", "random", "window", "top_k", "linear", "prf"], "retrieval map", {"shape": True}
    ] = "dense"
    m: Annotated[int, "number of memories", {"shape": True, "at_least": 1}] = 64
    queries: Annotated[int, "number of queries; 0 for as many as memories", {"shape": True, "at_least": 0}] = 0
    d: Annotated[int, "dimension", {"shape": True, "at_least": 1}] = 16
    keep: Annotated[int, "memories that a mask keeps; 0 without a mask", {"shape": True, "at_least": 0}] = 0
    features: Annotated[int, "random features of prf; 0 for the others", {"shape": True, "at_least": 0}] = 0


STEADY = {"seedless": True}


@dataclass(frozen=True)
class Result:
    """Counts of one call."""

    flops: Annotated[float, "operations of matrix products, two a multiply-add", STEADY]
    flops_scores: Annotated[float, "those among them that do not depend on the width of what is read out", STEADY]
    memory_numbers: Annotated[float, "most numbers of tensors made and held at one time", STEADY]


EXAMPLES = (
    Params("dense", 32, 48),
    Params("window", 40, d=3, keep=6),
    Params("top_k", 32, keep=4),
    Params("linear", 33),
    Params("prf", 32, 16, features=24),
)


def shape_of(p: Params) -> Shape:
    """The sizes of a point."""
    return Shape(p.variant, p.m, p.queries or p.m, p.d, p.keep, p.features)


def refuse(p: Params) -> None:
    """Raise ValueError where the params ask for what there is not."""
    calls.check(shape_of(p))


def run(params: Params, ctx: Context) -> Iterator[tuple[int, Result]]:
    """The one row of a point, which no seed changes."""
    refuse(params)
    cost = calls.counted(shape_of(params))
    yield 0, Result(float(cost.flops), float(cost.flops_scores), float(cost.numbers))
