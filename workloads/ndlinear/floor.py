"""How near sums of Kronecker products come to a linear map, in closed form and as fitted, beside low-rank maps as large.

Source: arXiv:2503.17353 (a layer of two modes without biases is one product); floors by Van Loan and Pitsianis 1993, derived.
Symbols: d = size of each of two modes, in and out · s = singular values of the rearranged map · q = products · r = terms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch

from workloads.ndlinear.maths import fitting, kronecker
from workloads.ndlinear.maths.kronecker import Teacher
from workloads.shared import packs
from workloads.shared.training import groups

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
FIXED = "teacher in ('laplacian', 'swap')"  # maps that no seed changes
TOLERANCE = 1e-7  # maps that go through together share products of matrices; what is left of an error amplifies their rounding


@dataclass(frozen=True)
class Params:
    """A map, a sum of products, and how that is fitted."""

    teacher: Annotated[Teacher, "the map: dial | laplacian | swap (of the axes) | lowrank | random"]
    d: Annotated[int, "size of each of two modes, in and out", {"shape": True, "at_least": 1}]
    alpha: Annotated[float, "share of the small products in the dial", {"at_least": 0, "at_most": 1}] = 0.0
    products: Annotated[int, "products q of the dial", {"at_least": 1}] = 6
    terms: Annotated[int, "products r in the sum that is fitted", {"shape": True, "at_least": 1}] = 1
    rank: Annotated[int, "rank of the low-rank map", {"at_least": 1}] = 1
    fit: Annotated[Literal["als", "adam"], "alternating least squares | Adam", {"shape": True}] = "als"
    restarts: Annotated[int, "random starts", {"shape": True, "at_least": 1}] = 8
    sweeps: Annotated[int, "sweeps over both sides, or steps of Adam", {"shape": True, "at_least": 1}] = 200


@dataclass(frozen=True)
class Result:
    """Relative squared errors: least ones in closed form, those of the fits, and numbers held."""

    floor: Annotated[float, "least relative squared error of a sum of so many products", {"range": [0, 1], "seedless": FIXED}]
    best: Annotated[float, "that of the best start", {"range": [0, None], "finite": True}]
    worst: Annotated[float, "that of the worst start", {"range": [0, None], "finite": True}]
    excess: Annotated[float, "best less floor"]
    lowrank_floor: Annotated[
        float,
        "least relative squared error of an ordinary map of rank terms, which has as many numbers",
        {"range": [0, 1], "seedless": FIXED},
    ]
    advantage: Annotated[float, "lowrank_floor less floor", {"range": [-1, 1]}]
    n_params: Annotated[int, "numbers of the sum, 2 d^2 a term", {"seedless": True}]
    n_params_dense: Annotated[int, "numbers of any linear map, d^4", {"seedless": True}]


EXAMPLES = (
    Params("dial", 4, 0.25),
    Params("dial", 4, 0.0, terms=2),
    Params("laplacian", 4),
    Params("swap", 3, terms=2),
    Params("lowrank", 3, rank=2, terms=2, restarts=3),
    Params("random", 3, fit="adam", restarts=2, sweeps=50),
)


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, list[Any]]]:
    """Columns for every point; maps of one size go through together."""
    for p in params:
        check(p)
    keys = groups.same(params, ("teacher", "alpha", "products", "rank"))
    for _, indices in packs.groups(range(len(params)), keys.__getitem__):
        p = params[indices[0]]
        for part in packs.chunks(indices, fitting.room(p.d, p.terms, p.restarts)):
            columns = _columns([params[i] for i in part], [ctxs[i] for i in part])
            yield {"index": part, "step": [0] * len(part), **columns}


def check(p: Params) -> None:
    """Refuse params that mean nothing; ValueError says which."""
    most = p.d**2
    if p.terms > most:
        raise ValueError(f"terms must be at most d^2, but got terms = {p.terms}, d^2 = {most}; so many products are any map.")
    if p.teacher == "dial" and not p.terms <= p.products <= most:
        raise ValueError(
            f"products of the dial must lie between terms and d^2, but got products = {p.products}, terms = {p.terms}, "
            f"d^2 = {most}; mend one of them."
        )
    if p.teacher == "lowrank" and p.rank > most:
        raise ValueError(f"rank must be at most d^2, but got rank = {p.rank}, d^2 = {most}; lower it.")


def _columns(params: Sequence[Params], ctxs: Sequence[Context]) -> dict[str, list[Any]]:
    p, device = params[0], ctxs[0].device
    maps = torch.stack(
        [
            kronecker.teacher(q.teacher, q.d, q.alpha, q.products, q.rank, ctx.generator("teacher"))
            for q, ctx in zip(params, ctxs, strict=True)
        ]
    ).to(device)
    shape = (p.restarts, p.terms, p.d**2)
    starts = torch.stack([torch.randn(*shape, dtype=torch.float64, generator=ctx.generator("starts")) for ctx in ctxs])
    fit = fitting.alternating if p.fit == "als" else fitting.descended
    errors = fitting.errors(maps, *fit(maps, starts.to(device), p.sweeps))
    floor = kronecker.tail(kronecker.rearranged(maps), p.terms)
    lowrank_floor, best = kronecker.tail(kronecker.flattened(maps), p.terms), errors.amin(1)
    excess = best - floor
    columns = {
        "floor": floor,
        "best": best,
        "worst": errors.amax(1),
        "excess": torch.where(excess.abs() < kronecker.ROUNDING, 0.0, excess),
        "lowrank_floor": lowrank_floor,
        "advantage": lowrank_floor - floor,
        "n_params": torch.full_like(floor, 2 * p.terms * p.d**2).long(),
        "n_params_dense": torch.full_like(floor, p.d**4).long(),
    }
    return {name: groups.plain(values) for name, values in columns.items()}
