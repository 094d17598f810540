"""How long one retrieval of all queries takes, timed in turn with dense retrieval of the same queries and memories.

Source: Hu et al. 2024, arXiv:2404.03900, abstract ("sub-quadratic complexity") and its study of efficiency; programs are ours.
Symbols: Q = queries · M = memories · d = dimension · k = kept memories · w = features.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch

from workloads.hopfield.maths import calls
from workloads.hopfield.maths.calls import Shape
from workloads.shared import memory, packs, timing

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "cost"
DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True)
class Params:
    """A retrieval map, its sizes, and how often it is timed."""

    variant: Annotated[
        Literal["dense", "masked", "random", "window", "top_k", "linear", "prf"], "retrieval map", {"shape": True}
    ] = "dense"
    m: Annotated[int, "number of memories", {"shape": True, "at_least": 1}] = 256
    queries: Annotated[int, "number of queries; 0 for as many as memories", {"shape": True, "at_least": 0}] = 0
    d: Annotated[int, "dimension", {"shape": True, "at_least": 1}] = 16
    keep: Annotated[int, "memories that a mask keeps; 0 without a mask", {"shape": True, "at_least": 0}] = 0
    features: Annotated[int, "random features of prf; 0 for the others", {"shape": True, "at_least": 0}] = 0
    repeats: Annotated[int, "rounds in which the calls run in turn, after one that does not count", {"at_least": 1}] = 5
    dtype: Annotated[Literal["float32", "float64"], "number format", {"shape": True}] = "float32"


SPREAD = {"unit": "s", "aggregate": "median"}


@dataclass(frozen=True)
class Result:
    """Time and memory of one call, beside dense retrieval and a matrix product in the same rounds."""

    call_seconds: Annotated[float, "least time of one call over the rounds", SPREAD]
    dense_seconds: Annotated[float, "least time of dense retrieval in the same rounds", SPREAD]
    speedup: Annotated[float, "dense_seconds / call_seconds", {"aggregate": "median"}]
    flops: Annotated[float, "operations of matrix products in the call, counted", {"seedless": True}]
    flops_dense: Annotated[float, "those of dense retrieval", {"seedless": True}]
    overhead: Annotated[
        float, "call_seconds over the time that its operations take at the rate of a matrix product", {"aggregate": "median"}
    ]
    peak_bytes: Annotated[int, "most bytes of tensors made and held at one time", {"unit": "B", "aggregate": "max"}]


EXAMPLES = (Params(m=64, repeats=1), Params("top_k", 64, keep=4, repeats=1), Params("prf", 64, 32, features=16, repeats=1))


def shape_of(p: Params) -> Shape:
    """The sizes of a point."""
    return Shape(p.variant, p.m, p.queries or p.m, p.d, p.keep, p.features)


def refuse(p: Params) -> None:
    """Raise ValueError where the params ask for what there is not."""
    calls.check(shape_of(p))
    if p.repeats < 1 or p.dtype not in DTYPES:
        raise ValueError(
            f"repeats must be at least 1 and dtype one of {', '.join(DTYPES)}, but got repeats = {p.repeats}, "
            f"dtype = '{p.dtype}'; mend them."
        )


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, Any]]:
    """Columns for every point; those of one size and seed are timed in turn, dense retrieval once for all of them."""
    for p in params:
        refuse(p)
    every = list(zip(params, ctxs, strict=True))
    for _, indices in packs.groups(every, lambda e: (e[0].m, e[0].queries, e[0].d, e[0].repeats, e[0].dtype, e[1])):
        rows = _timed([params[i] for i in indices], ctxs[indices[0]])
        yield {"index": indices, "step": [0] * len(indices)} | {name: [row[name] for row in rows] for name in rows[0]}


def _timed(params: list[Params], ctx: Context) -> list[dict[str, Any]]:
    p, dtype = params[0], DTYPES[params[0].dtype]
    shapes = [Shape("dense", p.m, p.queries or p.m, p.d), *map(shape_of, params)]
    retrievals = [calls.forward(shape, calls.inputs_of(shape, ctx, dtype)) for shape in shapes]
    multiply, operations = timing.product(p.d, dtype, ctx.device)
    with torch.inference_mode():
        product, dense, *seconds = timing.quickest([multiply, *retrievals], p.repeats, timing.clock(ctx.device), least=0.0)
        peaks = [memory.peak_bytes(retrieval) for retrieval in retrievals[1:]]
    flops = [calls.counted(shape).flops for shape in shapes]
    return [
        {
            "call_seconds": own,
            "dense_seconds": dense,
            "speedup": dense / own,
            "flops": float(count),
            "flops_dense": float(flops[0]),
            "overhead": own * operations / (product * count),
            "peak_bytes": peak,
        }
        for own, count, peak in zip(seconds, flops[1:], peaks, strict=True)
    ]
