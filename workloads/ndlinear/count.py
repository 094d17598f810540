"""How many numbers and products a layer that works mode by mode takes, in which order, and what its first weights put out.

Source: arXiv:2503.17353, section 3; counts of the released layer; order, effective bias and variance are derived.
Symbols: D_k, H_k = size of mode k in and out · n = modes · MACs = multiplications with an addition, for one input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch
from torch import Tensor

from workloads.ndlinear.maths import layer
from workloads.ndlinear.maths.layer import ModeOrder, Sizes
from workloads.shared import packs

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
# Numbers of outputs that are held at a time; more draws go through in parts.
ELEMENTS = 1 << 22


@dataclass(frozen=True)
class Params:
    """A layer's shapes and the order in which it works on its modes."""

    shape_in: Annotated[str, "sizes D_k of the input's modes, as 28x28x3", {"shape": True}]
    shape_out: Annotated[str, "sizes H_k of the output's modes, as many", {"shape": True}]
    mode_order: Annotated[
        ModeOrder, "order of the modes: given (as written) | reversed | best (by ascending 1/D - 1/H) | worst", {"shape": True}
    ] = "given"
    bias: Annotated[bool, "whether each mode has a bias", {"shape": True}] = True
    draws: Annotated[int, "first weights whose outputs give the variance", {"shape": True, "at_least": 2}] = 64


@dataclass(frozen=True)
class Result:
    """Counts of the layer and of a dense one, and the size of outputs at the start."""

    modes: Annotated[int, "modes n", {"seedless": True}]
    n_params: Annotated[int, "numbers of the layer", {"seedless": True}]
    n_params_dense: Annotated[int, "numbers of a dense layer between the flattened shapes", {"seedless": True}]
    macs: Annotated[int, "multiplications with an addition of one input, in this order", {"seedless": True}]
    macs_dense: Annotated[int, "those of the dense layer", {"seedless": True}]
    variance_factor: Annotated[
        float,
        "second moment of an output for inputs of second moment 1 at first weights, in closed form: 3^-n without a bias",
        {"formula": "layer.output_variance", "seedless": True},
    ]
    variance_measured: Annotated[float, "that of normal inputs, mean over drawn first weights", {"range": [0, None]}]
    variance_se: Annotated[float, "standard error of variance_measured over the draws", {"df": "draws - 1"}]
    largest_gap: Annotated[
        float,
        "largest difference of outputs mode by mode from one contraction with an effective bias, over the largest output",
        {"range": [0, None], "aggregate": "max"},
    ]


EXAMPLES = (
    Params("4x3", "2x5", draws=8),
    Params("7", "3", bias=False, draws=8),
    Params("2x3x4", "5x3x2", "worst", draws=8),
    Params("6x1", "4x1", "best", draws=8),
)


def run(params: Params, ctx: Context) -> Result:
    """The one row of a point; ValueError where the shapes do not go together."""
    inner, outer = layer.pair(params.shape_in, params.shape_out)
    order = layer.modes(params.mode_order, inner, outer)
    squares, gap = _outputs(params, inner, outer, ctx)
    return Result(
        modes=len(inner),
        n_params=layer.n_params(inner, outer, params.bias),
        n_params_dense=layer.n_params_dense(inner, outer, params.bias),
        macs=layer.macs(inner, outer, order),
        macs_dense=layer.macs_dense(inner, outer),
        variance_factor=layer.output_variance(inner, order, params.bias),
        variance_measured=float(squares.mean()),
        variance_se=float(squares.std() / math.sqrt(len(squares))),
        largest_gap=gap,
    )


def _outputs(p: Params, inner: Sizes, outer: Sizes, ctx: Context) -> tuple[Tensor, float]:
    """Mean squared output (draws,) of each drawn layer for a normal input of its own, and the largest gap."""
    order, draw = layer.modes(p.mode_order, inner, outer), ctx.generator("layers")
    squares, gaps = [], []
    largest = max(math.prod(inner), math.prod(outer), *(h * d for h, d in zip(outer, inner, strict=True)))
    for part in packs.chunks(range(p.draws), ELEMENTS // largest):
        x = torch.randn(len(part), 1, *inner, generator=draw, dtype=torch.float64).to(ctx.device)
        shapes = list(zip(outer, inner, strict=True))
        weights = [layer.uniform((len(part), h, d), d, draw, torch.float64).to(ctx.device) for h, d in shapes]
        biases = [layer.uniform((len(part), h), d, draw, torch.float64).to(ctx.device) for h, d in shapes] if p.bias else None
        output = layer.apply(x, weights, biases, order)
        squares.append(output.square().flatten(1).mean(1))
        gaps.append(float((output - layer.contracted(x, weights, biases, order)).abs().max() / output.abs().max()))
    return torch.cat(squares), max(gaps)
