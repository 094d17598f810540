"""How long a layer that works mode by mode takes for a batch, beside a dense layer of the same shapes, timed in turn.

Source: arXiv:2503.17353, abstract ("without extra overhead"); products counted by the sum over modes.
Symbols: D_k, H_k = size of mode k in and out · MACs = multiplications with an addition, for one input.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from torch import Tensor

from workloads.ndlinear.maths import layer
from workloads.shared import memory, packs, timing
from workloads.shared.timing import Call

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "cost"


@dataclass(frozen=True)
class Params:
    """Shapes, a layer, and a batch."""

    shape_in: Annotated[str, "sizes D_k of the input's modes, as 28x28x3", {"shape": True}]
    shape_out: Annotated[str, "sizes H_k of the output's modes, as many", {"shape": True}]
    layer: Annotated[
        Literal["nd", "nd_best", "dense"],
        "nd (modes as given) | nd_best (modes in the best order) | dense (once more, as a control)",
    ] = "nd"
    batch: Annotated[int, "inputs of a call", {"shape": True, "at_least": 1}] = 64
    repeats: Annotated[
        int, "rounds in which all run in turn, after one that does not count", {"shape": True, "at_least": 1}
    ] = 5


@dataclass(frozen=True)
class Result:
    """Time, products and memory of one call without gradients, beside the dense layer in the same rounds."""

    call_seconds: Annotated[float, "least time of a call over the rounds", {"unit": "s", "aggregate": "median"}]
    dense_seconds: Annotated[
        float, "least time of the dense layer of the same shapes in the same rounds", {"unit": "s", "aggregate": "median"}
    ]
    speedup: Annotated[float, "dense_seconds / call_seconds", {"aggregate": "median", "range": [0, None]}]
    macs: Annotated[int, "multiplications with an addition for one input"]
    macs_dense: Annotated[int, "those of the dense layer"]
    overhead: Annotated[
        float, "seconds a product over those of the dense layer", {"aggregate": "median", "range": [0, None]}
    ]  # fmt: skip
    peak_bytes: Annotated[
        int, "most bytes of tensors that a call makes and holds at one time", {"unit": "B", "aggregate": "max"}
    ]


EXAMPLES = (
    Params("8x8", "8x8", repeats=1),
    Params("32", "16", repeats=1),
    Params("8x4x3", "4x4x6", "nd_best", batch=8, repeats=1),
    Params("16x1", "8x1", "dense", batch=8, repeats=1),
)


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, list[Any]]]:
    """Columns for every point; those of one shape and seed are timed in turn. ValueError for shapes that do not go together."""
    for p in params:
        layer.pair(p.shape_in, p.shape_out)
    every = list(zip(params, ctxs, strict=True))
    for (shape, ctx), indices in packs.groups(every, lambda x: (dataclasses.replace(x[0], layer="dense"), x[1])):
        yield {"index": indices, "step": [0] * len(indices), **_measured(shape, ctx, [params[i].layer for i in indices])}


def _measured(p: Params, ctx: Context, layers: Sequence[str]) -> dict[str, list[Any]]:
    inner, outer = layer.pair(p.shape_in, p.shape_out)
    calls = layer_calls(p, ctx)
    with torch.inference_mode():
        dense, *seconds = timing.quickest(
            [calls["dense"], *(calls[name] for name in layers)], p.repeats, timing.clock(ctx.device)
        )
        peaks = [memory.peak_bytes(calls[name]) for name in layers]
    products = [_macs(name, inner, outer) for name in layers]
    whole = layer.macs_dense(inner, outer)
    return {
        "call_seconds": seconds,
        "dense_seconds": [dense] * len(layers),
        "speedup": [dense / own for own in seconds],
        "macs": products,
        "macs_dense": [whole] * len(layers),
        "overhead": [own / count / (dense / whole) for own, count in zip(seconds, products, strict=True)],
        "peak_bytes": peaks,
    }


def _macs(name: str, inner: layer.Sizes, outer: layer.Sizes) -> int:
    if name == "dense":
        return layer.macs_dense(inner, outer)
    return layer.macs(inner, outer, layer.modes("best" if name == "nd_best" else "given", inner, outer))


def layer_calls(p: Params, ctx: Context) -> dict[str, Call]:
    """A call of each layer on one batch of normal inputs, float32, with first weights as `torch.nn.Linear` has them."""
    inner, outer = layer.pair(p.shape_in, p.shape_out)
    draw = ctx.generator("layers")
    x = torch.randn(1, p.batch, *inner, generator=draw).to(ctx.device)
    shapes = list(zip(outer, inner, strict=True))
    weights, biases = ([layer.uniform((1, *end), d, draw).to(ctx.device) for end, d in ends] for ends in _ends(shapes))
    flat, features = x[0].flatten(1), x[0, 0].numel()
    units = layer.n_params_dense((1,), outer, bias=False)
    weight, bias = (layer.uniform(shape, features, draw).to(ctx.device) for shape in ((units, features), (units,)))

    def by_modes(order: layer.ModeOrder) -> Call:
        """The layer with its modes in that order."""
        modes = layer.modes(order, inner, outer)

        def call() -> Tensor:
            """Outputs (1, batch, H_1, ..., H_n)."""
            return layer.apply(x, weights, biases, modes)

        return call

    return {
        "nd": by_modes("given"),
        "nd_best": by_modes("best"),
        "dense": lambda: torch.nn.functional.linear(flat, weight, bias),
    }


def _ends(shapes: Sequence[tuple[int, int]]) -> tuple[list[tuple[tuple[int, ...], int]], list[tuple[tuple[int, ...], int]]]:
    """Shapes of all modes' weights and of their biases, each with the numbers that an output is summed from."""
    return [((h, d), d) for h, d in shapes], [((h,), d) for h, d in shapes]
