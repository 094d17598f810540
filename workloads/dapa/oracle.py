"""One subset of units put to an oracle whose cause is known: what a search of the engine asks point by point.

Source: arXiv:2406.01514 (transplants are judged subset by subset); the causes are those of dapa.search.
Symbols: n = units · k = need, the units that the cause needs · q = flip, the probability of a wrong answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from workloads.dapa.maths import causes

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"


@dataclass(frozen=True)
class Params:
    """A cause and a subset."""

    subset: Annotated[str, "a letter for each unit, 1 where it is in the subset, 0 where it is not"]
    units: Annotated[int, "number of units n", {"shape": True, "at_least": 1, "at_most": 1024}] = 32
    need: Annotated[int, "units k that the cause needs; of all it is not read", {"at_least": 1}] = 4
    cause: Annotated[causes.Kind, "as of dapa.search"] = "contiguous"
    start: Annotated[int, "first unit of the block or of the scattered ones; -1 draws it; others do not read it"] = -1
    flip: Annotated[float, "probability that a subset's answer is wrong", {"at_least": 0, "at_most": 1}] = 0.0


@dataclass(frozen=True)
class Result:
    """The answer."""

    passes: Annotated[bool, "whether the oracle says that the subset passes"]
    subset_units: Annotated[int, "units of the subset", {"unit": "units", "seedless": True}]


EXAMPLES = (Params("00111100", 8, 3), Params("0110000000", 10, 2, "either", flip=0.1), Params("1" * 32))


def run(params: Params, ctx: Context) -> Iterator[tuple[int, Result]]:
    """The one row of a point."""
    p = params
    subset = causes.subset_of(p.subset, p.units)
    cause = causes.cause(p.cause, p.units, p.need, p.start, p.flip, ctx)
    yield 0, Result(passes=cause.answers(subset), subset_units=len(subset))
