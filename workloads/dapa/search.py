"""What delta debugging asks and finds on oracles whose cause is known: calls, 1-minimality, distance from the least set.

Source: arXiv:2406.01514 (its search), Zeller and Hildebrandt 2002 (ddmin and its bound n^2 + 3n); counts derived and checked.
Symbols: n = units · k = need, the units that the cause needs · q = flip, the probability of a wrong answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from workloads.dapa.maths import causes, reduction

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"


@dataclass(frozen=True)
class Params:
    """A cause and how it is searched for."""

    units: Annotated[int, "number of units n", {"shape": True, "at_least": 1, "at_most": 1024}] = 32
    need: Annotated[int, "units k that the cause needs; of all it is not read", {"at_least": 1}] = 4
    cause: Annotated[
        causes.Kind,
        "contiguous: a block of need units; scattered: drawn ones; all: every unit; count: any need units; either: a block, or "
        "one unit beside it; additive: drawn weights that reach the sum of the need largest",
    ] = "contiguous"
    start: Annotated[int, "first unit of the block or of the scattered ones; -1 draws it; others do not read it"] = -1
    variant: Annotated[Literal["both", "complements"], "whether chunks are asked before their complements"] = "both"
    flip: Annotated[float, "probability that a subset's answer is wrong", {"at_least": 0, "at_most": 1}] = 0.0


@dataclass(frozen=True)
class Result:
    """What one search came to."""

    units_found: Annotated[int, "units of the set that the search ends with", {"unit": "units"}]
    units_needed: Annotated[int | None, "units of the least set that passes, by enumeration; null above 12 units"]
    exact: Annotated[bool | None, "whether the set is the cause; null where several sets are causes"]
    one_minimal: Annotated[bool, "whether no single unit of the set can go, by the answers as they were given"]
    passes: Annotated[bool, "whether the set truly passes"]
    tests: Annotated[int, "different subsets asked, the whole set not counted", {"unit": "calls"}]
    tests_repeated: Annotated[int, "subsets asked without a memory of answers, the whole set not counted", {"unit": "calls"}]
    tests_bound: Annotated[int, "n^2 + 3n", {"unit": "calls", "seedless": True}]


EXAMPLES = (Params(8, 3), Params(12, 3, "scattered", variant="complements"), Params(9, 2, "either", flip=0.2))


def run(params: Params, ctx: Context) -> Iterator[tuple[int, Result]]:
    """The one row of a point."""
    p = params
    cause = causes.cause(p.cause, p.units, p.need, p.start, p.flip, ctx)
    oracle = reduction.CountedOracle(cause.answers, p.units)
    units = frozenset(reduction.ddmin(oracle, range(p.units), p.variant == "complements"))
    yield (
        0,
        Result(
            units_found=len(units),
            units_needed=cause.least(),
            exact=None if cause.only is None else units == cause.only,
            one_minimal=reduction.one_minimal(cause.answers, units),
            passes=cause.passes(units),
            tests=oracle.tests,
            tests_repeated=oracle.calls,
            tests_bound=p.units**2 + 3 * p.units,
        ),
    )
