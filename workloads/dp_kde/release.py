"""Errors of whole releases with the operating system's noise (OpenDP), or with the simulated noise that stands in for it.

Source: arXiv:2409.01688 (refined tree); discrete Laplace noise of Canonne, Kamath, Steinke 2020, arXiv:2004.00010, by OpenDP.
Symbols: R = 1 = range of a coordinate · L = levels of the tree, 2^L leaves · ε = privacy loss.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch

from workloads.dp_kde import error
from workloads.dp_kde.maths import budget, data, errors, noise, tree

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "sample"
BACKENDS = ("secure", "simulate")


@dataclass(frozen=True)
class Params:
    """A mechanism, its budget, the data and how often it is released."""

    variant: Annotated[str, "a tree of dp_kde.error, backurs or histogram", {"shape": True}] = "anchored"
    n: Annotated[int, "number of points", {"shape": True}] = 256
    levels: Annotated[int, "levels of the tree below its root; a histogram has 2^levels cells", {"shape": True}] = 5
    eps: Annotated[float, "privacy loss that is allowed for one release, of all coordinates together"] = 1.0
    d: Annotated[int, "coordinates; each has its own tree with eps/d", {"shape": True}] = 1
    alpha: Annotated[float, "Backurs' tree: ratio of neighbouring distances less one; others ignore it"] = 0.5
    data: Annotated[str, "uniform | beta | mixture | cluster | atoms | digits", {"shape": True}] = "uniform"
    adjacency: Annotated[str, "what one person may change: add_remove | replace_one"] = "add_remove"
    releases: Annotated[int, "independent releases of the structure", {"shape": True}] = 64
    queries: Annotated[int, "queries put to each", {"shape": True}] = 16
    backend: Annotated[str, "secure (OpenDP) | simulate (a stand-in that is not private)", {"shape": True}] = "secure"


@dataclass(frozen=True)
class Result:
    """Errors over releases and queries, beside what closed forms say of them."""

    bias: Annotated[float, "mean error over releases and queries"]
    rmse: Annotated[float, "root mean square error over releases and queries", {"aggregate": "rms", "finite": True}]
    rmse_scaled: Annotated[float, "rmse times eps", {"aggregate": "rms"}]
    rmse_exact: Annotated[float, "closed form of rmse at these queries and data", {"aggregate": "rms"}]
    rmse_se: Annotated[float, "standard error that so many releases leave in rmse, by closed form"]
    bias_exact: Annotated[float, "closed form of bias"]
    bias_se: Annotated[float, "standard error that so many releases leave in bias, by closed form"]
    ledger_eps: Annotated[float, "exact privacy loss of the worst change under noise of these scales, for one release"]
    ledger_ok: Annotated[bool, "whether the ledger, in rational numbers, stays within eps"]
    rng: Annotated[str, "where the noise came from: os (cannot be repeated) | seed (anyone who has it can subtract it)"]
    private: Annotated[
        bool,
        "whether the released structures are private: the system's noise within the ledger. This row compares them with the "
        "data, so the row itself is no release",
    ]


EXAMPLES = (
    Params(releases=2, levels=3),
    Params("counts_consistent", n=64, levels=3, releases=2),
    Params(backend="simulate", levels=6, releases=2),
)


def run(params: Params, ctx: Context) -> Iterator[tuple[int, Result]]:
    """The one row of a point."""
    p = params
    if p.backend not in BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(BACKENDS)}, but got '{p.backend}'; write one of them.")
    same = error.Params(
        p.variant, p.n, p.levels, p.eps, p.d, p.alpha, p.data, p.adjacency, trees=p.releases, queries=p.queries
    )  # fmt: skip
    error.check(same, budget.ONE_DIMENSIONAL)
    x, y, scales = data.points(p.data, p.n, p.d, ctx), data.queries(p.queries, p.d, ctx), error.scales(same)
    secure, key = p.backend == "secure", noise.key(ctx)
    truth = data.distance_sums(x, y)
    away = torch.stack(
        [
            tree.own_answers(tree.release(x, scales, tree.secure if secure else tree.simulate(i, p.d, key)), y, p.alpha) - truth
            for i in range(p.releases)
        ]
    )
    exact = errors.exact(errors.questions(p.variant, p.levels, x, y, p.alpha), scales, p.releases)
    ledger = budget.worst(scales, p.adjacency)[0] * p.d
    rmse = float((away**2).mean().sqrt())
    within = ledger <= budget.rational(p.eps)
    yield (
        0,
        Result(
            bias=float(away.mean()),
            rmse=rmse,
            rmse_scaled=rmse * p.eps,
            rmse_exact=exact.rmse,
            rmse_se=exact.rmse_se,
            bias_exact=exact.bias,
            bias_se=exact.bias_se,
            ledger_eps=float(ledger),
            ledger_ok=within,
            rng="os" if secure else "seed",
            private=secure and within,
        ),
    )
