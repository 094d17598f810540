"""Turns params into starting weights, examples and targets of deep networks that are to be trained.

Source: arXiv:2411.16549; the problems `sines` and `dyadic` are derived, the second one exact in binary for three steps.
Symbols: B = problems · N = layers · K = width · n = examples · d, o = inputs and outputs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from workloads.icl.maths import descent
from workloads.icl.maths.activations import ACTIVATIONS, Activation

if TYPE_CHECKING:
    from orchestrator.workload.context import Context


class Sizes(Protocol):
    """What the params of a problem say of its shape."""

    @property
    def depth(self) -> int:
        """Layers N."""

    @property
    def width(self) -> int:
        """Units K of each layer but the last."""

    @property
    def dim(self) -> int:
        """Inputs d."""

    @property
    def examples(self) -> int:
        """Examples n."""


@dataclass(frozen=True)
class Problem:
    """Weights V_j (B, units, inputs) to start from, inputs (B, n, d), targets (B, n, o) and queries (B, d)."""

    weights: list[Tensor]
    x: Tensor
    y: Tensor
    query: Tensor

    def to(self, like: Tensor) -> Problem:
        """The same of the type and on the device of `like`."""
        return Problem([weight.to(like) for weight in self.weights], self.x.to(like), self.y.to(like), self.query.to(like))


DYADIC = {"depth": 2, "width": 2, "dim": 2, "outputs": 1, "examples": 4}
"""The sizes that the dyadic problem has."""


def layer_sizes(p: Sizes, outputs: int) -> list[int]:
    """d, K, …, K, o."""
    return [p.dim, *[p.width] * (p.depth - 1), outputs]


def random_problem(p: Sizes, outputs: int, activation: Activation, ctxs: Sequence[Context]) -> Problem:
    """Weights of variance 2 over inputs, standard normal inputs, and the targets of another such network; float64."""
    sizes, singles = layer_sizes(p, outputs), []
    for ctx in ctxs:
        weights, teacher = (_drawn_weights(sizes, ctx.generator(stream)) for stream in ("weights", "teacher"))
        x = torch.randn(p.examples + 1, p.dim, generator=ctx.generator("inputs"), dtype=torch.float64)
        singles.append((weights, teacher, x))
    weights, teacher = ([torch.stack(same) for same in zip(*(single[i] for single in singles), strict=True)] for i in (0, 1))
    x = torch.stack([single[2] for single in singles])
    y = descent.forward(teacher, x[:, :-1], activation)[1][-1]
    return Problem(weights, x[:, :-1], y, x[:, -1])


def _drawn_weights(sizes: Sequence[int], generator: torch.Generator) -> list[Tensor]:
    return [
        torch.randn(units, inputs, generator=generator, dtype=torch.float64) * math.sqrt(2.0 / inputs)
        for inputs, units in itertools.pairwise(sizes)
    ]


def sines(p: Sizes, outputs: int) -> Problem:
    """V_j[k, m] = sqrt(2/inputs) (1/2 + sin(1 + 3j + 2k + m)), X[i, m] = cos(1 + 2i + 3m), Y[i, o] = (1 + sin(i + 2o))/2."""
    sizes = layer_sizes(p, outputs)
    weights = [
        math.sqrt(2.0 / inputs) * (0.5 + torch.sin(1.0 + 3.0 * layer + _grid(units, inputs, 2.0, 1.0)))
        for layer, (inputs, units) in enumerate(itertools.pairwise(sizes), 1)
    ]
    x = torch.cos(1.0 + _grid(p.examples + 1, p.dim, 2.0, 3.0))
    y = (1.0 + torch.sin(_grid(p.examples, outputs, 1.0, 2.0))) / 2.0
    return Problem([weight[None] for weight in weights], x[None, :-1], y[None], x[None, -1])


def _grid(rows: int, columns: int, down: float, across: float) -> Tensor:
    row, column = torch.arange(rows, dtype=torch.float64), torch.arange(columns, dtype=torch.float64)
    return down * row[:, None] + across * column


def dyadic() -> Problem:
    """Two layers on four examples, all numbers sums of a few powers of 2."""
    numbers = (
        [[[0.5, -0.25], [0.25, 0.5]]],
        [[[1.0, 0.5]]],
        [[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-1.0, 2.0]]],
        [[[1.0], [0.5], [1.5], [0.25]]],
        [[0.5, 0.5]],
    )
    first, second, x, y, query = (torch.tensor(part, dtype=torch.float64) for part in numbers)
    return Problem([first, second], x, y, query)


def build(kind: str, p: Sizes, outputs: int, activation: str, ctxs: Sequence[Context]) -> Problem:
    """The problem of that kind: random for each context, else one and the same for all."""
    if kind == "random":
        return random_problem(p, outputs, ACTIVATIONS[activation], ctxs)
    single = sines(p, outputs) if kind == "sines" else dyadic()
    copies = (len(ctxs), *[-1] * 2)
    return Problem(
        [weight.expand(copies) for weight in single.weights],
        single.x.expand(copies),
        single.y.expand(copies),
        single.query.expand(len(ctxs), -1),
    )
