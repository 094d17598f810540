"""What building, storing and asking a private structure costs: nodes, microseconds and bytes.

Source: arXiv:2409.01688 (O(d log n) a query) and Backurs et al. 2024, arXiv:2403.08917 (O(α⁻¹ d log² n)), times measured here.
Symbols: L = levels of the tree, 2^L leaves · Q = queries put at once · α = ratio of Backurs' intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from workloads.dp_kde import error
from workloads.dp_kde.maths import budget, closed, data, noise, reading, tree
from workloads.shared.timing import quickest

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 2
MEASURES = "cost"
# Queries whose nodes are counted: a few tell the mean.
COUNTED = 64


@dataclass(frozen=True)
class Params:
    """A structure and the load put on it."""

    variant: Annotated[str, "a tree of dp_kde.error, backurs or histogram", {"shape": True}] = "anchored"
    n: Annotated[int, "number of points", {"shape": True}] = 16384
    levels: Annotated[int, "levels of the tree below its root; a histogram has 2^levels cells", {"shape": True}] = 14
    d: Annotated[int, "coordinates", {"shape": True}] = 1
    alpha: Annotated[float, "Backurs' tree: ratio of neighbouring distances less one; others ignore it", {"shape": True}] = 0.5
    queries: Annotated[int, "queries put at once", {"shape": True}] = 4096
    repeats: Annotated[int, "rounds in which each time is taken once; the shortest counts", {"shape": True}] = 7


@dataclass(frozen=True)
class Result:
    """Counts, and the shortest processor times, taken in turn."""

    nodes_touched: Annotated[float, "nodes of the stored structure that a query reads, mean over queries"]
    noisy_numbers: Annotated[float, "independent noisy numbers behind an answer, mean over queries"]
    query_us: Annotated[float, "time of one query in the batch, by the structure's own rule", {"unit": "microseconds"}]
    tabulated_us: Annotated[
        float | None, "time of one query after every leaf's answer was tabulated; null where there is no such table",
        {"unit": "microseconds"},
    ]  # fmt: skip
    direct_us: Annotated[float, "time of one exact, non-private query by sorting and running sums", {"unit": "microseconds"}]
    build_ms: Annotated[float, "time to build and noise the structure", {"unit": "milliseconds"}]
    bytes: Annotated[int, "size of the stored structure: 8 for every released number", {"unit": "bytes"}]
    private: Annotated[bool, "whether this is a release to hand out: never, simulated noise comes from a seed"]


EXAMPLES = (Params(n=128, levels=5, queries=16, repeats=1), Params("backurs", n=128, levels=5, queries=16, repeats=1))


def run(params: Params, ctx: Context) -> Iterator[tuple[int, Result]]:
    """The one row of a point."""
    p = params
    error.check(error.Params(p.variant, p.n, p.levels, d=p.d, alpha=p.alpha, queries=p.queries), budget.ONE_DIMENSIONAL)
    x, y = data.points("uniform", p.n, p.d, ctx), data.queries(p.queries, p.d, ctx)
    scales, key = budget.scales(p.variant, p.levels, budget.rational(1.0) / p.d), noise.key(ctx)
    released = tree.release(x, scales, tree.simulate(0, p.d, key))
    ask, look = _ways(p, released)
    few = y[:COUNTED]
    answered, exact, built, *tabulated = quickest(
        [
            lambda: ask(y),
            lambda: data.distance_sums(x, y),
            lambda: tree.release(x, scales, tree.simulate(0, p.d, key)),
            *([] if look is None else [lambda: look(y)]),
        ],
        p.repeats,
    )
    noisy = sum(float(reading.touched(reading.readings(p.variant, p.levels, few[:, k], p.alpha)).mean()) for k in range(p.d))
    yield (
        0,
        Result(
            nodes_touched=closed.nodes(p.variant, p.levels, p.d, noisy),
            noisy_numbers=noisy,
            query_us=answered / p.queries * 1e6,
            tabulated_us=tabulated[0] / p.queries * 1e6 if tabulated else None,
            direct_us=exact / p.queries * 1e6,
            build_ms=built * 1e3,
            bytes=8 * p.d * sum(1 << level for _, level in scales.noise),
            private=False,
        ),
    )


def _ways(p: Params, released: tree.Released) -> tuple[Callable[[Any], Any], Callable[[Any], Any] | None]:
    """How the structure is asked, and by a table where there is one."""
    if p.variant not in budget.TREES:
        return lambda y: tree.own_answers(released, y, p.alpha), None
    lines = tree.table(released)
    tabulated = tree.tabulated(lines)
    return lambda y: tree.answers(lines, y), lambda y: tree.looked_up(tabulated, y)
