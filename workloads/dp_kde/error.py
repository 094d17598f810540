"""How far private answers to sums of l1 distances are from the truth, for trees of every reading and for plain baselines.

Source: arXiv:2409.01688 (refined tree) and Backurs, Lin, Mahabadi, Silwal, Tarnawski 2024, arXiv:2403.08917; forms derived.
Symbols: R = range of a coordinate · L = levels of the tree, 2^L leaves · ε = privacy loss · α = ratio of Backurs' intervals.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from torch import Tensor

from workloads.dp_kde.maths import budget, closed, data, errors, noise, reading
from workloads.shared import packs

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
BACKENDS = ("simulate", "secure")
VARIANTS = (*budget.ONE_DIMENSIONAL, "per_query")


@dataclass(frozen=True)
class Params:
    """A mechanism, its budget, the data and how often it is released and asked."""

    variant: Annotated[
        str,
        "absolute | wide | anchored | anchored_geometric | counts | counts_geometric | counts_consistent (readings of the "
        "refined tree) | backurs | histogram | per_query",
        {"shape": True},
    ] = "anchored"
    n: Annotated[int, "number of points", {"shape": True}] = 4096
    levels: Annotated[int, "levels of the tree below its root; a histogram has 2^levels cells", {"shape": True}] = 10
    eps: Annotated[float, "privacy loss that is allowed, of all coordinates together"] = 1.0
    d: Annotated[int, "coordinates; each has its own tree with eps/d", {"shape": True}] = 1
    alpha: Annotated[float, "Backurs' tree: ratio of neighbouring distances less one; others ignore it", {"shape": True}] = 0.5
    data: Annotated[str, "uniform | beta | mixture | cluster | atoms | digits", {"shape": True}] = "uniform"
    adjacency: Annotated[str, "what one person may change: add_remove | replace_one"] = "add_remove"
    trees: Annotated[int, "independent releases of the structure", {"shape": True}] = 512
    queries: Annotated[int, "queries put to each; per_query shares its budget among them", {"shape": True}] = 32
    backend: Annotated[
        str,
        "simulate (from the seed: the same again, never private) | secure (OpenDP: the operating system's noise, a sample; "
        "needs the extra lawsweep[secure])",
        {"shape": True, "sample": "secure"},
    ] = "simulate"
    radius: Annotated[float, "range R of every coordinate"] = 1.0
    count_share: Annotated[float, "part of a level's budget that its counts get where it has sums too"] = 0.5


@dataclass(frozen=True)
class Result:
    """Errors over releases and queries, beside what closed forms say of them."""

    bias: Annotated[float, "mean error over releases and queries"]
    rmse: Annotated[float, "root mean square error over releases and queries", {"aggregate": "rms", "finite": True}]
    rmse_scaled: Annotated[float, "rmse times eps over radius", {"aggregate": "rms"}]
    noise_scaled: Annotated[
        float, "root mean square of the noise alone, times eps over radius: no data in it", {"aggregate": "rms"}
    ]
    relative_rmse: Annotated[float, "rmse over the mean true sum", {"aggregate": "rms"}]
    max_error: Annotated[float, "largest absolute error of a release over its queries, mean over releases"]
    rmse_exact: Annotated[float, "closed form of rmse at these queries and data", {"aggregate": "rms"}]
    rmse_se: Annotated[float, "standard error that so many releases leave in rmse, by closed form"]
    noise_se: Annotated[float, "standard error that so many releases leave in noise_scaled, by closed form"]
    bias_exact: Annotated[float, "closed form of bias: what rounding and intervals do without noise"]
    bias_se: Annotated[float, "standard error that so many releases leave in bias, by closed form"]
    theory_scaled: Annotated[
        float | None,
        "continuous limit of noise_scaled at uniform queries; null where no closed form is known",
        {"formula": "closed.theory"},
    ]
    nodes_touched: Annotated[float, "nodes of the stored structure that a query reads, mean over the queries"]
    noisy_numbers: Annotated[float, "independent noisy numbers behind an answer, mean over the queries"]
    constant_rmse: Annotated[
        float, "rmse of an answer that knows only n, as if points were spread evenly", {"aggregate": "rms"}
    ]
    beats_constant: Annotated[bool, "whether rmse is below constant_rmse"]
    ledger_eps: Annotated[float, "exact privacy loss of the worst change under ideal noise of these scales"]
    ledger_ok: Annotated[bool, "whether the ledger, in rational numbers, stays within eps"]
    rng: Annotated[str, "where the noise came from: seed (anyone who has it can subtract it) | os (cannot be repeated)"]
    private: Annotated[
        bool,
        "whether the answers are of a private release: the system's noise within the ledger, never noise from a seed. The row "
        "compares them with the data, so the row itself is no release",
    ]


EXAMPLES = (
    Params(n=256, levels=6, d=2, eps=0.5, trees=16, queries=8),
    Params(n=256, levels=6, d=2, eps=2.0, adjacency="replace_one", trees=16, queries=8),
    Params("counts_consistent", n=300, levels=5, trees=16, data="beta"),
    Params("backurs", n=300, levels=7, alpha=0.3, trees=16, data="atoms"),
    Params("per_query", n=100, trees=8, queries=5, radius=3.0),
    Params("counts_geometric", n=100, levels=9, trees=8, queries=5, data="mixture"),
)


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, Any]]:
    """Columns for every point; those that differ in eps, adjacency, radius and count_share alone share data and noise."""
    for p in params:
        check(p, VARIANTS)
    points = [(_geometry(p), ctx.seed) for p, ctx in zip(params, ctxs, strict=True)]
    for _, indices in packs.groups(points, lambda point: point):
        rows = _measure([params[i] for i in indices], ctxs[indices[0]])
        yield {"index": indices, "step": [0] * len(indices), **{name: [row[name] for row in rows] for name in rows[0]}}


def check(p: Params, variants: tuple[str, ...]) -> None:
    """Raise ValueError where a point cannot be measured."""
    for name, value, allowed in (
        ("variant", p.variant, variants),
        ("data", p.data, data.SHAPES),
        ("adjacency", p.adjacency, budget.ADJACENCIES),
        ("backend", p.backend, BACKENDS),
    ):
        if value not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}, but got '{value}'; write one of them.")
    least = 0 if p.variant == "histogram" else 1
    if min(p.n, p.d, p.trees, p.queries) < 1 or not least <= p.levels <= 24:
        raise ValueError(
            f"n, d, trees and queries must be at least 1 and levels in {least} to 24, but got n = {p.n}, d = {p.d}, "
            f"trees = {p.trees}, queries = {p.queries}, levels = {p.levels}; a tree of 24 levels has 16 million leaves."
        )
    if not (p.alpha > 0 and 0 < p.count_share < 1 and p.radius > 0 and math.isfinite(p.radius)):
        raise ValueError(
            f"alpha and radius must be positive and count_share in (0, 1), but got alpha = {p.alpha}, radius = {p.radius}, "
            f"count_share = {p.count_share}; mend the one that is not."
        )


def _geometry(p: Params) -> Params:
    """What points must share to have the same queries, readings and noise before it is scaled."""
    return dataclasses.replace(p, eps=1.0, adjacency="add_remove", radius=1.0, count_share=0.5)


def _measure(params: list[Params], ctx: Context) -> list[dict[str, Any]]:
    p = params[0]
    x = data.points(p.data, p.n, p.d, ctx).to(ctx.device)
    y = data.queries(p.queries, p.d, ctx).to(ctx.device)
    if p.variant == "per_query":
        return _per_query(params, x, y, ctx)
    what = errors.questions(p.variant, p.levels, x, y, p.alpha)
    all_scales = [scales(q) for q in params]
    if p.backend == "secure":
        measured = [errors.secured(what, own, p.trees) for own in all_scales]
    else:
        measured = errors.simulated(what, all_scales, p.trees, noise.key(ctx))
    return [
        _row(q, what, error, errors.exact(what, s, q.trees), budget.worst(s, q.adjacency)[0] * q.d)
        for q, s, error in zip(params, all_scales, measured, strict=True)
    ]


def scales(p: Params) -> budget.Scales:
    """The noise of one coordinate of a point's mechanism."""
    return budget.scales(p.variant, p.levels, budget.rational(p.eps) / p.d, p.adjacency, p.count_share)


def _per_query(params: list[Params], x: Tensor, y: Tensor, ctx: Context) -> list[dict[str, Any]]:
    """Every answer has noise of its own; a query moves by at most dR, whether a point comes, goes or is replaced."""
    truth = data.distance_sums(x, y)
    what = errors.Questions(readings=(), rounding=truth * 0, truth=truth, uniform=data.uniform_sums(len(x), y))
    unit, reach = 1 / (2 * data.FINE), 2 * data.FINE * params[0].d
    all_scales = [budget.upward(reach * p.queries / budget.rational(p.eps)) for p in params]
    key = None if params[0].backend == "secure" else noise.key(ctx)
    measured = errors.per_query(what, all_scales, params[0].trees, key)
    return [
        _row(p, what, error, errors.scaled(closed.independent(s, p.queries, p.trees), unit), closed.spent(reach * p.queries, s))
        for p, s, error in zip(params, all_scales, measured, strict=True)
    ]


def _row(p: Params, what: errors.Questions, error: Tensor, exact: errors.Exact, ledger: Any) -> dict[str, Any]:
    size = p.radius
    constant = float(((what.uniform - what.truth) ** 2).mean().sqrt()) * size
    exact = errors.scaled(exact, size)
    rmse = float((error**2).mean().sqrt()) * size
    alone = float(((error - what.rounding) ** 2).mean().sqrt())
    noisy = float(sum(float(reading.touched(list(r)).mean()) for r in what.readings) or 1.0)
    return {
        "bias": float(error.mean()) * size,
        "rmse": rmse,
        "rmse_scaled": rmse * p.eps / size,
        "noise_scaled": alone * p.eps,
        "relative_rmse": rmse / (float(what.truth.mean()) * size),
        "max_error": float(error.abs().amax(1).mean()) * size,
        "rmse_exact": exact.rmse,
        "rmse_se": exact.rmse_se,
        "noise_se": exact.noise_se * p.eps / size,
        "bias_exact": exact.bias,
        "bias_se": exact.bias_se,
        "theory_scaled": closed.theory(p.variant, p.levels, p.d, p.queries, p.adjacency, p.count_share),
        "nodes_touched": closed.nodes(p.variant, p.levels, p.d, noisy),
        "noisy_numbers": noisy,
        "constant_rmse": constant,
        "beats_constant": rmse < constant,
        "ledger_eps": float(ledger),
        "ledger_ok": ledger <= budget.rational(p.eps),
        "rng": "os" if p.backend == "secure" else "seed",
        "private": p.backend == "secure" and ledger <= budget.rational(p.eps),
    }
