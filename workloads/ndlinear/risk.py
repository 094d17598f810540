"""What a fitted Kronecker product errs on fresh data, beside a dense and a low-rank map, against the number of samples.

Source: least squares; dense expectation by the inverse Wishart law; break-even with one product derived. arXiv:2503.17353 for
the layer (two modes, no biases) and for the dial between what it holds and what it does not.
Symbols: d = size of each of two modes, D = d^2 · n = samples · p = degrees of freedom · alpha, q = share of the small products
of the dial, and number of all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from torch import Tensor

from workloads.ndlinear.maths import kronecker, regression
from workloads.shared import packs
from workloads.shared.training import groups

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
TOLERANCE = 1e-6  # alternating least squares goes through in batches, and its last digits wander
# Numbers of samples drawn at a time.
ROWS = 1 << 14


@dataclass(frozen=True)
class Params:
    """A teacher, its data, and the map that is fitted."""

    d: Annotated[int, "size of each of two modes, in and out", {"shape": True, "at_least": 1}]
    n: Annotated[int, "samples", {"at_least": 1}]
    alpha: Annotated[float, "share of the small products in the dial", {"at_least": 0, "at_most": 1}] = 0.0
    products: Annotated[int, "products q of the dial", {"at_least": 1}] = 6
    noise: Annotated[float, "standard deviation of the noise of each output", {"above": 0}] = 0.5
    layer: Annotated[
        Literal["nd", "dense", "lowrank"], "what is fitted: nd (one product) | dense | lowrank (rank one)", {"shape": True}
    ] = "nd"


@dataclass(frozen=True)
class Result:
    """Squared errors on fresh data, summed over the d^2 outputs, each of which has variance 1 without noise."""

    excess: Annotated[float, "mean squared error less noise less floor", {"finite": True}]
    excess_expected: Annotated[
        float | None,
        "noise^2 D^2/(n - D - 1) of dense, (noise^2 p + 2 floor)/n of nd, to first order; null for lowrank",
        {"formula": "regression", "seedless": True},
    ]
    risk: Annotated[float, "mean squared error, noise included", {"range": [0, None]}]
    floor: Annotated[float, "least squared error of such a map without noise", {"range": [0, None]}]
    freedom: Annotated[int, "degrees of freedom p", {"formula": "regression.freedom", "seedless": True}]
    dense_risk: Annotated[float | None, "mean squared error of the dense map on the same data; null up to n = D + 1"]
    lead: Annotated[float | None, "dense_risk less risk; null up to n = D + 1"]
    break_even: Annotated[
        float | None,
        "the alpha at which nd and dense are foreseen to tie at this n; null where no alpha in [0, 1] is",
        {"formula": "regression.break_even", "seedless": True},
    ]


EXAMPLES = (
    Params(3, 40, products=3),
    Params(3, 64, 0.5, products=3, layer="dense"),
    Params(3, 64, 0.5, products=3, layer="lowrank"),
    Params(4, 12, 0.25, products=2),
)


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, list[Any]]]:
    """Columns for every point; points of one seed, n and d share their data."""
    for p in params:
        check(p)
    moments = _Moments()
    for _, indices in packs.groups(params, lambda p: (p.d, p.layer)):
        part = [(params[i], ctxs[i]) for i in indices]
        rows = _columns(part, [moments.of(p, ctx) for p, ctx in part])
        yield {"index": indices, "step": [0] * len(indices), **rows}


def check(p: Params) -> None:
    """Refuse params that mean nothing; ValueError says which."""
    size = p.d**2
    if p.products > size:
        raise ValueError(
            f"products of the dial must be at most d^2, but got products = {p.products}, d^2 = {size}; take fewer."
        )
    if p.layer != "nd" and p.n <= size + 1:
        raise ValueError(
            f"n must be above d^2 + 1 for a {p.layer} map, but got n = {p.n}, d^2 + 1 = {size + 1}: the expected error of the "
            "dense map is infinite there; take more samples."
        )


class _Moments:
    """Sums over samples of x x' and of x e' (D, D), float64, e the noise at size 1, each made once in a call."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, int, Context], tuple[Tensor, Tensor]] = {}

    def of(self, p: Params, ctx: Context) -> tuple[Tensor, Tensor]:
        """Those of a point's data."""
        key = (p.d, p.n, ctx)
        if key not in self._made:
            self._made[key] = self._sums(p, ctx)
        return self._made[key]

    def _sums(self, p: Params, ctx: Context) -> tuple[Tensor, Tensor]:
        size, draws = p.d**2, (ctx.generator("inputs"), ctx.generator("noise"))
        inputs, noise = (torch.zeros(size, size, dtype=torch.float64) for _ in range(2))
        for start, stop in groups.parts(p.n, ROWS):
            x, e = (torch.randn(stop - start, size, dtype=torch.float64, generator=draw) for draw in draws)
            inputs += x.mT @ x
            noise += x.mT @ e
        return inputs.to(ctx.device), noise.to(ctx.device)


def _columns(part: Sequence[tuple[Params, Context]], moments: Sequence[tuple[Tensor, Tensor]]) -> dict[str, list[Any]]:
    points = [p for p, _ in part]
    inputs, noisy = (torch.stack(sums) for sums in zip(*moments, strict=True))
    maps = [p.d * kronecker.dial(p.d, p.alpha, p.products, ctx.generator("teacher")) for p, ctx in part]
    truth, sizes = kronecker.flattened(torch.stack(maps)).to(inputs), [p.d**2 for p in points]
    sigma = inputs.new_tensor([p.noise for p in points])
    crossed = inputs @ truth.mT + sigma[:, None, None] * noisy
    fitted = _fitted(points, inputs, crossed)
    floor = _floor(points[0].layer, torch.stack(maps)).to(inputs) * inputs.new_tensor(sizes)
    wrong = (fitted - truth).square().sum((1, 2))
    base = sigma.square() * inputs.new_tensor(sizes)
    enough = [p.n > size + 1 for p, size in zip(points, sizes, strict=True)]
    dense = [
        float((regression.dense(m, c) - a).square().sum() + b) if good else None
        for m, c, a, b, good in zip(inputs, crossed, truth, base, enough, strict=True)
    ]
    risk = (wrong + base).tolist()
    return {
        "excess": (wrong - floor).tolist(),
        "excess_expected": [_expected(p) for p in points],
        "risk": risk,
        "floor": floor.tolist(),
        "freedom": [regression.freedom(p.layer, p.d) for p in points],
        "dense_risk": dense,
        "lead": [None if other is None else other - own for other, own in zip(dense, risk, strict=True)],
        "break_even": [regression.break_even(p.d, p.n, p.noise, p.products) for p in points],
    }


def _floor(layer: str, maps: Tensor) -> Tensor:
    """Least relative squared errors (points,) of the maps (points, d, d, d, d) without noise."""
    if layer == "dense":
        return torch.zeros(len(maps), dtype=maps.dtype)
    return kronecker.tail(kronecker.flattened(maps) if layer == "lowrank" else kronecker.rearranged(maps), 1)


def _fitted(points: Sequence[Params], inputs: Tensor, crossed: Tensor) -> Tensor:
    """The fitted maps (points, D, D), rows of outputs."""
    if points[0].layer == "nd":
        return regression.product(inputs, crossed, inputs.new_tensor([p.n for p in points]), points[0].d)
    return (regression.dense if points[0].layer == "dense" else regression.low_rank)(inputs, crossed)


def _expected(p: Params) -> float | None:
    if p.layer == "dense":
        return regression.dense_excess(p.d, p.n, p.noise)
    return regression.product_excess(p.d, p.n, p.noise, regression.floor(p.d, p.alpha, p.products)) if p.layer == "nd" else None
